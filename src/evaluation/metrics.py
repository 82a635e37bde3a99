"""Metrics on the hold-out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk


@dataclass(frozen=True)
class Metrics:
    """Two classes: of the positive one. More: roc_auc one-vs-rest, the rest macro averages.

    brier is the mean over rows of the squared distance of the probabilities from the
    truth; for two classes of the positive one's alone.
    """

    roc_auc: float
    accuracy: float
    balanced_accuracy: float
    average_precision: float
    f1: float
    log_loss: float
    brier: float


def evaluate(y: NDArray[np.int64], proba: NDArray[np.float64]) -> Metrics:
    """Score probabilities of shape (n_rows, n_classes) against codes of shape (n_rows,)."""
    predicted = proba.argmax(axis=1)
    classes = np.arange(proba.shape[1])
    binary = len(classes) == 2
    truth = (y[:, np.newaxis] == classes).astype(float)
    scores = proba[:, 1] if binary else proba
    return Metrics(
        roc_auc=float(sk.roc_auc_score(y, scores, multi_class="ovr", labels=classes)),
        accuracy=float(sk.accuracy_score(y, predicted)),
        balanced_accuracy=float(sk.balanced_accuracy_score(y, predicted)),
        average_precision=float(sk.average_precision_score(y if binary else truth, scores)),
        f1=float(sk.f1_score(y, predicted, average="binary" if binary else "macro")),
        log_loss=float(sk.log_loss(y, proba, labels=classes)),
        brier=float(np.square(proba - truth).sum(axis=1).mean() / (2 if binary else 1)),
    )
