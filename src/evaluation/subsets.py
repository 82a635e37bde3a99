"""Some rows that stand for all: classes keep their shares, and a smaller part lies in a larger."""

import numpy as np
from numpy.typing import NDArray


def stratified_order(y: NDArray[np.int64], seed: int) -> NDArray[np.intp]:
    """Order rows at random so that the first of them, however many, have the classes' shares.

    Two rows of each class come first: no class is lost, and one row tells nothing of variance.
    """
    rng = np.random.default_rng(seed)
    place = np.empty(len(y))
    for code in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == code))
        place[rows] = (np.arange(len(rows)) - 1).clip(0) / len(rows)
    return place.argsort(kind="stable")
