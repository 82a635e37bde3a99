"""Probabilities that match observed shares, learned from rows that a model was not fitted on."""

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline

from tabproof.modeling.given import GivenProba, GivenSums

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Splits = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]


def proba_out_of_fold(pipeline: Pipeline, X: Any, y: Codes, splits: Splits) -> Floats:
    """Give probabilities of rows by clones that were not fitted on them: (n_rows, n_classes).

    Fits go to the workers that joblib is told of, if any.
    """
    return _out_of_fold(pipeline, X, y, splits, "predict_proba")


def answers_out_of_fold(pipeline: Pipeline, X: Any, y: Codes, splits: Splits) -> Floats:
    """Give what is calibrated of rows by clones that were not fitted on them.

    As scikit-learn does, sums of shape (n_rows,) or (n_rows, n_classes) where the pipeline has a
    decision_function, else probabilities of shape (n_rows, n_classes).
    """
    method = "decision_function" if _has_sums(pipeline) else "predict_proba"
    return _out_of_fold(pipeline, X, y, splits, method)


def _out_of_fold(pipeline: Pipeline, X: Any, y: Codes, splits: Splits, method: str) -> Floats:
    answers = cross_val_predict(pipeline, X, y, cv=splits, method=method)
    # XGBoost's are of 32 bits, and a calibrator fitted on those would interpolate in 32 bits.
    return np.asarray(answers, dtype=np.float64)


def calibrate(pipeline: Pipeline, answers: Floats, y: Codes, method: str) -> CalibratedClassifierCV:
    """Put a calibrator, fitted on answers out of folds, behind a fitted pipeline.

    method : sigmoid, isotonic or temperature. What comes out is what
    CalibratedClassifierCV(pipeline, cv=splits, ensemble=False).fit makes of the same folds, but
    the pipeline is not fitted once more, so that it is the searched one to the bit.
    """
    everything = np.arange(len(y))
    given = FrozenEstimator(_given(pipeline, np.unique(y)))
    # One job: nothing is fitted here that would be worth a worker.
    fitted = CalibratedClassifierCV(
        given, method=method, cv=[(everything, everything)], n_jobs=1, ensemble=False
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


def to_calibrate_on(calibrated: CalibratedClassifierCV, splits: Splits) -> CalibratedClassifierCV:
    """Give the same, not fitted, for other rows, whose folds are splits."""
    return clone(calibrated).set_params(cv=list(splits))


def calibrated_proba(calibrated: CalibratedClassifierCV, answers: Floats) -> Floats:
    """Give what the calibrator makes of a pipeline's answers, of shape (n_rows, n_classes)."""
    pair = copy(calibrated.calibrated_classifiers_[0])
    pair.estimator = _given(pair.estimator, calibrated.classes_)
    proba: Floats = pair.predict_proba(answers)
    return proba


def _has_sums(pipeline: Pipeline) -> bool:
    return hasattr(pipeline, "decision_function")


def _given(pipeline: Pipeline, classes: Codes) -> GivenSums | GivenProba:
    return (GivenSums if _has_sums(pipeline) else GivenProba)().fit(None, classes)
