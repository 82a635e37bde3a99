"""Step 3: calibrate the pipeline that was found, and choose its threshold.

Calibration and threshold share predictions on rows out of folds, so both together cost one pass of
fits; nested, they would cost n_splits². That is sound because a calibrator is monotone: it changes
probabilities but hardly the order of rows, which is all that a threshold cuts. The threshold is
chosen among the calibrated probabilities, as it is applied to those.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from tabproof import data, modeling
from tabproof.config import TrainConfig
from tabproof.evaluation_result import Decision

log = logging.getLogger(__name__)

# Isotonic calibration overfits with fewer rows (Niculescu-Mizil and Caruana, 2005).
FEW_ROWS = 1_000


@dataclass(frozen=True)
class Decided:
    """pipeline gives the run's probabilities, calibrated or not."""

    pipeline: Any
    decision: Decision


def decide(config: TrainConfig, division: data.Division, pipeline: Pipeline) -> Decided:
    """Calibrate a fitted pipeline and choose its threshold, on training rows out of folds.

    Raises NoThresholdError. Fits run on joblib's workers; their number changes no result.
    """
    X, y = division.X_train, division.y_train
    calibration, asked = config.calibration, config.threshold
    fitted, scores = pipeline, None
    if calibration.method != "none":
        log.info("calibrating (%s) on %d folds", calibration.method, calibration.n_splits)
        if calibration.method == "isotonic" and len(y) < FEW_ROWS:
            log.warning("isotonic on %d rows may overfit; sigmoid needs fewer", len(y))
        splits = division.splits(calibration.n_splits)
        scores = modeling.answers_out_of_fold(pipeline, X, y, splits)
        fitted = modeling.calibrate(pipeline, scores, y, calibration.method)
    if asked.objective == "default":
        # Above it the second of two labels is the more probable one.
        threshold = 0.5 if len(division.table.labels) == 2 else None
        return Decided(fitted, Decision(asked.objective, threshold))
    is_calibrated = scores is not None
    if scores is None or asked.n_splits != calibration.n_splits:
        log.info("choosing a threshold (%s) on %d folds", asked.objective, asked.n_splits)
        splits, method = division.splits(asked.n_splits), None if is_calibrated else "predict_proba"
        scores = modeling.answers_out_of_fold(pipeline, X, y, splits, method=method)
    proba = modeling.calibrated_proba(fitted, scores) if is_calibrated else scores
    # Options of other objectives are refused with the configuration.
    limits = {"min_recall": asked.min_recall, "min_precision": asked.min_precision}
    at, score = modeling.choose_threshold(proba, y, costs=asked.costs, **limits)
    log.info("threshold %.4f (%s: %.4f on folds)", at, asked.objective, score)
    costs = asked.costs and [[float(cost) for cost in row] for row in asked.costs]
    decision = Decision(asked.objective, at, score, costs, **limits)
    return Decided(fitted, decision)


def make_unfitted(
    config: TrainConfig, division: data.Division, model: Decided, positions: NDArray[np.int64]
) -> Any:
    """Return an estimator to fit on the training rows at positions, calibrated by the same rule.

    None where they have too few rows of a class, or too few groups, for its folds.
    """
    if config.calibration.method == "none":
        return clone(model.pipeline)
    n_splits = config.calibration.n_splits
    X, y = division.X_train.iloc[positions], division.y_train[positions]
    groups = None if division.groups is None else division.groups[positions]
    n_labels = len(division.table.labels)
    n_groups = n_splits if groups is None else len(set(groups))
    if min(n_groups, np.bincount(y, minlength=n_labels).min()) < n_splits:
        return None
    splits = list(division.rows.folds(n_splits).split(X, y, groups))
    if any(len(np.unique(y[train])) < n_labels for train, _ in splits):
        return None
    return clone(model.pipeline).set_params(cv=splits)
