"""Columns that give the target away: one alone tells a class from the rest."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold

from src.data.checks.area import (
    Bools,
    Floats,
    Folds,
    areas,
    could_separate_by_chance,
    rates_on_other_rows,
)
from src.data.checks.words import make_finding, named
from src.data.division import Division
from src.evidence import Finding

N_FOLDS = 5
# What fewer of the rows have gives little away.
MIN_PRESENT = 0.1


def find_leak(division: Division, limit: float, seed: int) -> Finding | None:
    """Find columns of the training rows with an area above the limit for any class."""
    X, labels = division.X_train, division.table.labels
    classes, y = np.unique(division.y_train, return_inverse=True)
    # Of two classes one says it all.
    classes = classes[1:] if len(classes) == 2 else classes
    is_of = division.y_train[:, None] == classes
    folds = _folds(division, seed)
    found: list[tuple[float, str, str]] = []
    for name in X.columns:
        if isinstance(X[name].dtype, pd.CategoricalDtype):
            best = _of_categories(X[name], y, is_of, folds, X.shape[1])
        else:
            best = _of_numbers(X[name].to_numpy(), is_of, X.shape[1])
        if best.max() > limit:
            label = labels[classes[best.argmax()]] if len(labels) > 2 else ""
            found.append((float(best.max()), str(name), label))
    if not found:
        return None
    found.sort(key=lambda entry: -entry[0])
    figures = [f"{label}: {auc:.3f}" if label else f"{auc:.3f}" for auc, _, label in found]
    columns = [name for _, name, _ in found]
    shown = named(zip(columns, figures, strict=True))
    return make_finding("leak", columns, n_columns=len(found), limit=limit, named=shown)


def _folds(division: Division, seed: int) -> Folds:
    # Rows of a subject in two folds would have its categories learned by heart.
    groups = division.groups
    n_splits = min(N_FOLDS, len(division.train) if groups is None else len(set(groups)))
    if n_splits < 2:
        return []
    if groups is None:
        return list(KFold(n_splits, shuffle=True, random_state=seed).split(division.train))
    return list(GroupKFold(n_splits).split(division.train, groups=groups))


def _of_numbers(values: Floats, is_of: Bools, n_columns: int) -> Floats:
    """Try both directions, and missing as least, as greatest, and left out."""
    is_missing = np.isnan(values)
    if not is_missing.any():
        return _either_way(values, is_of, n_columns)
    tries = [
        _either_way(np.where(is_missing, end, values), is_of, n_columns)
        for end in (-np.inf, np.inf)
    ]
    if (~is_missing).mean() >= MIN_PRESENT:
        tries.append(_either_way(values[~is_missing], is_of[~is_missing], n_columns))
    best: Floats = np.max(tries, axis=0)
    return best


def _either_way(values: Floats, is_of: Bools, n_columns: int) -> Floats:
    found = areas(values, is_of)
    return _believed(np.maximum(found, 1 - found), is_of, n_columns)


def _of_categories(
    column: pd.Series, y: NDArray[np.int64], is_of: Bools, folds: Folds, n_columns: int
) -> Floats:
    codes = column.cat.codes.to_numpy().astype(np.int64)  # a missing one, -1, is a category as well
    if not folds:
        return np.zeros(is_of.shape[1])
    rates = rates_on_other_rows(codes, y, folds)
    found = [areas(rates[:, [i]].ravel(), is_of[:, [i]])[0] for i in range(is_of.shape[1])]
    return _believed(np.array(found), is_of, n_columns)


def _believed(found: Floats, is_of: Bools, n_columns: int) -> Floats:
    by_chance = could_separate_by_chance(is_of, n_columns * is_of.shape[1])
    return np.where(by_chance | np.isnan(found), 0.0, found)
