"""Columns of a frame as numbers (float64) and categories (of text), and what is wrong in them."""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api import types

from src.errors import InfiniteValueError, NotANumberError, NoValueError, UnusableColumnError

log = logging.getLogger(__name__)


def as_numbers(X: pd.DataFrame, forced: Sequence[str]) -> pd.DataFrame:
    """Make float64 of every column of numbers, and of those that are forced to be."""
    converted = {}
    for name in X.columns:
        column = X[name]
        if name in forced:
            converted[name] = _forced_number(column)
        elif types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
            converted[name] = column.astype("float64")
    return X.assign(**converted)


def _forced_number(column: pd.Series) -> pd.Series:
    text = column.astype("object") if isinstance(column.dtype, pd.CategoricalDtype) else column
    numbers = pd.to_numeric(text, errors="coerce").astype("float64")
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
        name: _category(X[name], drop_hint)
        for name in X.columns
        if name in forced or X[name].dtype != "float64"
    }
    return X.assign(**converted)


def _category(column: pd.Series, drop_hint: str) -> pd.Series:
    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        raise UnusableColumnError(str(column.name), "times", drop_hint)
    present = column.dropna()
    nested = present.map(lambda value: isinstance(value, (list, dict, set, np.ndarray)))
    if present.dtype == object and nested.any():
        raise UnusableColumnError(str(column.name), "lists or records", drop_hint)
    text = column.astype("object").map(_label, na_action="ignore")
    categories = sorted(text.dropna().unique())
    return text.astype(pd.CategoricalDtype(pd.Index(categories, dtype="object")))


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
