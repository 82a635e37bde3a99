"""What cannot be asked of probabilities and of the labels made of them."""

from collections.abc import Iterator
from math import inf
from typing import Any

from src.config.data_schema import OrderedCvConfig
from src.config.evaluation_schema import ThresholdConfig
from src.config.schema import TrainConfig
from src.errors import InvalidValueError, MissingValueError, NoPartitionError, UserError

METHODS = ("none", "sigmoid", "isotonic", "temperature")
OBJECTIVES = ("default", "max_f1", "cost", "min_recall")
# Whose options they are.
OPTIONS = {"costs": "cost", "min_recall": "min_recall", "min_precision": "min_recall"}


def decision_errors(config: TrainConfig) -> Iterator[UserError]:
    """Give what is wrong with `calibration` and `threshold`."""
    calibration, threshold = config.calibration, config.threshold
    choices = (
        ("calibration.method", calibration.method, METHODS),
        ("threshold.objective", threshold.objective, OBJECTIVES),
    )
    for key, found, offered in choices:
        if found not in offered:
            yield InvalidValueError(key, found, "one of " + ", ".join(offered))
        if found != offered[0] and isinstance(config.cv, OrderedCvConfig):
            yield NoPartitionError(key, found, offered[0])
    for key, n_splits in (
        ("calibration.n_splits", calibration.n_splits),
        ("threshold.n_splits", threshold.n_splits),
    ):
        if n_splits < 2:
            yield InvalidValueError(key, n_splits, "2 or more")
    for option, objective in OPTIONS.items():
        value = getattr(threshold, option)
        if value is not None and threshold.objective != objective:
            valid = f"null here: threshold.objective={objective} alone heeds it"
            yield InvalidValueError(f"threshold.{option}", value, valid)
    if threshold.objective == "cost":
        yield from _cost_errors(threshold)
    if threshold.objective == "min_recall":
        yield from _recall_errors(threshold)


def _cost_errors(threshold: ThresholdConfig) -> Iterator[UserError]:
    costs = threshold.costs
    if costs is None:
        yield MissingValueError("threshold.costs", "[[0, 1], [5, 0]]")
        return
    if len(costs) < 2 or any(len(row) != len(costs) for row in costs):
        valid = "a row per true label, each with a number per predicted label: [[0, 1], [5, 0]]"
        yield InvalidValueError("threshold.costs", costs, valid)
        return
    if not all(_is_cost(cost) for row in costs for cost in row):
        yield InvalidValueError("threshold.costs", costs, "finite numbers from 0 on")
        return
    for code, row in enumerate(costs):
        errors = row[:code] + row[code + 1 :]
        if row[code] >= min(errors):
            valid = (
                f"in row {code + 1} less for the right label, number {code + 1}, than for errors"
            )
            yield InvalidValueError("threshold.costs", costs, valid)


def _recall_errors(threshold: ThresholdConfig) -> Iterator[UserError]:
    if threshold.min_recall is None:
        yield MissingValueError("threshold.min_recall", "0.9")
    for key, share in (
        ("threshold.min_recall", threshold.min_recall),
        ("threshold.min_precision", threshold.min_precision),
    ):
        if share is not None and not 0 < share <= 1:
            yield InvalidValueError(key, share, "more than 0, at most 1")


def _is_cost(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < inf
