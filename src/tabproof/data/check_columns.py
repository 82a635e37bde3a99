"""Columns that look like ids: a model can learn them by heart, and nothing from them."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.data.check_models import Floats
from tabproof.data.division import Division
from tabproof.data.findings import make_finding, named
from tabproof.data.table import Table
from tabproof.evaluation_result import Finding

# --- Classes that are rare.


def find_imbalance(table: Table, limit: float) -> Finding | None:
    """Find classes with less than this share of the rows, and less than half an even share.

    Of 30 classes of one size none is rare.
    """
    counts = np.bincount(table.y, minlength=len(table.labels))
    shares = counts / len(table.y)
    is_rare = shares < min(limit, 0.5 / len(table.labels))
    rare = [code for code in np.argsort(counts, kind="stable") if is_rare[code]]
    if not rare:
        return None
    return make_finding(
        "imbalance",
        n_rare=len(rare),
        n_labels=len(table.labels),
        limit=limit,
        named=named((table.labels[c], f"{shares[c]:.2%}, n={counts[c]:,}") for c in rare),
    )


# --- Rows that are equal in all columns but the target: held out as well, or with another target.


def find_copies(division: Division, ids: Sequence[str]) -> tuple[Finding | None, Finding | None]:
    """Compare rows without their ids; missing equals missing."""
    table = division.table
    X = table.X.drop(columns=list(ids))
    if X.shape[1] == 0:
        return None, None
    rows = X.groupby(list(X.columns), dropna=False, observed=True, sort=False).ngroup()
    kinds = rows.to_numpy().astype(np.int64)
    # The same number is the same row with the same target.
    with_target = kinds * len(table.labels) + table.y
    return (
        _overlap(division, kinds, with_target),
        _conflicts(with_target, len(table.labels)),
    )


def _overlap(
    division: Division, kinds: NDArray[np.int64], with_target: NDArray[np.int64]
) -> Finding | None:
    train, test = division.train, division.test
    n_rows = int(np.isin(kinds[test], kinds[train]).sum())
    if n_rows == 0:
        return None
    return make_finding(
        "overlap",
        n_rows=n_rows,
        n_test=len(test),
        share=n_rows / len(test),
        n_same_target=int(np.isin(with_target[test], with_target[train]).sum()),
        n_distinct=len(np.unique(kinds)),
        n_table=len(kinds),
    )


def _conflicts(with_target: NDArray[np.int64], n_labels: int) -> Finding | None:
    pairs, counts = np.unique(with_target, return_counts=True)
    _, starts, n_targets = np.unique(pairs // n_labels, return_index=True, return_counts=True)
    n_rows = int(np.add.reduceat(counts, starts)[n_targets > 1].sum())
    if n_rows == 0:
        return None
    n_table = len(with_target)
    # Of equal rows a model can be right about those with their most frequent target.
    n_right = int(np.maximum.reduceat(counts, starts).sum())
    return make_finding(
        "conflicts",
        n_rows=n_rows,
        n_table=n_table,
        share=n_rows / n_table,
        best_accuracy=n_right / n_table,
    )


# --- Columns that are nearly always missing.


def find_missing(X: pd.DataFrame, limit: float) -> Finding | None:
    """Find columns that lack at least this share of their values."""
    shares = X.isna().mean()
    found = shares[shares >= limit].sort_values(ascending=False, kind="stable")
    if found.empty:
        return None
    columns = [str(name) for name in found.index]
    shown = named((name, f"{share:.1%}") for name, share in zip(columns, found, strict=True))
    return make_finding("missing", columns, n_columns=len(columns), limit=limit, named=shown)


# --- Categories that the training rows show once, or never.

Counts = NDArray[np.int64]


def find_single_categories(division: Division, ids: Sequence[str]) -> Finding | None:
    """Find categories that stand in one training row; ids have little else."""
    found = _count(division, ids, lambda train, _: train == 1)
    if not found:
        return None
    columns = [name for name, *_ in found]
    return make_finding(
        "single_categories",
        columns,
        n_columns=len(columns),
        n_categories=sum(n for _, n, _ in found),
        named=named((name, f"{n:,}") for name, n, _ in found),
    )


def find_unseen_categories(division: Division, ids: Sequence[str]) -> Finding | None:
    """Find categories of rows held out that stand in no training row."""
    found = _count(division, ids, lambda train, test: (train == 0) & (test > 0))
    if not found:
        return None
    columns = [name for name, *_ in found]
    n_rows = int(np.logical_or.reduce([rows for *_, rows in found]).sum())
    return make_finding(
        "unseen_categories",
        columns,
        n_columns=len(columns),
        n_categories=sum(n for _, n, _ in found),
        n_rows=n_rows,
        n_test=len(division.test),
        share=n_rows / len(division.test),
        named=named((name, f"{n:,}") for name, n, _ in found),
    )


def _count(
    division: Division,
    ids: Sequence[str],
    is_asked: Callable[[Counts, Counts], NDArray[np.bool_]],
) -> list[tuple[str, int, NDArray[np.bool_]]]:
    """Give columns with such categories, most of them first, and which rows held out have one.

    is_asked tells categories by how often they stand in training and in held-out rows.
    """
    found = []
    categories = division.table.X.select_dtypes("category")
    for name in categories.columns.difference(list(ids), sort=False):
        column = categories[name]
        n_categories = len(column.cat.categories)
        codes = column.cat.codes.to_numpy(np.int64)
        train, test = (
            np.bincount(codes[rows][codes[rows] >= 0], minlength=n_categories)
            for rows in (division.train, division.test)
        )
        asked = np.append(is_asked(train, test), False)  # the last is that of -1, missing
        if asked.any():
            found.append((str(name), int(asked.sum()), asked[codes[division.test]]))
    return sorted(found, key=lambda entry: -entry[1])


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
