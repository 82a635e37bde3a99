"""The search is a scikit-learn estimator that can be used wherever GridSearchCV can."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from tabproof.search import Proposer, RungSearchCV
from tests.search.making import TIMES, WHOLE, assert_same_search, searching, table

STRICT: dict[str, Any] = {"cv": 2, "error_score": "raise"}


# Some checks use what scikit-learn itself warns about: few rows, few columns, names of columns.
@parametrize_with_checks([RungSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, **STRICT)])
@pytest.mark.filterwarnings("ignore")
def test_estimator_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([RungSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, **STRICT)])
@pytest.mark.filterwarnings("ignore")
def test_estimator_checks_with_a_regressor(estimator: Any, check: Any) -> None:
    check(estimator)


def test_the_search_works_in_a_pipeline_and_in_a_grid_search() -> None:
    X, y = table()
    grid = {"max_depth": [1, 4]}
    pipeline = make_pipeline(StandardScaler(), searching(grid=grid))
    scores = cross_val_score(pipeline, X, y, cv=2, scoring="roc_auc")
    assert (scores > 0.6).all()
    outer = GridSearchCV(searching(grid=grid), {"cv": [2, 3]}, cv=2).fit(X, y)
    assert outer.best_estimator_.n_splits_ == outer.best_params_["cv"]


@pytest.mark.slow
def test_the_search_in_worker_processes_finds_the_same() -> None:
    X, y = table()
    alone = cross_val_score(searching(), X, y, cv=3)
    np.testing.assert_array_equal(cross_val_score(searching(), X, y, cv=3, n_jobs=2), alone)


def test_a_clone_searches_the_same() -> None:
    X, y = table()
    search = searching()
    assert_same_search(clone(search).fit(X, y), search.fit(X, y))
    assert not hasattr(clone(search), "best_params_")


def test_fit_can_be_called_again() -> None:
    X, y = table()
    search = searching(grid=Proposer([{"max_depth": 1}, {"max_depth": 2}]))
    first = clone(search).fit(X, y)
    assert first.n_candidates_ == 3
    assert_same_search(first, search.fit(X, y))
    assert_same_search(first, search.fit(X, y))


def test_with_one_rung_it_equals_a_grid_search() -> None:
    X, y = table()
    grid = {"C": [0.001, 0.1, 1.0, 10.0], "class_weight": [None, "balanced"]}
    model = LogisticRegression()
    whole = GridSearchCV(model, grid, scoring="roc_auc", cv=3).fit(X, y)
    mine = searching(model, grid, schedule=(WHOLE,)).fit(X, y)
    assert mine.best_score_ == whole.best_score_
    scores = [column for column in whole.cv_results_ if "score" in column]
    for column in scores:
        if column not in (*TIMES, "rank_test_score"):
            np.testing.assert_array_equal(mine.cv_results_[column], whole.cv_results_[column])
    assert mine.cv_results_["params"] == whole.cv_results_["params"]


@pytest.mark.parametrize(
    "grid",
    [
        {"max_depth": [1, 2]},
        [{"max_depth": [1]}, {"max_leaf_nodes": [2, 3]}],
        {"max_depth": np.arange(1, 4)},
        {"max_depth": (1, None)},
        {},
    ],
    ids=str,
)
def test_grids_are_as_in_scikit_learn(grid: Any) -> None:
    X, y = table()
    search = RungSearchCV(DecisionTreeClassifier(random_state=0), grid, cv=3).fit(X, y)
    assert search.score(X, y) > 0.5
    pd.DataFrame(search.cv_results_)


def test_models_and_steps_can_be_searched() -> None:
    X, y = table()
    steps: list[Any] = [StandardScaler(), "passthrough", FunctionTransformer(lambda each: each * 2)]
    grid = {"scale": steps, "clf": [LogisticRegression(), DecisionTreeClassifier(max_depth=2)]}
    from sklearn.pipeline import Pipeline

    pipeline = Pipeline([("scale", "passthrough"), ("clf", LogisticRegression())])
    search = searching(pipeline, grid).fit(X, y)
    assert search.n_candidates_ == 6
    assert type(search.best_estimator_["clf"]) in (LogisticRegression, DecisionTreeClassifier)


@pytest.mark.parametrize("kind", ["frame", "sparse", "list"])
def test_tables_of_every_kind_give_the_same(kind: str) -> None:
    X, y = table()
    forms: dict[str, Any] = {
        "frame": pd.DataFrame(X).add_prefix("x"),
        "sparse": sparse.csr_matrix(X),
        "list": X.tolist(),
    }
    found = searching().fit(forms[kind], y.tolist() if kind == "list" else y)
    assert_same_search(found, searching().fit(X, y))
    if kind == "frame":
        assert list(found.feature_names_in_) == [f"x{i}" for i in range(6)]


def test_groups_reach_the_folds() -> None:
    X, y = table()
    groups = np.arange(200) // 10
    search = searching(cv=GroupKFold(4)).fit(X, y, groups=groups)
    assert search.n_splits_ == 4
    expected = cross_val_score(
        DecisionTreeClassifier(random_state=0, **search.best_params_),
        X, y, groups=groups, cv=GroupKFold(4), scoring="roc_auc",
    )  # fmt: skip
    assert search.best_score_ == expected.mean()


def test_clustering_can_be_searched() -> None:
    X, _ = table()
    search = searching(
        KMeans(2, n_init=1, random_state=0), {"n_clusters": [2, 3]}, scoring=None, cv=2
    ).fit(X)
    assert search.predict(X).max() == search.best_params_["n_clusters"] - 1


def test_methods_that_the_best_estimator_lacks_are_missing() -> None:
    X, y = table()
    tree, linear = searching().fit(X, y), searching(LogisticRegression(), {"C": [1.0]}).fit(X, y)
    assert not hasattr(tree, "decision_function")
    assert not hasattr(linear, "transform")
    assert linear.decision_function(X).shape == (200,)
    assert linear.predict_log_proba(X).shape == (200, 2)
    assert linear.score(X, y) == linear.scorer_(linear.best_estimator_, X, y)


def test_warnings_of_fits_are_repeated_once_with_their_number() -> None:
    X, y = table()
    model = LogisticRegression(max_iter=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        searching(model, {"C": [0.1, 1.0]}, schedule=(WHOLE,), cv=5).fit(X, y)
    of_fits, of_last = (str(each.message) for each in caught)
    assert of_fits.startswith("lbfgs failed to converge")
    assert of_fits.endswith("(10 of 10 fits)")
    assert of_last == of_fits.removesuffix(" (10 of 10 fits)")
