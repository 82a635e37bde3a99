"""Metrics of probabilities against the truth; scikit-learn's wherever it has them.

Two labels: of the positive one. More: roc_auc and average_precision one-vs-rest, macro; f1,
precision and recall macro. A metric is None where rows leave it undefined: where a label has no
row and it needs one, or a share of no rows is asked for.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from src.evaluation.calibration_error import expected_calibration_error

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


def predicted_codes(proba: Floats, threshold: float | None = None) -> Codes:
    """Decide on a label by probabilities of shape (n_rows, n_classes).

    None: the likeliest, the first of equals. threshold, of two labels only: the second where its
    probability is above that, as the scorer decides.
    """
    if threshold is None:
        return np.asarray(proba.argmax(axis=1), dtype=np.int64)
    return (proba[:, 1] > threshold).astype(np.int64)


def score(
    y: Codes, proba: Floats, *, names: Sequence[str], threshold: float | None = None
) -> dict[str, float | None]:
    """Give metrics by name; y of shape (n_rows,) may lack labels, but not rows."""
    predicted = predicted_codes(proba, threshold)
    lacks_label = bool(np.bincount(y, minlength=proba.shape[1]).min() == 0)
    needing = NEED_ALL_OF_TWO if proba.shape[1] == 2 else NEED_ALL_OF_MORE
    found = {
        name: np.nan if lacks_label and name in needing else _METRICS[name](y, proba, predicted)
        for name in names
    }
    return {name: None if np.isnan(value) else float(value) for name, value in found.items()}


def squared_distances(y: Codes, proba: Floats) -> Floats:
    """Give each row's squared distance from the truth; of two labels of the positive one alone."""
    truth = y[:, np.newaxis] == np.arange(proba.shape[1])
    return np.asarray(np.square(proba - truth).sum(axis=1) / (2 if proba.shape[1] == 2 else 1))


def log_losses(y: Codes, proba: Floats) -> Floats:
    """Give each row's loss; a probability of 0 counts as the least difference from 1."""
    least = np.finfo(proba.dtype).eps
    return np.asarray(-np.log(np.clip(proba[np.arange(len(y)), y], least, 1 - least)))


def _roc_auc(y: Codes, proba: Floats, _: Codes) -> float:
    classes = np.arange(proba.shape[1])
    scores = proba[:, 1] if len(classes) == 2 else proba
    return float(sk.roc_auc_score(y, scores, multi_class="ovr", labels=classes))


def _average_precision(y: Codes, proba: Floats, _: Codes) -> float:
    if proba.shape[1] == 2:
        return float(sk.average_precision_score(y, proba[:, 1]))
    return float(sk.average_precision_score(y[:, np.newaxis] == np.arange(proba.shape[1]), proba))


def _of_positive_or_macro(function: Callable[..., float]) -> Callable[..., float]:
    def metric(y: Codes, proba: Floats, predicted: Codes) -> float:
        if proba.shape[1] == 2:
            return float(function(y, predicted, zero_division=np.nan))
        # A label that is never predicted is missed: 0, rather than left out of the mean.
        return float(function(y, predicted, average="macro", zero_division=0))

    return metric


def _f1(y: Codes, proba: Floats, predicted: Codes) -> float:
    # Without recall there is no mean of it and precision, though scikit-learn has 0 there.
    return _of_positive_or_macro(sk.f1_score)(y, proba, predicted) if (y == 1).any() else np.nan


def _specificity(y: Codes, _: Floats, predicted: Codes) -> float:
    return float(sk.recall_score(y, predicted, pos_label=0, zero_division=np.nan))


def _log_loss(y: Codes, proba: Floats, _: Codes) -> float:
    return float(sk.log_loss(y, proba, labels=np.arange(proba.shape[1])))


_METRICS: dict[str, Callable[[Codes, Floats, Codes], float]] = {
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "accuracy": lambda y, _, predicted: float(sk.accuracy_score(y, predicted)),
    "balanced_accuracy": lambda y, _, predicted: float(sk.balanced_accuracy_score(y, predicted)),
    "precision": _of_positive_or_macro(sk.precision_score),
    "recall": _of_positive_or_macro(sk.recall_score),
    "specificity": _specificity,
    "f1": _f1,
    "mcc": lambda y, _, predicted: float(sk.matthews_corrcoef(y, predicted)),
    "brier": lambda y, proba, _: float(squared_distances(y, proba).mean()),
    "log_loss": _log_loss,
    "ece": lambda y, proba, _: expected_calibration_error(y, proba),
}
# With no row of a label there is nothing to rank against, and nothing of it to find.
NEED_ALL_OF_TWO = {"roc_auc", "average_precision", "balanced_accuracy", "mcc"}
NEED_ALL_OF_MORE = NEED_ALL_OF_TWO | {"precision", "recall", "f1"}
