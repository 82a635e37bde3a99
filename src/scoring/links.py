"""From a model's sums to probabilities, in scikit-learn's own order of operations."""

from math import exp

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def logistic(raw: float) -> float:
    """Give the probability of the second of two labels."""
    # libm's exp, as scipy's expit has it: numpy's own differs in the last bit on some machines.
    try:
        return 1.0 / (1.0 + exp(-raw))
    except OverflowError:
        return 0.0


def both_labels(raw: Floats) -> Floats:
    """Give probabilities of shape (n_rows, 2) for sums of shape (n_rows,)."""
    positive = np.array([logistic(value) for value in raw.tolist()])
    return np.stack([1.0 - positive, positive], axis=1)


def softmax(raw: Floats) -> Floats:
    """Give probabilities for sums of shape (n_rows, n_labels)."""
    # Two infinite sums have no difference: NaN, as scikit-learn says too, and its callers refuse.
    with np.errstate(invalid="ignore"):
        powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    proba: Floats = powers / powers.sum(axis=1, keepdims=True)
    return proba
