"""How far a metric on the hold-out may be from the truth by chance: 95 % intervals.

Accuracy: Wilson's score interval (Wilson, 1927). Area under the ROC curve, of two classes only:
DeLong's variance (DeLong et al., 1988), Wald's interval on the logit scale, which stays between
0 and 1 (Pepe, 2003, section 5.2). Where the area is 0 or 1 that variance is 0, which is no
certainty: there method 5 of Newcombe (2006).
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm

from src.evaluation.comparison import area_variance
from src.evaluation.metrics import Metrics

Z = float(norm.ppf(0.975))
# A hold-out of which two rows are in the wrong order is farther from 1, for every size there is.
ROUNDING = 1e-13

Interval = tuple[float, float]


def find_intervals(
    y: NDArray[np.int64], proba: NDArray[np.float64], metrics: Metrics
) -> dict[str, Interval | None]:
    """Give the intervals of metrics by their names; None where there is none.

    y: codes of shape (n_rows,). proba: of shape (n_rows, n_classes).
    """
    is_binary = proba.shape[1] == 2
    area = area_interval(y == 1, proba[:, 1], metrics.roc_auc) if is_binary else None
    return {"roc_auc": area, "accuracy": share_interval(metrics.accuracy, len(y))}


def share_interval(share: float, n_rows: int) -> Interval:
    """Give Wilson's interval of a share of rows."""
    spread = Z**2 / n_rows
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / n_rows + spread / (4 * n_rows))
    # Rounding must not leave the share itself outside.
    return min(share, middle - half), max(share, middle + half)


def area_interval(
    positive: NDArray[np.bool_], scores: NDArray[np.float64], area: float
) -> Interval | None:
    """Give the interval of an area under a ROC curve; None where a class has one row."""
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if min(n_positive, n_negative) < 2:
        return None
    if min(area, 1 - area) < ROUNDING:
        bound = _farthest_from_1(n_positive, n_negative)
        return (0.0, 1 - bound) if area < ROUNDING else (bound, 1.0)
    # The derivative of the logit turns a standard error of the area into one of its logit.
    error = math.sqrt(area_variance(positive, scores)) / (area * (1 - area))
    middle = logit(area)
    return float(expit(middle - Z * error)), float(expit(middle + Z * error))


def _farthest_from_1(n_positive: int, n_negative: int) -> float:
    """Find the area from which an observed 1 is just Z standard errors away."""
    typical = (n_positive + n_negative) / 2 - 1

    def excess(area: float) -> float:
        dependence = 1 + typical * ((1 - area) / (2 - area) + area / (1 + area))
        return (1 - area) - Z**2 * area * dependence / (n_positive * n_negative)

    return float(brentq(excess, 0.0, 1.0))
