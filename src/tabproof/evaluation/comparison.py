"""Is one classifier better than another on the same rows, or is it chance?

Two classes: DeLong's test for the areas under two correlated ROC curves (DeLong et al.,
1988), by the fast algorithm of Sun and Xu (2014). More: McNemar's exact test of accuracy.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm, rankdata


@dataclass(frozen=True)
class Comparison:
    """A metric of both, and the two-sided p-value of their difference being chance."""

    metric: str
    test: str
    candidate: float
    current: float
    p_value: float

    @property
    def difference(self) -> float:
        """Candidate minus current."""
        return self.candidate - self.current

    def is_better(self, level: float) -> bool:
        """Tell whether the candidate is better, and that is hardly chance."""
        return self.difference > 0 and self.p_value < level

    def in_words(self) -> str:
        """Word it in one line."""
        return (
            f"{self.metric} {self.candidate:.4f}, current version {self.current:.4f},"
            f" difference {self.difference:+.4f}, p = {self.p_value:.2g} ({self.test})"
        )


def compare(
    y: NDArray[np.int64], candidate: NDArray[np.float64], current: NDArray[np.float64]
) -> Comparison:
    """Compare probabilities of shape (n_rows, n_classes) against codes of shape (n_rows,)."""
    if candidate.shape[1] == 2:
        return _compare_areas(y == 1, candidate[:, 1], current[:, 1])
    return _compare_accuracies(candidate.argmax(axis=1) == y, current.argmax(axis=1) == y)


def compare_in_all(
    y: NDArray[np.int64], candidate: NDArray[np.float64], current: NDArray[np.float64]
) -> list[Comparison]:
    """Compare the areas, of two classes only, and the accuracies."""
    right = [proba.argmax(axis=1) == y for proba in (candidate, current)]
    areas = [compare(y, candidate, current)] if candidate.shape[1] == 2 else []
    return [*areas, _compare_accuracies(*right)]


def area_variance(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Estimate the variance of the area under a ROC curve."""
    return sum(_variance_of_mean(part) for part in _components(positive, scores))


def _compare_areas(
    positive: NDArray[np.bool_], candidate: NDArray[np.float64], current: NDArray[np.float64]
) -> Comparison:
    components = [_components(positive, scores) for scores in (candidate, current)]
    areas = [float(above.mean()) for above, _ in components]
    # Of the differences rather than of the covariance matrix: never negative by rounding,
    # and zero where both rank alike.
    variance = sum(
        _variance_of_mean(ours - theirs) for ours, theirs in zip(*components, strict=True)
    )
    p_value = _normal_p_value(areas[0] - areas[1], variance)
    return Comparison("AUC", "DeLong", areas[0], areas[1], p_value)


def _components(
    positive: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give DeLong's structural components, of the positive and of the negative rows.

    A positive row's is the share of negative rows that it is scored above, ties by half: its
    midrank among all less its midrank among the positive (Sun and Xu, equation 9), and the
    other way round. O(n log n).
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(scores)
    above = (ranks[positive] - rankdata(scores[positive])) / n_negative
    below = 1 - (ranks[~positive] - rankdata(scores[~positive])) / n_positive
    return above, below


def _variance_of_mean(values: NDArray[np.float64]) -> float:
    # One row tells nothing about how rows vary.
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else math.inf


def _normal_p_value(difference: float, variance: float) -> float:
    if difference == 0:
        return 1.0
    return 2 * float(norm.sf(abs(difference) / math.sqrt(variance))) if variance > 0 else 0.0


def _compare_accuracies(candidate: NDArray[np.bool_], current: NDArray[np.bool_]) -> Comparison:
    # Rows on which both are right or both wrong say nothing about which is better.
    gained = int((candidate & ~current).sum())
    lost = int((current & ~candidate).sum())
    p_value = min(1.0, 2 * float(binom.cdf(min(gained, lost), gained + lost, 0.5)))
    return Comparison(
        "accuracy", "McNemar", float(candidate.mean()), float(current.mean()), p_value
    )
