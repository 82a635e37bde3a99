"""Metrics of predicted probabilities; scikit-learn's functions where it has them.

With two labels, of the positive one. With more: roc_auc and average_precision one-vs-rest, macro;
f1, precision and recall macro. A metric is None if it is not defined: if it needs rows of a label
that has none, or is a share of no rows.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.optimize import brentq
from sklearn import metrics as sk

from tabproof.auc import Codes, Floats, has_every_class

# --- Expected calibration error: the distance of probabilities from observed shares.

N_BINS = 10
# No bin is further off than it seems by more than this many standard errors.
FARTHEST = 10.0
# Sums over a million rows in different orders differ by less.
ROUNDING = 1e-9


def claims(y: Codes, proba: Floats) -> tuple[Floats, Floats]:
    """Return by row the probability of the positive, or most probable, label; 1 if it is true."""
    if proba.shape[1] == 2:
        return proba[:, 1], (y == 1).astype(float)
    return proba.max(axis=1), (proba.argmax(axis=1) == y).astype(float)


def calibration_bins(confidence: Floats) -> Codes:
    """Return by row the number of its bin, from 0; equal values are always together."""
    edges = np.percentile(confidence, np.linspace(0, 100, N_BINS + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, confidence), dtype=np.int64)


def calibration_interval(excess: Floats, resampled: Floats) -> tuple[float, float] | None:
    """Return the 95 % interval of the error; None if no resample differs.

    excess : probability minus truth, by bin. resampled : (n_resamples, n_bins). Both per row.
    The error of a sample is above the true one, because chance adds to it in each bin, so
    percentiles would miss the truth (always, for a calibrated model). Here a test is inverted
    (Carpenter, 1999): the true excess may be the observed one, moved by t standard errors in each
    bin towards 0 but not past it. The interval contains each truth under which the observed error
    is neither in the lowest nor in the highest 2.5 %.
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


def predicted_codes(proba: Floats, threshold: float | None = None) -> Codes:
    """Return the predicted label of each row; proba : (n_rows, n_classes).

    Without a threshold the most probable, the first of equals. With one, for two labels only: the
    second if its probability is above it, as in the scorer.
    """
    if threshold is None:
        return np.asarray(proba.argmax(axis=1), dtype=np.int64)
    return (proba[:, 1] > threshold).astype(np.int64)


def squared_distances(y: Codes, proba: Floats) -> Floats:
    """Return each row's squared distance from the truth; with two labels, of the positive one."""
    truth = y[:, np.newaxis] == np.arange(proba.shape[1])
    return np.asarray(np.square(proba - truth).sum(axis=1) / (2 if proba.shape[1] == 2 else 1))


def log_losses(y: Codes, proba: Floats) -> Floats:
    """Return each row's log loss; a probability of 0 counts as the least difference from 1."""
    least = np.finfo(proba.dtype).eps
    return np.asarray(-np.log(np.clip(proba[np.arange(len(y)), y], least, 1 - least)))


# Not defined if a label has no row.
NEED_ALL_OF_TWO = {"roc_auc", "average_precision", "balanced_accuracy", "mcc"}
NEED_ALL_OF_MORE = NEED_ALL_OF_TWO | {"precision", "recall", "f1"}


def score(
    y: Codes, proba: Floats, *, names: Sequence[str], threshold: float | None = None
) -> dict[str, float | None]:
    """Return metrics by name; y : (n_rows,), one row or more, perhaps not of every label."""
    classes, is_binary = np.arange(proba.shape[1]), proba.shape[1] == 2
    predicted = predicted_codes(proba, threshold)
    # A label that is never predicted is missed: 0, rather than left out of the mean.
    of: Any = {"zero_division": np.nan} if is_binary else {"average": "macro", "zero_division": 0}
    truths, scores = (y, proba[:, 1]) if is_binary else (y[:, np.newaxis] == classes, proba)

    def calibration_error() -> float:
        confidence, was_true = claims(y, proba)
        excess = np.bincount(calibration_bins(confidence), confidence - was_true)
        return float(np.abs(excess).sum() / len(y))

    metrics: dict[str, Callable[[], float]] = {
        "roc_auc": lambda: sk.roc_auc_score(y, scores, multi_class="ovr", labels=classes),
        "average_precision": lambda: sk.average_precision_score(truths, scores),
        "accuracy": lambda: sk.accuracy_score(y, predicted),
        "balanced_accuracy": lambda: sk.balanced_accuracy_score(y, predicted),
        "precision": lambda: sk.precision_score(y, predicted, **of),
        "recall": lambda: sk.recall_score(y, predicted, **of),
        "specificity": lambda: sk.recall_score(y, predicted, pos_label=0, zero_division=np.nan),
        # Without positive rows recall is not defined, and f1 is not, though scikit-learn returns 0.
        "f1": lambda: sk.f1_score(y, predicted, **of) if (y == 1).any() else np.nan,
        "mcc": lambda: sk.matthews_corrcoef(y, predicted),
        "brier": lambda: float(squared_distances(y, proba).mean()),
        "log_loss": lambda: sk.log_loss(y, proba, labels=classes),
        "ece": calibration_error,
    }
    needing = NEED_ALL_OF_TWO if is_binary else NEED_ALL_OF_MORE
    undefined = set() if has_every_class(y, len(classes)) else needing
    found = {name: np.nan if name in undefined else metrics[name]() for name in names}
    return {name: None if np.isnan(value) else float(value) for name, value in found.items()}
