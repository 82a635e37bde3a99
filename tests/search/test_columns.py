"""Without the columns that no tree can split on, a boosting has the same bits."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.model_selection import StratifiedKFold

from tabproof.search import RungSearchCV, parse_schedule
from tabproof.search.fitting import splittable, taking_all_columns

SMALL = {"max_iter": 4, "learning_rate": 0.5, "random_state": 0}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "leaves of one row": {"min_samples_leaf": 1},
    "large leaves": {"min_samples_leaf": 40},
    "stops early": {"early_stopping": True, "n_iter_no_change": 2},
    "weighs classes": {"class_weight": "balanced"},
    "few bins": {"max_bins": 3},
}


def table(
    n_rows: int, n_rare: list[int], seed: int, *, missing: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Make two columns that tell of y, and among others some in which few rows differ."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 2 + len(n_rare)))
    for column, n in enumerate(n_rare, start=2):
        X[:, column] = 0
        rows = rng.permutation(n_rows)[:n]
        X[rows, column] = np.nan if missing else rng.integers(1, 4, len(rows))
    order = rng.permutation(X.shape[1])
    y = (X[:, 0] + X[:, 1] + rng.normal(0, 0.3, n_rows) > 0).astype(int)
    return X[:, order], y + (X[:, 0] > 1)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@settings(max_examples=15, deadline=None)
@given(
    n_rare=st.lists(st.integers(0, 50), min_size=1, max_size=8),
    n_rows=st.integers(60, 160),
    seed=st.integers(0, 5),
)
def test_the_bits_are_the_same_without_them(
    options: dict[str, Any], missing: bool, n_rare: list[int], n_rows: int, seed: int
) -> None:
    X, y = table(n_rows, n_rare, seed, missing=missing)
    estimator = HistGradientBoostingClassifier(**{**SMALL, **options})
    columns = splittable(estimator, X)
    whole = estimator.fit(X, y).predict_proba(X)
    if columns is None:
        return
    some = HistGradientBoostingClassifier(**{**SMALL, **options}).fit(X[:, columns], y)
    assert taking_all_columns(some, columns).predict_proba(X).tobytes() == whole.tobytes()


def test_regression_has_the_same_bits_too() -> None:
    X, _ = table(120, [0, 3, 30], 1)
    estimator = HistGradientBoostingRegressor(**SMALL)
    columns = splittable(estimator, X)
    assert columns is not None
    assert len(columns) == 3
    whole = estimator.fit(X, X[:, 0]).predict(X)
    some = estimator.fit(X[:, columns], X[:, 0])
    assert taking_all_columns(some, columns).predict(X).tobytes() == whole.tobytes()


@pytest.mark.parametrize(("n", "is_kept"), [(0, False), (19, False), (20, True)])
def test_a_column_is_kept_from_as_many_rows_as_a_leaf_has(n: int, is_kept: bool) -> None:
    X = np.random.default_rng(0).normal(size=(100, 3))
    X[:, 1] = 0
    X[50 : 50 + n, 1] = 1
    columns = splittable(HistGradientBoostingClassifier(), X)
    assert (None if columns is None else columns.tolist()) == (None if is_kept else [0, 2])


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingClassifier(max_features=0.5),
        HistGradientBoostingClassifier(monotonic_cst=[0, 1, 0]),
        HistGradientBoostingClassifier(interaction_cst=[{0, 1}]),
        HistGradientBoostingClassifier(categorical_features=[1]),
        HistGradientBoostingClassifier(categorical_features=["a"]),
        RandomForestClassifier(),
    ],
)
def test_what_counts_columns_or_draws_them_keeps_all(estimator: Any) -> None:
    assert splittable(estimator, np.zeros((100, 3))) is None


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((100, 3)),  # nothing would be left
        np.zeros((0, 3)),
        np.zeros(100),
        np.full((100, 3), "a", dtype=object),
        pd.DataFrame({"a": [0.0] * 100, "b": [1.0] * 100}),
    ],
    ids=["constant", "no rows", "one dimension", "objects", "frame"],
)
def test_what_is_no_matrix_of_numbers_is_left_as_it_is(X: Any) -> None:
    assert splittable(HistGradientBoostingClassifier(), X) is None


def test_a_search_finds_the_same_and_scorers_see_all_columns() -> None:
    X, y = table(160, [2, 3, 80], 2)
    y = (y > 0).astype(int)
    widths = set()

    def scorer(estimator: Any, X: Any, y: Any) -> float:
        widths.add(X.shape[1])
        return float(np.mean(estimator.predict(X) == y))

    schedule = parse_schedule(
        [{"candidates": "all", "iterations": "100%", "rows": "100%", "folds": "all"}]
    )
    cv = StratifiedKFold(2, shuffle=True, random_state=0)
    found = RungSearchCV(
        HistGradientBoostingClassifier(**SMALL),
        {"max_depth": [1, 3]},
        schedule=schedule,
        scoring=scorer,
        cv=cv,
    ).fit(X, y)
    expected = []
    for train, test in cv.split(X, y):
        fitted = HistGradientBoostingClassifier(**SMALL, max_depth=3).fit(X[train], y[train])
        expected.append(np.mean(fitted.predict(X[test]) == y[test]))
    row = [params.get("max_depth") for params in found.cv_results_["params"]].index(3)
    assert found.cv_results_["mean_test_score"][row] == np.mean(expected)
    assert widths == {5}
    assert found.best_estimator_.n_features_in_ == 5
