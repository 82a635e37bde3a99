"""From a model's sums to probabilities, in the very order of operations of its library."""

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


def both_labels_float32(raw: Floats) -> Floats:
    """Give what XGBoost gives for 32-bit sums of shape (n_rows,), bit for bit."""
    # Further out exp overflows; XGBoost stops there too.
    powers = _exp_float32(np.minimum(-raw.astype(np.float32), np.float32(88.7)))
    positive = np.float32(1) / (powers + np.float32(1))
    return np.stack([np.float32(1) - positive, positive], axis=1).astype(np.float64)


def softmax_float32(raw: Floats) -> Floats:
    """Give what XGBoost gives for 32-bit sums of shape (n_rows, n_labels), bit for bit."""
    sums = raw.astype(np.float32)
    with np.errstate(invalid="ignore"):
        powers = _exp_float32(sums - sums.max(axis=1, keepdims=True))
    # XGBoost adds up in 64 bits, one after the other, and divides in 32.
    totals = powers.astype(np.float64).cumsum(axis=1)[:, -1:].astype(np.float32)
    return (powers / totals).astype(np.float64)


def _exp_float32(values: NDArray[np.float32]) -> NDArray[np.float32]:
    # libm's expf: numpy has its own for real numbers, which differs in the last bit, as the
    # rounded exp of 64 bits does. For complex ones it asks libm.
    with np.errstate(over="ignore", invalid="ignore"):
        powers: NDArray[np.float32] = np.exp(values.astype(np.complex64)).real
    return powers
