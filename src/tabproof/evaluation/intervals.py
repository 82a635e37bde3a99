"""95 % intervals of metrics on the hold-out.

Shares of rows (accuracy; with two labels precision, recall and specificity): Wilson's score
interval (Wilson, 1927). AUC: `tabproof.auc`. The others: stratified bootstrap.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

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

# Weights in memory at a time: 4 MB, which fits into the processor's cache.
CHUNK = 500_000

Interval = tuple[float, float]


class Sample:
    """Rows sorted by label, in `order`, and what all resamples of them have in common."""

    def __init__(self, y: Codes, proba: Floats, threshold: float | None) -> None:
        self.order = np.argsort(y, kind="stable")
        self.y, self.proba = y[self.order], proba[self.order]
        self.counts = np.bincount(y, minlength=proba.shape[1])
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

    def metrics(self, weights: Floats, names: Iterable[str]) -> dict[str, Floats]:
        """Return metrics by name, (n_resamples,), of weighted rows; scikit-learn takes one set.

        weights : (n_resamples, n_rows), sorted by label. For the calibration error the excess by
        bin, probability minus truth, over the weight of all rows: (n_resamples, n_bins).
        """
        n_classes, is_binary = len(self.counts), len(self.counts) == 2
        by_label = np.stack(
            [
                weights[:, end - n : end] @ self._columns[end - n : end]
                for n, end in zip(self.counts, np.cumsum(self.counts), strict=True)
            ],
            axis=1,
        )
        confusion = by_label[:, :, :n_classes]
        rest = by_label[:, :, n_classes:].sum(axis=1)
        true, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
        right, total = np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=(1, 2))

        def share(of_all: Floats) -> Floats:
            # Of the positive label, or the mean over labels, as in `score`.
            out = np.full_like(right, np.nan if is_binary else 0.0)
            shares = np.divide(right, of_all, out=out, where=of_all > 0)
            return np.asarray(shares[:, 1] if is_binary else shares.mean(axis=1))

        def covariance(diagonal: Floats, first: Floats, second: Floats) -> Floats:
            return np.asarray(diagonal * total - (first * second).sum(axis=1))

        def correlation() -> Floats:
            # Matthews' coefficient; with more than two labels Gorodkin's (2004), equation 8.
            spread = covariance(total, true, true) * covariance(total, predicted, predicted)
            # As in scikit-learn: 0 if all rows are predicted to have one label.
            is_defined = spread > 1e-9 * total**4
            root = np.sqrt(np.where(is_defined, spread, 1.0))
            numerator = covariance(np.trace(confusion, axis1=1, axis2=2), true, predicted)
            return np.where(is_defined, numerator / root, 0.0)

        def average_precision() -> Floats:
            of = [1] if is_binary else range(n_classes)
            return np.asarray(np.mean([self._precision(weights, code) for code in of], axis=0))

        # The metrics without a formula for an interval.
        metrics: dict[str, Callable[[], Floats]] = {
            "average_precision": average_precision,
            "balanced_accuracy": lambda: (right / true).mean(axis=1),
            "precision": lambda: share(predicted),
            "recall": lambda: share(true),
            "f1": lambda: share((true + predicted) / 2),
            "mcc": correlation,
            "brier": lambda: rest[:, 1] / total,
            "log_loss": lambda: rest[:, 0] / total,
            "ece": lambda: rest[:, 2:] / total[:, np.newaxis],
        }
        return {name: metrics[name]() for name in names}

    def _precision(self, weights: Floats, code: int) -> Floats:
        """Return the mean precision at the positive rows; rows with equal scores count together."""
        order = np.argsort(-self.proba[:, code], kind="stable")
        scores = self.proba[order, code]
        ends = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)
        places = np.flatnonzero(self.y[order] == code)
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

    values : metrics of these rows; names are those of Sample.metrics.
    """
    if (np.bincount(y) == 1).any():
        # The variance between rows of a label cannot be estimated from one row.
        return dict.fromkeys(values)
    sample = Sample(y, proba, threshold)
    drawn = _drawn(sample.counts, n_bootstrap, seed)
    chunks = [sample.metrics(weights, values) for weights in drawn]
    found: dict[str, Interval | None] = dict.fromkeys(values)
    for name, value in values.items():
        resampled = np.concatenate([chunk[name] for chunk in chunks])
        if name == "ece":
            observed = sample.metrics(np.ones((1, len(y))), ["ece"])["ece"][0]
            if (ends := calibration_interval(observed, resampled)) is not None:
                # The error of a sample may be above the whole interval.
                found[name] = min(ends[0], value), max(ends[1], value)
            continue
        # A ratio may be undefined in some resamples.
        resampled = resampled[~np.isnan(resampled)]
        if len(resampled) < 2 or np.ptp(resampled) < ROUNDING * max(1.0, abs(value)):
            continue
        if name == "average_precision":
            error = float(resampled.std(ddof=1)) / (value * (1 - value))
            middle = logit(value)
            found[name] = float(expit(middle - Z * error)), float(expit(middle + Z * error))
        else:
            low, high = np.percentile(resampled, [2.5, 97.5])
            found[name] = min(float(low), value), max(float(high), value)
    flat = {name: values[name] for name, interval in found.items() if interval is None}
    return {**found, **_with_more_rows(y, proba, threshold, flat)}


def _with_more_rows(
    y: Codes, proba: Floats, threshold: float | None, values: Mapping[str, float]
) -> dict[str, Interval | None]:
    """Return as bounds the metrics with z² = 3.84 more rows, all wrong or all right.

    If no resample differs, as with a perfect hold-out, that is no certainty. For accuracy these
    bounds are Wilson's.
    """
    if not values:
        return {}
    n_labels = proba.shape[1]
    shares = np.bincount(y, minlength=n_labels) / len(y)
    found = [values]
    for are_right in (False, True):
        pairs = [
            pair
            for pair in np.ndindex(n_labels, n_labels)
            if (pair[0] == pair[1]) == are_right and shares[pair[0]]
        ]
        true, claimed = np.array(pairs).T
        rows = np.concatenate([y, true]), np.vstack([proba, np.eye(n_labels)[claimed]])
        sample = Sample(*rows, threshold)
        added = Z**2 * shares[true] / (1 if are_right else n_labels - 1)
        weights = np.concatenate([np.ones(len(y)), added])[np.newaxis, sample.order]
        metrics = sample.metrics(weights, values)
        if "ece" in metrics:
            metrics["ece"] = np.abs(metrics["ece"]).sum(axis=1)
        found.append({name: float(metric[0]) for name, metric in metrics.items()})
    return {name: (min(f[name] for f in found), max(f[name] for f in found)) for name in values}


def _drawn(counts: Codes, n_bootstrap: int, seed: int) -> Iterator[Floats]:
    """Yield weights in chunks of at most n_bootstrap resamples, (n, n_rows)."""
    rng = np.random.default_rng(seed)
    size = max(1, CHUNK // int(counts.sum()))
    for start in range(0, n_bootstrap, size):
        n, by_label = min(size, n_bootstrap - start), []
        for n_rows in filter(None, counts.tolist()):
            drawn = rng.integers(n_rows, size=(n, n_rows - 1))
            # A single bincount: each resample has its own range of numbers.
            drawn += np.arange(n)[:, np.newaxis] * n_rows
            times = np.bincount(drawn.ravel(), minlength=n * n_rows).astype(np.float64)
            by_label.append(times.reshape(n, n_rows) * (n_rows / (n_rows - 1)))
        yield np.hstack(by_label)


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
