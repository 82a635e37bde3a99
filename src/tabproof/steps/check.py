"""Checks of the configuration against the data, before anything is fitted."""

import itertools
import logging
import math
from collections.abc import Iterator, Sequence

import numpy as np

from tabproof import data, evaluation, modeling
from tabproof.config import TrainConfig
from tabproof.data.errors import FewGroupsError, RareClassError
from tabproof.evaluation_result import (
    Finding,
    check_metrics_fit,
)
from tabproof.steps.errors import CostShapeError, FoldLacksClassError, LabelsToDecideError

log = logging.getLogger(__name__)

# The result line and every leaderboard have them.
ALWAYS = ("roc_auc", "accuracy")


def metric_names(config: TrainConfig) -> list[str]:
    """Name the metrics of a run, in the order in which it tells them."""
    return list(dict.fromkeys([*ALWAYS, *config.evaluation.metrics]))


def check_before_data(config: TrainConfig, rows: data.Rows) -> None:
    """Refuse what can be known to fail without the table."""
    if config.evaluation.n_repeats:
        rows.repeated_folds(config.evaluation.n_splits, config.evaluation.n_repeats)


def check(config: TrainConfig, division: data.Division) -> None:
    """Refuse, before training, what could not be evaluated afterwards."""
    labels, asked = division.table.labels, config.evaluation
    check_metrics_fit(metric_names(config), labels)
    evaluation.check_slices(division.table.X, asked.slices)
    counts = np.bincount(division.y_train, minlength=len(labels))
    rarest = int(counts.argmin())
    if (asked.n_repeats or asked.learning_curve) and counts[rarest] < asked.n_splits:
        key = "evaluation.n_splits"
        reason = f"{key}={asked.n_splits}"
        raise RareClassError(labels[rarest], int(counts[rarest]), asked.n_splits, reason, key)
    if asked.n_repeats and config.calibration.method != "none":
        _check_calibrated_folds(config, labels[rarest], int(counts[rarest]))


def _check_calibrated_folds(config: TrainConfig, label: str, n_rows: int) -> None:
    """Raise where a label's rows beside each fold are too few to divide again."""
    outer, inner = config.evaluation.n_splits, config.calibration.n_splits
    needed = next(n for n in itertools.count(inner) if n - math.ceil(n / outer) >= inner)
    if n_rows < needed:
        keys = "evaluation.n_splits or calibration.n_splits"
        reason = f"calibration.n_splits={inner} beside each of evaluation.n_splits={outer}"
        raise RareClassError(label, n_rows, needed, reason, keys)


def small_hold_out(division: data.Division) -> Sequence[Finding]:
    """Say so, before training too, where the rows held out will tell little."""
    findings = evaluation.small_hold_out(division.y_test, division.table.labels)
    for finding in findings:
        log.warning(finding.message)
    return findings


def check_decision(config: TrainConfig, division: data.Division, rows: data.Rows) -> None:
    """Raise where a calibration or threshold of the configuration has no data to be made of."""
    labels, threshold = division.table.labels, config.threshold
    if threshold.costs is not None and len(threshold.costs) != len(labels):
        raise CostShapeError(len(threshold.costs), labels)
    if threshold.objective != "default" and len(labels) > 2:
        raise LabelsToDecideError(threshold.objective, labels)
    for key, n_splits in _folds_asked_for(config):
        _check_folds(key, n_splits, division, rows)


def _folds_asked_for(config: TrainConfig) -> Iterator[tuple[str, int]]:
    if config.calibration.method != "none":
        yield "calibration.n_splits", config.calibration.n_splits
    if config.threshold.objective != "default":
        yield "threshold.n_splits", config.threshold.n_splits


def _check_folds(key: str, n_splits: int, division: data.Division, rows: data.Rows) -> None:
    """Raise where not every fold's model would learn every class."""
    labels, y = division.table.labels, division.y_train
    counts = np.bincount(y, minlength=len(labels))
    rarest = int(counts.argmin())
    if counts[rarest] < n_splits:
        n_rows = int(counts[rarest])
        raise RareClassError(labels[rarest], n_rows, n_splits, f"{key}={n_splits}", key)
    if division.groups is None:
        return
    n_groups = len(set(division.groups))
    if n_groups < n_splits:
        raise FewGroupsError(n_groups, n_splits, key)
    for train, _ in inner_splits(division, rows, n_splits):
        absent = np.flatnonzero(np.bincount(y[train], minlength=len(labels)) == 0)
        if len(absent):
            raise FoldLacksClassError(key, n_splits, labels[int(absent[0])])


def inner_splits(division: data.Division, rows: data.Rows, n_splits: int) -> modeling.Splits:
    """Return the folds of the training rows, as lists of row numbers."""
    splitter = rows.folds(n_splits)
    return list(splitter.split(division.X_train, division.y_train, division.groups))
