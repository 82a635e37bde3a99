"""Columns that look like ids: a model can learn them by heart, and nothing from them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.data.checks.area import Floats
from src.data.checks.words import make_finding, named
from src.evidence import Finding

# Copied rows share an id.
DISTINCT = 0.98
# In fewer rows values differ anyway.
FEW_ROWS = 20
FEW_ROWS_OF_NUMBERS = 100
# Shuffled counters, and several of them, have neighbours that differ by one.
ONE_STEP = 0.5
# How far the values may be from an even spread, as Kolmogorov and Smirnov measure it. Numbers
# that are given out fill their range; incomes and prices crowd at its lower end.
UNEVEN = 0.15
# Greater doubles are all whole.
GREATEST_ID = 2.0**64


def id_columns(X: pd.DataFrame) -> list[str]:
    """Name columns of texts or whole numbers in which nearly every row has its own value."""
    return [str(name) for name in X.columns if _looks_like_an_id(X[name].dropna())]


def find_ids(X: pd.DataFrame, ids: Sequence[str]) -> Finding | None:
    """Word what id_columns found."""
    if not ids:
        return None
    figures = [f"{X[name].nunique():,}/{X[name].count():,}" for name in ids]
    shown = named(zip(ids, figures, strict=True))
    return make_finding("ids", ids, n_columns=len(ids), named=shown)


def _looks_like_an_id(present: pd.Series) -> bool:
    if len(present) < FEW_ROWS:
        return False
    if isinstance(present.dtype, pd.CategoricalDtype):
        return present.nunique() >= DISTINCT * len(present)
    values = present.to_numpy()
    if (values != np.floor(values)).any() or np.abs(values).max() > GREATEST_ID:
        return False
    if present.nunique() < DISTINCT * len(present):
        return False
    is_counter = present.is_monotonic_increasing or present.is_monotonic_decreasing
    return is_counter or _is_given_out(np.unique(values), len(values))


def _is_given_out(distinct: Floats, n_rows: int) -> bool:
    """Tell whole numbers that mostly follow in one step, or, in many rows, of an even spread."""
    _, n_of_step = np.unique(np.diff(distinct), return_counts=True)
    if n_of_step.max() > ONE_STEP * len(distinct):
        return True
    evenly = (distinct - distinct[0]) / (distinct[-1] - distinct[0])
    distance = np.abs(np.arange(1, len(distinct) + 1) / len(distinct) - evenly).max()
    return n_rows >= FEW_ROWS_OF_NUMBERS and bool(distance < UNEVEN)
