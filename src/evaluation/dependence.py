"""Partial dependence: the mean probability if all rows had one value in a column (Friedman, 2001).

Of columns that go together it also asks about rows that do not occur (Hastie, Tibshirani and
Friedman, 2009, section 10.13.2); the share of rows near each value says where it rests on few.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.evaluation.values import Values, values_of
from src.evidence import Dependence, Importance

Floats = NDArray[np.float64]
Predict = Callable[[pd.DataFrame], Floats]

N_ROWS = 500
N_NUMBERS = 20
N_CATEGORIES = 15
# Each label has a curve of its own: of many labels fewer columns, then fewer labels, are shown.
MAX_CURVES = 24


@dataclass(frozen=True)
class _Grid:
    """cells: what a column takes, in its own type; names and shares: of each of them."""

    cells: Any
    names: Sequence[float | str]
    shares: Floats


def dependences(
    predict: Predict,
    X_test: pd.DataFrame,
    importances: Sequence[Importance],
    *,
    labels: Sequence[str],
    n_columns: int,
    seed: int,
) -> list[Dependence]:
    """Give the curves of the first columns of importances, of two labels the positive one's.

    predict gives probabilities of shape (n_rows, n_classes), row by row. Averaged over N_ROWS
    rows, drawn; values and shares are of all rows. Missing
    numbers are not shown, nor a column that has no number there.
    """
    rows = np.random.default_rng(seed).permutation(len(X_test))[:N_ROWS]
    X = X_test.iloc[np.sort(rows)]
    if len(labels) > 2:
        n_columns = min(n_columns, max(1, MAX_CURVES // len(labels)))
    found = []
    for one in importances[:n_columns]:
        place = list(map(str, X.columns)).index(one.column)
        grid = _grid(X_test.iloc[:, place])
        if not grid.names:
            continue
        means = _means(predict, X, place, grid)
        found += [
            Dependence(one.column, labels[code], grid.names, curve, grid.shares.tolist())
            for code, curve in _shown(means)
        ]
    return found


def _means(predict: Predict, X: pd.DataFrame, place: int, grid: _Grid) -> Floats:
    """Give mean probabilities of shape (n_values, n_classes), asked for in one call."""
    n_values, n_rows = len(grid.names), len(X)
    stacked = X.iloc[np.tile(np.arange(n_rows), n_values)]
    stacked.isetitem(place, grid.cells.take(np.repeat(np.arange(n_values), n_rows)))
    proba = predict(stacked)
    return np.asarray(proba.reshape(n_values, n_rows, -1).mean(axis=1))


def _shown(means: Floats) -> list[tuple[int, list[float]]]:
    """Choose labels, in their order: of two the positive one, of too many the likeliest."""
    n_labels = means.shape[1]
    if n_labels == 2:
        return [(1, means[:, 1].tolist())]
    likeliest = np.argsort(-means.mean(axis=0), kind="stable")[:MAX_CURVES]
    return [(int(code), means[:, code].tolist()) for code in np.sort(likeliest)]


def _grid(column: pd.Series) -> _Grid:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _categories(column, values_of(column))
    return _numbers(column.dropna().to_numpy(dtype=np.float64), len(column))


def _categories(column: pd.Series, values: Values) -> _Grid:
    """Take the most frequent categories first, missing ones as one of them."""
    counts = np.bincount(values.codes)
    chosen = np.argsort(-counts, kind="stable")[:N_CATEGORIES]
    first_rows = np.unique(values.codes, return_index=True)[1]
    return _Grid(
        column.array.take(first_rows[chosen]),
        [values.names[place] for place in chosen],
        counts[chosen] / len(column),
    )


def _numbers(present: Floats, n_rows: int) -> _Grid:
    """Take values that occur: all if they are few, or else those in the middle of equal shares.

    A value that has more than such a share is a point of its own, and the rest are shared out
    among the other points: of a column that is nearly always 0, quantiles would all be 0.
    """
    values, counts = np.unique(present, return_counts=True)
    if len(values) > N_NUMBERS:
        common = counts > len(present) / N_NUMBERS
        rest = np.repeat(values[~common], counts[~common])
        n_points = N_NUMBERS - int(common.sum())
        middles = (np.arange(n_points) + 0.5) / n_points
        quantiles = np.quantile(rest, middles, method="inverted_cdf")
        points = np.union1d(values[common], quantiles)
    else:
        points = values
    nearest = np.searchsorted((points[1:] + points[:-1]) / 2, present)
    shares = np.bincount(nearest, minlength=len(points)) / n_rows
    return _Grid(points, points.tolist(), shares)
