"""Calibration equals scikit-learn's on the same folds and does not change the pipeline."""

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline

from tabproof.modeling import (
    answers_out_of_fold,
    calibrate,
    calibrated_proba,
    make_pipeline,
)
from tabproof.modeling.calibration import Splits

METHODS = ("sigmoid", "isotonic", "temperature")


def table(n_classes: int, n_rows: int = 150) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 4))
    score = X[:, 0] + X[:, 1] ** 2 + rng.normal(0, 1, n_rows)
    return X, np.searchsorted(np.quantile(score, np.linspace(0, 1, n_classes + 1)[1:-1]), score)


def model(name: str) -> Pipeline:
    estimators = {
        "boosting": HistGradientBoostingClassifier(max_iter=3),
        "linear": LogisticRegression(),
        "forest": RandomForestClassifier(3),
    }
    estimators["vote"] = VotingClassifier([*estimators.items()], voting="soft")
    return make_pipeline({}, {}, estimators[name], seed=0)


def folds(X: np.ndarray, y: np.ndarray) -> Splits:
    return list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y))


# With a decision_function and without, each method on two and three classes; the rest is slow.
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "name",
    ["linear", "forest", *(pytest.param(n, marks=pytest.mark.slow) for n in ("boosting", "vote"))],
)
def test_calibration_equals_the_one_of_scikit_learn(name: str, method: str, n_classes: int) -> None:
    X, y = table(n_classes)
    pipeline, splits = model(name).fit(X, y), folds(X, y)
    before = pipeline.predict_proba(X)
    found = calibrate(pipeline, answers_out_of_fold(pipeline, X, y, splits), y, method)
    expected = CalibratedClassifierCV(model(name), method=method, cv=splits, ensemble=False)
    expected.fit(X, y)
    rows = np.random.default_rng(1).normal(size=(50, 4))
    assert_array_equal(found.predict_proba(rows), expected.predict_proba(rows))
    assert_array_equal(found.predict(rows), expected.predict(rows))
    assert_array_equal(pipeline.predict_proba(X), before)
    assert sorted(vars(found)) == sorted(vars(expected))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["linear", "forest"])
def test_calibrated_proba_equals_predict_proba(name: str, method: str, n_classes: int) -> None:
    X, y = table(n_classes)
    pipeline = model(name).fit(X, y)
    calibrated = calibrate(pipeline, answers_out_of_fold(pipeline, X, y, folds(X, y)), y, method)
    is_sums = hasattr(pipeline, "decision_function")
    answers = pipeline.decision_function(X) if is_sums else pipeline.predict_proba(X)
    assert_array_equal(calibrated_proba(calibrated, answers), calibrated.predict_proba(X))
    # The pipeline was replaced in a copy only.
    assert calibrated.calibrated_classifiers_[0].estimator is pipeline


def test_each_row_is_predicted_by_a_clone_that_was_not_fitted_on_it() -> None:
    X, y = table(2)
    pipeline, splits = model("forest").fit(X, y), folds(X, y)
    found = answers_out_of_fold(pipeline, X, y, splits, method="predict_proba")
    for train, test in splits:
        assert_array_equal(
            found[test], model("forest").fit(X[train], y[train]).predict_proba(X[test])
        )


def test_calibration_with_grouped_folds() -> None:
    X, y = table(2)
    groups = np.arange(len(y)) // 10
    splits = list(GroupKFold(3).split(X, y, groups))
    pipeline = model("linear").fit(X, y)
    found = calibrate(pipeline, answers_out_of_fold(pipeline, X, y, splits), y, "sigmoid")
    expected = CalibratedClassifierCV(model("linear"), cv=splits, ensemble=False).fit(X, y)
    assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_workers_change_no_bit(backend: str) -> None:
    X, y = table(2)
    pipeline = model("boosting").fit(X, y)
    alone = answers_out_of_fold(pipeline, X, y, folds(X, y))
    # inner_max_num_threads is for processes only.
    options = {"inner_max_num_threads": 1} if backend == "loky" else {}
    with parallel_config(backend, n_jobs=2, **options):
        assert_array_equal(answers_out_of_fold(pipeline, X, y, folds(X, y)), alone)


@pytest.mark.parametrize("method", METHODS)
def test_calibration_improves_the_log_loss(method: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    y = (rng.random(2000) < 1 / (1 + np.exp(-X[:, 0]))).astype(np.int64)
    # A forest of deep trees on few rows is overconfident.
    pipeline = make_pipeline({}, {}, RandomForestClassifier(5, max_depth=12), seed=0)
    train, test = slice(0, 1000), slice(1000, None)
    pipeline.fit(X[train], y[train])
    answers = answers_out_of_fold(pipeline, X[train], y[train], folds(X[train], y[train]))
    found = calibrate(pipeline, answers, y[train], method).predict_proba(X[test])
    assert log_loss(y[test], found) < log_loss(y[test], pipeline.predict_proba(X[test])) - 0.1
