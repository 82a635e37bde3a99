"""Boosting ends where its test rows are predicted best."""

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from tabproof.search.early_stopping import counter_of, fit_until_best, with_iterations
from tests.search.making import table

X, Y = table(300, seed=1)
X_TRAIN, Y_TRAIN, X_TEST, Y_TEST = X[:200], Y[:200], X[200:], Y[200:]


def boosting(library: str) -> Any:
    if library == "scikit-learn":
        return HistGradientBoostingClassifier(max_iter=80, random_state=0, early_stopping=False)
    if library == "lightgbm":
        lightgbm = pytest.importorskip("lightgbm")
        return lightgbm.LGBMClassifier(n_estimators=80, random_state=0, verbosity=-1, n_jobs=1)
    if library == "catboost":
        catboost = pytest.importorskip("catboost")
        return catboost.CatBoostClassifier(
            iterations=400,
            learning_rate=0.6,
            leaf_estimation_iterations=5,  # its default depends on the iterations
            random_state=0,
            thread_count=1,
            allow_writing_files=False,
            logging_level="Silent",
        )
    xgboost = pytest.importorskip("xgboost")
    return xgboost.XGBClassifier(n_estimators=80, random_state=0, verbosity=0, n_jobs=1)


LIBRARIES = ["scikit-learn", "lightgbm", "catboost", "xgboost"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_fit_with_the_iterations_that_were_best_gives_the_same_probabilities(
    library: str,
) -> None:
    model = boosting(library)
    _, proba, n_best = fit_until_best(model, X_TRAIN, Y_TRAIN, X_TEST, Y_TEST, patience=15)
    assert 1 <= n_best < model.get_params()[counter_of(model)]
    again = with_iterations(model, [n_best]).fit(X_TRAIN, Y_TRAIN)
    np.testing.assert_array_equal(again.predict_proba(X_TEST), proba)


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_other_number_of_iterations_has_a_lower_log_loss(library: str) -> None:
    model = boosting(library)
    _, proba, n_best = fit_until_best(model, X_TRAIN, Y_TRAIN, X_TEST, Y_TEST, patience=80)
    for n in {max(n_best - 3, 1), n_best + 1, n_best + 7, 79}:
        other = with_iterations(model, [n]).fit(X_TRAIN, Y_TRAIN).predict_proba(X_TEST)
        assert log_loss(Y_TEST, proba) <= log_loss(Y_TEST, other) + 1e-6


@pytest.mark.parametrize("library", LIBRARIES)
def test_test_rows_of_a_class_that_the_training_rows_lack_are_not_used(library: str) -> None:
    y_test = np.where(np.arange(len(Y_TEST)) < 3, 2, Y_TEST)
    _, proba, _ = fit_until_best(boosting(library), X_TRAIN, Y_TRAIN, X_TEST, y_test, patience=10)
    assert proba.shape == (100, 2)


def test_the_last_fit_has_the_mean_of_the_iterations_rounded_up() -> None:
    assert with_iterations(boosting("scikit-learn"), [10, 11, 11]).max_iter == 11
    assert with_iterations(boosting("scikit-learn"), []).max_iter == 80
    assert counter_of(LogisticRegression()) is None
    # The number of a solver's iterations is no number of trees.
    assert with_iterations(LogisticRegression(max_iter=50), [7]).max_iter == 50
