"""The area under the ROC curve, row by row: what each row adds to its value and its variance.

The structural components of DeLong et al. (1988). Of more than two classes: the mean of the
areas of each class against the rest (macro one-vs-rest); the same rows stand in all of these
curves, so a row's components are added up before their variance is taken.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from src.evidence import Estimate

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


def has_every_class(y: Codes, n_classes: int) -> bool:
    """Tell whether there is an area at all."""
    return bool(np.bincount(y, minlength=n_classes).min() > 0)


def area_parts(y: Codes, proba: Floats) -> Floats:
    """Give each row's part in twice the area.

    y: of shape (n_rows,), with every class. proba: of shape (n_rows, n_classes). Each row is
    compared with the rows of other classes, and they with it: so the parts make up the area twice.
    """
    n_classes = proba.shape[1]
    curves = [1] if n_classes == 2 else range(n_classes)
    parts = [_parts_of_one(y == code, proba[:, code]) for code in curves]
    return np.asarray(np.mean(parts, axis=0))


def area_of(parts: Floats) -> float:
    """Give the area that parts make up."""
    return float(parts.sum()) / 2


def interval_of(value: float, y: Codes, parts: Floats) -> Estimate:
    """Put an interval around an area, or a difference of areas, from the parts of its rows.

    Rows vary independently, those of a class alike, so the variances add up. The interval is
    Student's with the degrees of freedom of Welch (1947) and Satterthwaite (1946), which matter
    where a class has a dozen rows. One row of a class tells nothing of its variance: no interval.
    """
    sizes = np.bincount(y)
    if (sizes < 2).any():
        return Estimate(value)
    terms = np.array([n * parts[y == code].var(ddof=1) for code, n in enumerate(sizes)])
    variance = float(terms.sum())
    if variance == 0:
        return Estimate(value, value, value)
    freedom = variance**2 / float((terms**2 / (sizes - 1)).sum())
    half = float(student.ppf(0.975, freedom)) * variance**0.5
    return Estimate(value, value - half, value + half)


def _parts_of_one(positive: NDArray[np.bool_], scores: Floats) -> Floats:
    """Give a positive row the share of negative rows below it, over the number of positive rows.

    And a negative row the share of positive rows above it, over the number of negative rows;
    equal scores count by half. One sort, where ranks would take three.
    """
    order = scores.argsort()
    ordered, positive = scores[order], positive[order]
    is_first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    starts, run = np.flatnonzero(is_first), is_first.cumsum() - 1
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    below = _middles((~positive).cumsum(), starts)[run]
    above = n_positive - _middles(positive.cumsum(), starts)[run]
    parts = np.empty(len(scores))
    parts[order] = np.where(positive, below, above) / (n_positive * n_negative)
    return parts


def _middles(counted: NDArray[np.int64], starts: NDArray[np.intp]) -> Floats:
    """Give by run of equal scores the rows counted before it, and half of those in it."""
    before = np.where(starts > 0, counted[starts - 1], 0)
    until = np.append(before[1:], counted[-1])
    return np.asarray((before + until) / 2)
