"""Step 1: check the configuration against the data, and the data itself, before fitting."""

import itertools
import logging
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tabproof import data, evaluation, modeling
from tabproof.config import TrainConfig, most_categories
from tabproof.data.checks import DataChecksFailedError
from tabproof.data.target import DataError
from tabproof.errors import InvalidValueError, listed
from tabproof.evaluation_result import OF_TWO_LABELS, Finding, make_finding, summary_of
from tabproof.schema import make_treatment

log = logging.getLogger(__name__)

# With fewer rows of a label, one of them moves a metric by a tenth.
FEW_ROWS_OF_LABEL = 10


def metric_names(config: TrainConfig) -> list[str]:
    """Return the metrics of a run, in the order in which they are shown."""
    # The result line and every leaderboard have the first two.
    return list(dict.fromkeys(["roc_auc", "accuracy", *config.evaluation.metrics]))


def folds_of(config: TrainConfig, *, is_searched: bool) -> dict[str, int]:
    """Return by key the numbers of folds that a run divides its training rows into."""
    folds = {}
    if is_searched:
        folds["search.n_splits"] = config.search.n_splits
    if config.calibration.method != "none":
        folds["calibration.n_splits"] = config.calibration.n_splits
    if config.threshold.objective != "default":
        folds["threshold.n_splits"] = config.threshold.n_splits
    if config.evaluation.n_repeats or config.evaluation.learning_curve:
        folds["evaluation.n_splits"] = config.evaluation.n_splits
    return folds


def lower_folds(
    config: TrainConfig, division: data.Division, folds: Mapping[str, int]
) -> data.Division:
    """Lower numbers of folds in the configuration to what the rarest class allows, and say so."""
    counts = np.bincount(division.y_train, minlength=len(division.table.labels))
    rarest, n_rows = int(counts.argmin()), int(counts.min())
    used = {key: division.n_folds(asked) for key, asked in folds.items()}
    outer, inner = used.get("evaluation.n_splits"), used.get("calibration.n_splits")
    if outer and inner and config.evaluation.n_repeats:
        # Each fold's training rows are divided again, and a fold takes rows of the class away.
        nested = [
            (o, i)
            for i in range(inner, 1, -1)
            for o in range(outer, 1, -1)
            if n_rows - math.ceil(n_rows / o) >= i
        ]
        if nested:
            used["evaluation.n_splits"], used["calibration.n_splits"] = nested[0]
    treatments = []
    for key, n_splits in used.items():
        if n_splits == folds[key]:
            continue
        getattr(config, key.split(".")[0]).n_splits = n_splits
        label = division.table.labels[rarest]
        facts = {"key": key, "asked": folds[key], "used": n_splits, "n_rows": n_rows}
        treatments.append(make_treatment("fewer_folds", (), label=label, **facts))
    known = division.table.treatments
    return replace(division, table=replace(division.table, treatments=(*known, *treatments)))


def note_many_categories(config: TrainConfig, division: data.Division) -> data.Division:
    """Note the columns with more categories than the model takes, which the pipeline encodes."""
    table, limit = division.table, most_categories(config)
    many = modeling.many_categories(table.X, limit)
    if not many:
        return division
    note = make_treatment("many_categories", many, limit=limit)
    return replace(division, table=replace(table, treatments=(*table.treatments, note)))


def check(config: TrainConfig, division: data.Division) -> list[Finding]:
    """Refuse what cannot be trained or evaluated; return what makes results untrue, logged too."""
    table = division.table
    _check_decision(config, division)
    _check_evaluation(config, division)
    found: list[Finding] = []
    if config.checks.enabled:
        found = data.check(division, config.checks, seed=config.seed)
    # With few held-out rows of a label, intervals are wide.
    n_held_out = np.bincount(division.y_test, minlength=len(table.labels)).tolist()
    counts = zip(table.labels, n_held_out, strict=True)
    few = {label: n for label, n in counts if n < FEW_ROWS_OF_LABEL}
    findings = list(found)
    if few:
        n_rows = len(division.y_test)
        findings.append(make_finding("small_hold_out", n_rows=n_rows, n_by_label=few))
    for finding in findings:
        log.warning(finding.message)
    if found and config.checks.fail:
        raise DataChecksFailedError(found="; ".join(map(summary_of, found)))
    return findings


def _check_decision(config: TrainConfig, division: data.Division) -> None:
    """Refuse a threshold that does not fit the labels, and folds without enough rows."""
    labels, threshold, calibration = division.table.labels, config.threshold, config.calibration
    n, costs = len(labels), threshold.costs
    if costs is not None and len(costs) != n:
        valid = f"{n} rows (true labels) of {n} numbers (predicted ones): the target has {n} labels"
        raise InvalidValueError("threshold.costs", costs, f"{valid}, {listed(labels)}")
    if threshold.objective != "default" and n > 2:
        valid = f"two labels, and the target has {n}: {listed(labels)}; threshold=default predicts"
        valid += " the most probable label"
        raise InvalidValueError("threshold.objective", threshold.objective, valid)
    folds = {}
    if calibration.method != "none":
        folds["calibration.n_splits"] = calibration.n_splits
    if threshold.objective != "default":
        folds["threshold.n_splits"] = threshold.n_splits
    for key, n_splits in folds.items():
        division.check_folds(key, n_splits)
        for train, _ in division.splits(n_splits) if division.groups is not None else ():
            counts = np.bincount(division.y_train[train], minlength=n)
            if counts.min() == 0:
                reason = (
                    f"{key}={n_splits}: all rows of class '{labels[int(counts.argmin())]}' are in"
                    " one fold, since groups of cv.group_column stay together, and the model of"
                    " that fold would not know the class"
                )
                raise DataError(reason, "add more groups with it, or leave the class out")


def _check_evaluation(config: TrainConfig, division: data.Division) -> None:
    """Refuse metrics, slices and folds that do not fit the data."""
    asked = config.evaluation
    labels, names = division.table.labels, metric_names(config)
    if len(labels) != 2 and (unfit := [name for name in names if name in OF_TWO_LABELS]):
        valid = f"metrics of {len(labels)} labels, {listed(labels)}: {unfit[0]} is of two; use"
        valid += " recall, the mean over all labels"
        raise InvalidValueError("evaluation.metrics", unfit[0], valid)
    evaluation.check_slices(division.table.X, asked.slices)
    if asked.n_repeats or asked.learning_curve:
        division.check_folds("evaluation.n_splits", asked.n_splits)
    if asked.n_repeats and config.calibration.method != "none":
        # Each fold's training rows are divided again: the least number that leaves enough.
        outer, inner = asked.n_splits, config.calibration.n_splits
        needed = next(n for n in itertools.count(inner) if n - math.ceil(n / outer) >= inner)
        reason = f"calibration.n_splits={inner} within each of evaluation.n_splits={outer}"
        keys = "evaluation.n_splits or calibration.n_splits"
        division.check_rarest(needed, reason, keys)
