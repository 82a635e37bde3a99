"""Step 1: check the configuration against the data, and the data itself, before fitting."""

import itertools
import logging
import math

import numpy as np

from tabproof import data, evaluation
from tabproof.config import TrainConfig, members_of, most_categories
from tabproof.data.checks import DataChecksFailedError
from tabproof.errors import TooManyCategoriesError
from tabproof.evaluation_result import Finding, check_metrics_fit
from tabproof.findings import make_finding, summary_of
from tabproof.steps.errors import CostShapeError, FoldLacksClassError, LabelsToDecideError

log = logging.getLogger(__name__)

# The result line and every leaderboard have these metrics.
ALWAYS = ("roc_auc", "accuracy")
# With fewer rows of a label, one of them moves a metric by a tenth.
FEW_ROWS_OF_LABEL = 10


def metric_names(config: TrainConfig) -> list[str]:
    """Return the metrics of a run, in the order in which they are shown."""
    return list(dict.fromkeys([*ALWAYS, *config.evaluation.metrics]))


def check(config: TrainConfig, division: data.Division) -> list[Finding]:
    """Refuse what cannot be trained or evaluated; return what makes results untrue, logged too."""
    _check_categories(config, division.table)
    _check_decision(config, division)
    _check_evaluation(config, division)
    found: list[Finding] = []
    if config.checks.enabled:
        found = data.check(division, config.checks, seed=config.seed)
    findings = [*found, *_find_small_hold_out(division)]
    for finding in findings:
        log.warning(finding.message)
    if found and config.checks.fail:
        raise DataChecksFailedError(found="; ".join(map(summary_of, found)))
    return findings


def _check_categories(config: TrainConfig, table: data.Table) -> None:
    limit = most_categories(members_of(config).values())
    for name in table.X.select_dtypes("category").columns:
        found = len(table.X[name].cat.categories)
        if limit is not None and found > limit:
            raise TooManyCategoriesError(str(name), found, limit)


def _check_decision(config: TrainConfig, division: data.Division) -> None:
    """Refuse a threshold that does not fit the labels, and folds without enough rows."""
    labels, threshold, calibration = division.table.labels, config.threshold, config.calibration
    shown = {"labels": labels, "n_labels": len(labels)}
    if threshold.costs is not None and len(threshold.costs) != len(labels):
        raise CostShapeError(n_rows=len(threshold.costs), **shown)
    if threshold.objective != "default" and len(labels) > 2:
        raise LabelsToDecideError(objective=threshold.objective, **shown)
    folds = {}
    if calibration.method != "none":
        folds["calibration.n_splits"] = calibration.n_splits
    if threshold.objective != "default":
        folds["threshold.n_splits"] = threshold.n_splits
    for key, n_splits in folds.items():
        division.check_folds(key, n_splits)
        if division.groups is None:
            continue
        for train, _ in division.splits(n_splits):
            counts = np.bincount(division.y_train[train], minlength=len(labels))
            if counts.min() == 0:
                label = labels[int(counts.argmin())]
                raise FoldLacksClassError(key=key, n_splits=n_splits, label=label)


def _check_evaluation(config: TrainConfig, division: data.Division) -> None:
    """Refuse metrics, slices and folds that do not fit the data."""
    asked = config.evaluation
    check_metrics_fit(metric_names(config), division.table.labels)
    evaluation.check_slices(division.table.X, asked.slices)
    if asked.n_repeats or asked.learning_curve:
        key = "evaluation.n_splits"
        division.check_rarest(asked.n_splits, f"{key}={asked.n_splits}", key)
    if asked.n_repeats and config.calibration.method != "none":
        # Each fold's training rows are divided again: the least number that leaves enough.
        outer, inner = asked.n_splits, config.calibration.n_splits
        needed = next(n for n in itertools.count(inner) if n - math.ceil(n / outer) >= inner)
        division.check_rarest(
            needed,
            f"calibration.n_splits={inner} within each of evaluation.n_splits={outer}",
            "evaluation.n_splits or calibration.n_splits",
        )


def _find_small_hold_out(division: data.Division) -> list[Finding]:
    """Report labels with too few held-out rows for narrow intervals."""
    labels = division.table.labels
    counts = np.bincount(division.y_test, minlength=len(labels)).tolist()
    few = {label: n for label, n in zip(labels, counts, strict=True) if n < FEW_ROWS_OF_LABEL}
    if not few:
        return []
    return [make_finding("small_hold_out", n_rows=len(division.y_test), n_by_label=few)]
