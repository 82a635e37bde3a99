"""Permutation importance, the drop of AUC when a column is shuffled, and partial dependence.

Importance is that of Breiman (2001), for a fitted model as in Fisher, Rudin and Dominici (2019).
With more than two classes the AUC is one-vs-rest, macro.

A shuffled row depends on two rows: the one that receives a value, and the one that gives it. The
interval counts both (a row's part in the drop is what it loses and what its value costs others, by
Hájek's projection: van der Vaart, 1998, section 11.3), so it covers the choice of the held-out rows
and the shuffling. It is about this model on other rows, not about a retrained model.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from tabproof.auc import Codes, Floats, auc_components, auc_of, estimate_of, has_every_class
from tabproof.evaluation.columns import is_date, is_text, iso_text
from tabproof.evaluation.slices import stratified_order, values_of
from tabproof.evaluation_result import Dependence, Estimate, Importance

Predict = Callable[[pd.DataFrame], Floats]


@runtime_checkable
class ColumnPredict(Protocol):
    """A model that takes rows apart once, where some of their columns change many times."""

    def __call__(self, X: pd.DataFrame) -> Floats:
        """Return probabilities, (n_rows, n_classes)."""
        ...

    def take_apart(self, X: pd.DataFrame, n_times: int = 1) -> Any:
        """Return a frame's columns, its rows n_times over."""
        ...

    def column_cells(self, place: int, column: pd.Series) -> Any:
        """Return cells for the column at a place."""
        ...

    def cells_at(self, parts: Any, place: int) -> Any:
        """Return the cells of the column at a place."""
        ...

    def with_cells(self, parts: Any, changed: Mapping[int, Any]) -> Floats:
        """Return the probabilities of the first rows, with other cells by place of a column."""
        ...

    def usage(self, parts: Any) -> Floats | None:
        """Return by column how much the model uses it, 0 for not at all; None if unknown."""
        ...


class FramePredict:
    """The same for a model that takes a frame; which columns it uses is not known."""

    def __init__(self, predict: Predict) -> None:
        self._predict = predict

    def __call__(self, X: pd.DataFrame) -> Floats:
        """Return the probabilities of a frame."""
        return self._predict(X)

    def take_apart(self, X: pd.DataFrame, n_times: int = 1) -> pd.DataFrame:
        """Return a frame with its rows n_times over."""
        return X.iloc[np.tile(np.arange(len(X)), n_times)]

    def column_cells(self, _place: int, column: pd.Series) -> Any:
        """Return the array of a column."""
        return column.array

    def cells_at(self, parts: pd.DataFrame, place: int) -> Any:
        """Return the array of the column at a place."""
        return parts.iloc[:, place].array

    def with_cells(self, parts: pd.DataFrame, changed: Mapping[int, Any]) -> Floats:
        """Return the probabilities of the first rows, with other cells in some columns."""
        frame = parts.iloc[: len(next(iter(changed.values())))].copy(deep=False)
        for place, cells in changed.items():
            frame.isetitem(place, cells)
        return self._predict(frame)

    def usage(self, _parts: pd.DataFrame) -> Floats | None:
        """Return None: unknown."""
        return None


def by_columns(predict: Predict) -> ColumnPredict:
    """Return a model that takes rows apart once."""
    return predict if isinstance(predict, ColumnPredict) else FramePredict(predict)


