"""Calibration of probabilities, fitted on predictions out of folds.

`GivenSums` and `GivenProba` replace a classifier whose predictions are already known.
"""

from collections.abc import Sequence
from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Splits = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]


class _Given(ClassifierMixin, BaseEstimator):
    def fit(self, _X: Any, y: Codes) -> Self:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Floats) -> Codes:
        codes: Codes = self.classes_[X.argmax(axis=1) if X.ndim > 1 else (X > 0) * 1]
        return codes


class GivenSums(_Given):
    """Rows are decision values: one, or one per class."""

    def decision_function(self, X: Floats) -> Floats:
        """Return the rows."""
        return X


class GivenProba(_Given):
    """Rows are probabilities, one per class."""

    def predict_proba(self, X: Floats) -> Floats:
        """Return the rows."""
        return X


def answers_out_of_fold(
    pipeline: Pipeline, X: Any, y: Codes, splits: Splits, *, method: str | None = None
) -> Floats:
    """Return predictions out of folds; fits run on joblib's workers, if there are any.

    method : None takes what a calibrator is fitted on, as in scikit-learn: decision values of
    shape (n_rows,) or (n_rows, n_classes) if the pipeline has a decision_function, else
    probabilities of shape (n_rows, n_classes).
    """
    if method is None:
        method = "decision_function" if hasattr(pipeline, "decision_function") else "predict_proba"
    answers = cross_val_predict(pipeline, X, y, cv=splits, method=method)
    # XGBoost predicts in 32 bits, and a calibrator fitted on those would interpolate in 32 bits.
    return np.asarray(answers, dtype=np.float64)


def calibrate(pipeline: Pipeline, answers: Floats, y: Codes, method: str) -> CalibratedClassifierCV:
    """Fit a calibrator on predictions out of folds, and return it around a fitted pipeline.

    method : sigmoid, isotonic or temperature. The result is the one of
    CalibratedClassifierCV(pipeline, cv=splits, ensemble=False).fit on the same folds, except that
    the pipeline is not fitted again, so that it stays exactly the one that was searched.
    """
    given = FrozenEstimator(_given(pipeline, np.unique(y)))
    # One job: these fits are too small for workers.
    fitted = CalibratedClassifierCV(
        given, method=method, cv=[(np.arange(len(y)),) * 2], n_jobs=1, ensemble=False
    ).fit(answers, y)
    (pair,) = fitted.calibrated_classifiers_
    pair.estimator = pipeline
    calibrated = CalibratedClassifierCV(pipeline, method=method, ensemble=False)
    calibrated.classes_ = fitted.classes_
    calibrated.calibrated_classifiers_ = [pair]
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(pipeline, name):
            setattr(calibrated, name, getattr(pipeline, name))
    return calibrated


def calibrated_proba(calibrated: CalibratedClassifierCV, answers: Floats) -> Floats:
    """Return calibrated probabilities for predictions of the pipeline: (n_rows, n_classes)."""
    pair = copy(calibrated.calibrated_classifiers_[0])
    pair.estimator = _given(pair.estimator, calibrated.classes_)
    return np.asarray(pair.predict_proba(answers), dtype=np.float64)


def _given(pipeline: Pipeline, classes: Codes) -> GivenSums | GivenProba:
    return (GivenSums if hasattr(pipeline, "decision_function") else GivenProba)().fit(
        None, classes
    )
