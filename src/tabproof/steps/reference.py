"""Count the training rows for reference.json: bins of numbers, frequent categories, lengths."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.artifacts.reference import (
    MAX_BINS,
    MAX_CATEGORIES,
    MIN_ROWS,
    CategoryReference,
    ColumnReference,
    DateReference,
    Histogram,
    NumberReference,
    Reference,
    TextReference,
)
from tabproof.data.division import kind_of
from tabproof.evaluation.metrics import predicted_codes

# Of probabilities: 20 bins of the same width.
EDGES_OF_PROBABILITIES = tuple(place / 20 for place in range(1, 20))


def make_reference(
    X: pd.DataFrame,
    y: NDArray[np.int64],
    labels: Sequence[str],
    proba: NDArray[np.float64],
    threshold: float | None = None,
) -> Reference:
    """Return the counts of training rows, and of what the model predicts for held-out rows.

    Parameters
    ----------
    X : training rows, as the table has typed them.
    y : (n_rows,) their codes, places in `labels`.
    proba : (n_held_out, n_labels) probabilities of held-out rows.
    threshold : as in `predicted_codes`.
    """
    edges = np.array(EDGES_OF_PROBABILITIES)
    n_labels = len(labels)
    trained, predicted = (
        np.bincount(codes, minlength=n_labels).tolist()
        for codes in (y, predicted_codes(proba, threshold))
    )
    return Reference(
        n_rows=len(X),
        columns=tuple(_count(str(name), X[name]) for name in X.columns),
        probabilities={
            label: Histogram(EDGES_OF_PROBABILITIES, _counts_in(edges, proba[:, code]))
            for code, label in enumerate(labels)
        },
        labels=dict(zip(labels, trained, strict=True)),
        predicted=dict(zip(labels, predicted, strict=True)),
    )


def _count(name: str, column: pd.Series) -> ColumnReference:
    present = column[column.notna().to_numpy()]
    n_missing, kind = len(column) - len(present), kind_of(column)
    if kind == "category":
        return _count_categories(name, present, n_missing)
    if kind == "number":
        numbers = present.to_numpy(np.float64)
        edges, counts = _bins(numbers)
        return NumberReference(name=name, edges=edges, counts=counts, n_missing=n_missing)
    if kind == "date":
        edges, counts = _bins(present.to_numpy().astype("datetime64[us]").astype(np.int64))
        return DateReference(name=name, edges=edges, counts=counts, n_missing=n_missing)
    edges, counts = _bins(present.str.len().to_numpy(np.int64))
    return TextReference(name=name, edges=edges, counts=counts, n_missing=n_missing)


def _count_categories(name: str, present: pd.Series, n_missing: int) -> CategoryReference:
    found = present.value_counts()
    # By count, then by name: the order of the rows does not matter.
    pairs = sorted((-int(n), str(category)) for category, n in found.items() if n >= MIN_ROWS)
    named = pairs[:MAX_CATEGORIES]
    counts = tuple(-n for n, _ in named)
    return CategoryReference(
        name=name,
        categories=tuple(category for _, category in named),
        counts=counts,
        n_other=len(present) - sum(counts),
        n_missing=n_missing,
    )


def _bins(values: NDArray[Any]) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """Return edges and counts of bins with about equal counts, each of at least MIN_ROWS rows.

    A frequent value ends a bin, and begins it too where the rows before it fill another. An edge
    is a value that several rows have, or lies between two values, so that it is no cell of a
    single row.
    """
    distinct, n_each = (found.tolist() for found in np.unique(values, return_counts=True))
    if not distinct:
        return (), (0,)
    n_rows, n_bins = len(values), max(1, min(MAX_BINS, len(values) // MIN_ROWS))
    sums = list(accumulate(n_each))
    frequent = [place for place, n in enumerate(n_each) if n * n_bins >= n_rows]
    # Rows of all other values, and the bins that are left for them.
    n_others = n_rows - sum(n_each[place] for place in frequent)
    n_left = n_bins - len(frequent)
    ends: list[int] = []
    begin = n_done = 0
    while begin < len(distinct):
        if frequent and frequent[0] == begin:
            end = frequent.pop(0)
        else:
            wanted = max(MIN_ROWS, -(-n_others // max(n_left, 1)))
            end = bisect_left(sums, n_done + wanted)
            if frequent and frequent[0] <= end:
                end = frequent[0] - 1
                if sums[end] - n_done < MIN_ROWS:
                    end = frequent.pop(0)
            end = min(end, len(distinct) - 1)
            n_others -= sums[end] - n_done
            n_left -= 1
        if len(ends) == MAX_BINS - 1 or n_rows - sums[end] < MIN_ROWS:
            end = len(distinct) - 1
        ends.append(end)
        begin, n_done = end + 1, sums[end]
    edges = tuple(_edge(distinct, n_each, end) for end in ends[:-1])
    totals = [0, *(sums[end] for end in ends)]
    return edges, tuple(high - low for low, high in pairwise(totals))


def _edge(distinct: list[Any], n_each: list[int], end: int) -> Any:
    low, high = distinct[end], distinct[end + 1]
    if n_each[end] >= MIN_ROWS:
        return low
    if isinstance(low, int):
        return (low + high) // 2
    middle = low / 2 + high / 2
    # Few digits where they suffice. Between neighbours among the floats there is nothing.
    middles = (float(f"{middle:.5g}"), middle, low)
    return next(each for each in middles if low <= each < high)


def _counts_in(edges: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[int, ...]:
    places = np.searchsorted(edges, values)
    return tuple(np.bincount(places, minlength=len(edges) + 1).tolist())