# Cells that are predicted in one call: few calls for small hold-outs, and large ones fit in memory.
STACKED_CELLS = 1_000_000

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
    rows; values and shares are those of all rows. Missing numbers and dates are not shown, nor a
    column without any, nor free text, which has no values to put in order.
    """
    rows = np.random.default_rng(seed).permutation(len(X_test))[:N_ROWS]
    X, model = X_test.iloc[np.sort(rows)], by_columns(predict)
    if len(labels) > 2:
        n_columns = min(n_columns, max(1, MAX_CURVES // len(labels)))
    names = list(map(str, X.columns))
    n_stacked = max(1, min(N_NUMBERS, STACKED_CELLS // X.size))
    stacked = model.take_apart(X, n_stacked)
    known = [one for one in importances if one.drop.value is not None]
    if not known:
        known = list(importances)
    found = []
    for one in known[:n_columns]:
        place = names.index(one.column)
        column = X_test.iloc[:, place]
        cells, values, shares = _grid(column)
        if not values:
            continue
        grid = model.column_cells(place, pd.Series(cells, dtype=column.dtype, name=column.name))
        chunks = []
        for start in range(0, len(values), n_stacked):
            some = np.arange(start, min(start + n_stacked, len(values)))
            changed = grid.take(np.repeat(some, len(X)))
            proba = model.with_cells(stacked, {place: changed})
            chunks.append(proba.reshape(len(some), len(X), -1).mean(axis=1))
        means = np.concatenate(chunks)
        # Of two labels the positive one, of many the most probable, in their order.
        shown = np.argsort(-means.mean(axis=0), kind="stable")[:MAX_CURVES]
        kind = "date" if is_date(column.dtype) else ""
        found += [
            Dependence(
                one.column, labels[code], values, means[:, code].tolist(), shares.tolist(), kind
            )
            for code in ([1] if len(labels) == 2 else sorted(shown.tolist()))
        ]
    return found


def _grid(column: pd.Series) -> tuple[Any, Sequence[float | str], Floats]:
    """Return the values to show, in the column's own type; their names, and shares of the rows.

    Of categories the most frequent first; missing is one of them. Of numbers and dates all if they
    are few, else those in the middle of equal shares of the rows. A number with more than such a
    share is a point of its own, and the others are divided among the other points: in a column
    that is nearly always 0, all quantiles would be 0.
    """
    if is_text(column.dtype):
        return [], [], np.empty(0)
    if isinstance(column.dtype, pd.CategoricalDtype):
        names, codes = values_of(column)
        counts = np.bincount(codes)
        chosen = np.argsort(-counts, kind="stable")[:N_CATEGORIES]
        cells = column.array.take(np.unique(codes, return_index=True)[1][chosen])
        return cells, [names[place] for place in chosen], counts[chosen] / len(column)
    if is_date(column.dtype):
        present = column.dropna().astype("datetime64[us]").to_numpy().view(np.int64)
        points, shares = _points(present.astype(np.float64), len(column))
        cells = points.astype(np.int64).view("datetime64[us]")
        return cells, [iso_text(cell) for cell in cells.tolist()], shares
    points, shares = _points(column.dropna().to_numpy(dtype=np.float64), len(column))
    return points, points.tolist(), shares


def _points(present: Floats, n_rows: int) -> tuple[Floats, Floats]:
    """Return at most N_NUMBERS of these numbers in order, and shares of the rows near each."""
    points, counts = np.unique(present, return_counts=True)
    if len(points) > N_NUMBERS:
        common = counts > len(present) / N_NUMBERS
        rest = np.repeat(points[~common], counts[~common])
        n_points = N_NUMBERS - int(common.sum())
        middles = (np.arange(n_points) + 0.5) / n_points
        quantiles = np.quantile(rest, middles, method="inverted_cdf")
        points = np.union1d(points[common], quantiles)
    # Halves first: the sum of two large numbers overflows.
    nearest = np.searchsorted(points[1:] / 2 + points[:-1] / 2, present)
    return points, np.bincount(nearest, minlength=len(points)) / n_rows


# --- Permutation importance.

# Bounds the time: of a larger hold-out, or one of many columns, a part of the rows is used.
MAX_PREDICTIONS = 1_500_000
MIN_ROWS = 1_000
# Of more columns, those that the model uses most; fewer where its use is not known, since a
# pipeline takes ten times as long as an exported scorer.
MAX_COLUMNS, MAX_COLUMNS_UNKNOWN = 200, 50
# Scoring a row with free text takes as long as scoring this many rows without.
TEXT_WEIGHT = 10
# Probabilities closer than this differ by rounding only: the model does not use the column.
UNCHANGED = 1e-12


class ColumnDrops:
    """The drop of AUC when a column is shuffled: of each column alone, in any order or process.

    predict : returns probabilities, (n_rows, n_classes), row by row. If a class has no held-out
    row, there is no AUC and no drop. Of more than MAX_PREDICTIONS rows (times columns, times
    repeats) a stratified sample is used, of at least MIN_ROWS. Of more than MAX_COLUMNS columns
    those are computed that the model uses most, or else those that vary most; the drop of a column
    that it does not use is 0, that of the others is None.

    Attributes
    ----------
    places : the positions of the columns to compute.
    """

    def __init__(
        self, predict: Predict, X_test: pd.DataFrame, y: Codes, *, n_repeats: int, seed: int
    ) -> None:
        self._model, n_columns = by_columns(predict), X_test.shape[1]
        n_texts = sum(map(is_text, X_test.dtypes))
        work = min(n_columns, MAX_COLUMNS) * n_repeats * (1 + TEXT_WEIGHT * n_texts)
        limit = max(MAX_PREDICTIONS // work, MIN_ROWS)
        rows = np.sort(stratified_order(y, seed)[:limit])
        self._X, self._y, self._seed = X_test.iloc[rows], y[rows], seed
        self._n_repeats = n_repeats
        self._proba = self._model(self._X)
        self.places, self._unused = list[int](), list[int]()
        if has_every_class(self._y, self._proba.shape[1]):
            self.places, self._unused = _choose(self._model, self._X, self._proba, seed)
            self._parts = auc_components(self._y, self._proba)
            self._n_stacked = min(n_repeats, max(1, STACKED_CELLS // self._X.size))
            self._stacked = self._model.take_apart(self._X, self._n_stacked)

    def of(self, place: int) -> Estimate:
        """Return the drop of the column at a place."""
        # Its own generator: the importance of a column must not depend on the columns before it.
        rng = np.random.default_rng([self._seed, place])
        n_rows, n_repeats = len(self._y), self._n_repeats
        givers = np.array([rng.permutation(n_rows) for _ in range(n_repeats)])
        cells = self._model.column_cells(place, self._X.iloc[:, place])
        shuffled = list[Floats]()
        for start in range(0, n_repeats, self._n_stacked):
            some = givers[start : start + self._n_stacked]
            proba = self._model.with_cells(self._stacked, {place: cells.take(some.ravel())})
            shuffled += np.split(proba, len(some))
        if np.allclose(shuffled, self._proba, rtol=0, atol=UNCHANGED):
            return Estimate(0.0, 0.0, 0.0)
        lost = np.array([self._parts - auc_components(self._y, other) for other in shuffled])
        received = lost.mean(axis=0)
        # By the row that gave a value: what was lost where it went, beyond that row's mean.
        given = np.zeros(n_rows)
        for beyond, to in zip(lost - received, givers, strict=True):
            given[to] += beyond / n_repeats
        drop = estimate_of(auc_of(received), self._y, received + given)
        # No row changed places: the hold-out is too easy, not the drop 0.
        return Estimate(drop.value) if drop.low == drop.high else drop

    def ranked(self, drops: Mapping[int, Estimate]) -> list[Importance]:
        """Return all columns, the greatest drop first, and those that were not computed last."""
        all_drops = dict.fromkeys(range(self._X.shape[1]), Estimate(None))
        all_drops |= dict.fromkeys(self._unused, Estimate(0.0, 0.0, 0.0)) | dict(drops)
        names = map(str, self._X.columns)
        found = [Importance(name, all_drops[place]) for place, name in enumerate(names)]
        return sorted(found, key=lambda one: (one.drop.value is None, -(one.drop.value or 0.0)))


def importances(
    predict: Predict, X_test: pd.DataFrame, y: Codes, *, n_repeats: int, seed: int
) -> list[Importance]:
    """Return each column's drop, the greatest first; parameters as in ColumnDrops."""
    found = ColumnDrops(predict, X_test, y, n_repeats=n_repeats, seed=seed)
    return found.ranked({place: found.of(place) for place in found.places})


