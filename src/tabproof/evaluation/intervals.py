"""95 % intervals of metrics on the hold-out.

Shares of rows (accuracy; with two labels precision, recall and specificity): Wilson's score
interval (Wilson, 1927). AUC: `tabproof.auc`. The others: stratified bootstrap.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from tabproof.auc import Codes, Floats, Z, auc_interval
from tabproof.evaluation.metrics import (
    ROUNDING,
    calibration_bins,
    calibration_interval,
    claims,
    log_losses,
    predicted_codes,
    score,
    squared_distances,
)
from tabproof.evaluation_result import Estimate

# --- Metrics of the same rows with many sets of weights at once; scikit-learn takes one set.


@dataclass(frozen=True)
class Sums:
    """Weighted sums over rows, for weights of shape (n_resamples, n_rows).

    confusion : (n_resamples, n_classes, n_classes), true by predicted. excess : by bin of
    calibration, probability minus truth. losses and distances : (n_resamples,).
    """

    weights: Floats
    confusion: Floats
    losses: Floats
    distances: Floats
    excess: Floats

    @property
    def total(self) -> Floats:
        """The weight of all rows, by resample."""
        return np.asarray(self.confusion.sum(axis=(1, 2)))

    @property
    def mean_excess(self) -> Floats:
        """Probability minus truth by bin, over the weight of all rows."""
        return np.asarray(self.excess / self.total[:, np.newaxis])


class Sample:
    """Rows sorted by label, and what all resamples of them have in common."""

    def __init__(self, y: Codes, proba: Floats, threshold: float | None) -> None:
        self._order = np.argsort(y, kind="stable")
        self.y, self.proba = y[self._order], proba[self._order]
        self.counts = np.bincount(y, minlength=proba.shape[1])
        self._ends = np.cumsum(self.counts)
        confidence, was_true = claims(self.y, self.proba)
        bins = calibration_bins(confidence)
        # By row, what is summed.
        self._columns = np.column_stack(
            [
                np.eye(len(self.counts))[predicted_codes(self.proba, threshold)],
                log_losses(self.y, self.proba),
                squared_distances(self.y, self.proba),
                np.eye(int(bins.max()) + 1)[bins] * (confidence - was_true)[:, np.newaxis],
            ]
        )

    def in_order(self, weights: Floats) -> Floats:
        """Return weights, (n_rows,), in the order that `sums` takes, (1, n_rows)."""
        return np.asarray(weights[np.newaxis, self._order])

    def sums(self, weights: Floats) -> Sums:
        """Sum over the rows of each label."""
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
    """Return the mean precision at the positive rows; rows with equal scores count together."""
    order = np.argsort(-sample.proba[:, code], kind="stable")
    scores = sample.proba[order, code]
    ends = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)
    places = np.flatnonzero(sample.y[order] == code)
    # By positive row, where rows with its score end among all rows, and among the positive.
    end_of_all = ends[np.searchsorted(ends, places)]
    end_of_positive = np.searchsorted(places, end_of_all, side="right") - 1
    ordered = weights[:, order]
    of_positive = ordered[:, places]
    reported = np.cumsum(ordered, axis=1)[:, end_of_all]
    found = np.cumsum(of_positive, axis=1)[:, end_of_positive]
    # Rows before the first drawn one have no weight.
    precision = np.divide(found, reported, out=np.zeros_like(found), where=reported > 0)
    return np.asarray((of_positive * precision).sum(axis=1) / of_positive.sum(axis=1))


def _shares(numerator: Floats, denominator: Floats, otherwise: float) -> Floats:
    out = np.full_like(numerator, otherwise)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def _of_positive_or_macro(
    denominators: Callable[[Floats, Floats], Floats],
) -> Callable[[Sample, Sums], Floats]:
    """Return a metric: correct rows over a mean of true and predicted rows."""

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
    """Return Matthews' coefficient; with more than two labels Gorodkin's (2004), equation 8."""
    true, predicted = sums.confusion.sum(axis=2), sums.confusion.sum(axis=1)
    right = np.trace(sums.confusion, axis1=1, axis2=2)
    total = sums.total

    def covariance(diagonal: Floats, first: Floats, second: Floats) -> Floats:
        return np.asarray(diagonal * total - (first * second).sum(axis=1))

    spread = covariance(total, true, true) * covariance(total, predicted, predicted)
    # As in scikit-learn: 0 if all rows are predicted to have one label.
    is_defined = spread > 1e-9 * total**4
    root = np.sqrt(np.where(is_defined, spread, 1.0))
    return np.where(is_defined, covariance(right, true, predicted) / root, 0.0)


# The metrics without a formula for an interval.
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


# --- Intervals by bootstrap.

# Weights in memory at a time: 4 MB, which fits into the processor's cache.
CHUNK = 500_000

Interval = tuple[float, float]


def bootstrap_intervals(
    y: Codes,
    proba: Floats,
    values: Mapping[str, float],
    *,
    threshold: float | None,
    n_bootstrap: int,
    seed: int,
) -> dict[str, Interval | None]:
    """Return 95 % intervals by name; None for all if a label has a single row.

    values : metrics of these rows; names are those of WEIGHTED.
    """
    if (np.bincount(y) == 1).any():
        # One row says nothing about how rows of its label vary.
        return dict.fromkeys(values)
    sample = Sample(y, proba, threshold)
    resampled = _resampled(sample, list(values), n_bootstrap, seed)
    found = {name: _interval(name, values[name], sample, resampled[name]) for name in values}
    flat = [name for name, interval in found.items() if interval is None]
    return {**found, **_with_more_rows(y, proba, threshold, {n: values[n] for n in flat})}


def _resampled(
    sample: Sample, names: Sequence[str], n_bootstrap: int, seed: int
) -> dict[str, Floats]:
    """Return metrics, (n_bootstrap,); for the calibration error the excess by bin."""
    found: dict[str, list[Floats]] = {name: [] for name in names}
    for weights in _drawn(sample.counts, n_bootstrap, seed):
        sums = sample.sums(weights)
        for name in names:
            found[name].append(sums.mean_excess if name == "ece" else WEIGHTED[name](sample, sums))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _interval(name: str, value: float, sample: Sample, resampled: Floats) -> Interval | None:
    """Return the interval; None if no resample differs."""
    if name == "ece":
        observed = sample.sums(np.ones((1, len(sample.y)))).mean_excess[0]
        ends = calibration_interval(observed, resampled)
        # The error of a sample may be above the whole interval.
        return None if ends is None else (min(ends[0], value), max(ends[1], value))
    # A ratio may be undefined in some resamples.
    resampled = resampled[~np.isnan(resampled)]
    if len(resampled) < 2 or np.ptp(resampled) < ROUNDING * max(1.0, abs(value)):
        return None
    if name == "average_precision":
        error = float(resampled.std(ddof=1)) / (value * (1 - value))
        return float(expit(logit(value) - Z * error)), float(expit(logit(value) + Z * error))
    low, high = np.percentile(resampled, [2.5, 97.5])
    return min(float(low), value), max(float(high), value)


def _with_more_rows(
    y: Codes, proba: Floats, threshold: float | None, values: Mapping[str, float]
) -> dict[str, Interval | None]:
    """Return as bounds the metrics with z² = 3.84 more rows, all wrong or all right.

    If no resample differs, as with a perfect hold-out, that is no certainty. For accuracy these
    bounds are Wilson's.
    """
    if not values:
        return {}
    shares = np.bincount(y, minlength=proba.shape[1]) / len(y)
    found = [list(values.values())]
    for are_right in (False, True):
        true, claimed, weights = [], [], []
        for code, other in np.ndindex(len(shares), len(shares)):
            if (code == other) == are_right and shares[code]:
                true.append(code)
                claimed.append(other)
                weights.append(Z**2 * shares[code] / (1 if are_right else len(shares) - 1))
        rows = np.concatenate([y, true]), np.vstack([proba, np.eye(len(shares))[claimed]])
        sample = Sample(*rows, threshold)
        sums = sample.sums(sample.in_order(np.concatenate([np.ones(len(y)), weights])))
        found.append([float(WEIGHTED[name](sample, sums)[0]) for name in values])
    bounds = np.array(found)
    return {
        name: (float(low), float(high))
        for name, low, high in zip(values, bounds.min(axis=0), bounds.max(axis=0), strict=True)
    }


def _drawn(counts: Codes, n_bootstrap: int, seed: int) -> Iterator[Floats]:
    """Yield weights in chunks of at most n_bootstrap resamples, (n, n_rows)."""
    rng = np.random.default_rng(seed)
    size = max(1, CHUNK // int(counts.sum()))
    for start in range(0, n_bootstrap, size):
        n = min(size, n_bootstrap - start)
        yield np.hstack([_drawn_of_label(rng, n, int(n_rows)) for n_rows in counts if n_rows])


def _drawn_of_label(rng: np.random.Generator, n_resamples: int, n_rows: int) -> Floats:
    drawn = rng.integers(n_rows, size=(n_resamples, n_rows - 1))
    # A single bincount: each resample has its own range of numbers.
    drawn += np.arange(n_resamples)[:, np.newaxis] * n_rows
    times = np.bincount(drawn.ravel(), minlength=n_resamples * n_rows).astype(np.float64)
    return times.reshape(n_resamples, n_rows) * (n_rows / (n_rows - 1))


def measure(
    y: Codes,
    proba: Floats,
    *,
    names: Sequence[str],
    threshold: float | None = None,
    n_bootstrap: int,
    seed: int,
) -> dict[str, Estimate]:
    """Return metrics by name, with their intervals.

    y : codes, (n_rows,), one row or more. proba : (n_rows, n_classes). n_bootstrap=0: only
    intervals that have a formula.
    """
    values = score(y, proba, names=names, threshold=threshold)
    known = {name: value for name, value in values.items() if value is not None}
    n_rows = {"accuracy": len(y)}
    if proba.shape[1] == 2:
        n_positive = int((y == 1).sum())
        n_rows |= {"recall": n_positive, "specificity": len(y) - n_positive}
        n_rows["precision"] = int((predicted_codes(proba, threshold) == 1).sum())
    intervals: dict[str, Interval | None] = {
        name: share_interval(known[name], n) for name, n in n_rows.items() if name in known
    }
    if "roc_auc" in known:
        intervals["roc_auc"] = auc_interval(y, proba, known["roc_auc"])
    rest = {name: value for name, value in known.items() if name not in intervals}
    if n_bootstrap and rest:
        intervals |= bootstrap_intervals(
            y, proba, rest, threshold=threshold, n_bootstrap=n_bootstrap, seed=seed
        )
    return {
        name: Estimate(value, *(intervals.get(name) or (None, None)))
        for name, value in values.items()
    }


def share_interval(share: float, n_rows: int) -> Interval:
    """Return Wilson's interval of a share of rows."""
    spread = Z**2 / n_rows
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / n_rows + spread / (4 * n_rows))
    # Rounding must not exclude the share itself.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
