"""Columns of a frame as numbers (float64) and categories (of text), and what is wrong in them."""

import datetime
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pandas as pd
from pandas.api import types

from src.errors import InfiniteValueError, NotANumberError, NoValueError, UnusableColumnError


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
