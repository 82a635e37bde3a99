"""Expected calibration error: how far probabilities are from the shares that come true.

The mean over rows of the distance in their bin (Naeini et al., 2015): of two labels of the
positive one's probability, of more of the likeliest label's (Guo et al., 2017). Ten bins of
equally many rows: of equal width, the probabilities of a rare label would all lie in the first.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]

N_BINS = 10
# No bin is off by so many standard errors more than it seems.
FARTHEST = 10.0
# What sums of a million rows differ by in other orders.
ROUNDING = 1e-9


def expected_calibration_error(y: Codes, proba: Floats) -> float:
    """Give the error; proba of shape (n_rows, n_classes)."""
    confidence, was_true = claims(y, proba)
    excess = np.bincount(calibration_bins(confidence), confidence - was_true)
    return float(np.abs(excess).sum() / len(y))


def claims(y: Codes, proba: Floats) -> tuple[Floats, Floats]:
    """Give by row the probability of what is judged, and whether it was so: 1 or 0."""
    if proba.shape[1] == 2:
        return proba[:, 1], (y == 1).astype(float)
    return proba.max(axis=1), (proba.argmax(axis=1) == y).astype(float)


def calibration_bins(confidence: Floats) -> Codes:
    """Give by row the number of its bin, from 0; equal values are always together."""
    edges = np.percentile(confidence, np.linspace(0, 100, N_BINS + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, confidence), dtype=np.int64)


def calibration_interval(excess: Floats, resampled: Floats) -> tuple[float, float] | None:
    """Give the 95 % interval of the error; None where no resample differs.

    excess: claimed less true, by bin. resampled: of shape (n_resamples, n_bins). Both per row.
    The error of a sample lies above the truth, for chance adds to it in each bin, so percentiles
    would miss the truth (of a calibrated model always). Here a test is inverted (Carpenter, 1999):
    what is off in truth may be what seems off, moved by t standard errors in each bin, towards
    nothing but not past it. In the interval is each truth beside which chance would bring what was
    observed, neither in its lowest nor in its highest 2.5 %.
    """
    chance = resampled - excess
    errors = chance.std(axis=0)
    varies = errors > ROUNDING
    if not varies.any():
        return None
    sign, size = np.where(excess < 0, -1.0, 1.0), np.abs(excess)

    def truth(t: float) -> Floats:
        return np.asarray(np.maximum(size - t * errors, 0.0))

    def beyond(t: float, level: float) -> float:
        seen = np.abs(sign * truth(t) + chance).sum(axis=1)
        return float(np.percentile(seen, level) - size.sum())

    def end(level: float) -> float:
        nothing = float((size[varies] / errors[varies]).max())
        if beyond(nothing, level) >= 0:
            return float(truth(nothing).sum())
        return float(truth(brentq(beyond, -FARTHEST, nothing, args=(level,), xtol=1e-3)).sum())

    return end(97.5), end(2.5)
