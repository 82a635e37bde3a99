"""Categories that the training rows show once, or never."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from src.data.checks.words import make_finding, named
from src.data.division import Division
from src.evidence import Finding

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
