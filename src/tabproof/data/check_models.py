"""Checks that need a model: columns that reveal the target, and a hold-out that differs."""

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
from tabproof.evaluation_result import Finding
from tabproof.findings import list_named, make_finding

Codes = NDArray[np.int64]
Folds = Sequence[tuple[Codes, Codes]]


def rates_on_other_rows(codes: Codes, y: Codes, folds: Folds) -> Floats:
    """Return by row its category's share of each class, as learned on the other folds.

    Shape (n_rows, 1) with two classes, of the second; else (n_rows, n_classes). A category of
    one row is unknown to the others: so an id reveals nothing.
    """
    encoder = TargetEncoder(cv=folds, target_type="binary" if y.max() < 2 else "multiclass")
    rates: Floats = encoder.fit_transform(codes.reshape(-1, 1), y)
    return rates


# --- Leaks: columns that separate a class from the others on their own.

N_LEAK_FOLDS = 5
# A column with a value in fewer of the rows reveals little.
MIN_PRESENT = 0.1
# The chance with which columns of noise may be reported.
BY_CHANCE = 0.001
# Fewer rows of a class are always next to each other.
FEW_ROWS_OF_CLASS = 3


def find_leak(division: Division, limit: float, seed: int) -> Finding | None:
    """Find columns of the training rows with an AUC above the limit for any class."""
    X, labels = division.X_train, division.table.labels
    classes, y = np.unique(division.y_train, return_inverse=True)
    # Of two classes one is enough.
    classes = classes[1:] if len(classes) == 2 else classes
    is_class = division.y_train[:, None] == classes
    by_chance = could_separate_by_chance(is_class, X.shape[1] * len(classes))
    folds = _leak_folds(division, seed)
    found: list[tuple[float, str, str]] = []
    for name in X.columns:
        if isinstance(X[name].dtype, pd.CategoricalDtype):
            aucs = _aucs_of_categories(X[name], y, is_class, folds)
            best = _credible(aucs, by_chance)
        else:
            best = _best_auc_of_numbers(X[name].to_numpy(), is_class, by_chance, X.shape[1])
        if best.max() > limit:
            label = labels[classes[best.argmax()]] if len(labels) > 2 else ""
            found.append((float(best.max()), str(name), label))
    if not found:
        return None
    found.sort(key=lambda entry: -entry[0])
    figures = [f"{label}: {auc:.3f}" if label else f"{auc:.3f}" for auc, _, label in found]
    columns = [name for _, name, _ in found]
    shown = list_named(zip(columns, figures, strict=True))
    return make_finding("leak", columns, n_columns=len(found), limit=limit, named=shown)


def could_separate_by_chance(is_class: Bools, n_tries: int) -> Bools:
    """Return the classes that a column of noise could separate by chance, given the columns."""
    n, n_of_class = len(is_class), is_class.sum(axis=0)
    n_orders = gammaln(n + 1) - gammaln(n_of_class + 1) - gammaln(n - n_of_class + 1)
    is_few = np.minimum(n_of_class, n - n_of_class) < FEW_ROWS_OF_CLASS
    by_chance: Bools = is_few | (n_orders < np.log(2 * n_tries / BY_CHANCE))
    return by_chance


def _credible(aucs: Floats, by_chance: Bools) -> Floats:
    return np.where(by_chance | np.isnan(aucs), 0.0, aucs)


def _leak_folds(division: Division, seed: int) -> Folds:
    # With rows of a subject in two folds, its categories would be memorized.
    groups = division.groups
    n_splits = min(N_LEAK_FOLDS, len(division.train) if groups is None else len(set(groups)))
    if n_splits < 2:
        return []
    if groups is None:
        return list(KFold(n_splits, shuffle=True, random_state=seed).split(division.train))
    return list(GroupKFold(n_splits).split(division.train, groups=groups))


def _best_auc_of_numbers(
    values: Floats, is_class: Bools, by_chance: Bools, n_columns: int
) -> Floats:
    """Try both directions, with missing as the least, as the greatest, and left out."""

    def either_way(values: Floats, is_class: Bools, by_chance: Bools) -> Floats:
        aucs = rank_aucs(values, is_class)
        return _credible(np.maximum(aucs, 1 - aucs), by_chance)

    is_missing = np.isnan(values)
    if not is_missing.any():
        return either_way(values, is_class, by_chance)
    tries = [
        either_way(np.where(is_missing, end, values), is_class, by_chance)
        for end in (-np.inf, np.inf)
    ]
    if (~is_missing).mean() >= MIN_PRESENT:
        present = is_class[~is_missing]
        n_tries = n_columns * is_class.shape[1]
        by_chance = could_separate_by_chance(present, n_tries)
        tries.append(either_way(values[~is_missing], present, by_chance))
    best: Floats = np.max(tries, axis=0)
    return best


def _aucs_of_categories(column: pd.Series, y: Codes, is_class: Bools, folds: Folds) -> Floats:
    if not folds:
        return np.zeros(is_class.shape[1])
    codes = column.cat.codes.to_numpy().astype(np.int64)  # missing, -1, is a category as well
    rates = rates_on_other_rows(codes, y, folds)
    aucs = [rank_aucs(rates[:, i], is_class[:, [i]])[0] for i in range(is_class.shape[1])]
    return np.array(aucs)


