"""Rows that are equal in all columns but the target: held out as well, or with another target."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from src.data.checks.words import make_finding
from src.data.division import Division
from src.evidence import Finding


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
