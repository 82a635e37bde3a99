"""How far a metric on the hold-out may be from the truth by chance: 95 % intervals.

Shares of rows (accuracy; of two labels precision, recall and specificity): Wilson's score interval
(Wilson, 1927). Area under the ROC curve: DeLong's variance (DeLong et al., 1988) and Student's
quantile, which matters where positive rows are few, on the logit scale, which stays between 0 and 1
(Pepe, 2003, section 5.2). Where the area is 0 or 1 that variance is 0, which is no certainty: there
method 5 of Newcombe (2006). The rest: bootstrap.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from src.evaluation.area import area_parts, interval_of
from src.evaluation.bootstrap import Interval, Z, bootstrap_intervals
from src.evaluation.metrics import Codes, Floats, predicted_codes, score
from src.evidence import Estimate, Finding

# A hold-out of which two rows are in the wrong order is farther from 1, for every size there is.
ROUNDING = 1e-13
# Of a label with less rows, one of them moves a metric by a tenth.
FEW_ROWS = 10


def measure(
    y: Codes,
    proba: Floats,
    *,
    names: Sequence[str],
    threshold: float | None = None,
    n_bootstrap: int,
    seed: int,
) -> dict[str, Estimate]:
    """Give metrics by name, with the intervals that can be told.

    y: codes of shape (n_rows,), one row or more. proba: of shape (n_rows, n_classes).
    n_bootstrap=0: only intervals that have a formula.
    """
    values = score(y, proba, names=names, threshold=threshold)
    known = {name: value for name, value in values.items() if value is not None}
    intervals = _by_formula(y, proba, threshold, known)
    rest = {name: value for name, value in known.items() if name not in intervals}
    if n_bootstrap and rest:
        intervals |= bootstrap_intervals(
            y, proba, rest, threshold=threshold, n_bootstrap=n_bootstrap, seed=seed
        )
    return {
        name: Estimate(value, *(intervals.get(name) or (None, None)))
        for name, value in values.items()
    }


def small_hold_out(y: Codes, labels: Sequence[str]) -> list[Finding]:
    """Report that a hold-out has too few rows of labels for narrow intervals."""
    counts = np.bincount(y, minlength=len(labels)).tolist()
    few = {label: n for label, n in zip(labels, counts, strict=True) if n < FEW_ROWS}
    if not few:
        return []
    listed = ", ".join(f"{n} of '{label}'" for label, n in few.items())
    lone = " of a label with a single row most have none," if min(counts) < 2 else ""
    message = (
        f"the hold-out has few rows: {listed}; intervals are as wide as that makes them,"
        f"{lone} and a metric says little: hold more rows out (cv.test_size) or repeat"
        " cross-validation (evaluation=repeated)"
    )
    return [Finding("small_hold_out", message, facts={"n_rows": len(y), "n_by_label": few})]


def share_interval(share: float, n_rows: int) -> Interval:
    """Give Wilson's interval of a share of rows."""
    spread = Z**2 / n_rows
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / n_rows + spread / (4 * n_rows))
    # Rounding must not leave the share itself outside.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def area_interval(y: Codes, proba: Floats, area: float) -> Interval | None:
    """Give the interval of an area under a ROC curve, of more than two labels of their mean one.

    None where a label has one row.
    """
    estimate = interval_of(area, y, area_parts(y, proba))
    if estimate.interval is None:
        return None
    if min(area, 1 - area) < ROUNDING:
        counts = np.bincount(y)
        # Of several curves as wide as if all of them erred together.
        bounds = [_farthest_from_1(int(n), len(y) - int(n)) for n in counts]
        return _at_the_end(area, float(np.mean(bounds)))
    low, high = estimate.interval
    # The derivative of the logit turns an error of the area into one of its logit.
    error = (high - low) / 2 / (area * (1 - area))
    return float(expit(logit(area) - error)), float(expit(logit(area) + error))


def _at_the_end(area: float, bound: float) -> Interval:
    return (0.0, 1 - bound) if area < ROUNDING else (bound, 1.0)


def _farthest_from_1(n_positive: int, n_negative: int) -> float:
    """Find the area from which an observed 1 is just Z standard errors away."""
    typical = (n_positive + n_negative) / 2 - 1

    def excess(area: float) -> float:
        dependence = 1 + typical * ((1 - area) / (2 - area) + area / (1 + area))
        return (1 - area) - Z**2 * area * dependence / (n_positive * n_negative)

    return float(brentq(excess, 0.0, 1.0))


def _by_formula(
    y: Codes, proba: Floats, threshold: float | None, values: dict[str, float]
) -> dict[str, Interval | None]:
    is_binary = proba.shape[1] == 2
    n_rows = {"accuracy": len(y)}
    if is_binary:
        n_positive = int((y == 1).sum())
        n_predicted = int((predicted_codes(proba, threshold) == 1).sum())
        n_rows |= {"recall": n_positive, "specificity": len(y) - n_positive}
        n_rows |= {"precision": n_predicted}
    found: dict[str, Interval | None] = {
        name: share_interval(values[name], n) for name, n in n_rows.items() if name in values
    }
    if "roc_auc" in values:
        found["roc_auc"] = area_interval(y, proba, values["roc_auc"])
    return found
