"""A hold-out that a classifier can tell from the training rows: adversarial validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict

from src.data.checks.area import Bools, Floats, Folds, areas, rates_on_other_rows, standard_error
from src.data.checks.words import make_finding, named
from src.data.division import Division
from src.evidence import Finding

# Rows of either side: more make it slower, and what differs by less is of no matter.
MOST_ROWS = 2000
# With fewer rows, or subjects, of either side nothing is certain.
FEW_ROWS = 20
N_FOLDS = 3
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
    if X.shape[1] == 0 or min(n_units) < FEW_ROWS:
        return None
    folds = splitter(N_FOLDS, shuffle=True, random_state=seed).split(X, is_held_out, units)
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
    return float(areas(proba[:, 1], sample.is_held_out[:, None])[0])


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
        found.append((str(name), float(areas(rates[:, 0], sample.is_held_out[:, None])[0])))
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