# --- Drift: a hold-out that a classifier can tell from the training rows (adversarial validation).

# Rows of each side: more are slower, and smaller differences do not matter.
MAX_ROWS = 2000
# With fewer rows, or subjects, of a side nothing is certain.
FEW_ROWS = 20
N_DRIFT_FOLDS = 3
# Of a normal distribution, 99.5 %. Folds share rows, so where nothing differs the AUCs spread
# 1.3 times as far as those of independent rows: with 1.96 small tables raise false alarms.
QUANTILE = 2.576
# Categories beyond the most frequent ones count as one.
MAX_CATEGORIES = 64
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
        return QUANTILE * null_standard_error(*self.n_units)


def null_standard_error(n: int, m: int) -> float:
    """Return the standard error of an AUC where nothing differs (Mann and Whitney, 1947)."""
    return float(np.sqrt((n + m + 1) / (12 * n * m)))


def find_drift(division: Division, ids: Sequence[str], limit: float, seed: int) -> Finding | None:
    """Find that the AUC on rows not learned from is above the limit by more than its margin."""
    sample = _draw(division, ids, seed)
    if sample is None:
        return None
    auc = _auc_of_classifier(sample, seed)
    if auc - sample.margin <= limit:
        return None
    alone = _aucs_alone(sample)
    telling = [entry for entry in alone if entry[1] > 0.5 + sample.margin] or alone[:1]
    columns = [name for name, _ in telling]
    return make_finding(
        "drift",
        columns,
        n_columns=len(columns),
        auc=auc,
        margin=sample.margin,
        limit=limit,
        named=list_named((name, f"{auc:.3f}") for name, auc in telling),
    )


def _draw(division: Division, ids: Sequence[str], seed: int) -> _Sample | None:
    generator = np.random.default_rng(seed)
    train, test = (
        np.sort(generator.choice(rows, min(len(rows), MAX_ROWS), replace=False))
        for rows in (division.train, division.test)
    )
    X = division.table.X.drop(columns=list(ids)).iloc[np.append(train, test)]
    is_held_out = np.repeat([False, True], [len(train), len(test)])
    n_units, units, splitter = (len(train), len(test)), None, StratifiedKFold
    if division.groups is not None:
        # A subject in two folds would be recognized, and all its rows are on one side.
        subjects = division.table.non_features.iloc[np.append(train, test), 0]
        units, splitter = pd.factorize(subjects, use_na_sentinel=False)[0], StratifiedGroupKFold
        n_units = len(set(units[~is_held_out])), len(set(units[is_held_out]))
    if X.shape[1] == 0 or min(n_units) < FEW_ROWS:
        return None
    folds = splitter(N_DRIFT_FOLDS, shuffle=True, random_state=seed).split(X, is_held_out, units)
    return _Sample(X, is_held_out, n_units, list(folds))


def _auc_of_classifier(sample: _Sample, seed: int) -> float:
    matrix = np.column_stack([_as_ranks(sample.X[name]) for name in sample.X.columns])
    is_category = [isinstance(kind, pd.CategoricalDtype) for kind in sample.X.dtypes]
    classifier = HistGradientBoostingClassifier(
        max_iter=20,
        max_leaf_nodes=8,
        learning_rate=0.2,
        max_bins=MAX_CATEGORIES,
        early_stopping=False,
        categorical_features=is_category,
        random_state=seed,
    )
    proba = cross_val_predict(
        classifier, matrix, sample.is_held_out, cv=sample.folds, n_jobs=1, method="predict_proba"
    )
    return float(rank_aucs(proba[:, 1], sample.is_held_out[:, None])[0])


def _as_ranks(column: pd.Series) -> Floats:
    """Return numbers as their rank, and categories as theirs by frequency.

    Missing is a value as well: boosting refuses a column whose values are all in one fold.
    """
    if not isinstance(column.dtype, pd.CategoricalDtype):
        by_value: Floats = rankdata(column.fillna(-np.inf))
        return by_value
    codes = column.cat.codes.to_numpy().astype(np.int64)
    counts = np.bincount(codes + 1, minlength=len(column.cat.categories) + 1)
    ranks = np.empty(len(counts), dtype=np.float64)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.minimum(ranks, MAX_CATEGORIES - 1)[codes + 1]


def _aucs_alone(sample: _Sample) -> list[tuple[str, float]]:
    """Return the AUC of each column alone, the highest first."""
    y, found = sample.is_held_out.astype(np.int64), []
    for name in sample.X.columns:
        rates = rates_on_other_rows(_as_codes(sample.X[name]), y, sample.folds)
        found.append((str(name), float(rank_aucs(rates[:, 0], sample.is_held_out[:, None])[0])))
    return sorted(found, key=lambda entry: -entry[1])


def _as_codes(column: pd.Series) -> Codes:
    """Return categories as codes, and numbers as tenths of the rows; missing ones are -1."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy().astype(np.int64)
    is_present = column.notna().to_numpy()
    ranks = rankdata(column[is_present])
    codes = np.full(len(column), -1, dtype=np.int64)
    codes[is_present] = np.floor((ranks - 1) * N_BINS / len(ranks))
    return codes
