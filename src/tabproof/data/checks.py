"""Checks of a divided table: what makes results untrue. Each is one function here."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.special import gammaln
from scipy.stats import rankdata
from sklearn import model_selection
from sklearn.ensemble import HistGradientBoostingClassifier

from tabproof.auc import Bools, Codes, Floats, aucs_of_ranks, column_aucs, rank_aucs
from tabproof.data.division import Division
from tabproof.data.rates import place_of_categories, rates_on_other_rows
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
    kinds = X.dtypes
    dates = X.columns[[kind.kind == "M" for kind in kinds]]
    texts = X.columns[kinds == "str"]
    if dates.empty and texts.empty:
        return X
    seconds = pd.DataFrame(as_seconds(X[dates]), X.index, dates)
    others = X.drop(columns=[*dates, *texts])
    return pd.concat([others, seconds], axis=1)[X.columns.difference(texts, sort=False)]


def as_seconds(dates: pd.DataFrame) -> Floats:
    """Return dates as seconds since 1970; missing as NaN."""
    times = dates.to_numpy("datetime64[us]")
    return np.where(np.isnat(times), np.nan, times.astype("int64") / 10**6)


def _categories(X: pd.DataFrame) -> tuple[list[str], list[pd.Categorical]]:
    """Return the names of the columns of categories, and their cells."""
    categories = X.select_dtypes("category")
    return list(categories.columns), [column.array for _, column in categories.items()]


def _codes_of(cells: Sequence[pd.Categorical], n_rows: int) -> Codes:
    """Return the codes of categories, a column each; missing is -1."""
    codes = np.empty((n_rows, len(cells)), dtype=np.int64)
    for place, column in enumerate(cells):
        codes[:, place] = column.codes
    return codes


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
    train, test = division.train, division.test
    single, unseen = list[tuple[str, int]](), list[tuple[str, int]]()
    n_test = len(test)
    has_unseen = np.zeros(n_test, dtype=bool)
    X = division.table.X.drop(columns=list(ids))
    names, cells = _categories(X)
    for some in _in_parts(len(names), len(X)):
        codes = _codes_of(cells[some], len(X))
        places, starts = place_of_categories(codes)
        in_train, in_test = (
            np.bincount(places[rows][codes[rows] >= 0], minlength=starts[-1])
            for rows in (train, test)
        )
        is_unseen = (in_train == 0) & (in_test > 0)
        has_unseen |= is_unseen[places[test]].any(axis=1)
        for found, is_such in ((single, in_train == 1), (unseen, is_unseen)):
            counts = np.add.reduceat(is_such.astype(np.int64), starts[:-1])
            found += [(names[some][i], int(counts[i])) for i in np.flatnonzero(counts)]

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
    # A moment or a remark of its own is no id.
    names, cells = _categories(X)
    ids = {name for name, column in zip(names, cells, strict=True) if _are_ids(column)}
    numbers = list(X.columns[X.dtypes == "float64"])
    for some in _in_parts(len(numbers), len(X)):
        values = X[numbers[some]].to_numpy()
        # Most columns of fractions show one at once.
        is_whole = ~(np.floor(values) < values).any(axis=0)
        ids |= {numbers[some][i] for i in np.flatnonzero(is_whole) if _are_numbered(values[:, i])}
    return [str(name) for name in X.columns if name in ids]


def _are_ids(column: pd.Categorical) -> bool:
    present = column.codes[column.codes >= 0]
    least = DISTINCT * len(present)
    is_likely = len(present) >= FEW_ROWS and len(column.categories) >= least
    return is_likely and len(np.unique(present)) >= least


def _are_numbered(values: Floats) -> bool:
    values = values[~np.isnan(values)]
    if len(values) < FEW_ROWS or np.abs(values).max() > GREATEST_ID:
        return False
    distinct = np.unique(values)
    if len(distinct) < DISTINCT * len(values):
        return False
    steps = np.diff(values)
    if (steps >= 0).all() or (steps <= 0).all():
        return True
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
    if X.shape[1] == 0:
        return None
    classes, y = np.unique(division.y_train, return_inverse=True)
    # Of two classes one is enough.
    classes = classes[1:] if len(classes) == 2 else classes
    is_class = division.y_train[:, None] == classes
    n_tries = X.shape[1] * len(classes)
    # With rows of a subject in two folds, its categories would be memorized.
    n_splits = min(N_LEAK_FOLDS, len(X) if groups is None else len(set(groups)))
    splitter = model_selection.KFold(n_splits, shuffle=True, random_state=seed)
    if groups is not None:
        splitter = model_selection.GroupKFold(n_splits)
    folds = list(splitter.split(X, groups=groups))
    aucs = dict[str, Floats]()
    numbers = list(X.columns[X.dtypes == "float64"])
    for some in _in_parts(len(numbers), len(X)):
        of_some = aucs_of_numbers(X[numbers[some]].to_numpy(), is_class, n_tries)
        aucs |= zip(numbers[some], of_some, strict=True)
    names, cells = _categories(X)
    by_chance = could_separate_by_chance(len(X), is_class.sum(axis=0), n_tries)
    for some in _in_parts(len(names), len(X)):
        rates = rates_on_other_rows(_codes_of(cells[some], len(X)), y, folds)
        pairs = zip(rates, is_class.T, strict=True)
        of_classes = [column_aucs(rate, of_class[:, None]) for rate, of_class in pairs]
        of_some = _credible(np.column_stack(of_classes), by_chance, one_way=True)
        aucs |= zip(names[some], of_some, strict=True)
    found: list[tuple[float, str, str]] = []
    for name in X.columns:
        if (best := float(aucs[name].max())) > limit:
            label = labels[classes[aucs[name].argmax()]] if len(labels) > 2 else ""
            found.append((best, str(name), f"{label}: " if label else ""))
    found.sort(key=lambda entry: -entry[0])
    return _finding("leak", [(name, f"{of}{auc:.3f}") for auc, name, of in found], limit=limit)


def could_separate_by_chance(n_rows: Any, n_of_class: Any, n_tries: int) -> Bools:
    """Return the classes that a column of noise could separate by chance, given the columns."""
    n, others = n_rows, n_rows - n_of_class
    n_orders = gammaln(n + 1) - gammaln(n_of_class + 1) - gammaln(others + 1)
    is_few = np.minimum(n_of_class, others) < FEW_ROWS_OF_CLASS
    by_chance: Bools = is_few | (n_orders < np.log(2 * n_tries / BY_CHANCE))
    return by_chance


# Cells that are looked at at a time.
MAX_CELLS = 2_000_000


def _in_parts(n_columns: int, n_rows: int) -> Iterator[slice]:
    """Yield slices of the columns, of at most MAX_CELLS cells each."""
    step = max(MAX_CELLS // n_rows, 1)
    for start in range(0, n_columns, step):
        yield slice(start, start + step)


def aucs_of_numbers(values: Floats, is_class: Bools, n_tries: int) -> Floats:
    """Return the AUCs of each column, in its better direction, and 0 where chance may do it.

    Missing cells are tried as the least, as the greatest, and left out.
    """
    n_of_class = is_class.sum(axis=0)
    by_chance = could_separate_by_chance(len(values), n_of_class, n_tries)
    is_missing = np.isnan(values)
    has_gaps = is_missing.any(axis=0)
    aucs: Floats = np.empty((values.shape[1], len(n_of_class)))
    aucs[~has_gaps] = _credible(column_aucs(values[:, ~has_gaps], is_class), by_chance)
    if not has_gaps.any():
        return aucs
    values, is_missing = values[:, has_gaps], is_missing[:, has_gaps]
    n_missing = is_missing.sum(axis=0)
    greatest = rankdata(np.where(is_missing, np.inf, values), axis=0)
    least = np.where(is_missing, (n_missing + 1) / 2, greatest + n_missing)
    ends = [_credible(aucs_of_ranks(ranks, is_class), by_chance) for ranks in (greatest, least)]
    # The ranks of present cells are the same without the greatest.
    n_present = (len(values) - n_missing)[:, None]
    n_of_class = (~is_missing).T.astype(np.int64) @ is_class
    present = aucs_of_ranks(np.where(is_missing, 0, greatest), is_class, n_present, n_of_class)
    by_chance = could_separate_by_chance(n_present, n_of_class, n_tries)
    by_chance |= n_present / len(values) < MIN_PRESENT
    aucs[has_gaps] = np.max([*ends, _credible(present, by_chance)], axis=0)
    return aucs


def _credible(aucs: Floats, by_chance: Bools, *, one_way: bool = False) -> Floats:
    """Return the AUCs of the better direction; 0 where there is none, or chance may do it."""
    better = aucs if one_way else np.maximum(aucs, 1 - aucs)
    return np.where(by_chance | np.isnan(better), 0.0, better)


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
    X = division.table.X.drop(columns=list(ids))
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
    X = X.iloc[rows]
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
    proba = model_selection.cross_val_predict(
        classifier, _as_ranks(X), is_held_out, cv=folds, n_jobs=1, method="predict_proba"
    )
    auc = float(rank_aucs(proba[:, 1], is_held_out[:, None])[0])
    margin = QUANTILE * null_standard_error(*n_units)
    if auc - margin <= limit:
        return None
    codes = np.column_stack([_codes(X[name]) for name in X.columns])
    (rates,) = rates_on_other_rows(codes, is_held_out.astype(np.int64), folds)
    aucs = column_aucs(rates, is_held_out[:, None])[:, 0]
    alone = list(zip(map(str, X.columns), aucs.tolist(), strict=True))
    alone.sort(key=lambda entry: -entry[1])
    telling = [entry for entry in alone if entry[1] > 0.5 + margin] or alone[:1]
    named = [(name, f"{auc_alone:.3f}") for name, auc_alone in telling]
    return _finding("drift", named, auc=auc, margin=margin, limit=limit)


def _as_ranks(X: pd.DataFrame) -> Floats:
    """Return numbers as their rank, and categories as theirs by frequency.

    Missing is a value as well: boosting refuses a column whose values are all in one fold.
    """
    matrix: Floats = np.empty(X.shape)
    is_number = (X.dtypes == "float64").to_numpy()
    values = X.loc[:, is_number].to_numpy()
    matrix[:, is_number] = rankdata(np.where(np.isnan(values), -np.inf, values), axis=0)
    _, cells = _categories(X)
    for place, column in zip(np.flatnonzero(~is_number), cells, strict=True):
        counts = np.bincount(column.codes + 1, minlength=len(column.categories) + 1)
        ranks = np.empty(len(counts), dtype=np.float64)
        ranks[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
        matrix[:, place] = np.minimum(ranks, MAX_CATEGORIES - 1)[column.codes + 1]
    return matrix


def _codes(column: pd.Series) -> Codes:
    """Return categories as codes, and numbers as tenths of the rows; missing is -1."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy().astype(np.int64)
    is_present = column.notna().to_numpy()
    ranks = rankdata(column[is_present])
    codes = np.full(len(column), -1, dtype=np.int64)
    codes[is_present] = np.floor((ranks - 1) * N_BINS / len(ranks))
    return codes
