"""Frames of pandas, polars and Arrow, and records, as Arrow tables."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.interchange

from tabproof.batch.cells import is_string
from tabproof.errors import DuplicateColumnsError, UserError
from tabproof.scorer import as_category


class NotAFrameError(UserError):
    """A value that is no table."""

    template = (
        "{found} is no table; a table is a frame of pandas or polars, an Arrow table, a list of"
        " records such as {example}, or the path of a file"
    )


def are_records(value: object) -> bool:
    """Return whether a value is a list of records, and not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def as_arrow(frame: Any) -> pa.Table:
    """Return a table with texts as column names.

    The index of a pandas frame becomes a column where it has a name.
    """
    if are_records(frame):
        # Not by Arrow: it takes the columns of the first record alone.
        frame = pd.DataFrame(frame)
    if isinstance(frame, pd.DataFrame):
        return _from_pandas(frame)
    if hasattr(frame, "__arrow_c_stream__"):
        return _with_plain_texts(pa.table(frame))
    if hasattr(frame, "__dataframe__"):
        return _with_plain_texts(pyarrow.interchange.from_dataframe(frame))
    raise NotAFrameError(found=type(frame).__name__, example="{'age': 38, 'job': 'clerk'}")


def _with_plain_texts(table: pa.Table) -> pa.Table:
    """Return a table in which texts have one type, however a library lays them out."""
    fields = [field.with_type(_plain(field.type)) for field in table.schema]
    return table.cast(pa.schema(fields))


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _plain(kind.value_type))
    return pa.string() if is_string(kind) else kind


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    levels = [place for place, name in enumerate(frame.index.names) if name is not None]
    columns: list[tuple[str, Any]] = [
        *((str(frame.index.names[place]), frame.index.get_level_values(place)) for place in levels),
        *((str(name), frame.iloc[:, place]) for place, name in enumerate(frame.columns)),
    ]
    found = [name for name, _ in columns]
    if twice := sorted({name for name in found if found.count(name) > 1}):
        raise DuplicateColumnsError(twice)
    return pa.table({name: _array(pd.Series(values)) for name, values in columns})


def _array(column: pd.Series) -> pa.Array | pa.ChunkedArray:
    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowException, OverflowError):
        # Arrow raises one of these for cells of several types: they become texts, as in training.
        texts = column.astype("object").map(as_category, na_action="ignore")
        return pa.array(texts, pa.string(), from_pandas=True)
