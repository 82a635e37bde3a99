"""A fit that continues another one, or leaves out columns, gives exactly the same model."""

import warnings
from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tabproof.search import RungSearchCV, parse_schedule
from tabproof.search.fitting import (
    can_continue,
    continue_fit,
    iteration_params,
    splittable_columns,
)
from tests.search.making import table

BOOSTING = HistGradientBoostingClassifier(max_iter=12, learning_rate=0.3, random_state=0)
STOPPING = {"early_stopping": True, "n_iter_no_change": 2, "validation_fraction": 0.2}


def answers(fitted: Any, X: Any) -> Any:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def shortened(estimator: Any, n: int) -> Any:
    return clone(estimator).set_params(**dict.fromkeys(iteration_params(estimator), n))


def assert_continues(estimator: Any, X: Any, y: Any, *paths: list[int]) -> None:
    """Check that a fit that was continued, by any path of iterations, equals one from scratch."""
    assert can_continue(estimator)
    cold = clone(estimator).fit(X, y)
    for path in paths:
        fitted = shortened(estimator, path[0]).fit(X, y)
        for n in path[1:]:
            fitted = deepcopy(continue_fit(shortened(estimator, n), fitted, X, y))
        fitted = continue_fit(clone(estimator), fitted, X, y)
        np.testing.assert_array_equal(answers(fitted, X), answers(cold, X))
        assert fitted.get_params() == cold.get_params()


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"class_weight": "balanced"},
        {"early_stopping": True, "validation_fraction": None},
        {"max_leaf_nodes": 4, "l2_regularization": 1.0},
    ],
    ids=str,
)
def test_boosting_continues_exactly(n_classes: int, changes: dict[str, Any]) -> None:
    estimator = clone(BOOSTING).set_params(**changes)
    assert_continues(estimator, *table(150, n_classes), [1], [4, 4], [3, 7], [11, 12])


@pytest.mark.parametrize(
    ("n_classes", "scoring", "validation"),
    [(2, "loss", 0.2), (3, "loss", None), (2, "roc_auc_ovr", None), (3, "roc_auc_ovr", 0.2)],
)
def test_boosting_with_early_stopping_continues_exactly(
    n_classes: int, scoring: str, validation: float | None
) -> None:
    X, y = table(150, n_classes)
    stopping = {**STOPPING, "validation_fraction": validation, "scoring": scoring}
    estimator = clone(BOOSTING).set_params(**stopping, max_iter=60, tol=5e-2)
    n_iter = clone(estimator).fit(X, y).n_iter_
    assert 2 < n_iter < 60
    # Including the iteration at which it stops.
    assert_continues(estimator, X, y, *([n] for n in {1, n_iter - 1, n_iter, n_iter + 1, 59}))


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(9, random_state=0),
        RandomForestClassifier(9, random_state=0, bootstrap=False, max_leaf_nodes=5),
        RandomForestClassifier(9, random_state=0, max_samples=0.5),
        ExtraTreesClassifier(9, random_state=3),
        ExtraTreesClassifier(9, random_state=3, bootstrap=True),
        RandomForestRegressor(9, random_state=0),
        HistGradientBoostingRegressor(max_iter=9, random_state=0),
    ],
    ids=str,
)
def test_forests_and_regressors_continue_exactly(estimator: Any) -> None:
    assert_continues(estimator, *table(100, 3), [1], [4, 7], [8, 8])


