"""A checked table: numbers and categories to learn from, and a target of classes.

Rows keep their position in the source as their id. Nothing is imputed here: whatever is learned
from rows belongs to the pipeline.
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
from tabproof.scorer import as_category

log = logging.getLogger(__name__)

# A target of numbers with more classes than this is meant as a regression.
MAX_NUMERIC_LABELS = 100


@dataclass(frozen=True)
class Table:
    """X : float64 and category columns, indexed by row id. y : codes into labels.

    non_features holds the columns that divide rows and are not learned from.
    """

    name: str
    target: str
    X: pd.DataFrame
    y: NDArray[np.int64]
    labels: tuple[str, ...]
    non_features: pd.DataFrame
    n_rows_without_target: int = 0

    @property
    def counts(self) -> NDArray[np.int64]:
        """Rows by class."""
        return np.bincount(self.y, minlength=len(self.labels))


@dataclass(frozen=True)
class ColumnSpec:
    """What the configuration says about the columns of a frame."""

    target: str
    pos_label: str | None = None
    numbers: Sequence[str] = ()
    categories: Sequence[str] = ()
    non_features: Sequence[str] = ()
    # How to leave a column out, by a key of the dataset's own configuration.
    drop_hint: str = "choose another dataset"


def make_table(name: str, frame: pd.DataFrame, spec: ColumnSpec) -> Table:
    """Check a frame and convert it to numbers, categories and codes; raises UserError."""
    duplicated = frame.columns[frame.columns.duplicated()]
    if len(duplicated):
        raise DuplicateColumnsError(list(map(str, duplicated)))
    for key, column in [
        ("dataset.target", spec.target),
        *(("cv.group_column or cv.time_column", column) for column in spec.non_features),
        *(("dataset.column_types", column) for column in [*spec.numbers, *spec.categories]),
    ]:
        if column not in frame.columns:
            raise ColumnMissingError(key, column, list(map(str, frame.columns)))
    frame = frame.reset_index(drop=True)
    frame.columns = frame.columns.map(str)
    has_target = frame[spec.target].notna()
    n_dropped = int((~has_target).sum())
    if not has_target.any():
        raise EmptyTableError(name=name, found=f"{len(frame)} rows, none with a target")
    if n_dropped:
        log.warning("%s: %d row(s) without a target are left out", name, n_dropped)
        frame = frame[has_target]
    y, labels = _encode_target(frame[spec.target], spec)
    non_features = frame[list(spec.non_features)]
    X = frame.drop(columns=[spec.target, *spec.non_features])
    if X.shape[1] == 0:
        raise NoColumnsError(target=spec.target)
    X = as_categories(as_numbers(X, spec.numbers), spec.categories, spec.drop_hint)
    check_columns(X, spec.drop_hint)
    return Table(name, spec.target, X, y, labels, non_features, n_dropped)


def _encode_target(
    values: pd.Series, spec: ColumnSpec
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    target, pos_label = spec.target, spec.pos_label
    is_number = types.is_numeric_dtype(values) and not types.is_bool_dtype(values)
    if is_number and np.isinf(values).any():
        raise NotLabelsError(target=target, found="infinite numbers")
    if _has_nested(values):
        raise NotLabelsError(target=target, found="lists or records")
    if types.is_float_dtype(values) and (values == values.round()).all():
        # Missing cells turn integers into floats; the label is "1", not "1.0".
        values = values.astype("int64")
    codes, found = pd.factorize(values)
    uniques = np.asarray(found)  # whose numbers keep their precision, and so their names
    if is_number and len(uniques) > MAX_NUMERIC_LABELS:
        raise NotClassesError(target=target, n_labels=len(uniques))
    names = [str(value) for value in uniques]
    labels = [str(value) for value in sorted(uniques)] if is_number else sorted(set(names))
    if len(labels) < 2:
        raise SingleClassError(where=f"target '{target}'", label=labels[0])
    if pos_label is not None:
        if pos_label not in labels:
            hint = " (unquoted yes, no, on, off are booleans in YAML: quote them)"
            hint = hint if pos_label in ("True", "False") else ""
            raise UnknownLabelError(label=pos_label, target=target, labels=labels, hint=hint)
        if len(labels) > 2:
            valid = f"null here: target '{target}' has {len(labels)} classes, all alike"
            raise InvalidValueError("dataset.pos_label", pos_label, valid)
        labels.sort(key=lambda label: label == pos_label)
    code_of = {label: code for code, label in enumerate(labels)}
    return np.array([code_of[name] for name in names], dtype=np.int64)[codes], tuple(labels)


# --- Columns of a frame as numbers (float64) and categories (of text).


def as_numbers(X: pd.DataFrame, forced: Sequence[str]) -> pd.DataFrame:
    """Convert every column of numbers, and the forced ones, to float64."""
    converted = {}
    for name in X.columns:
        column = X[name]
        if name in forced:
            converted[name] = _forced_number(column)
        elif types.is_bool_dtype(column):
            continue
        elif types.is_numeric_dtype(column) or _holds(column, (Decimal,)):
            converted[name] = column.astype("float64")
    return X.assign(**converted)


def _forced_number(column: pd.Series) -> pd.Series:
    text = column.astype("object") if isinstance(column.dtype, pd.CategoricalDtype) else column
    # A missing time would become the smallest whole number.
    numbers = pd.to_numeric(text, errors="coerce").astype("float64").where(column.notna())
    refused = numbers.isna() & column.notna()
    if refused.any():
        raise NotANumberError(
            column=column.name, n_cells=int(refused.sum()), example=column[refused].iloc[0]
        )
    return numbers


def as_categories(X: pd.DataFrame, forced: Sequence[str], drop_hint: str) -> pd.DataFrame:
    """Convert every other column, and the forced ones, to categories.

    Categories are texts in sorted order, only those that occur: the same values give the same
    column, whatever file they come from.
    """
    converted = {}
    for name in X.columns:
        if name not in forced and X[name].dtype == "float64":
            continue
        found = _not_a_category(X[name], is_forced=name in forced)
        if found is not None:
            raise UnusableColumnError(column=name, found=found, key=drop_hint)
        # A column of whole numbers with missing cells arrives as floats; "3", not "3.0".
        text = X[name].astype("object").map(as_category, na_action="ignore")
        categories = pd.Index(sorted(text.dropna().unique()), dtype="object")
        converted[name] = text.astype(pd.CategoricalDtype(categories))
    return X.assign(**converted)


def _not_a_category(column: pd.Series, *, is_forced: bool) -> str | None:
    """Return what a column holds that cannot be categories; None if it can."""
    is_time = types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column)
    if is_time or _holds(column, (datetime.date, datetime.time, datetime.timedelta)):
        return "times"
    # As dates are written in a CSV; from Parquet the same column arrives as times.
    if not is_forced and types.is_string_dtype(column):
        texts = column.dropna().astype("str")
        if len(texts) and texts.str.match(r"\d{4}-\d{2}-\d{2}(?:[T ]|$)").all():
            return "times"
    if _holds(column, (bytes, bytearray)):
        return "bytes"
    return "lists or records" if _has_nested(column) else None


def _has_nested(column: pd.Series) -> bool:
    return _holds(column, (list, tuple, dict, set, np.ndarray))


def _holds(column: pd.Series, kinds: tuple[type, ...]) -> bool:
    return column.dtype == object and any(isinstance(value, kinds) for value in column)


def check_columns(X: pd.DataFrame, drop_hint: str) -> None:
    """Refuse infinite numbers, and columns without information."""
    infinite = np.isinf(X.select_dtypes("float64")).sum()
    if infinite.any():
        found = ", ".join(f"'{name}' ({n})" for name, n in infinite[infinite > 0].items())
        raise InfiniteValueError(found=found)
    for n_values, what in ((0, "no value at all"), (1, "one value only")):
        columns = [str(name) for name in X.columns if _n_values(X[name]) == n_values]
        if columns:
            raise NoValueError(what=what, columns=columns, key=drop_hint)


def _n_values(column: pd.Series) -> int:
    return 0 if column.isna().all() else column.nunique(dropna=False)


# --- Describe training rows as a schema.


def describe(table: Table, X_train: pd.DataFrame) -> Schema:
    """Return types, categories, ranges and missing shares of the training rows alone."""
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


# --- Hashes of a table: of the whole, and of each column, so that a change can be located.


@dataclass(frozen=True)
class Fingerprint:
    """SHA-256 in hexadecimal; those of columns are shortened to 16 digits."""

    sha256: str
    columns: dict[str, str]


def fingerprint(table: Table) -> Fingerprint:
    """Hash names, types, values and order of a table, its target and what divides its rows."""
    columns = {str(name): _column_hash(table.X[name]) for name in table.X.columns}
    columns[table.target] = _hash(table.y.tobytes(), *_texts(table.labels))
    for name in table.non_features.columns:
        columns[str(name)] = _column_hash(table.non_features[name].astype(str).astype("category"))
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
