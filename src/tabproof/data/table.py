"""A checked table: numbers and categories to learn from, and a target of classes.

Rows keep their position in the source as their id. Nothing is imputed here: whatever is learned
from rows belongs to the pipeline.
"""

import datetime
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from tabproof.errors import ColumnMissingError, DuplicateColumnsError, InvalidValueError, UserError
from tabproof.schema import CategoryColumn, Column, NumberColumn, Schema
from tabproof.scorer import as_category

log = logging.getLogger(__name__)

# A target of numbers with more classes than this is meant as a regression.
MAX_NUMERIC_LABELS = 100
NEEDED = "a header and rows with a target are needed"
NESTED = (list, tuple, dict, set, np.ndarray)
NO_CATEGORIES = {
    "times": (datetime.date, datetime.time, datetime.timedelta),
    "bytes": (bytes, bytearray),
    "lists or records": NESTED,
}


class DataError(UserError):
    """Data that cannot be used as it is, or not in the way that was asked for."""

    template = "{found}; {remedy}"


class UnknownLabelError(UserError):
    """The positive label is not in the target."""

    template = "dataset.pos_label='{label}' is not in target '{target}'; its labels: {labels}{hint}"


class SingleClassError(UserError):
    """A target, or a part of it, with one class only."""

    template = "{where} holds one class only, '{label}'; at least two are needed"


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


def make_table(
    name: str,
    frame: pd.DataFrame,
    target: str,
    pos_label: str | None = None,
    *,
    numbers: Sequence[str] = (),
    categories: Sequence[str] = (),
    non_features: Sequence[str] = (),
    drop_hint: str = "choose another dataset",
) -> Table:
    """Check a frame and convert it to numbers, categories and codes; raises UserError.

    numbers, categories : columns that are meant as such. non_features : columns that divide rows.
    drop_hint : how to leave a column out, by a key of the dataset's own configuration.
    """
    frame = frame.reset_index(drop=True).set_axis(frame.columns.map(str), axis=1)
    refuse_duplicates(list(frame.columns))
    for key, columns in (
        ("dataset.target", [target]),
        ("cv.group_column or cv.time_column", non_features),
        ("dataset.column_types", [*numbers, *categories]),
    ):
        for column in columns:
            if column not in frame.columns:
                raise ColumnMissingError(key, column, list(frame.columns))
    has_target = frame[target].notna()
    n_dropped = int((~has_target).sum())
    if not has_target.any():
        found = f"{name} holds {len(frame)} rows, none with a target"
        raise DataError(found=found, remedy=NEEDED)
    if n_dropped:
        log.warning("%s: %d row(s) without a target are left out", name, n_dropped)
        frame = frame[has_target]
    y, labels = _encode_target(frame[target], pos_label)
    X = frame.drop(columns=[target, *non_features])
    if X.shape[1] == 0:
        found = f"there is no column to learn from except the target '{target}'"
        raise DataError(found=found, remedy="add one")
    X = as_categories(as_numbers(X, numbers), categories, drop_hint)
    infinite = np.isinf(X.select_dtypes("float64")).sum()
    if infinite.any():
        found = ", ".join(f"'{column}' ({n})" for column, n in infinite[infinite > 0].items())
        remedy = "make them missing, or leave the column out"
        raise DataError(found=f"infinite numbers in {found}", remedy=remedy)
    n_values = X.nunique(dropna=False).where(X.notna().any(), 0)
    for number, what in ((0, "no value at all"), (1, "one value only")):
        refuse_uninformative(X.columns[n_values == number], what, drop_hint)
    return Table(name, target, X, y, labels, frame[list(non_features)], n_dropped)


def refuse_duplicates(names: Sequence[str]) -> None:
    """Raise DuplicateColumnsError if a name occurs twice."""
    if duplicates := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise DuplicateColumnsError(duplicates)


