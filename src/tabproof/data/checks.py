"""Checks of a divided table: what makes results untrue. Each is a function of 20 lines here.

Those that need a model are in `check_models`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.data.check_models import find_drift, find_leak
from tabproof.data.division import Division
from tabproof.data.table import Table
from tabproof.evaluation_result import Finding
from tabproof.findings import list_named, make_finding

Counts = NDArray[np.int64]


class Limits(Protocol):
    """Limits above or below which a check reports; shares are of rows."""

    leak_auc: float
    missing_share: float
    minority_share: float
    drift_auc: float


def check(division: Division, limits: Limits, *, seed: int) -> list[Finding]:
    """Return what all checks find.

    An id makes every row distinct and every row known: checks that compare rows leave ids out.
    """
    ids = id_columns(division.table.X)
    found = [
        find_leak(division, limits.leak_auc, seed),
        find_ids(division.table.X, ids),
        *find_copies(division, ids),
        find_missing(division.table.X, limits.missing_share),
        find_single_categories(division, ids),
        find_unseen_categories(division, ids),
        find_drift(division, ids, limits.drift_auc, seed),
        find_imbalance(division.table, limits.minority_share),
    ]
    return [finding for finding in found if finding is not None]


def find_imbalance(table: Table, limit: float) -> Finding | None:
    """Find classes with less than this share of the rows, and less than half an even share.

    Of 30 classes of equal size none is rare.
    """
    counts, shares = table.counts, table.counts / len(table.y)
    is_rare = shares < min(limit, 0.5 / len(table.labels))
    rare = [code for code in np.argsort(counts, kind="stable") if is_rare[code]]
    if not rare:
        return None
    return make_finding(
        "imbalance",
        n_rare=len(rare),
        n_labels=len(table.labels),
        limit=limit,
        named=list_named((table.labels[c], f"{shares[c]:.2%}, n={counts[c]:,}") for c in rare),
    )


def find_missing(X: pd.DataFrame, limit: float) -> Finding | None:
    """Find columns in which at least this share of the values is missing."""
    shares = X.isna().mean()
    found = shares[shares >= limit].sort_values(ascending=False, kind="stable")
    if found.empty:
        return None
    columns = [str(name) for name in found.index]
    shown = list_named((name, f"{share:.1%}") for name, share in zip(columns, found, strict=True))
    return make_finding("missing", columns, n_columns=len(columns), limit=limit, named=shown)


# --- Rows that are equal in all columns except the target.


def find_copies(division: Division, ids: Sequence[str]) -> tuple[Finding | None, Finding | None]:
    """Find held-out rows that are training rows too, and equal rows with different targets.

    Missing equals missing.
    """
    table, train, test = division.table, division.train, division.test
    X = table.X.drop(columns=list(ids))
    if X.shape[1] == 0:
        return None, None
    groups = X.groupby(list(X.columns), dropna=False, observed=True, sort=False).ngroup()
    kinds = groups.to_numpy().astype(np.int64)
    # The same number is the same row with the same target.
    with_target = kinds * len(table.labels) + table.y
    overlap, n_rows = None, int(np.isin(kinds[test], kinds[train]).sum())
    if n_rows:
        overlap = make_finding(
            "overlap",
            n_rows=n_rows,
            n_test=len(test),
            share=n_rows / len(test),
            n_same_target=int(np.isin(with_target[test], with_target[train]).sum()),
            n_distinct=len(np.unique(kinds)),
            n_table=len(kinds),
        )
    return overlap, _find_conflicts(with_target, len(table.labels))


def _find_conflicts(with_target: NDArray[np.int64], n_labels: int) -> Finding | None:
    pairs, counts = np.unique(with_target, return_counts=True)
    _, starts, n_targets = np.unique(pairs // n_labels, return_index=True, return_counts=True)
    n_rows = int(np.add.reduceat(counts, starts)[n_targets > 1].sum())
    if n_rows == 0:
        return None
    n_table = len(with_target)
    # A model can be right about those equal rows that have their most frequent target.
    n_right = int(np.maximum.reduceat(counts, starts).sum())
    return make_finding(
        "conflicts",
        n_rows=n_rows,
        n_table=n_table,
        share=n_rows / n_table,
        best_accuracy=n_right / n_table,
    )


# --- Categories that training rows have once, or never.


def find_single_categories(division: Division, ids: Sequence[str]) -> Finding | None:
    """Find categories of a single training row; ids have hardly any others."""
    found = _find_categories(division, ids, lambda train, _: train == 1)
    if not found:
        return None
    columns = [name for name, *_ in found]
    return make_finding(
        "single_categories",
        columns,
        n_columns=len(columns),
        n_categories=sum(n for _, n, _ in found),
        named=list_named((name, f"{n:,}") for name, n, _ in found),
    )


def find_unseen_categories(division: Division, ids: Sequence[str]) -> Finding | None:
    """Find categories of held-out rows that no training row has."""
    found = _find_categories(division, ids, lambda train, test: (train == 0) & (test > 0))
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
        named=list_named((name, f"{n:,}") for name, n, _ in found),
    )


def _find_categories(
    division: Division,
    ids: Sequence[str],
    is_asked: Callable[[Counts, Counts], NDArray[np.bool_]],
) -> list[tuple[str, int, NDArray[np.bool_]]]:
    """Return columns, how many such categories each has, and which held-out rows have one.

    is_asked : chooses categories by their number of training rows and of held-out rows.
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


# --- Columns that look like ids: a model can memorize them, and learn nothing from them.

# Copied rows have the same id.
DISTINCT = 0.98
# In fewer rows values differ anyway.
FEW_ROWS = 20
FEW_ROWS_OF_NUMBERS = 100
# Neighbours in a shuffled counter, or in several of them, differ by one.
ONE_STEP = 0.5
# Greatest distance from an even spread, as Kolmogorov and Smirnov measure it. Assigned numbers
# fill their range; incomes and prices crowd at its lower end.
UNEVEN = 0.15
# Doubles above this are all whole.
GREATEST_ID = 2.0**64


def id_columns(X: pd.DataFrame) -> list[str]:
    """Return columns of texts or whole numbers in which nearly every row has its own value."""
    return [str(name) for name in X.columns if _looks_like_an_id(X[name].dropna())]


def find_ids(X: pd.DataFrame, ids: Sequence[str]) -> Finding | None:
    """Report what `id_columns` found."""
    if not ids:
        return None
    figures = [f"{X[name].nunique():,}/{X[name].count():,}" for name in ids]
    shown = list_named(zip(ids, figures, strict=True))
    return make_finding("ids", ids, n_columns=len(ids), named=shown)


def _looks_like_an_id(present: pd.Series) -> bool:
    if len(present) < FEW_ROWS or present.nunique() < DISTINCT * len(present):
        return False
    if isinstance(present.dtype, pd.CategoricalDtype):
        return True
    values = present.to_numpy()
    if (values != np.floor(values)).any() or np.abs(values).max() > GREATEST_ID:
        return False
    if present.is_monotonic_increasing or present.is_monotonic_decreasing:
        return True
    distinct = np.unique(values)
    _, n_of_step = np.unique(np.diff(distinct), return_counts=True)
    if n_of_step.max() > ONE_STEP * len(distinct):
        return True
    evenly = (distinct - distinct[0]) / (distinct[-1] - distinct[0])
    distance = np.abs(np.arange(1, len(distinct) + 1) / len(distinct) - evenly).max()
    return len(values) >= FEW_ROWS_OF_NUMBERS and bool(distance < UNEVEN)
