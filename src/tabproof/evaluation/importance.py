"""Permutation importance, the drop of AUC when a column is shuffled, and partial dependence.

Importance is that of Breiman (2001), for a fitted model as in Fisher, Rudin and Dominici (2019).
With more than two classes the AUC is one-vs-rest, macro.

A shuffled row depends on two rows: the one that receives a value, and the one that gives it. The
interval counts both (a row's part in the drop is what it loses and what its value costs others, by
Hájek's projection: van der Vaart, 1998, section 11.3), so it covers the choice of the held-out rows
and the shuffling. It is about this model on other rows, not about a retrained model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.auc import Codes, Floats, auc_components, auc_of, estimate_of, has_every_class
from tabproof.evaluation.slices import Values, stratified_order, values_of
from tabproof.evaluation_result import Dependence, Estimate, Importance

Predict = Callable[[pd.DataFrame], Floats]

# --- Partial dependence: the mean probability if all rows had one value (Friedman, 2001).

N_ROWS = 500
N_NUMBERS = 20
N_CATEGORIES = 15
# Each label has its own curve: with many labels fewer columns, then fewer labels, are shown.
MAX_CURVES = 24


@dataclass(frozen=True)
class _Grid:
    """Values for a column. cells : in the column's own type; names and shares : one for each."""

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
    """Return the curves of the most important columns; with two labels those of the positive one.

    predict : returns probabilities, (n_rows, n_classes), row by row. Means are over N_ROWS random
    rows; values and shares are those of all rows. Missing numbers are not shown, nor a column
    without any number.
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
    """Return mean probabilities, (n_values, n_classes), from a single call of predict."""
    n_values, n_rows = len(grid.names), len(X)
    stacked = X.iloc[np.tile(np.arange(n_rows), n_values)]
    stacked.isetitem(place, grid.cells.take(np.repeat(np.arange(n_values), n_rows)))
    proba = predict(stacked)
    return np.asarray(proba.reshape(n_values, n_rows, -1).mean(axis=1))


def _shown(means: Floats) -> list[tuple[int, list[float]]]:
    """Choose labels, in their order: of two the positive one, of many the most probable."""
    n_labels = means.shape[1]
    if n_labels == 2:
        return [(1, means[:, 1].tolist())]
    most_probable = np.argsort(-means.mean(axis=0), kind="stable")[:MAX_CURVES]
    return [(int(code), means[:, code].tolist()) for code in np.sort(most_probable)]


def _grid(column: pd.Series) -> _Grid:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _categories(column, values_of(column))
    return _numbers(column.dropna().to_numpy(dtype=np.float64), len(column))


def _categories(column: pd.Series, values: Values) -> _Grid:
    """Return the most frequent categories first; missing is one of them."""
    counts = np.bincount(values.codes)
    chosen = np.argsort(-counts, kind="stable")[:N_CATEGORIES]
    first_rows = np.unique(values.codes, return_index=True)[1]
    return _Grid(
        column.array.take(first_rows[chosen]),
        [values.names[place] for place in chosen],
        counts[chosen] / len(column),
    )


def _numbers(present: Floats, n_rows: int) -> _Grid:
    """Return all values if they are few, else those in the middle of equal shares of the rows.

    A value with more than such a share is a point of its own, and the others are divided among the
    other points: in a column that is nearly always 0, all quantiles would be 0.
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


# --- Permutation importance.

# Bounds the time: of a larger hold-out, or one of many columns, a part of the rows is used.
MAX_PREDICTIONS = 1_500_000
MIN_ROWS = 1_000
# Cells that are predicted in one call: few calls for small hold-outs, and large ones fit in memory.
STACKED_CELLS = 1_000_000
# Probabilities closer than this differ by rounding only: the model does not use the column.
UNCHANGED = 1e-12


def importances(
    predict: Predict, X_test: pd.DataFrame, y: Codes, *, n_repeats: int, seed: int
) -> list[Importance]:
    """Return each column's drop, the greatest first.

    predict : returns probabilities, (n_rows, n_classes), row by row. If a class has no held-out
    row, there is no AUC and no drop. Of more than MAX_PREDICTIONS rows (times columns, times
    repeats) a stratified sample is used, of at least MIN_ROWS.
    """
    limit = max(MAX_PREDICTIONS // (X_test.shape[1] * n_repeats), MIN_ROWS)
    rows = np.sort(stratified_order(y, seed)[:limit])
    X, y = X_test.iloc[rows], y[rows]
    proba = predict(X)
    if not has_every_class(y, proba.shape[1]):
        return [Importance(str(name), Estimate(None)) for name in X.columns]
    parts = auc_components(y, proba)
    found = []
    for place, name in enumerate(X.columns):
        # Its own generator: the importance of a column must not depend on the columns before it.
        rng = np.random.default_rng([seed, place])
        givers = np.array([rng.permutation(len(y)) for _ in range(n_repeats)])
        shuffled = _shuffled(predict, X, place, givers)
        if np.allclose(shuffled, proba, rtol=0, atol=UNCHANGED):
            drop = Estimate(0.0, 0.0, 0.0)
        else:
            lost = np.array([parts - auc_components(y, other) for other in shuffled])
            drop = _drop(y, lost, givers)
        found.append(Importance(str(name), drop))
    return sorted(found, key=lambda one: -(one.drop.value or 0.0))


def _shuffled(
    predict: Predict, X: pd.DataFrame, place: int, givers: NDArray[np.intp]
) -> list[Floats]:
    """Return the probabilities of each repeat, with the column's values of other rows."""
    n_stacked = max(1, STACKED_CELLS // X.size)
    found = []
    for start in range(0, len(givers), n_stacked):
        some = givers[start : start + n_stacked]
        stacked = X.iloc[np.tile(np.arange(len(X)), len(some))]
        stacked.isetitem(place, X.iloc[:, place].array.take(some.ravel()))
        found += np.split(predict(stacked), len(some))
    return found


def _drop(y: Codes, lost: Floats, givers: NDArray[np.intp]) -> Estimate:
    """Estimate the drop from what rows lost, (n_repeats, n_rows)."""
    received = lost.mean(axis=0)
    # By the row that gave a value: what was lost where the value went, beyond that row's mean loss.
    given = np.zeros(len(y))
    for beyond, rows in zip(lost - received, givers, strict=True):
        given[rows] += beyond / len(lost)
    drop = auc_of(received)
    estimate = estimate_of(drop, y, received + given)
    # Probabilities changed but no row changed places: the hold-out is too easy, not the drop 0.
    return Estimate(drop) if estimate.low == estimate.high else estimate
