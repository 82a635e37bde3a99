"""A hold-out that a classifier can tell from the training rows: adversarial validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.preprocessing import TargetEncoder

from tabproof.auc import Bools, Floats, rank_aucs
from tabproof.data.division import Division
from tabproof.data.findings import make_finding, named
from tabproof.evaluation_result import Finding

# --- How well one column alone tells a class from the rest, as an area under the ROC curve.

Folds = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]

# A chance this small that columns without meaning are reported.
BY_CHANCE = 0.001
# Fewer rows of a class always stand side by side.
FEW_ROWS = 3


def standard_error(n: int, m: int) -> float:
    """Give the standard error of an area where nothing differs (Mann and Whitney, 1947)."""
    return float(np.sqrt((n + m + 1) / (12 * n * m)))


def could_separate_by_chance(is_of: Bools, n_tries: int) -> Bools:
    """Tell the classes that some of so many columns of noise may well put at one end."""
    n, n_of = len(is_of), is_of.sum(axis=0)
    n_orders = gammaln(n + 1) - gammaln(n_of + 1) - gammaln(n - n_of + 1)
    is_few = np.minimum(n_of, n - n_of) < FEW_ROWS
    by_chance: Bools = is_few | (n_orders < np.log(2 * n_tries / BY_CHANCE))
    return by_chance


def rates_on_other_rows(codes: NDArray[np.int64], y: NDArray[np.int64], folds: Folds) -> Floats:
    """Give each row its category's share of each class, as learned on the other folds.

    Shape (n_rows, 1) with two classes, of the second; else (n_rows, n_classes). A category of
    one row is unknown to the others: an id tells nothing.
    """
    encoder = TargetEncoder(cv=folds, target_type="binary" if y.max() < 2 else "multiclass")
    rates: Floats = encoder.fit_transform(codes.reshape(-1, 1), y)
    return rates


# --- Columns that give the target away: one alone tells a class from the rest.

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
    found = rank_aucs(values, is_of)
    return _believed(np.maximum(found, 1 - found), is_of, n_columns)


def _of_categories(
    column: pd.Series, y: NDArray[np.int64], is_of: Bools, folds: Folds, n_columns: int
) -> Floats:
    codes = column.cat.codes.to_numpy().astype(np.int64)  # a missing one, -1, is a category as well
    if not folds:
        return np.zeros(is_of.shape[1])
    rates = rates_on_other_rows(codes, y, folds)
    found = [rank_aucs(rates[:, [i]].ravel(), is_of[:, [i]])[0] for i in range(is_of.shape[1])]
    return _believed(np.array(found), is_of, n_columns)


def _believed(found: Floats, is_of: Bools, n_columns: int) -> Floats:
    by_chance = could_separate_by_chance(is_of, n_columns * is_of.shape[1])
    return np.where(by_chance | np.isnan(found), 0.0, found)


# Rows of either side: more make it slower, and what differs by less is of no matter.
MOST_ROWS = 2000
# With fewer rows, or subjects, of either side nothing is certain.
FEW_ROWS_drift = 20
N_FOLDS_drift = 3
# Of a normal distribution, 99.5 %. Folds share rows, so where nothing differs the areas spread
# 1.3 times as far as those of independent rows: with 1.96 small tables cry wolf.
QUANTILE = 2.576
# Categories beyond the most frequent ones count as one.
MOST_CATEGORIES = 64
N_BINS = 10


@dataclass(frozen=True)
class _Sample:
    """is_held_out: (n_rows,); n_units: subjects, or else rows, of both sides."""

    X: pd.DataFrame
    is_held_out: Bools
    n_units: tuple[int, int]
    folds: Folds

    @property
    def margin(self) -> float:
        return QUANTILE * standard_error(*self.n_units)


def find_drift(division: Division, ids: Sequence[str], limit: float, seed: int) -> Finding | None:
    """Find that the area of rows not learned from is above the limit, its margin taken off."""
    sample = _draw(division, ids, seed)
    if sample is None:
        return None
    auc = _area_of_a_classifier(sample, seed)
    if auc - sample.margin <= limit:
        return None
    alone = _areas_alone(sample)
    telling = [entry for entry in alone if entry[1] > 0.5 + sample.margin] or alone[:1]
    columns = [name for name, _ in telling]
    return make_finding(
        "drift",
        columns,
        n_columns=len(columns),
        auc=auc,
        margin=sample.margin,
        limit=limit,
        named=named((name, f"{area:.3f}") for name, area in telling),
    )


def _draw(division: Division, ids: Sequence[str], seed: int) -> _Sample | None:
    generator = np.random.default_rng(seed)
    train, test = (
        np.sort(generator.choice(rows, min(len(rows), MOST_ROWS), replace=False))
        for rows in (division.train, division.test)
    )
    X = division.table.X.drop(columns=list(ids)).iloc[np.append(train, test)]
    is_held_out = np.repeat([False, True], [len(train), len(test)])
    n_units, units, splitter = (len(train), len(test)), None, StratifiedKFold
    if division.groups is not None:
        # A subject in two folds would be known again, and it stands on one side only.
        subjects = division.table.aside.iloc[np.append(train, test), 0]
        units, splitter = pd.factorize(subjects, use_na_sentinel=False)[0], StratifiedGroupKFold
        n_units = len(set(units[~is_held_out])), len(set(units[is_held_out]))
    if X.shape[1] == 0 or min(n_units) < FEW_ROWS_drift:
        return None
    folds = splitter(N_FOLDS_drift, shuffle=True, random_state=seed).split(X, is_held_out, units)
    return _Sample(X, is_held_out, n_units, list(folds))


def _area_of_a_classifier(sample: _Sample, seed: int) -> float:
    matrix = np.column_stack([_as_ranks(sample.X[name]) for name in sample.X.columns])
    is_category = [isinstance(kind, pd.CategoricalDtype) for kind in sample.X.dtypes]
    classifier = HistGradientBoostingClassifier(
        max_iter=20,
        max_leaf_nodes=8,
        learning_rate=0.2,
        max_bins=MOST_CATEGORIES,
        early_stopping=False,
        categorical_features=is_category,
        random_state=seed,
    )
    proba = cross_val_predict(
        classifier, matrix, sample.is_held_out, cv=sample.folds, n_jobs=1, method="predict_proba"
    )
    return float(rank_aucs(proba[:, 1], sample.is_held_out[:, None])[0])


def _as_ranks(column: pd.Series) -> Floats:
    """Give numbers as their rank, and categories as theirs by frequency.

    Missing is a value as well: boosting refuses a column whose values lie in one fold.
    """
    if not isinstance(column.dtype, pd.CategoricalDtype):
        by_value: Floats = rankdata(column.fillna(-np.inf))
        return by_value
    codes = column.cat.codes.to_numpy().astype(np.int64)
    counts = np.bincount(codes + 1, minlength=len(column.cat.categories) + 1)
    ranks = np.empty(len(counts), dtype=np.float64)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.minimum(ranks, MOST_CATEGORIES - 1)[codes + 1]


def _areas_alone(sample: _Sample) -> list[tuple[str, float]]:
    """Give the area of each column alone, the most telling first."""
    found = []
    for name in sample.X.columns:
        rates = rates_on_other_rows(
            _as_codes(sample.X[name]), sample.is_held_out.astype(np.int64), sample.folds
        )
        found.append((str(name), float(rank_aucs(rates[:, 0], sample.is_held_out[:, None])[0])))
    return sorted(found, key=lambda entry: -entry[1])


def _as_codes(column: pd.Series) -> NDArray[np.int64]:
    """Give categories as codes, and numbers as tenths of the rows; missing ones are -1."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy().astype(np.int64)
    is_present = column.notna().to_numpy()
    ranks = rankdata(column[is_present])
    codes = np.full(len(column), -1, dtype=np.int64)
    codes[is_present] = np.floor((ranks - 1) * N_BINS / len(ranks))
    return codes
