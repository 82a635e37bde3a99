"""Intervals by bootstrap: how far chance may carry metrics, by their values on resamples.

Stratified: of a label's n rows, n - 1 are drawn with replacement and count n / (n - 1) times each
(Rao and Wu, 1988). With n draws, the spread of a label of few rows would come out too small: by
half for one of two rows. The interval lies between percentiles (Efron, 1981); of average precision
it is Wald's on the logit scale (Boyd et al., 2013), of the calibration error an inverted test. Each
was chosen by how often it holds the truth (benchmarks/intervals.py).
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from src.evaluation.calibration_error import ROUNDING, calibration_interval
from src.evaluation.metrics import Codes, Floats
from src.evaluation.weighted import WEIGHTED, Sample

Z = float(norm.ppf(0.975))
# Weights that are held at a time: 4 MB, which stays near the processor.
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
    """Give 95 % intervals of metrics by name; None for all where a label has a single row.

    values: the metrics of these rows, of those in WEIGHTED.
    """
    if (np.bincount(y) == 1).any():
        # One row tells nothing about how rows of its label vary.
        return dict.fromkeys(values)
    sample = Sample(y, proba, threshold)
    resampled = _resampled(sample, list(values), n_bootstrap, seed)
    found = {name: _interval(name, values[name], sample, resampled[name]) for name in values}
    flat = [name for name, interval in found.items() if interval is None]
    return {**found, **_beside_more_rows(y, proba, threshold, {n: values[n] for n in flat})}


def _resampled(
    sample: Sample, names: Sequence[str], n_bootstrap: int, seed: int
) -> dict[str, Floats]:
    """Give metrics of shape (n_bootstrap,), of calibration what each bin is off."""
    found: dict[str, list[Floats]] = {name: [] for name in names}
    for weights in _drawn(sample.counts, n_bootstrap, seed):
        sums = sample.sums(weights)
        for name in names:
            found[name].append(sums.mean_excess if name == "ece" else WEIGHTED[name](sample, sums))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _interval(name: str, value: float, sample: Sample, resampled: Floats) -> Interval | None:
    """Give the interval; None where no resample differs."""
    if name == "ece":
        observed = sample.sums(np.ones((1, len(sample.y)))).mean_excess[0]
        ends = calibration_interval(observed, resampled)
        # The error of a sample may lie above all that the truth may be.
        return None if ends is None else (min(ends[0], value), max(ends[1], value))
    # A ratio that some resample leaves undefined.
    resampled = resampled[~np.isnan(resampled)]
    if len(resampled) < 2 or np.ptp(resampled) < ROUNDING * max(1.0, abs(value)):
        return None
    if name == "average_precision":
        error = float(resampled.std(ddof=1)) / (value * (1 - value))
        return float(expit(logit(value) - Z * error)), float(expit(logit(value) + Z * error))
    low, high = np.percentile(resampled, [2.5, 97.5])
    return min(float(low), value), max(float(high), value)


def _beside_more_rows(
    y: Codes, proba: Floats, threshold: float | None, values: Mapping[str, float]
) -> dict[str, Interval | None]:
    """Give as bounds what metrics are beside z² = 3.84 rows more, all wrong or all right.

    Where no resample differs, as in a flawless hold-out, that is no certainty. Of accuracy, these
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
    """Draw weights of shape (up to n_bootstrap, n_rows), a chunk at a time."""
    rng = np.random.default_rng(seed)
    size = max(1, CHUNK // int(counts.sum()))
    for start in range(0, n_bootstrap, size):
        n = min(size, n_bootstrap - start)
        yield np.hstack([_drawn_of_label(rng, n, int(n_rows)) for n_rows in counts if n_rows])


def _drawn_of_label(rng: np.random.Generator, n_resamples: int, n_rows: int) -> Floats:
    drawn = rng.integers(n_rows, size=(n_resamples, n_rows - 1))
    # One count for all: each resample has places of its own.
    drawn += np.arange(n_resamples)[:, np.newaxis] * n_rows
    times = np.bincount(drawn.ravel(), minlength=n_resamples * n_rows).astype(np.float64)
    return times.reshape(n_resamples, n_rows) * (n_rows / (n_rows - 1))