def _encode_target(
    values: pd.Series, pos_label: str | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    target = values.name
    is_number = types.is_numeric_dtype(values) and not types.is_bool_dtype(values)
    is_infinite = is_number and np.isinf(values).any()
    if is_infinite or _holds(values, NESTED):
        found = "infinite numbers" if is_infinite else "lists or records"
        found = f"target '{target}' holds {found}"
        raise DataError(found=found, remedy="labels are texts or whole numbers")
    if types.is_float_dtype(values) and (values == values.round()).all():
        # Missing cells turn integers into floats; the label is "1", not "1.0".
        values = values.astype("int64")
    codes, index = pd.factorize(values)
    uniques = np.asarray(index)  # whose numbers keep their precision, and so their names
    if is_number and len(uniques) > MAX_NUMERIC_LABELS:
        found = f"target '{target}' holds {len(uniques)} different numbers"
        remedy = "that is a quantity, not classes: make classes of it first"
        raise DataError(found=found, remedy=remedy)
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
            is_category = isinstance(column.dtype, pd.CategoricalDtype)
            text = column.astype("object") if is_category else column
            # A missing time would become the smallest whole number.
            numbers = pd.to_numeric(text, errors="coerce").astype("float64").where(column.notna())
            refused = column[numbers.isna() & column.notna()]
            if len(refused):
                raise DataError(
                    found=f"dataset.column_types: '{name}' is declared as a number, but"
                    f" {len(refused)} cell(s) are not, such as '{refused.iloc[0]}'",
                    remedy="correct them, or leave the type out",
                )
            converted[name] = numbers
        elif types.is_bool_dtype(column):
            continue
        elif types.is_numeric_dtype(column) or _holds(column, (Decimal,)):
            converted[name] = column.astype("float64")
    return X.assign(**converted)


def as_categories(X: pd.DataFrame, forced: Sequence[str], drop_hint: str) -> pd.DataFrame:
    """Convert every other column, and the forced ones, to categories.

    Categories are texts in sorted order, only those that occur: the same values give the same
    column, whatever file they come from.
    """
    converted = {}
    for name in X.columns:
        column = X[name]
        if name not in forced and column.dtype == "float64":
            continue
        found = [what for what, kinds in NO_CATEGORIES.items() if _holds(column, kinds)]
        are_times = types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column)
        if name not in forced and types.is_string_dtype(column):
            # As dates are written in a CSV; from Parquet the same column arrives as times.
            texts = column.dropna().astype("str")
            dates = texts.str.match(r"\d{4}-\d{2}-\d{2}(?:[T ]|$)")
            are_times = len(texts) > 0 and bool(dates.all())
        if found := ["times"] if are_times else found:
            remedy = f"make numbers of it, or {drop_hint}"
            raise DataError(found=f"column '{name}' holds {found[0]}", remedy=remedy)
        # A column of whole numbers with missing cells arrives as floats; "3", not "3.0".
        text = column.astype("object").map(as_category, na_action="ignore")
        categories = pd.Index(sorted(text.dropna().unique()), dtype="object")
        converted[name] = text.astype(pd.CategoricalDtype(categories))
    return X.assign(**converted)


def _holds(column: pd.Series, kinds: tuple[type, ...]) -> bool:
    return column.dtype == object and any(isinstance(value, kinds) for value in column)


def refuse_uninformative(columns: pd.Index, what: str, drop_hint: str) -> None:
    """Raise DataError if there are columns; what : that they have."""
    if len(columns):
        found = f"columns with {what}: {str([*map(str, columns)])[1:-1]}"
        raise DataError(found=found, remedy=f"leave them out: {drop_hint}")


# --- Describe training rows as a schema.


def describe(table: Table, X_train: pd.DataFrame) -> Schema:
    """Return types, categories, ranges and missing shares of the training rows alone."""
    columns: list[Column] = []
    for name in map(str, X_train.columns):
        column = X_train[name]
        present, missing_share = column.dropna(), float(column.isna().mean())
        if isinstance(column.dtype, pd.CategoricalDtype):
            categories = tuple(sorted(map(str, present.unique())))
            columns.append(CategoryColumn(name, categories, missing_share))
        else:
            low = float(present.min()) if len(present) else None
            high = float(present.max()) if len(present) else None
            columns.append(NumberColumn(name, low, high, missing_share))
    return Schema(tuple(columns), target=table.target, labels=table.labels, n_rows=len(X_train))


# --- Hashes of a table: of the whole, and of each column, so that a change can be located.


@dataclass(frozen=True)
class Fingerprint:
    """SHA-256 in hexadecimal; those of columns are shortened to 16 digits."""

    sha256: str
    columns: dict[str, str]


def fingerprint(table: Table) -> Fingerprint:
    """Hash names, types, values and order of a table, its target and what divides its rows."""
    columns = {str(name): _column_hash(table.X[name]) for name in table.X.columns}
    columns[table.target] = _hash(table.y.tobytes(), *table.labels)
    for name in table.non_features.columns:
        columns[str(name)] = _column_hash(table.non_features[name].astype(str).astype("category"))
    whole = _hash(*columns, *columns.values())
    row_ids = table.X.index.to_numpy(np.int64).tobytes()
    shortened = {name: digest[:16] for name, digest in columns.items()}
    return Fingerprint(_hash(whole, row_ids), shortened)


def _column_hash(column: pd.Series) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy("<i4").tobytes()
        return _hash("category", codes, *column.cat.categories)
    values = column.to_numpy("<f8", copy=True)
    values[np.isnan(values)] = np.nan  # one bit pattern for every missing value
    return _hash("number", values.tobytes())


def _hash(*parts: object) -> str:
    digest = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()
