"""Area under the ROC curve (AUC): value, DeLong's components, interval and p-value.

One variance serves every interval and every test: that of DeLong et al. (1988), from components
that one sort gives (as in Sun and Xu, 2014). It is the sum of the variances of independent means,
one per class, so the reference distribution is Student's t with the degrees of freedom of Welch
(1947) and Satterthwaite (1946), as in the test of Brunner and Munzel (2000), which has the same
variance. With a dozen rows of a class the normal distribution gives intervals that are too narrow
and finds too many differences; with hundreds both agree.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm, rankdata
from scipy.stats import t as student

from tabproof.evaluation_result import Estimate

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

Z = float(norm.ppf(0.975))
# Two rows in the wrong order move the AUC further from 1 than this, whatever the number of rows.
ROUNDING = 1e-13


def has_every_class(y: Codes, n_classes: int) -> bool:
    """Return whether every class has a row: without, there is no AUC."""
    return bool(np.bincount(y, minlength=n_classes).min() > 0)


def rank_aucs(scores: Floats, is_class: Bools) -> Floats:
    """Return the AUC of each class against the rest, by sums of ranks (Mann and Whitney, 1947).

    scores : (n_rows,), is_class : (n_rows, n_classes). Ties count half; nan for a class with no
    row, or with all rows. Sums of ranks are exact in doubles, so the order of rows changes no bit.
    """
    (aucs,) = column_aucs(scores[:, None], is_class)
    return np.asarray(aucs)


def column_aucs(scores: Floats, is_class: Bools) -> Floats:
    """Return what rank_aucs returns of each column. scores : (n_rows, n_columns)."""
    return aucs_of_ranks(rankdata(scores, axis=0), is_class)


def aucs_of_ranks(
    ranks: Floats,
    is_class: Bools,
    n_rows: Codes | None = None,
    n_of_class: Codes | None = None,
) -> Floats:
    """Return the AUCs of columns by the ranks of their rows.

    n_rows, n_of_class : where rows of rank 0 do not count, the numbers of those that do, in all
    and of each class; by column.
    """
    n = len(ranks) if n_rows is None else n_rows
    n_of_class = is_class.sum(axis=0) if n_of_class is None else n_of_class
    n_pairs = n_of_class * (n - n_of_class)
    above: Floats = ranks.T @ is_class.astype(np.float64)
    above -= n_of_class * (n_of_class + 1) / 2
    aucs: Floats = np.full(above.shape, np.nan)
    np.divide(above, n_pairs, out=aucs, where=n_pairs > 0)
    return aucs


def auc_components(y: Codes, proba: Floats) -> Floats:
    """Return by row DeLong's structural component, over the number of rows of the row's class.

    y : (n_rows,), with every class. proba : (n_rows, n_classes). With more than two classes, the
    mean over one-vs-rest curves. A positive row's component is the share of negative rows below
    it, and the other way round, ties by half. So components of both sides add up to twice the AUC.
    """
    n_classes = proba.shape[1]
    curves = [1] if n_classes == 2 else range(n_classes)
    components = [_components_of_curve(y == code, proba[:, code]) for code in curves]
    return np.asarray(np.mean(components, axis=0))


def _components_of_curve(positive: Bools, scores: Floats) -> Floats:
    order = scores.argsort()
    ordered, positive = scores[order], positive[order]
    is_first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    starts, run = np.flatnonzero(is_first), is_first.cumsum() - 1
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive

    def rows_below(cumulative: NDArray[np.int64]) -> Floats:
        """Return by row the number of counted rows below it, and half of those equal to it."""
        before = np.where(starts > 0, cumulative[starts - 1], 0)
        after = np.append(before[1:], cumulative[-1])
        return np.asarray(((before + after) / 2)[run])

    below = rows_below((~positive).cumsum())
    above = n_positive - rows_below(positive.cumsum())
    components = np.empty(len(scores))
    components[order] = np.where(positive, below, above) / (n_positive * n_negative)
    return components


def auc_of(components: Floats) -> float:
    """Return the AUC, or the difference of two, that components add up to."""
    return float(components.sum()) / 2


def error_and_freedom(y: Codes, components: Floats) -> tuple[float, float] | None:
    """Return the standard error and the degrees of freedom; None where a class has one row.

    Rows vary independently, those of a class alike, so the variances of the classes add up.
    """
    sizes = np.bincount(y)
    if (sizes < 2).any():
        return None
    terms = np.array([n * components[y == code].var(ddof=1) for code, n in enumerate(sizes)])
    variance = float(terms.sum())
    if variance == 0:
        return 0.0, np.inf
    return variance**0.5, variance**2 / float((terms**2 / (sizes - 1)).sum())


def estimate_of(value: float, y: Codes, components: Floats) -> Estimate:
    """Return a value with its 95 % interval, of the AUC or of a difference, on its own scale."""
    found = error_and_freedom(y, components)
    if found is None:
        return Estimate(value)
    error, freedom = found
    half = float(student.ppf(0.975, freedom)) * error
    return Estimate(value, value - half, value + half)


def p_value_of(difference: float, y: Codes, components: Floats) -> float:
    """Return the two-sided p-value of a difference; below 0.05 where `estimate_of` excludes 0."""
    found = error_and_freedom(y, components)
    if found is None or difference == 0:
        return 1.0
    error, freedom = found
    return 2 * float(student.sf(abs(difference) / error, freedom)) if error > 0 else 0.0


def auc_interval(y: Codes, proba: Floats, auc: float) -> tuple[float, float] | None:
    """Return the 95 % interval of an AUC; None where a class has one row.

    On the logit scale, which stays between 0 and 1 (Pepe, 2003, section 5.2). At 0 and 1 DeLong's
    variance is 0, which is no certainty: there method 5 of Newcombe (2006).
    """
    estimate = estimate_of(auc, y, auc_components(y, proba))
    if estimate.interval is None:
        return None
    if min(auc, 1 - auc) < ROUNDING:
        # With several curves, as wide as if all of them erred together.
        bounds = [_lowest_beside_1(int(n), len(y) - int(n)) for n in np.bincount(y)]
        bound = float(np.mean(bounds))
        return (0.0, 1 - bound) if auc < ROUNDING else (bound, 1.0)
    low, high = estimate.interval
    # The derivative of the logit turns an error of the AUC into one of its logit.
    half = (high - low) / 2 / (auc * (1 - auc))
    return float(expit(logit(auc) - half)), float(expit(logit(auc) + half))


def _lowest_beside_1(n_positive: int, n_negative: int) -> float:
    """Return the AUC from which an observed 1 is just Z standard errors away (Newcombe, 2006)."""
    typical = (n_positive + n_negative) / 2 - 1

    def excess(auc: float) -> float:
        dependence = 1 + typical * ((1 - auc) / (2 - auc) + auc / (1 + auc))
        return (1 - auc) - Z**2 * auc * dependence / (n_positive * n_negative)

    return float(brentq(excess, 0.0, 1.0))
