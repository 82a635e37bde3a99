"""A checked table: numbers and categories to learn from, and a target of classes.

Rows keep their position in the source as their id. Nothing is imputed here: whatever is
learned from rows belongs to the pipeline.
"""

import datetime
import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from tabproof.data.errors import (
    EmptyTableError,
    InfiniteValueError,
    NoColumnsError,
    NotANumberError,
    NotClassesError,
    NotLabelsError,
    NoValueError,
    SingleClassError,
    UnknownLabelError,
    UnusableColumnError,
)
from tabproof.errors import ColumnMissingError, DuplicateColumnsError, InvalidValueError
from tabproof.schema import CategoryColumn, Column, NumberColumn, Schema

# --- Columns of a frame as numbers (float64) and categories (of text), and what is wrong in them.


def as_numbers(X: pd.DataFrame, forced: Sequence[str]) -> pd.DataFrame:
    """Make float64 of every column of numbers, and of those that are forced to be."""
    converted = {}
    for name in X.columns:
        column = X[name]
        if name in forced:
            converted[name] = _forced_number(column)
        elif _is_number(column):
            converted[name] = column.astype("float64")
    return X.assign(**converted)


def _is_number(column: pd.Series) -> bool:
    if types.is_bool_dtype(column):
        return False
    return types.is_numeric_dtype(column) or _holds(column, (Decimal,))


def _forced_number(column: pd.Series) -> pd.Series:
    text = column.astype("object") if isinstance(column.dtype, pd.CategoricalDtype) else column
    # A missing time would become the smallest whole number.
    numbers = pd.to_numeric(text, errors="coerce").astype("float64").where(column.notna())
    refused = numbers.isna() & column.notna()
    if refused.any():
        example = str(column[refused].iloc[0])
        raise NotANumberError(str(column.name), int(refused.sum()), example)
    return numbers


def as_categories(X: pd.DataFrame, forced: Sequence[str], drop_hint: str) -> pd.DataFrame:
    """Make categories of every other column, and of those that are forced to be.

    Categories are texts in sorted order, only those that occur: the same values give the
    same column, whatever file they come from.
    """
    converted = {
        name: _category(X[name], drop_hint, is_forced=name in forced)
        for name in X.columns
        if name in forced or X[name].dtype != "float64"
    }
    return X.assign(**converted)


def _category(column: pd.Series, drop_hint: str, *, is_forced: bool) -> pd.Series:
    if _has_times(column) or (not is_forced and _looks_like_dates(column)):
        raise UnusableColumnError(str(column.name), "times", drop_hint)
    if _holds(column, (bytes, bytearray)):
        raise UnusableColumnError(str(column.name), "bytes", drop_hint)
    if has_nested(column):
        raise UnusableColumnError(str(column.name), "lists or records", drop_hint)
    text = column.astype("object").map(_label, na_action="ignore")
    categories = sorted(text.dropna().unique())
    return text.astype(pd.CategoricalDtype(pd.Index(categories, dtype="object")))


def _has_times(column: pd.Series) -> bool:
    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        return True
    return _holds(column, (datetime.date, datetime.time, datetime.timedelta))


def _looks_like_dates(column: pd.Series) -> bool:
    # As dates stand in a CSV; from Parquet the same column comes as times.
    if not types.is_string_dtype(column):
        return False
    texts = column.dropna().astype("str")
    return len(texts) > 0 and bool(texts.str.match(r"\d{4}-\d{2}-\d{2}(?:[T ]|$)").all())


def has_nested(column: pd.Series) -> bool:
    """Tell a column whose cells hold more than one value each."""
    return _holds(column, (list, tuple, dict, set, np.ndarray))


def _holds(column: pd.Series, kinds: tuple[type, ...]) -> bool:
    return column.dtype == object and any(isinstance(value, kinds) for value in column)


def _label(value: object) -> str:
    # A column of whole numbers with missing cells arrives as floats; "3", not "3.0".
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def check_columns(X: pd.DataFrame, drop_hint: str) -> None:
    """Refuse infinite numbers, and columns that cannot teach anything."""
    numbers = X.select_dtypes("float64")
    infinite = np.isinf(numbers).sum()
    if infinite.any():
        raise InfiniteValueError({str(k): int(v) for k, v in infinite[infinite > 0].items()})
    empty = [str(name) for name in X.columns if X[name].isna().all()]
    if empty:
        raise NoValueError(empty, "no value at all", drop_hint)
    constant = [str(name) for name in X.columns if X[name].nunique(dropna=False) == 1]
    if constant:
        raise NoValueError(constant, "one value only", drop_hint)


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
    """Check a frame and bring it into one form; raises the errors of `tabproof.errors`."""
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


# --- Describe training rows as a schema.


def describe(table: Table, X_train: pd.DataFrame) -> Schema:
    """Take types, categories, ranges and missing shares from the training rows alone."""
    return Schema(
        columns=tuple(_describe_column(X_train[name]) for name in X_train.columns),
        target=table.target,
        labels=table.labels,
        n_rows=len(X_train),
    )


def _describe_column(column: pd.Series) -> Column:
    name, missing_share = str(column.name), float(column.isna().mean())
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = sorted(map(str, column.dropna().unique()))
        return CategoryColumn(name, tuple(categories), missing_share)
    if missing_share == 1:
        return NumberColumn(name, None, None, missing_share)
    return NumberColumn(name, float(column.min()), float(column.max()), missing_share)


# --- What a table holds, as hashes: of all, and of each column, so that a change can be named.


@dataclass(frozen=True)
class Fingerprint:
    """SHA-256, in hexadecimal; columns' shortened to 16 digits."""

    sha256: str
    columns: dict[str, str]


def fingerprint(table: Table) -> Fingerprint:
    """Hash names, types, values and order of a table, its target and what divides its rows."""
    columns = {str(name): _column_hash(table.X[name]) for name in table.X.columns}
    columns[table.target] = _hash(table.y.tobytes(), *_texts(table.labels))
    for name in table.aside.columns:
        columns[str(name)] = _column_hash(table.aside[name].astype(str).astype("category"))
    whole = _hash(*_texts(columns), *_texts(columns.values()))
    row_ids = table.X.index.to_numpy(np.int64).tobytes()
    return Fingerprint(
        _hash(whole.encode(), row_ids), {name: digest[:16] for name, digest in columns.items()}
    )


def _column_hash(column: pd.Series) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy("<i4").tobytes()
        return _hash(b"category", codes, *_texts(column.cat.categories))
    values = column.to_numpy("<f8", copy=True)
    values[np.isnan(values)] = np.nan  # one bit pattern for every missing value
    return _hash(b"number", values.tobytes())


def _texts(values: Iterable[object]) -> list[bytes]:
    return [str(value).encode() for value in values]


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
