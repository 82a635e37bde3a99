"""Kinds of the columns of a frame, beside numbers and categories."""

import datetime
from typing import Any

import pandas as pd
from pandas.api import types


def is_date(dtype: Any) -> bool:
    """Return whether a column of this type holds dates or times."""
    return types.is_datetime64_any_dtype(dtype)


def is_text(dtype: Any) -> bool:
    """Return whether a column of this type holds free text."""
    return not isinstance(dtype, pd.CategoricalDtype) and types.is_string_dtype(dtype)


def iso_text(moment: datetime.datetime) -> str:
    """Return a date, with its time unless that is midnight: 2024-03-01, 2024-03-01T09:30:00."""
    return moment.date().isoformat() if moment.time() == datetime.time() else moment.isoformat()


# With dates of fewer years, groups are quarters.
MIN_YEARS = 3


def as_periods(column: pd.Series) -> pd.Series:
    """Return dates as years, or as quarters such as 2024-Q1 where there are few years."""
    years = column.dt.year
    if years.nunique() >= MIN_YEARS:
        texts = [None if pd.isna(year) else f"{year:04.0f}" for year in years]
    else:
        texts = [
            None if pd.isna(year) else f"{year:04.0f}-Q{quarter:.0f}"
            for year, quarter in zip(years, column.dt.quarter, strict=True)
        ]
    return pd.Series(texts, index=column.index, dtype="object", name=column.name)
