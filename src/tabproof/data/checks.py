"""Checks of a divided table: what makes results untrue. Each is one function here."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.special import gammaln
from scipy.stats import rankdata
from sklearn import model_selection
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import TargetEncoder

from tabproof.auc import Bools, Codes, Floats, column_aucs, rank_aucs
from tabproof.data.division import Division
from tabproof.data.table import Table
from tabproof.errors import UserError
from tabproof.evaluation_result import Finding, list_named, make_finding


class DataChecksFailedError(UserError):
    """Findings in a run with checks.fail=true."""

    template = (
        "checks.fail=true, and the data has: {found}; correct the data, or run with"
        " checks.fail=false, which explains each finding"
    )


class Limits(Protocol):
    """Limits above or below which a check reports; shares are of rows."""

    leak_auc: float
    missing_share: float
    minority_share: float
    drift_auc: float


def check(division: Division, limits: Limits, *, seed: int) -> list[Finding]:
    """Return what all checks find.

    An id makes every row distinct and every row known: checks that compare rows leave ids out.
    """
    X = division.table.X
    ids = id_columns(X)
    simple = replace(division, table=replace(division.table, X=_numbers_and_categories(X)))
    found = [
        find_leak(simple, limits.leak_auc, seed),
        _finding("ids", [(name, f"{X[name].nunique():,}/{X[name].count():,}") for name in ids]),
        *find_copies(division, ids),
        find_missing(X, limits.missing_share),
        *find_rare_categories(division, ids),
        find_drift(simple, ids, limits.drift_auc, seed),
        find_imbalance(division.table, limits.minority_share),
    ]
    return [finding for finding in found if finding is not None]


def _numbers_and_categories(X: pd.DataFrame) -> pd.DataFrame:
    """Return dates as seconds, and no texts: their words are not looked at here."""
    dates = {name: as_seconds(X[name]) for name in X.columns if X[name].dtype.kind == "M"}
    texts = [name for name in X.columns if X[name].dtype == "str"]
    return X.assign(**dates).drop(columns=texts) if dates or texts else X


def as_seconds(column: pd.Series) -> pd.Series:
    """Return dates as seconds since 1970; missing as NaN."""
    micros = column.to_numpy("datetime64[us]").astype("int64") / 10**6
    return pd.Series(np.where(column.isna(), np.nan, micros), column.index, name=column.name)


def _finding(check: str, named: Sequence[tuple[str, str]], **facts: Any) -> Finding | None:
    """Return a finding about columns, each with a figure; None if there are none."""
    columns = [name for name, _ in named]
    facts = {"n_columns": len(named), **facts, "named": list_named(named)}
    return make_finding(check, columns, **facts) if named else None


def find_imbalance(table: Table, limit: float) -> Finding | None:
    """Find classes with less than this share of the rows, and less than half an even share.

    Of 30 classes of equal size none is rare.
    """
    counts, shares = table.counts, table.counts / len(table.y)
    is_rare = shares < min(limit, 0.5 / len(table.labels))
    rare = [code for code in np.argsort(counts, kind="stable") if is_rare[code]]
    if not rare:
        return None
    return make_finding(
        "imbalance",
        n_rare=len(rare),
        n_labels=len(table.labels),
        limit=limit,
        named=list_named((table.labels[c], f"{shares[c]:.2%}, n={counts[c]:,}") for c in rare),
    )


def find_missing(X: pd.DataFrame, limit: float) -> Finding | None:
    """Find columns in which at least this share of the values is missing."""
    shares = X.isna().mean()
    found = shares[shares >= limit].sort_values(ascending=False, kind="stable")
    return _finding("missing", [(str(c), f"{s:.1%}") for c, s in found.items()], limit=limit)


# Columns that are compared before all of a wide table.
N_FIRST_COLUMNS = 50


def find_copies(division: Division, ids: Sequence[str]) -> tuple[Finding | None, Finding | None]:
    """Find held-out rows that are training rows too, and equal rows with different targets.

    Rows are equal in all columns except the target; missing equals missing.
    """
    table, train, test = division.table, division.train, division.test
    X, n_labels = table.X.drop(columns=list(ids)), len(table.labels)
    if X.shape[1] == 0:
        return None, None
    if X.shape[1] > N_FIRST_COLUMNS:
        # Rows that differ in the first columns differ in all; groups by thousands are slow.
        first = X.iloc[:, :N_FIRST_COLUMNS]
        if not first.duplicated().any():
            return None, None
    groups = X.groupby(list(X.columns), dropna=False, observed=True, sort=False).ngroup()
    kinds = groups.to_numpy().astype(np.int64)
    # The same number is the same row with the same target.
    with_target = kinds * n_labels + table.y
    n_table, overlap, conflicts = len(kinds), None, None
    if n_rows := int(np.isin(kinds[test], kinds[train]).sum()):
        overlap = make_finding(
            "overlap",
            n_rows=n_rows,
            n_test=len(test),
            share=n_rows / len(test),
            n_same_target=int(np.isin(with_target[test], with_target[train]).sum()),
            n_distinct=len(np.unique(kinds)),
            n_table=n_table,
        )
    pairs, counts = np.unique(with_target, return_counts=True)
    _, starts, n_targets = np.unique(pairs // n_labels, return_index=True, return_counts=True)
    if n_rows := int(np.add.reduceat(counts, starts)[n_targets > 1].sum()):
        # A model can be right about those equal rows that have their most frequent target.
        n_right = int(np.maximum.reduceat(counts, starts).sum())
        conflicts = make_finding(
            "conflicts",
            n_rows=n_rows,
            n_table=n_table,
            share=n_rows / n_table,
            best_accuracy=n_right / n_table,
        )
    return overlap, conflicts


def find_rare_categories(
    division: Division, ids: Sequence[str]
) -> tuple[Finding | None, Finding | None]:
    """Find categories of a single training row, and categories that only held-out rows have."""
    single, unseen, n_test = [], [], len(division.test)
    has_unseen = np.zeros(n_test, dtype=bool)
    categories = division.table.X.select_dtypes("category")
    for name in categories.columns.difference(list(ids), sort=False):
        codes = categories[name].cat.codes.to_numpy(np.int64)
        n_categories = len(categories[name].cat.categories)
        in_train, in_test = (
            np.bincount(codes[rows][codes[rows] >= 0], minlength=n_categories)
            for rows in (division.train, division.test)
        )
        if n_single := int((in_train == 1).sum()):
            single.append((str(name), n_single))
        is_unseen = (in_train == 0) & (in_test > 0)
        if is_unseen.any():
            unseen.append((str(name), int(is_unseen.sum())))
            has_unseen |= np.append(is_unseen, False)[codes[division.test]]  # -1 is missing

    def finding(check: str, found: list[tuple[str, int]], **facts: Any) -> Finding | None:
        named = [(name, f"{n:,}") for name, n in sorted(found, key=lambda entry: -entry[1])]
        return _finding(check, named, n_categories=sum(n for _, n in found), **facts)

    n_rows = int(has_unseen.sum())
    rows = {"n_rows": n_rows, "n_test": n_test, "share": n_rows / n_test}
    return finding("single_categories", single), finding("unseen_categories", unseen, **rows)


# --- Columns that look like ids: a model can memorize them, and learn nothing from them.

# Copied rows have the same id.
DISTINCT = 0.98
# In fewer rows values differ anyway.
FEW_ROWS, FEW_ROWS_OF_NUMBERS = 20, 100
# Neighbours in a shuffled counter, or in several of them, differ by one.
ONE_STEP = 0.5
# Greatest distance from an even spread, as Kolmogorov and Smirnov measure it. Assigned numbers
# fill their range; incomes and prices crowd at its lower end.
UNEVEN = 0.15
# Doubles above this are all whole.
GREATEST_ID = 2.0**64


def id_columns(X: pd.DataFrame) -> list[str]:
    """Return columns of texts or whole numbers in which nearly every row has its own value."""
    return [str(name) for name, column in X.items() if _looks_like_an_id(column)]


def _looks_like_an_id(column: pd.Series) -> bool:
    if column.dtype == "float64":
        numbers = column.to_numpy()
        # Most columns of fractions show one at once.
        if (np.floor(numbers) < numbers).any():
            return False
    present = column.dropna()
    if len(present) < FEW_ROWS or present.nunique() < DISTINCT * len(present):
        return False
    if isinstance(present.dtype, pd.CategoricalDtype):
        return True
    # A moment or a remark of its own is no id.
    if present.dtype != "float64":
        return False
    values = present.to_numpy()
    if np.abs(values).max() > GREATEST_ID:
        return False
    if present.is_monotonic_increasing or present.is_monotonic_decreasing:
        return True
    distinct = np.unique(values)
    _, n_of_step = np.unique(np.diff(distinct), return_counts=True)
    if n_of_step.max() > ONE_STEP * len(distinct):
        return True
    evenly = (distinct - distinct[0]) / (distinct[-1] - distinct[0])
    distance = np.abs(np.arange(1, len(distinct) + 1) / len(distinct) - evenly).max()
    return len(values) >= FEW_ROWS_OF_NUMBERS and bool(distance < UNEVEN)


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
    X, labels, groups = division.X_train, division.table.labels, division.groups
    classes, y = np.unique(division.y_train, return_inverse=True)
    # Of two classes one is enough.
    classes = classes[1:] if len(classes) == 2 else classes
    is_class = division.y_train[:, None] == classes
    by_chance = could_separate_by_chance(is_class, X.shape[1] * len(classes))
    # With rows of a subject in two folds, its categories would be memorized.
    n_splits = min(N_LEAK_FOLDS, len(X) if groups is None else len(set(groups)))
    splitter = model_selection.KFold(n_splits, shuffle=True, random_state=seed)
    if groups is not None:
        splitter = model_selection.GroupKFold(n_splits)
    folds = list(splitter.split(X, groups=groups))
    found: list[tuple[float, str, str]] = []
    complete = _aucs_of_complete(X, is_class)
    for name in X.columns:
        if name in complete:
            tries = [(complete[name], by_chance)]
        elif isinstance(X[name].dtype, pd.CategoricalDtype):
            rates = rates_on_other_rows(_codes(X[name]), y, folds)
            pairs = zip(rates.T, is_class.T, strict=True)
            aucs = np.array([rank_aucs(rate, of_class[:, None])[0] for rate, of_class in pairs])
            tries = [(aucs, by_chance)]
        else:
            tries = _aucs_of_numbers(X[name].to_numpy(), is_class, by_chance, X.shape[1])
        credible = [np.where(chance | np.isnan(aucs), 0.0, aucs) for aucs, chance in tries]
        best = np.max(credible, axis=0)
        if best.max() > limit:
            label = labels[classes[best.argmax()]] if len(labels) > 2 else ""
            found.append((float(best.max()), str(name), f"{label}: " if label else ""))
    found.sort(key=lambda entry: -entry[0])
    return _finding("leak", [(name, f"{of}{auc:.3f}") for auc, name, of in found], limit=limit)


def could_separate_by_chance(is_class: Bools, n_tries: int) -> Bools:
    """Return the classes that a column of noise could separate by chance, given the columns."""
    n, n_of_class = len(is_class), is_class.sum(axis=0)
    n_orders = gammaln(n + 1) - gammaln(n_of_class + 1) - gammaln(n - n_of_class + 1)
    is_few = np.minimum(n_of_class, n - n_of_class) < FEW_ROWS_OF_CLASS
    by_chance: Bools = is_few | (n_orders < np.log(2 * n_tries / BY_CHANCE))
    return by_chance


# Cells that are ranked at a time.
MAX_RANKED = 2_000_000


def _aucs_of_complete(X: pd.DataFrame, is_class: Bools) -> dict[Any, Floats]:
    """Return the AUCs of columns of numbers without gaps, of the better direction."""
    has_gaps = X.isna().any()
    names = [name for name in X.columns[X.dtypes == "float64"] if not has_gaps[name]]
    step, aucs = max(MAX_RANKED // len(X), 1), dict[Any, Floats]()
    for start in range(0, len(names), step):
        some = names[start : start + step]
        for name, auc in zip(some, column_aucs(X[some].to_numpy(), is_class), strict=True):
            aucs[name] = np.maximum(auc, 1 - auc)
    return aucs


def _aucs_of_numbers(
    values: Floats, is_class: Bools, by_chance: Bools, n_columns: int
) -> list[tuple[Floats, Bools]]:
    """Try both directions, with missing as the least, as the greatest, and left out."""
    is_present = ~np.isnan(values)
    tries = [(values, is_class, by_chance)]
    if not is_present.all():
        ends = [np.where(is_present, values, end) for end in (-np.inf, np.inf)]
        tries = [(filled, is_class, by_chance) for filled in ends]
        if is_present.mean() >= MIN_PRESENT:
            present = is_class[is_present]
            by_chance = could_separate_by_chance(present, n_columns * is_class.shape[1])
            tries.append((values[is_present], present, by_chance))
    aucs = [(rank_aucs(values, is_class), by_chance) for values, is_class, by_chance in tries]
    return [(np.maximum(auc, 1 - auc), chance) for auc, chance in aucs]


def rates_on_other_rows(codes: Codes, y: Codes, folds: Sequence[tuple[Codes, Codes]]) -> Floats:
    """Return by row its category's share of each class, as learned on the other folds.

    Shape (n_rows, 1) with two classes, of the second; else (n_rows, n_classes). A category of
    one row is unknown to the others: so an id reveals nothing.
    """
    encoder = TargetEncoder(cv=folds, target_type="binary" if y.max() < 2 else "multiclass")
    rates: Floats = encoder.fit_transform(codes.reshape(-1, 1), y)
    return rates


# --- Drift: a hold-out that a classifier can tell from the training rows (adversarial validation).

# Rows of each side: more are slower, and smaller differences do not matter.
MAX_ROWS, N_DRIFT_FOLDS = 2000, 3
# A random sample of this size of wider tables: drift in a tenth of the columns is still found.
MAX_DRIFT_COLUMNS = 500
# Of a normal distribution, 99.5 %. Folds share rows, so where nothing differs the AUCs spread
# 1.3 times as far as those of independent rows: with 1.96 small tables raise false alarms.
QUANTILE = 2.576
# Categories beyond the most frequent ones count as one.
MAX_CATEGORIES = 64
N_BINS = 10


def null_standard_error(n: int, m: int) -> float:
    """Return the standard error of an AUC where nothing differs (Mann and Whitney, 1947)."""
    return float(np.sqrt((n + m + 1) / (12 * n * m)))


def find_drift(division: Division, ids: Sequence[str], limit: float, seed: int) -> Finding | None:
    """Find that the AUC on rows not learned from is above the limit by more than its margin."""
    generator = np.random.default_rng(seed)
    train, test = (
        np.sort(generator.choice(rows, min(len(rows), MAX_ROWS), replace=False))
        for rows in (division.train, division.test)
    )
    rows = np.append(train, test)
    X = division.table.X.drop(columns=list(ids)).iloc[rows]
    is_held_out = np.repeat([False, True], [len(train), len(test)])
    # Rows, or subjects, of both sides.
    n_units, units, splitter = (len(train), len(test)), None, model_selection.StratifiedKFold
    if division.groups is not None:
        # A subject in two folds would be recognized, and all its rows are on one side.
        subjects = division.table.non_features.iloc[rows, 0]
        units, _ = pd.factorize(subjects, use_na_sentinel=False)
        splitter = model_selection.StratifiedGroupKFold
        n_units = len(set(units[~is_held_out])), len(set(units[is_held_out]))
    # With fewer of a side nothing is certain.
    if X.shape[1] == 0 or min(n_units) < FEW_ROWS:
        return None
    if X.shape[1] > MAX_DRIFT_COLUMNS:
        # Not those that differ most: a choice by the same rows would find drift by chance.
        drawn = generator.choice(X.shape[1], MAX_DRIFT_COLUMNS, replace=False)
        X = X.iloc[:, np.sort(drawn)]
    splitter = splitter(N_DRIFT_FOLDS, shuffle=True, random_state=seed)
    folds = list(splitter.split(X, is_held_out, units))
    classifier = HistGradientBoostingClassifier(
        max_iter=20,
        max_leaf_nodes=8,
        learning_rate=0.2,
        max_bins=MAX_CATEGORIES,
        early_stopping=False,
        categorical_features=[isinstance(kind, pd.CategoricalDtype) for kind in X.dtypes],
        random_state=seed,
    )
    matrix = np.column_stack([_as_ranks(X[name]) for name in X.columns])
    proba = model_selection.cross_val_predict(
        classifier, matrix, is_held_out, cv=folds, n_jobs=1, method="predict_proba"
    )
    auc = float(rank_aucs(proba[:, 1], is_held_out[:, None])[0])
    margin = QUANTILE * null_standard_error(*n_units)
    if auc - margin <= limit:
        return None
    alone = []
    for name in X.columns:
        rates = rates_on_other_rows(_codes(X[name]), is_held_out.astype(np.int64), folds)
        alone.append((str(name), float(rank_aucs(rates[:, 0], is_held_out[:, None])[0])))
    alone.sort(key=lambda entry: -entry[1])
    telling = [entry for entry in alone if entry[1] > 0.5 + margin] or alone[:1]
    named = [(name, f"{auc_alone:.3f}") for name, auc_alone in telling]
    return _finding("drift", named, auc=auc, margin=margin, limit=limit)


def _as_ranks(column: pd.Series) -> Floats:
    """Return numbers as their rank, and categories as theirs by frequency.

    Missing is a value as well: boosting refuses a column whose values are all in one fold.
    """
    if not isinstance(column.dtype, pd.CategoricalDtype):
        by_value: Floats = rankdata(column.fillna(-np.inf))
        return by_value
    codes = _codes(column)
    counts = np.bincount(codes + 1, minlength=len(column.cat.categories) + 1)
    ranks = np.empty(len(counts), dtype=np.float64)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.minimum(ranks, MAX_CATEGORIES - 1)[codes + 1]


def _codes(column: pd.Series) -> Codes:
    """Return categories as codes, and numbers as tenths of the rows; missing is -1."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy().astype(np.int64)
    is_present = column.notna().to_numpy()
    ranks = rankdata(column[is_present])
    codes = np.full(len(column), -1, dtype=np.int64)
    codes[is_present] = np.floor((ranks - 1) * N_BINS / len(ranks))
    return codes
