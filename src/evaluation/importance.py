"""Permutation importance: how much worse the hold-out is told apart with a column shuffled.

Breiman (2001), of a fitted model as Fisher, Rudin and Dominici (2019). The metric is the area
under the ROC curve; of more than two classes one-vs-rest, macro.

A shuffled row depends on two rows: the one that receives a value, and the one that gives it. The
interval counts both (each row's part in the drop is its own rows' and its values' effect, by
Hájek's projection: van der Vaart, 1998, section 11.3), so it covers the choice of the hold-out's
rows and the shuffling. It is about this model on other rows, not about a model trained anew.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.evaluation.area import area_of, area_parts, has_every_class, interval_of
from src.evaluation.subsets import stratified_order
from src.evidence import Estimate, Importance

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Predict = Callable[[pd.DataFrame], Floats]

# What bounds the time: a larger hold-out, or one of many columns, is judged by a part of its rows.
MAX_PREDICTIONS = 1_500_000
MIN_ROWS = 1_000
# So many cells are predicted in one call: small hold-outs are not many calls, large ones fit.
STACKED_CELLS = 1_000_000
# Probabilities nearer than this differ by rounding: the model does not read the column.
UNCHANGED = 1e-12


def importances(
    predict: Predict, X_test: pd.DataFrame, y: Codes, *, n_repeats: int, seed: int
) -> list[Importance]:
    """Give each column's drop, the greatest first.

    predict gives probabilities of shape (n_rows, n_classes), row by row. Where a class has no
    row in the hold-out there is no area, and no drop. Of more than MAX_PREDICTIONS rows (times
    columns, times repeats) a stratified sample is taken, of MIN_ROWS at least.
    """
    limit = max(MAX_PREDICTIONS // (X_test.shape[1] * n_repeats), MIN_ROWS)
    rows = np.sort(stratified_order(y, seed)[:limit])
    X, y = X_test.iloc[rows], y[rows]
    proba = predict(X)
    if not has_every_class(y, proba.shape[1]):
        return [Importance(str(name), Estimate(None)) for name in X.columns]
    parts = area_parts(y, proba)
    found = []
    for place, name in enumerate(X.columns):
        # Of its own: what a column is worth must not depend on which columns stand before it.
        rng = np.random.default_rng([seed, place])
        givers = np.array([rng.permutation(len(y)) for _ in range(n_repeats)])
        shuffled = _shuffled(predict, X, place, givers)
        if np.allclose(shuffled, proba, rtol=0, atol=UNCHANGED):
            drop = Estimate(0.0, 0.0, 0.0)
        else:
            lost = np.array([parts - area_parts(y, other) for other in shuffled])
            drop = _drop(y, lost, givers)
        found.append(Importance(str(name), drop))
    return sorted(found, key=lambda one: -(one.drop.value or 0.0))


def _shuffled(
    predict: Predict, X: pd.DataFrame, place: int, givers: NDArray[np.intp]
) -> list[Floats]:
    """Give the probabilities of each repeat, where rows have a column's values of other rows."""
    n_stacked = max(1, STACKED_CELLS // X.size)
    found = []
    for start in range(0, len(givers), n_stacked):
        some = givers[start : start + n_stacked]
        stacked = X.iloc[np.tile(np.arange(len(X)), len(some))]
        stacked.isetitem(place, X.iloc[:, place].array.take(some.ravel()))
        found += np.split(predict(stacked), len(some))
    return found


def _drop(y: Codes, lost: Floats, givers: NDArray[np.intp]) -> Estimate:
    """Estimate the drop from what rows lost, of shape (n_repeats, n_rows)."""
    received = lost.mean(axis=0)
    # The value that a row gave, where it went: what was lost there beyond what that row loses.
    given = np.zeros(len(y))
    for beyond, rows in zip(lost - received, givers, strict=True):
        given[rows] += beyond / len(lost)
    drop = area_of(received)
    estimate = interval_of(drop, y, received + given)
    # Probabilities moved and no row changed places: a hold-out too easy to tell by, not certainty.
    return Estimate(drop) if estimate.low == estimate.high else estimate
