"""A checked table: numbers and categories to learn from, and a target of classes.

Rows keep their position in the source as their id. Nothing is imputed here: whatever is
learned from rows belongs to the pipeline.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from src.data.columns import as_categories, as_numbers, check_columns, has_nested
from src.errors import (
    ColumnMissingError,
    DuplicateColumnsError,
    EmptyTableError,
    InvalidValueError,
    NoColumnsError,
    NotClassesError,
    NotLabelsError,
    SingleClassError,
    UnknownLabelError,
)

log = logging.getLogger(__name__)

# More classes than this in a target of numbers: somebody wants a regression.
MAX_NUMERIC_LABELS = 100


@dataclass(frozen=True)
class Table:
    """X : float64 and category columns, indexed by row id. y : codes into labels.

    aside holds the columns that divide rows and are not learned from.
    """

    name: str
    target: str
    X: pd.DataFrame
    y: NDArray[np.int64]
    labels: tuple[str, ...]
    aside: pd.DataFrame
    n_rows_without_target: int = 0


@dataclass(frozen=True)
class Wishes:
    """What the configuration says of a frame's columns."""

    target: str
    pos_label: str | None = None
    numbers: Sequence[str] = ()
    categories: Sequence[str] = ()
    aside: Sequence[str] = ()
    # How to leave a column out, in the words of the dataset's own configuration.
    drop_hint: str = "choose another dataset"


def make_table(name: str, frame: pd.DataFrame, wishes: Wishes) -> Table:
    """Check a frame and bring it into one form; raises the errors of `src.errors`."""
    duplicated = frame.columns[frame.columns.duplicated()]
    if len(duplicated):
        raise DuplicateColumnsError(list(map(str, duplicated)))
    for key, column in [
        ("dataset.target", wishes.target),
        *(("cv.group_column or cv.time_column", column) for column in wishes.aside),
        *(("dataset.column_types", column) for column in [*wishes.numbers, *wishes.categories]),
    ]:
        if column not in frame.columns:
            raise ColumnMissingError(key, column, list(map(str, frame.columns)))
    frame = frame.reset_index(drop=True)
    frame.columns = frame.columns.map(str)
    has_target = frame[wishes.target].notna()
    n_dropped = int((~has_target).sum())
    if not has_target.any():
        raise EmptyTableError(name, f"{len(frame)} rows, none with a target")
    if n_dropped:
        log.warning("%s: %d row(s) without a target are left out", name, n_dropped)
        frame = frame[has_target]
    y, labels = _encode_target(frame[wishes.target], wishes)
    aside = frame[list(wishes.aside)]
    X = frame.drop(columns=[wishes.target, *wishes.aside])
    if X.shape[1] == 0:
        raise NoColumnsError(wishes.target)
    X = as_categories(as_numbers(X, wishes.numbers), wishes.categories, wishes.drop_hint)
    check_columns(X, wishes.drop_hint)
    return Table(name, wishes.target, X, y, labels, aside, n_dropped)


def _encode_target(values: pd.Series, wishes: Wishes) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    is_number = types.is_numeric_dtype(values) and not types.is_bool_dtype(values)
    if is_number and np.isinf(values).any():
        raise NotLabelsError(wishes.target, "infinite numbers")
    if has_nested(values):
        raise NotLabelsError(wishes.target, "lists or records")
    if types.is_float_dtype(values) and (values == values.round()).all():
        # Missing cells make floats of integers; the label is "1", not "1.0".
        values = values.astype("int64")
    codes, found = pd.factorize(values)
    uniques = np.asarray(found)  # whose numbers keep their precision, and so their names
    if is_number and len(uniques) > MAX_NUMERIC_LABELS:
        raise NotClassesError(wishes.target, len(uniques))
    names = [str(value) for value in uniques]
    labels = [str(value) for value in sorted(uniques)] if is_number else sorted(set(names))
    if len(labels) < 2:
        raise SingleClassError(f"target '{wishes.target}'", labels[0])
    if wishes.pos_label is not None:
        if wishes.pos_label not in labels:
            raise UnknownLabelError(wishes.pos_label, wishes.target, labels)
        if len(labels) > 2:
            valid = f"null here: target '{wishes.target}' has {len(labels)} classes, all alike"
            raise InvalidValueError("dataset.pos_label", wishes.pos_label, valid)
        labels.sort(key=lambda label: label == wishes.pos_label)
    code_of = {label: code for code, label in enumerate(labels)}
    return np.array([code_of[name] for name in names], dtype=np.int64)[codes], tuple(labels)
