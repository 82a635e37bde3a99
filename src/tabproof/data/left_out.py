"""Columns that are left out: ids, and those without information."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabproof.data.cells import Floats
from tabproof.data.column import SAMPLE, Column, ends_of, has_fraction
from tabproof.forms import NumberForm

# Copied rows have the same id; in fewer rows values differ anyway.
DISTINCT_IDS, FEW_ROWS = 0.98, 20
# Share of neighbours that differ by one in a shuffled counter, or in several of them.
ONE_STEP = 0.5


def find_left_out(columns: Sequence[Column], keep: Collection[str]) -> dict[str, str]:
    """Return the code of the treatment by name of column."""
    found, ids = {}, {}
    for column in columns:
        if "left_out_unusable" in column.notes:
            found[column.name] = "left_out_unusable"
        elif column.values is None:
            continue
        elif (code := uninformative(column.values)) is not None:
            found[column.name] = f"left_out_{code}"
        elif column.name not in keep and is_id(column):
            is_number = column.kind == "number"
            ids[column.name] = "left_out_ids" if is_number else "left_out_distinct"
    # If nothing else is there, they are what is to be learned from; a check reports them.
    return found | (ids if len(found) + len(ids) < len(columns) else {})


def uninformative(values: Any) -> str | None:
    """Return `empty` or `constant` for such a column; a value and missing cells are neither."""
    if isinstance(values, pd.Categorical):
        codes = values.codes
        if len(codes) and codes.min() != codes.max():
            return None
        return "empty" if not len(codes) or codes[0] < 0 else "constant"
    if isinstance(values, np.ndarray):
        # Most columns show two values at once.
        for part in (values[:SAMPLE], values):
            is_missing = np.isnat(part) if values.dtype.kind == "M" else np.isnan(part)
            present = part[~is_missing] if is_missing.any() else part
            if len(present) and ((present != present[0]).any() or len(present) < len(part)):
                return None
        return "constant" if len(present) else "empty"
    # So do most columns of texts.
    if len(set(values[:FEW_ROWS])) > 1:
        return None
    series = pd.Series(values)
    if series.isna().all():
        return "empty"
    return "constant" if series.nunique(dropna=False) == 1 else None


def is_id(column: Column) -> bool:
    """Return whether a column is a name for each row: distinct codes, words, or a counter."""
    if column.kind == "category":
        codes = column.values.codes
        present = codes[codes >= 0]
        n_distinct = len(column.values.categories)
        return len(present) >= FEW_ROWS and n_distinct >= DISTINCT_IDS * len(present)
    # Times that follow one another count nothing.
    is_time = isinstance(column.form, NumberForm) and column.form.time
    return column.kind == "number" and not is_time and is_counter(column.values)


def is_counter(numbers: Floats) -> bool:
    """Return whether whole numbers are those of a counter, in order or shuffled."""
    if has_fraction(numbers[:SAMPLE]):
        return False
    n_present = len(numbers) - np.count_nonzero(np.isnan(numbers))
    low, high = ends_of(numbers)
    if n_present < FEW_ROWS or high - low + 1 < DISTINCT_IDS * n_present:
        return False
    if has_fraction(numbers):
        return False
    present = numbers[~np.isnan(numbers)]
    distinct = np.unique(present)
    if len(distinct) < DISTINCT_IDS * len(present):
        return False
    _, n_of_step = np.unique(np.diff(distinct), return_counts=True)
    return bool(n_of_step.max() > ONE_STEP * len(distinct))
