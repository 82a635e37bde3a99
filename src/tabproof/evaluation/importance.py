"""Permutation importance, the drop of AUC when a column is shuffled, and partial dependence.

Importance is that of Breiman (2001), for a fitted model as in Fisher, Rudin and Dominici (2019).
With more than two classes the AUC is one-vs-rest, macro.

A shuffled row depends on two rows: the one that receives a value, and the one that gives it. The
interval counts both (a row's part in the drop is what it loses and what its value costs others, by
Hájek's projection: van der Vaart, 1998, section 11.3), so it covers the choice of the held-out rows
and the shuffling. It is about this model on other rows, not about a retrained model.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabproof.auc import Codes, Floats, auc_components, auc_of, estimate_of, has_every_class
from tabproof.evaluation.slices import stratified_order, values_of
from tabproof.evaluation_result import Dependence, Estimate, Importance

Predict = Callable[[pd.DataFrame], Floats]

# --- Partial dependence: the mean probability if all rows had one value (Friedman, 2001).

N_ROWS = 500
N_NUMBERS = 20
N_CATEGORIES = 15
# Each label has its own curve: with many labels fewer columns, then fewer labels, are shown.
MAX_CURVES = 24


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
        cells, values, shares = _grid(X_test.iloc[:, place])
        if not values:
            continue
        # All values in a single call of predict.
        stacked = X.iloc[np.tile(np.arange(len(X)), len(values))]
        stacked.isetitem(place, cells.take(np.repeat(np.arange(len(values)), len(X))))
        means = predict(stacked).reshape(len(values), len(X), -1).mean(axis=1)
        # Of two labels the positive one, of many the most probable, in their order.
        shown = np.argsort(-means.mean(axis=0), kind="stable")[:MAX_CURVES]
        found += [
            Dependence(one.column, labels[code], values, means[:, code].tolist(), shares.tolist())
            for code in ([1] if len(labels) == 2 else sorted(shown.tolist()))
        ]
    return found


def _grid(column: pd.Series) -> tuple[Any, Sequence[float | str], Floats]:
    """Return the values to show, in the column's own type; their names, and shares of the rows.

    Of categories the most frequent first; missing is one of them. Of numbers all if they are few,
    else those in the middle of equal shares of the rows. A number with more than such a share is
    a point of its own, and the others are divided among the other points: in a column that is
    nearly always 0, all quantiles would be 0.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        names, codes = values_of(column)
        counts = np.bincount(codes)
        chosen = np.argsort(-counts, kind="stable")[:N_CATEGORIES]
        cells = column.array.take(np.unique(codes, return_index=True)[1][chosen])
        return cells, [names[place] for place in chosen], counts[chosen] / len(column)
    present = column.dropna().to_numpy(dtype=np.float64)
    points, counts = np.unique(present, return_counts=True)
    if len(points) > N_NUMBERS:
        common = counts > len(present) / N_NUMBERS
        rest = np.repeat(points[~common], counts[~common])
        n_points = N_NUMBERS - int(common.sum())
        middles = (np.arange(n_points) + 0.5) / n_points
        quantiles = np.quantile(rest, middles, method="inverted_cdf")
        points = np.union1d(points[common], quantiles)
    nearest = np.searchsorted((points[1:] + points[:-1]) / 2, present)
    return points, points.tolist(), np.bincount(nearest, minlength=len(points)) / len(column)


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
    n_stacked = max(1, STACKED_CELLS // X.size)
    found = []
    for place, name in enumerate(X.columns):
        # Its own generator: the importance of a column must not depend on the columns before it.
        rng = np.random.default_rng([seed, place])
        givers = np.array([rng.permutation(len(y)) for _ in range(n_repeats)])
        shuffled: list[Floats] = []
        for start in range(0, n_repeats, n_stacked):
            some = givers[start : start + n_stacked]
            stacked = X.iloc[np.tile(np.arange(len(X)), len(some))]
            stacked.isetitem(place, X.iloc[:, place].array.take(some.ravel()))
            shuffled += np.split(predict(stacked), len(some))
        drop = Estimate(0.0, 0.0, 0.0)
        if not np.allclose(shuffled, proba, rtol=0, atol=UNCHANGED):
            lost = np.array([parts - auc_components(y, other) for other in shuffled])
            received = lost.mean(axis=0)
            # By the row that gave a value: what was lost where it went, beyond that row's mean.
            given = np.zeros(len(y))
            for beyond, to in zip(lost - received, givers, strict=True):
                given[to] += beyond / n_repeats
            drop = estimate_of(auc_of(received), y, received + given)
            if drop.low == drop.high:
                # No row changed places: the hold-out is too easy, not the drop 0.
                drop = Estimate(drop.value)
        found.append(Importance(str(name), drop))
    return sorted(found, key=lambda one: -(one.drop.value or 0.0))
