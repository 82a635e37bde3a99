"""A file of the user as a table."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tabproof.data.column import Reading
from tabproof.data.table import Table, make_table
from tabproof.data.target import NEEDED, DataError, TargetReading
from tabproof.reading import AUTO, RawTable, ReadOptions, read_table


def load_file(
    path: str,
    target: str,
    pos_label: str | None = None,
    separator: str = AUTO,
    encoding: str = AUTO,
    decimal: str = AUTO,
    thousands: str = AUTO,
    sheet: str | None = None,
    bad_rows: str = "skip",
    na_values: Sequence[str] | None = None,
    drop_columns: Sequence[str] = (),
    keep: Sequence[str] = (),
    column_types: Mapping[str, object] | None = None,
    day_first: bool | None = None,
    year_first: bool | None = None,
    join_labels: bool = False,
    min_class_rows: int = 1,
    target_bins: Any = None,
    non_feature_columns: Sequence[str] = (),
) -> Table:
    """Load a file; column_types : by column, `number`, `category`, `date` or `text`."""
    # Numbers as programs write them are read by these settings, whatever the cells are.
    is_open = decimal in (AUTO, ".") and thousands in (AUTO, "none") and na_values is None
    # Labels, categories and dates are read from their texts.
    texts = {target, *(name for name, kind in _kinds(column_types).items() if kind != "number")}
    options = ReadOptions(
        separator, encoding, sheet, bad_rows, keep_texts=texts if is_open else None
    )
    return table_of(
        read_table(path, options),
        path,
        target,
        pos_label,
        decimal=decimal,
        thousands=thousands,
        na_values=na_values,
        drop_columns=drop_columns,
        keep=keep,
        column_types=column_types,
        day_first=day_first,
        year_first=year_first,
        join_labels=join_labels,
        min_class_rows=min_class_rows,
        target_bins=target_bins,
        non_feature_columns=non_feature_columns,
        command=["python", "-m", "src.train", f"dataset.path={path}"],
    )


def table_of(
    raw: RawTable,
    path: str,
    target: str,
    pos_label: str | None = None,
    *,
    decimal: str = AUTO,
    thousands: str = AUTO,
    na_values: Sequence[str] | None = None,
    drop_columns: Sequence[str] = (),
    keep: Sequence[str] = (),
    column_types: Mapping[str, object] | None = None,
    day_first: bool | None = None,
    year_first: bool | None = None,
    join_labels: bool = False,
    min_class_rows: int = 1,
    target_bins: Any = None,
    non_feature_columns: Sequence[str] = (),
    command: Sequence[str] = (),
) -> Table:
    """Make a table of what was read from a file; command : what an error suggests."""
    source, row_ids = raw.table, np.asarray(raw.row_ids)
    if source.num_rows == 0:
        raise DataError(found=f"{path} holds a header and no rows", remedy=NEEDED)
    reading = Reading(
        kinds=_kinds(column_types),
        keep=list(keep),
        na_values=na_values,
        decimal=None if decimal == AUTO else decimal,
        thousands={AUTO: None, "none": ""}.get(thousands, thousands),
        day_first=day_first,
        year_first=year_first,
    )
    of_target = TargetReading(
        join_labels=join_labels, min_class_rows=min_class_rows, bins=target_bins
    )
    # One word without spaces: scripts read it in the result line.
    stem = "stdin" if path == "-" else Path(path).name.split(".")[0]
    stem = re.sub(r"\W+", "_", stem).strip("_") or "table"
    return make_table(
        f"file_{stem}",
        source,
        target,
        pos_label,
        reading=reading,
        of_target=of_target,
        drop_columns=drop_columns,
        non_features=non_feature_columns,
        is_text=raw.is_text,
        row_ids=row_ids,
        treatments=raw.treatments,
        resolved=raw.resolved,
        command=command,
    )


def _kinds(column_types: Mapping[str, object] | None) -> dict[str, str]:
    """Return the kinds of columns as words; those of a configuration are an Enum."""
    return {name: str(getattr(kind, "value", kind)) for name, kind in (column_types or {}).items()}
