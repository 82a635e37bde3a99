"""How many rows the first rung of successive halving needs, so that its scores mean something."""

from math import floor, log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import resample

# Fewer rows of a class than this in a fold, and its score is noise.
MIN_ROWS_PER_CLASS = 10


def n_rungs(n_candidates: int, factor: float) -> int:
    """Count the rungs after which fewer than `factor` candidates are left."""
    return 1 + floor(log(n_candidates, factor))


def first_rung(
    y: NDArray[np.int64],
    folds: list[NDArray[np.int64]],
    *,
    n_candidates: int,
    factor: float,
    seed: int,
) -> int:
    """Size the first rung.

    As small as the number of candidates asks for, but large enough that the test part of
    every fold holds MIN_ROWS_PER_CLASS rows of every class; and such that the last rung
    has (almost) all rows: n_rows // factor**k for a whole k. Where there is no such size,
    all rows at once.

    folds : the positions of each fold's test rows.
    """
    needed = _smallest_scorable(y, folds, seed)
    n_rows = len(y)
    sizes = [int(n_rows // factor**k) for k in range(n_rungs(n_candidates, factor))]
    return min(
        (
            size
            for size in sizes
            if size >= needed and _reaches_all_rows(size, n_rows, n_candidates, factor)
        ),
        default=n_rows,
    )


def _reaches_all_rows(first: int, n_rows: int, n_candidates: int, factor: float) -> bool:
    # scikit-learn counts rungs by a whole quotient of rows: with a factor such as 1.5 it
    # may stop at two thirds of them.
    rungs = describe_rungs(first, n_rows, n_candidates, factor)
    return rungs[-1] + factor ** len(rungs) > n_rows


def _smallest_scorable(y: NDArray[np.int64], folds: list[NDArray[np.int64]], seed: int) -> int:
    n_rows, needed = len(y), 0
    for test in folds:
        # Successive halving takes the first rows of this very permutation
        # (sklearn.utils.resample without replacement, seeded), more in each rung.
        drawn = y[resample(test, replace=False, random_state=seed)]
        for label in np.unique(y):
            positions = np.flatnonzero(drawn == label)
            if len(positions) < MIN_ROWS_PER_CLASS:
                return n_rows
            share = (positions[MIN_ROWS_PER_CLASS - 1] + 1) / len(test)
            needed = max(needed, int(np.ceil(share * n_rows)) + 1)
    return needed


def describe_rungs(first: int, n_rows: int, n_candidates: int, factor: float) -> list[int]:
    """List the rows of each rung that follows from the first."""
    possible = 1 + floor(log(max(n_rows // first, 1), factor))
    return [int(first * factor**k) for k in range(min(possible, n_rungs(n_candidates, factor)))]


def as_test_parts(cv: Any, X: Any, y: Any, groups: Any) -> list[NDArray[np.int64]]:
    """List the test rows of each fold."""
    return [test for _, test in cv.split(X, y, groups)]
