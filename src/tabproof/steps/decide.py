"""The story of a decision: from the pipeline that was found to the labels that a run gives.

Calibration and threshold share the predictions of rows out of folds, so both cost one pass of
fits, where one nested in the other would cost n_splits². That is sound since a calibrator is
monotone: it moves probabilities, and hardly the order of rows, which is all that a threshold
cuts. It is chosen among the calibrated probabilities, as it is used on those.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from tabproof import data, modeling
from tabproof.config import ThresholdConfig, TrainConfig
from tabproof.evaluation_result import Decision
from tabproof.steps.check import inner_splits

log = logging.getLogger(__name__)


# Above this the second of two labels is the likelier one.
LIKELIER = 0.5


# With fewer a staircase follows chance (Niculescu-Mizil and Caruana, 2005).
FEW_ROWS = 1_000


@dataclass(frozen=True)
class Decided:
    """pipeline gives the run's probabilities, calibrated or not; estimator predicts its labels."""

    pipeline: Any
    estimator: Any
    decision: Decision
    calibration: str


def decide(
    config: TrainConfig, division: data.Division, rows: data.Rows, pipeline: Pipeline
) -> Decided:
    """Calibrate a fitted pipeline and choose its threshold, on training rows out of folds.

    Raises OutOfReachError, ConstantPredictionsError. Fits go to the workers that joblib is told
    of; their number changes no result.
    """
    method, objective = config.calibration.method, config.threshold.objective
    costs = config.threshold.costs
    fitted, answers = pipeline, None
    if method != "none":
        _tell_of_calibration(config, len(division.train))
        splits = inner_splits(division, rows, config.calibration.n_splits)
        answers = modeling.answers_out_of_fold(pipeline, division.X_train, division.y_train, splits)
        fitted = modeling.calibrate(pipeline, answers, division.y_train, method)
    if objective == "default":
        threshold = LIKELIER if len(division.table.labels) == 2 else None
        return Decided(fitted, fitted, Decision(objective, threshold), method)
    proba = _proba_out_of_fold(config, division, rows, pipeline, fitted, answers)
    chosen = _choose(config.threshold, proba, division.y_train)
    log.info("threshold %.4f (%s: %.4f on folds)", chosen.threshold, objective, chosen.score)
    return Decided(
        fitted,
        modeling.with_threshold(fitted, chosen.threshold),
        Decision(
            objective,
            chosen.threshold,
            chosen.score,
            costs and [[float(cost) for cost in row] for row in costs],
            config.threshold.min_recall,
            config.threshold.min_precision,
        ),
        method,
    )


def unfitted(
    config: TrainConfig,
    division: data.Division,
    rows: data.Rows,
    model: Decided,
    positions: NDArray[np.int64],
) -> Any:
    """Make what would be fitted on the training rows at positions, calibrated by the same rule.

    None where they have too few rows of a class, or too few groups, for its folds.
    """
    if model.calibration == "none":
        return clone(model.pipeline)
    n_splits = config.calibration.n_splits
    X, y = division.X_train.iloc[positions], division.y_train[positions]
    groups = None if division.groups is None else division.groups[positions]
    n_labels = len(division.table.labels)
    if np.bincount(y, minlength=n_labels).min() < n_splits:
        return None
    if groups is not None and len(set(groups)) < n_splits:
        return None
    splits = list(rows.folds(n_splits).split(X, y, groups))
    if any(len(np.unique(y[train])) < n_labels for train, _ in splits):
        return None
    return modeling.to_calibrate_on(model.pipeline, splits)


def _tell_of_calibration(config: TrainConfig, n_rows: int) -> None:
    method = config.calibration.method
    log.info("calibrating (%s) on %d folds", method, config.calibration.n_splits)
    if method == "isotonic" and n_rows < FEW_ROWS:
        log.warning("isotonic on %d rows may overfit; sigmoid takes fewer", n_rows)


def _proba_out_of_fold(
    config: TrainConfig,
    division: data.Division,
    rows: data.Rows,
    pipeline: Pipeline,
    fitted: Any,
    answers: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Give what the threshold is chosen on; answers are those of the calibration's folds."""
    n_splits, X, y = config.threshold.n_splits, division.X_train, division.y_train
    if answers is not None and n_splits == config.calibration.n_splits:
        return modeling.calibrated_proba(fitted, answers)
    log.info("choosing a threshold (%s) on %d folds", config.threshold.objective, n_splits)
    splits = inner_splits(division, rows, n_splits)
    if answers is None:
        return modeling.proba_out_of_fold(pipeline, X, y, splits)
    return modeling.calibrated_proba(fitted, modeling.answers_out_of_fold(pipeline, X, y, splits))


def _choose(
    asked: ThresholdConfig, proba: NDArray[np.float64], y: NDArray[np.int64]
) -> modeling.Chosen:
    # Options of other objectives are refused before this.
    if asked.costs is not None:
        return modeling.choose_cheapest(proba, y, asked.costs)
    if asked.min_recall is not None:
        return modeling.choose_most_precise(proba, y, asked.min_recall, asked.min_precision)
    return modeling.choose_max_f1(proba, y)