def _choose(
    model: ColumnPredict, X: pd.DataFrame, proba: Floats, seed: int
) -> tuple[list[int], list[int]]:
    """Return the places of the columns to compute, and of those that the model does not use."""
    places = range(X.shape[1])
    if len(places) <= MAX_COLUMNS:
        return list(places), []
    parts = model.take_apart(X)
    usage = model.usage(parts)
    if usage is None:
        # The share of rows without the most frequent value: it needs no common scale.
        usage = np.array([_variation(X.iloc[:, place]) for place in places])
        most = np.argsort(-usage, kind="stable")[: min(MAX_COLUMNS, MAX_COLUMNS_UNKNOWN)]
        return sorted(most.tolist()), []
    unused = np.flatnonzero(usage == 0).tolist()
    # A model that takes them all the same would make a wrong number: all are shuffled at once.
    order = np.random.default_rng(seed).permutation(len(X))
    others = model.take_apart(X.iloc[order])
    shuffled = {place: model.cells_at(others, place) for place in unused}
    if unused and not np.allclose(model.with_cells(parts, shuffled), proba, rtol=0, atol=UNCHANGED):
        unused = []
    most = np.argsort(-usage, kind="stable")[:MAX_COLUMNS]
    return sorted(set(most.tolist()) - set(unused)), unused


def _variation(column: pd.Series) -> float:
    counts = column.value_counts(dropna=False)
    return 1.0 - float(counts.iloc[0]) / max(len(column), 1)
