"""Small tables and searches that tests share."""

import os
import signal
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from tabproof.search import Rung, RungSearchCV

WHOLE = Rung(None, 1.0, 1.0, None)
# Half of the rows on one fold, all rows on one fold, all rows on all folds.
SCHEDULE = (Rung(None, 1.0, 0.5, 1), Rung(3, 1.0, 1.0, 1), Rung(2, 1.0, 1.0, None))
TIMES = ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time")

Table = tuple[NDArray[np.float64], NDArray[np.int64]]


def table(n_rows: int = 200, n_classes: int = 2, seed: int = 0) -> Table:
    """Return rows whose classes can be learned, but not perfectly."""
    X, y = make_classification(
        n_rows, 6, n_informative=4, n_classes=n_classes, flip_y=0.1, random_state=seed
    )
    return X, y.astype(np.int64)


def searching(estimator: Any = None, grid: Any = None, **options: Any) -> RungSearchCV:
    """Return a search, by default over small trees."""
    standard: dict[str, Any] = {
        "schedule": SCHEDULE,
        "scoring": "roc_auc",
        "cv": 3,
        "min_resources": 20,
        "random_state": 7,
    }
    if estimator is None:
        estimator = DecisionTreeClassifier(random_state=0)
        grid = grid or {"max_depth": [1, 2, 3, 4], "min_samples_leaf": [1, 5, 20]}
    return RungSearchCV(estimator, grid, **{**standard, **options})


def without_times(search: RungSearchCV) -> pd.DataFrame:
    """Return cv_results_ without the times."""
    return pd.DataFrame(search.cv_results_).drop(columns=[*TIMES])


def assert_same_search(one: RungSearchCV, other: RungSearchCV) -> None:
    """Check that two searches found exactly the same."""
    pd.testing.assert_frame_equal(without_times(one), without_times(other), check_exact=True)
    assert one.best_params_ == other.best_params_
    assert one.best_score_ == other.best_score_ or np.isnan([one.best_score_]).all()
    assert one.best_index_ == other.best_index_
    assert one.stopped_ == other.stopped_


class CountingScaler(TransformerMixin, BaseEstimator):
    """Scale by `factor`, and record each fit in `fits`."""

    fits: ClassVar[list[tuple[float, int]]] = []

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def fit(self, X: Any, _y: Any = None) -> "CountingScaler":
        type(self).fits.append((self.factor, len(X)))
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        return X * self.factor


class Failing(ClassifierMixin, BaseEstimator):
    """A logistic regression that raises if `fails`."""

    def __init__(self, C: float = 1.0, fails: bool = False) -> None:
        self.C, self.fails = C, fails

    def fit(self, X: Any, y: Any) -> "Failing":
        if self.fails:
            raise RuntimeError(f"no fit with C={self.C}")
        self.model_ = LogisticRegression(C=self.C).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X: Any) -> Any:
        return self.model_.predict(X)

    def predict_proba(self, X: Any) -> Any:
        return self.model_.predict_proba(X)


class Killing(Failing):
    """Kill the process that fits it, except the process `spared`."""

    def __init__(self, C: float = 1.0, fails: bool = False, spared: int = 0) -> None:
        super().__init__(C, fails)
        self.spared = spared

    def fit(self, X: Any, y: Any) -> "Failing":
        if self.fails and os.getpid() != self.spared:
            os.kill(os.getpid(), signal.SIGKILL)
        self.fails = False
        return super().fit(X, y)
