"""Shares with Wilson's intervals, and curves without points that nobody could see."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]

LEVEL = 0.95
# A curve may be off by half of this share of an axis: a third of a pixel on a telephone.
STEP = 1 / 600


def wilson_intervals(
    n_of_them: ArrayLike, n_rows: ArrayLike, level: float = LEVEL
) -> tuple[Floats, Floats]:
    """Give lower and upper ends for shares of rows (Wilson, 1927); 0 to 1 where there are none."""
    z = ndtri((1 + level) / 2)
    k, n = np.asarray(n_of_them, dtype=float), np.asarray(n_rows, dtype=float)
    share = k / np.maximum(n, 1)
    middle = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(k * (1 - share) + z**2 / 4)
    # Rounding must not leave the share itself outside.
    low = np.clip(np.minimum(middle - half, share), 0, 1)
    return low, np.clip(np.maximum(middle + half, share), 0, 1)


def thinned(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Choose the points of a curve between 0 and 1 that a screen can tell apart."""
    cells = np.round(np.column_stack([x, y]) / STEP)
    is_new = np.ones(len(x), bool)
    is_new[1:-1] = (cells[1:-1] != cells[:-2]).any(axis=1)
    return np.flatnonzero(is_new)
