"""Which columns say more of the target together than alone, or by exact values than by bins.

A cheap additive model is fitted first: in turn, each column explains with the means of its bins
what the others leave. A pair is worth a feature if bins of the pair explain much of the rest; so
are the values of a number, if they explain much of what its own bins leave. All of this is
arithmetic in a fixed order without BLAS, on the training rows alone.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from tabproof.features import Arithmetic, Floats, combine_all

Codes = NDArray[np.int64]
T = TypeVar("T")
# Rows that are looked at, and columns of each kind, of which all pairs are.
MAX_ROWS = 3_000
MAX_COLUMNS = 20
# Bins of a number: one for ROWS_OF_BIN rows, so that the additive model does not explain chance.
MAX_BINS, MIN_BINS, ROWS_OF_BIN = 16, 4, 100
# Rows that are added to each bin, with the mean of all.
PENALTY = 5.0
N_SWEEPS = 3
MAX_SIGNALS = 10
# How far above chance a pair is, in standard deviations: of 1,000 pairs the largest is about 3.
LEAST_SCORE = 3.0
# Exact values need more, since the bins of their number may only have been too coarse.
LEAST_SCORE_OF_VALUES = 6.0
# A table of two columns has at most as many cells.
MAX_CELLS = 10_000
# Both ways to divide: a column with zeros is the worse divisor.
FORMS: tuple[tuple[Arithmetic, bool], ...] = (
    ("add", False),
    ("subtract", False),
    ("multiply", False),
    ("divide", False),
    ("divide", True),
)


class Binned(NamedTuple):
    """A column as bins: the bin of each row, and the number of bins."""

    codes: Codes
    n_bins: int


def choose_pairs(
    numbers: Mapping[int, Floats],
    categories: Mapping[int, Binned],
    y: Codes,
    n_combinations: int,
    n_interactions: int,
) -> tuple[list[tuple[Arithmetic, tuple[int, int]]], list[tuple[int, int]]]:
    """Return arithmetic of pairs of numbers, and pairs of categories, each the best first.

    y : the class of each row, from 0. Missing numbers are NaN.
    """
    rows = _looked_at(len(y))
    values = {place: column[rows] for place, column in numbers.items()}
    binned = {place: _bins_of(column) for place, column in values.items()}
    binned |= {place: Binned(codes[rows], n) for place, (codes, n) in categories.items()}
    signals = _signals(y[rows])
    scores = {place: _score(column, signals) for place, column in binned.items()}

    top_numbers, top_categories = (
        _strongest({place: scores[place] for place in columns}) for columns in (numbers, categories)
    )
    rest = _unexplained([binned[p] for p in [*top_numbers, *top_categories]], signals)
    combined: list[tuple[float, tuple[Arithmetic, tuple[int, int]]]] = []
    for first, second in combinations(top_numbers, 2) if n_combinations else ():
        pairs = [(second, first) if is_turned else (first, second) for _, is_turned in FORMS]
        made = [
            combine_all(take, values[a], values[b])
            for (take, _), (a, b) in zip(FORMS, pairs, strict=True)
        ]
        found = _scores_of_ranks(np.stack(made, axis=1), rest)
        place = int(found.argmax())
        combined.append((float(found[place]), (FORMS[place][0], pairs[place])))
    crossed: list[tuple[float, tuple[int, int]]] = []
    for first, second in combinations(top_categories, 2) if n_interactions else ():
        one, other = binned[first], binned[second]
        n_cells = one.n_bins * other.n_bins
        if n_cells <= MAX_CELLS:
            cells = Binned(one.codes * other.n_bins + other.codes, n_cells)
            crossed.append((_score(cells, rest), (first, second)))
    return _largest(combined, n_combinations), _largest(crossed, n_interactions)


def choose_values(
    numbers: Mapping[int, Floats],
    categories: Mapping[int, Binned],
    values: Mapping[int, Binned],
    y: Codes,
) -> list[int]:
    """Return the numbers whose exact values say more than their bins, in order of their places.

    values : by number, its values as bins.
    """
    rows = _looked_at(len(y))
    bins = [_bins_of(column[rows]) for column in numbers.values()]
    bins += [Binned(codes[rows], n) for codes, n in categories.values()]
    rest = _unexplained(bins, _signals(y[rows]))
    scores = {place: _score(Binned(codes[rows], n), rest) for place, (codes, n) in values.items()}
    return sorted(place for place, score in scores.items() if score > LEAST_SCORE_OF_VALUES)


def strongest_numbers(numbers: Mapping[int, Floats], y: Codes) -> list[int]:
    """Return up to MAX_COLUMNS numbers that say most of the target, in order of their places."""
    if len(numbers) <= MAX_COLUMNS:
        return sorted(numbers)
    rows = _looked_at(len(y))
    signals = _signals(y[rows])
    return _strongest({p: _score(_bins_of(own[rows]), signals) for p, own in numbers.items()})


def _looked_at(n_rows: int) -> Codes:
    """Return at most MAX_ROWS of the rows."""
    rows = np.arange(n_rows)
    if n_rows <= MAX_ROWS:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, MAX_ROWS, replace=False))


def _strongest(scores: Mapping[int, float]) -> list[int]:
    return sorted(sorted(scores, key=lambda place: -scores[place])[:MAX_COLUMNS])


def _largest(scored: Sequence[tuple[float, T]], n: int) -> list[T]:
    """Return what has the largest scores, the first of equal ones."""
    ordered = sorted(scored, key=lambda pair: -pair[0])
    return [found for score, found in ordered[:n] if score > LEAST_SCORE]


def _signals(y: Codes) -> Floats:
    """Return what is explained: for each class whether a row has it, less the share of it."""
    counts = np.bincount(y)
    classes = np.argsort(-counts, kind="stable")[:MAX_SIGNALS]
    if len(classes) == 2:
        classes = classes[1:]
    is_class = (y[:, np.newaxis] == classes).astype(np.float64)
    signals: Floats = is_class - is_class.mean(axis=0)
    return signals


def _n_bins(n_rows: int) -> int:
    return max(MIN_BINS, min(MAX_BINS, n_rows // ROWS_OF_BIN))


def _bins_of(values: Floats) -> Binned:
    """Return bins of about equal size, and one for missing numbers."""
    missing = np.isnan(values)
    present = np.sort(values[~missing])
    edges = np.empty(0)
    if len(present):
        places = np.linspace(0, len(present) - 1, _n_bins(len(values)) + 1).astype(np.intp)
        edges = np.unique(present[places[1:-1]])
    codes = np.searchsorted(edges, values)
    return Binned(np.where(missing, len(edges) + 1, codes), len(edges) + 2)


def _score(column: Binned, signals: Floats) -> float:
    """Return how much more than chance bins explain of the signals, in standard deviations."""
    weights = _weights(np.bincount(column.codes, minlength=column.n_bins))
    explained, expected, variance = 0.0, 0.0, 0.0
    for signal in signals.T:
        sums = np.bincount(column.codes, signal, column.n_bins)
        of_row = float(signal.var())
        explained += float((sums * sums * weights.per_row).sum())
        expected += of_row * float(weights.shares.sum())
        variance += 2.0 * of_row**2 * float((weights.shares**2).sum())
    return (explained - expected) / variance**0.5 if variance > 0 else 0.0


class _Weights(NamedTuple):
    """Of each bin: 1 / (rows + PENALTY), and rows / (rows + PENALTY)."""

    per_row: Floats
    shares: Floats


def _weights(counts: NDArray[np.integer]) -> _Weights:
    per_row: Floats = 1.0 / (counts.astype(np.float64) + PENALTY)
    return _Weights(per_row, counts * per_row)


def _scores_of_ranks(columns: Floats, signals: Floats) -> Floats:
    """Return the scores of numbers in bins of equal size, column by column."""
    n_rows = len(columns)
    n_bins = min(n_rows, _n_bins(n_rows))
    starts = np.arange(n_bins) * n_rows // n_bins
    weights = _weights(np.diff(np.append(starts, n_rows))[:, np.newaxis])
    order = np.argsort(columns, axis=0, kind="stable")
    explained, expected, variance = np.zeros(columns.shape[1]), 0.0, 0.0
    for signal in signals.T:
        sums = np.add.reduceat(signal[order], starts, axis=0)
        of_row = float(signal.var())
        explained += (sums * sums * weights.per_row).sum(axis=0)
        expected += of_row * float(weights.shares.sum())
        variance += 2.0 * of_row**2 * float((weights.shares**2).sum())
    if variance == 0:
        return np.zeros(columns.shape[1])
    scores: Floats = (explained - expected) / variance**0.5
    return scores


def _unexplained(columns: Sequence[Binned], signals: Floats) -> Floats:
    """Return what an additive model of the columns leaves of the signals."""
    rest = signals.copy()
    weights = [_weights(np.bincount(codes, minlength=n)).per_row for codes, n in columns]
    for _ in range(N_SWEEPS):
        for (codes, n_bins), per_row in zip(columns, weights, strict=True):
            for place in range(rest.shape[1]):
                means = np.bincount(codes, rest[:, place], n_bins) * per_row
                rest[:, place] -= means[codes]
    return rest


def cross_fitted_shares(
    cells: Binned, y: Codes, n_classes: int, folds: Sequence[tuple[Codes, Codes]], smooth: float
) -> tuple[Floats, Floats]:
    """Return the share of each class by cell, and of each row from folds that it is not in.

    Shares are drawn towards those of all rows, as if each cell had `smooth` more rows of them. Of
    two classes the share of the second is enough.
    """
    classes = range(1, 2) if n_classes == 2 else range(n_classes)

    def table(rows: Codes | slice) -> Floats:
        codes, own = cells.codes[rows], y[rows]
        counts = np.bincount(codes, minlength=cells.n_bins)
        found = np.empty((cells.n_bins, len(classes)))
        for place, label in enumerate(classes):
            is_class = (own == label).astype(np.float64)
            hits = np.bincount(codes, is_class, cells.n_bins)
            found[:, place] = (hits + smooth * is_class.mean()) / (counts + smooth)
        return found

    of_rows = np.empty((len(y), len(classes)))
    for train, test in folds:
        of_rows[test] = table(train)[cells.codes[test]]
    return table(slice(None)), of_rows
