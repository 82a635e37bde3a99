"""Going on from fewer iterations gives the bits of a fit from scratch, or is not done."""

import warnings
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
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
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tabproof.search.fitting import can_go_on, go_on, iteration_params
from tests.search.making import table

BOOSTING = HistGradientBoostingClassifier(max_iter=12, learning_rate=0.3, random_state=0)
STOPPING = {"early_stopping": True, "n_iter_no_change": 2, "validation_fraction": 0.2}


def answers(fitted: Any, X: Any) -> Any:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def shortened(estimator: Any, n: int) -> Any:
    return clone(estimator).set_params(**dict.fromkeys(iteration_params(estimator), n))


def assert_goes_on(estimator: Any, X: Any, y: Any, *, via: list[int]) -> None:
    """Check that stops on the way leave no trace."""
    assert can_go_on(estimator)
    cold = clone(estimator).fit(X, y)
    fitted = shortened(estimator, via[0]).fit(X, y)
    for n in via[1:]:
        fitted = deepcopy(go_on(shortened(estimator, n), fitted, X, y))
    fitted = go_on(clone(estimator), fitted, X, y)
    np.testing.assert_array_equal(answers(fitted, X), answers(cold, X))
    assert fitted.get_params() == cold.get_params()


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("via", [[1], [4], [4, 4], [3, 7], [11, 12]], ids=str)
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
def test_boosting_goes_on(n_classes: int, via: list[int], changes: dict[str, Any]) -> None:
    assert_goes_on(clone(BOOSTING).set_params(**changes), *table(150, n_classes), via=via)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("scoring", ["loss", "roc_auc_ovr"])
@pytest.mark.parametrize("validation", [0.2, None])
def test_boosting_that_stops_by_itself_goes_on_from_any_iteration(
    n_classes: int, scoring: str, validation: float | None
) -> None:
    X, y = table(150, n_classes)
    stopping = {**STOPPING, "validation_fraction": validation, "scoring": scoring}
    estimator = clone(BOOSTING).set_params(**stopping, max_iter=60, tol=5e-2)
    n_iter = clone(estimator).fit(X, y).n_iter_
    assert 2 < n_iter < 60
    # The very iteration at which it stops, too.
    for via in {1, n_iter - 1, n_iter, n_iter + 1, 59}:
        assert_goes_on(estimator, X, y, via=[via])


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
@pytest.mark.parametrize("via", [[1], [4, 7], [8, 8]], ids=str)
def test_forests_and_regressors_go_on(estimator: Any, via: list[int]) -> None:
    assert_goes_on(estimator, *table(100, 3), via=via)


def test_weights_of_rows_that_are_not_there_are_no_reason_to_warn() -> None:
    X, y = table(100)
    estimator = RandomForestClassifier(9, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        go_on(estimator, clone(estimator).set_params(n_estimators=9).fit(X, y), X, y)


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
def test_what_would_not_end_the_same_is_fitted_from_scratch(estimator: Any) -> None:
    assert not can_go_on(estimator)


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        (BOOSTING, {"max_iter": 12}),
        (RandomForestClassifier(30), {"n_estimators": 30}),
        (RandomForestClassifier(1), {}),
        (GradientBoostingClassifier(), {"n_estimators": 100}),
        # Iterations of a solver are no share of a model.
        (LogisticRegression(max_iter=500), {}),
        (
            make_pipeline(StandardScaler(), BOOSTING),
            {"histgradientboostingclassifier__max_iter": 12},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_counts_iterations(estimator: Any, params: dict[str, int]) -> None:
    assert iteration_params(estimator) == params


def test_libraries_count_iterations_by_other_names() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    assert iteration_params(lightgbm.LGBMClassifier(n_estimators=40)) == {"n_estimators": 40}
    catboost = pytest.importorskip("catboost")
    assert iteration_params(catboost.CatBoostClassifier(iterations=40)) == {"iterations": 40}
