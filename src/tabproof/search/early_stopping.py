"""Boosting that ends where the rows of the test fold are predicted best.

The fold decides the number of iterations, and the last fit on all rows makes the mean of them. The
scores on these folds are a little too good, equally for all boosting.
"""

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

# The parameter that counts iterations, by the class of the estimator.
COUNTERS = {
    "HistGradientBoostingClassifier": "max_iter",
    "LGBMClassifier": "n_estimators",
    "CatBoostClassifier": "iterations",
    "XGBClassifier": "n_estimators",
}


def counter_of(estimator: Any) -> str | None:
    """Return the parameter that counts iterations; None if the estimator is no boosting."""
    return COUNTERS.get(type(estimator).__name__)


def fit_until_best(
    estimator: Any, X: Any, y: Any, X_test: Any, y_test: Any, patience: int
) -> tuple[Any, NDArray[np.float64], int]:
    """Fit boosting; return it, its probabilities of the test rows, and its best iterations.

    It ends after `patience` iterations without a lower log loss of the test rows, or with all of
    its iterations. Test rows of classes that y lacks are not used.

    Returns
    -------
    model, proba of shape (n_test_rows, n_classes), n_iterations
    """
    known = np.isin(y_test, np.unique(y))
    X_known, y_known = (X_test, y_test) if known.all() else (X_test[known], y_test[known])
    model, name = clone(estimator), type(estimator).__name__
    if name == "LGBMClassifier":
        from lightgbm import early_stopping

        stop = early_stopping(patience, first_metric_only=True, verbose=False)
        model.fit(X, y, eval_X=X_known, eval_y=y_known, callbacks=[stop])
        return model, model.predict_proba(X_test), int(model.best_iteration_)
    if name == "CatBoostClassifier":
        model.fit(X, y, eval_set=(X_known, y_known), early_stopping_rounds=patience)
        return model, model.predict_proba(X_test), int(model.tree_count_)
    if name == "XGBClassifier":
        model.set_params(early_stopping_rounds=patience)
        model.fit(X, y, eval_set=[(X_known, y_known)], verbose=False)
        return model, model.predict_proba(X_test), int(model.best_iteration) + 1
    assert isinstance(model, HistGradientBoostingClassifier)  # noqa: S101 - the last of COUNTERS
    model.fit(X, y)
    best_loss, best, n_best = np.inf, None, 0
    for n, proba in enumerate(model.staged_predict_proba(X_test), start=1):
        loss = log_loss(y_known, proba[known], labels=model.classes_)
        if loss < best_loss:
            best_loss, best, n_best = loss, proba, n
        if n - n_best >= patience:
            break
    assert best is not None  # noqa: S101 - there is at least one iteration
    return model, best, n_best


def with_iterations(estimator: Any, found: list[int]) -> Any:
    """Return a clone for the last fit, with the mean of the iterations that folds have found."""
    model, counter = clone(estimator), counter_of(estimator)
    if counter is None or not found:
        return model
    # As many as the fold models, rounded up: more rows bear as many or a few more.
    return model.set_params(**{counter: ceil(float(np.mean(found)))})
