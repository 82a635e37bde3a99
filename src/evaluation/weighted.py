"""Metrics of the same rows with many weights at once, as scikit-learn has them of one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from src.evaluation.calibration_error import calibration_bins, claims
from src.evaluation.metrics import (
    Codes,
    Floats,
    log_losses,
    predicted_codes,
    squared_distances,
)


@dataclass(frozen=True)
class Sums:
    """What weights of shape (n_resamples, n_rows) add up to.

    confusion: of shape (n_resamples, n_classes, n_classes), true by predicted. excess: by bin of
    calibration, claimed less true. losses and distances: of shape (n_resamples,).
    """

    weights: Floats
    confusion: Floats
    losses: Floats
    distances: Floats
    excess: Floats

    @property
    def total(self) -> Floats:
        """The weight of all rows."""
        return np.asarray(self.confusion.sum(axis=(1, 2)))

    @property
    def mean_excess(self) -> Floats:
        """Claimed less true by bin, over the weight of all rows."""
        return np.asarray(self.excess / self.total[:, np.newaxis])


class Sample:
    """Rows in the order of their labels, and what all resamples of them have in common."""

    def __init__(self, y: Codes, proba: Floats, threshold: float | None) -> None:
        self._order = np.argsort(y, kind="stable")
        self.y, self.proba = y[self._order], proba[self._order]
        self.counts = np.bincount(y, minlength=proba.shape[1])
        self._ends = np.cumsum(self.counts)
        confidence, was_true = claims(self.y, self.proba)
        bins = calibration_bins(confidence)
        # By row, what Sums adds up.
        self._columns = np.column_stack(
            [
                np.eye(len(self.counts))[predicted_codes(self.proba, threshold)],
                log_losses(self.y, self.proba),
                squared_distances(self.y, self.proba),
                np.eye(int(bins.max()) + 1)[bins] * (confidence - was_true)[:, np.newaxis],
            ]
        )

    def in_order(self, weights: Floats) -> Floats:
        """Give weights of shape (n_rows,) as sums takes them, of shape (1, n_rows)."""
        return np.asarray(weights[np.newaxis, self._order])

    def sums(self, weights: Floats) -> Sums:
        """Add up over rows, in each label apart."""
        by_label = np.stack(
            [
                weights[:, end - n : end] @ self._columns[end - n : end]
                for n, end in zip(self.counts, self._ends, strict=True)
            ],
            axis=1,
        )
        n_classes = len(self.counts)
        rest = by_label[:, :, n_classes:].sum(axis=1)
        return Sums(weights, by_label[:, :, :n_classes], rest[:, 0], rest[:, 1], rest[:, 2:])


def _average_precision(sample: Sample, sums: Sums) -> Floats:
    n_classes = len(sample.counts)
    of = [1] if n_classes == 2 else range(n_classes)
    by_label = [_precision_of_one(sample, sums.weights, code) for code in of]
    return np.asarray(np.mean(by_label, axis=0))


def _precision_of_one(sample: Sample, weights: Floats, code: int) -> Floats:
    """Give the mean precision at each positive row, equal scores always together."""
    order = np.argsort(-sample.proba[:, code], kind="stable")
    scores = sample.proba[order, code]
    ends = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)
    places = np.flatnonzero(sample.y[order] == code)
    # By positive row, where its equals end among all rows, and among the positive.
    end_of_all = ends[np.searchsorted(ends, places)]
    end_of_positive = np.searchsorted(places, end_of_all, side="right") - 1
    ordered = weights[:, order]
    of_positive = ordered[:, places]
    reported = np.cumsum(ordered, axis=1)[:, end_of_all]
    found = np.cumsum(of_positive, axis=1)[:, end_of_positive]
    # Rows before the first drawn one are reported by none and weigh nothing.
    precision = np.divide(found, reported, out=np.zeros_like(found), where=reported > 0)
    return np.asarray((of_positive * precision).sum(axis=1) / of_positive.sum(axis=1))


def _shares(numerator: Floats, denominator: Floats, otherwise: float) -> Floats:
    out = np.full_like(numerator, otherwise)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def _of_positive_or_macro(
    denominators: Callable[[Floats, Floats], Floats],
) -> Callable[[Sample, Sums], Floats]:
    """Make a metric of right ones over a mix of how many there are and how many predicted."""

    def metric(_: Sample, sums: Sums) -> Floats:
        right = np.diagonal(sums.confusion, axis1=1, axis2=2)
        of_all = denominators(sums.confusion.sum(axis=2), sums.confusion.sum(axis=1))
        if right.shape[1] == 2:
            return _shares(right[:, 1], of_all[:, 1], np.nan)
        return np.asarray(_shares(right, of_all, 0.0).mean(axis=1))

    return metric


def _balanced_accuracy(_: Sample, sums: Sums) -> Floats:
    right = np.diagonal(sums.confusion, axis1=1, axis2=2)
    return np.asarray((right / sums.confusion.sum(axis=2)).mean(axis=1))


def _correlation(_: Sample, sums: Sums) -> Floats:
    """Give Matthews' coefficient, of more than two labels Gorodkin's (2004), equation 8."""
    true, predicted = sums.confusion.sum(axis=2), sums.confusion.sum(axis=1)
    right = np.trace(sums.confusion, axis1=1, axis2=2)
    total = sums.total

    def covariance(diagonal: Floats, first: Floats, second: Floats) -> Floats:
        return np.asarray(diagonal * total - (first * second).sum(axis=1))

    spread = covariance(total, true, true) * covariance(total, predicted, predicted)
    # As scikit-learn has it: 0 where all rows are predicted to be of one label.
    is_defined = spread > 1e-9 * total**4
    root = np.sqrt(np.where(is_defined, spread, 1.0))
    return np.where(is_defined, covariance(right, true, predicted) / root, 0.0)


# What has no interval by formula, for two labels or for more.
WEIGHTED: dict[str, Callable[[Sample, Sums], Floats]] = {
    "average_precision": _average_precision,
    "balanced_accuracy": _balanced_accuracy,
    "precision": _of_positive_or_macro(lambda _, predicted: predicted),
    "recall": _of_positive_or_macro(lambda true, _: true),
    "f1": _of_positive_or_macro(lambda true, predicted: (true + predicted) / 2),
    "mcc": _correlation,
    "brier": lambda _, sums: sums.distances / sums.total,
    "log_loss": lambda _, sums: sums.losses / sums.total,
    "ece": lambda _, sums: np.abs(sums.mean_excess).sum(axis=1),
}