def test_continuing_a_complete_forest_warns_of_nothing() -> None:
    X, y = table(100)
    estimator = RandomForestClassifier(9, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        continue_fit(estimator, clone(estimator).set_params(n_estimators=9).fit(X, y), X, y)


@pytest.mark.parametrize(
    "estimator",
    [
        clone(BOOSTING).set_params(max_features=0.5),
        clone(BOOSTING).set_params(random_state=None),
        clone(BOOSTING).set_params(random_state=np.random.RandomState(0)),
        RandomForestClassifier(9, random_state=None),
        RandomForestClassifier(9, random_state=0, class_weight="balanced"),
        ExtraTreesClassifier(9, random_state=0, class_weight={0: 1, 1: 2}),
        GradientBoostingClassifier(random_state=0),
        LogisticRegression(),
        make_pipeline(StandardScaler(), BOOSTING),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_models_that_cannot_continue_exactly(estimator: Any) -> None:
    assert not can_continue(estimator)


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        (BOOSTING, {"max_iter": 12}),
        (RandomForestClassifier(30), {"n_estimators": 30}),
        (RandomForestClassifier(1), {}),
        (GradientBoostingClassifier(), {"n_estimators": 100}),
        # The iterations of a solver do not count.
        (LogisticRegression(max_iter=500), {}),
        (
            make_pipeline(StandardScaler(), BOOSTING),
            {"histgradientboostingclassifier__max_iter": 12},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_iteration_params(estimator: Any, params: dict[str, int]) -> None:
    assert iteration_params(estimator) == params


def test_libraries_count_iterations_by_other_names() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    assert iteration_params(lightgbm.LGBMClassifier(n_estimators=40)) == {"n_estimators": 40}
    catboost = pytest.importorskip("catboost")
    assert iteration_params(catboost.CatBoostClassifier(iterations=40)) == {"iterations": 40}


SMALL = {"max_iter": 4, "learning_rate": 0.5, "random_state": 0}
COLUMN_OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "leaves of one row": {"min_samples_leaf": 1},
    "large leaves": {"min_samples_leaf": 40},
    "stops early": {"early_stopping": True, "n_iter_no_change": 2},
    "weighs classes": {"class_weight": "balanced"},
    "few bins": {"max_bins": 3},
}


def table_with_rare_values(
    n_rows: int, n_rare: list[int], seed: int, *, missing: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return two columns that predict y, and others in which few rows have another value."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 2 + len(n_rare)))
    for column, n in enumerate(n_rare, start=2):
        X[:, column] = 0
        rows = rng.permutation(n_rows)[:n]
        X[rows, column] = np.nan if missing else rng.integers(1, 4, len(rows))
    order = rng.permutation(X.shape[1])
    y = (X[:, 0] + X[:, 1] + rng.normal(0, 0.3, n_rows) > 0).astype(int)
    return X[:, order], y + (X[:, 0] > 1)


@pytest.mark.parametrize("options", COLUMN_OPTIONS.values(), ids=COLUMN_OPTIONS)
@settings(max_examples=10, deadline=None)
@given(
    missing=st.booleans(),
    n_rare=st.lists(st.integers(0, 50), min_size=1, max_size=8),
    n_rows=st.integers(60, 160),
    seed=st.integers(0, 5),
)
def test_without_these_columns_the_model_is_the_same(
    options: dict[str, Any], missing: bool, n_rare: list[int], n_rows: int, seed: int
) -> None:
    X, y = table_with_rare_values(n_rows, n_rare, seed, missing=missing)
    estimator = HistGradientBoostingClassifier(**{**SMALL, **options})
    columns = splittable_columns(estimator, X)
    whole = estimator.fit(X, y).predict_proba(X)
    if columns is None:
        return
    some = HistGradientBoostingClassifier(**{**SMALL, **options}).fit(X[:, columns], y)
    assert some.predict_proba(X[:, columns]).tobytes() == whole.tobytes()


def test_regression_without_these_columns_is_the_same() -> None:
    X, _ = table_with_rare_values(120, [0, 3, 30], 1)
    estimator = HistGradientBoostingRegressor(**SMALL)
    columns = splittable_columns(estimator, X)
    assert columns is not None
    assert len(columns) == 3
    whole = estimator.fit(X, X[:, 0]).predict(X)
    some = estimator.fit(X[:, columns], X[:, 0])
    assert some.predict(X[:, columns]).tobytes() == whole.tobytes()


@pytest.mark.parametrize(("n", "is_kept"), [(0, False), (19, False), (20, True)])
def test_a_column_is_kept_from_as_many_rows_as_a_leaf_has(n: int, is_kept: bool) -> None:
    X = np.random.default_rng(0).normal(size=(100, 3))
    X[:, 1] = 0
    X[50 : 50 + n, 1] = 1
    columns = splittable_columns(HistGradientBoostingClassifier(), X)
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
def test_models_that_treat_columns_differently_keep_all(estimator: Any) -> None:
    assert splittable_columns(estimator, np.zeros((100, 3))) is None


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
def test_other_tables_keep_all_columns(X: Any) -> None:
    assert splittable_columns(HistGradientBoostingClassifier(), X) is None


def test_a_search_finds_the_same_and_scorers_see_all_columns() -> None:
    X, y = table_with_rare_values(160, [2, 3, 80], 2)
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
