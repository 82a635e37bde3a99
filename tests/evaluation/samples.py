"""Rows with probabilities: simulated ones whose truth is known, and small odd ones."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax
from scipy.stats import norm

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


def two_classes(positive: Floats | list[float]) -> Floats:
    """Return probabilities of shape (n_rows, 2)."""
    return np.column_stack([1 - np.asarray(positive), positive])


def binormal(
    rng: np.random.Generator, n: int, share: float, area: float, slope: float = 1.0
) -> tuple[Codes, Floats]:
    """Draw rows of two labels whose scores have this area; with slope 1 they are calibrated."""
    n_positive = round(n * share)
    y = np.repeat([0, 1], [n - n_positive, n_positive])
    shift = np.sqrt(2) * norm.ppf(area)
    scores = rng.normal(size=n) + shift * y
    return y, two_classes(expit(slope * (shift * scores - shift**2 / 2 + logit(share))))


def three_classes(
    rng: np.random.Generator, counts: list[int], shift: float
) -> tuple[Codes, Floats]:
    """Draw rows of three labels, separated by shift."""
    y = np.repeat([0, 1, 2], counts)
    scores = rng.normal(size=(len(y), 3)) + shift * np.eye(3)[y]
    return y, softmax(shift * scores + np.log(counts), axis=1)


@st.composite
def tiny(draw: st.DrawFn, n_classes: int = 2, min_rows: int = 1) -> tuple[Codes, Floats]:
    """Draw a few rows of any labels, many of the same probabilities, some of them 0 and 1."""
    n = draw(st.integers(min_rows, 12))
    y = draw(st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n))
    if n_classes == 2:
        positive = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
        return np.array(y), two_classes(np.array(positive) / 4)
    parts = st.lists(st.integers(0, 3), min_size=n_classes, max_size=n_classes)
    rows = np.array(draw(st.lists(parts, min_size=n, max_size=n)), dtype=float)
    rows[rows.sum(axis=1) == 0] = 1
    return np.array(y), rows / rows.sum(axis=1, keepdims=True)


def auc_variance_by_definition(y: Codes, proba: Floats) -> float:
    """Compare every row with all others, and sum up DeLong's covariance matrix of all AUCs."""
    n_classes = proba.shape[1]
    total = 0.0
    for label in range(n_classes):
        components = np.zeros((n_classes, int((y == label).sum())))
        for curve in range(n_classes):
            scores, others = proba[:, curve], y != curve
            own = scores[y == label][:, np.newaxis]
            if curve == label:
                rest = scores[others]
                components[curve] = ((own > rest) + (own == rest) / 2).mean(axis=1)
            else:
                rest = scores[y == curve]
                # These rows are some of the negative ones: their share of the area is theirs.
                share = (y == label).sum() / others.sum()
                components[curve] = ((own < rest) + (own == rest) / 2).mean(axis=1) * share
        covariance = np.cov(components) / components.shape[1]
        total += float(covariance.sum()) / n_classes**2
    return total
