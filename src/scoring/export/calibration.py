"""Export CalibratedClassifierCV: one model, and what maps its answers to probabilities."""

from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline

from src.scoring.form import (
    Arrays,
    CalibrationSpec,
    IsotonicSpec,
    ModelSpec,
    Response,
    SigmoidSpec,
    TemperatureSpec,
    VoteSpec,
)


def pipeline_of(model: Any) -> Pipeline:
    """Give the pipeline of a model, calibrated or not."""
    if not isinstance(model, CalibratedClassifierCV):
        return model
    (pair,) = model.calibrated_classifiers_
    return pair.estimator


def export_calibration(
    model: Any, uncalibrated: ModelSpec
) -> tuple[CalibrationSpec | None, Arrays]:
    """Give the calibration of a model with its arrays; None where it has none."""
    if not isinstance(model, CalibratedClassifierCV):
        return None, {}
    (pair,) = model.calibrated_classifiers_
    of = _response(pair.estimator, uncalibrated)
    calibrators = pair.calibrators
    if model.method == "temperature":
        return TemperatureSpec(of, float(calibrators[0].beta_)), {}
    if model.method == "sigmoid":
        slopes = [float(each.a_) for each in calibrators]
        return SigmoidSpec(of, slopes, [float(each.b_) for each in calibrators]), {}
    arrays: Arrays = {}
    for place, each in enumerate(calibrators):
        arrays[f"calibration.{place}.x"] = np.asarray(each.X_thresholds_, dtype=np.float64)
        arrays[f"calibration.{place}.y"] = np.asarray(each.y_thresholds_, dtype=np.float64)
    return IsotonicSpec(of), arrays


def _response(pipeline: Pipeline, uncalibrated: ModelSpec) -> Response:
    # scikit-learn takes the first of the two that an estimator has.
    if hasattr(pipeline, "decision_function"):
        return "sums"
    if isinstance(uncalibrated, VoteSpec) or not uncalibrated.link.endswith("float32"):
        return "probabilities"
    return "probabilities_float32"
