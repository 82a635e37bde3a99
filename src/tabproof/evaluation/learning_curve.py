"""Would more rows help: the model trained on more and more of them, scored on folds.

The metric is the area under the ROC curve; of more than two classes one-vs-rest, macro. Intervals
are Student's with the corrected standard error of Nadeau and Bengio (2003), as the question is
about models trained on other rows too: DeLong's is about one that is fitted already, and leaves
out which rows it happened to learn from. The correction is that of the whole folds for every
size: smaller parts of them overlap less, so that their intervals are rather too wide.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.base import clone

from tabproof.auc import has_every_class
from tabproof.evaluation.metrics import Codes, Floats, score
from tabproof.evaluation.slices import stratified_order
from tabproof.evaluation_result import Estimate, Finding, LearningPoint, RepeatedScores

Positions = NDArray[np.intp]
Split = tuple[Positions, Positions]

# --- Repeated cross-validation: metrics on folds, and how far their mean may be from the truth.

# Makes what is fitted on the training rows at these positions; None where it cannot be.
Anew = Callable[[NDArray[np.int64]], Any]

# Where a metric cannot lie beyond; the others lie between 0 and 1.
RANGES = {"mcc": (-1.0, 1.0), "log_loss": (0.0, math.inf), "brier": (0.0, 2.0)}


def repeated_scores(
    estimator: Any,
    X: pd.DataFrame,
    y: Codes,
    splits: Iterable[Split],
    *,
    labels: Sequence[str],
    n_splits: int,
    n_repeats: int,
    names: Sequence[str],
    threshold: float | None = None,
    anew: Anew | None = None,
) -> tuple[RepeatedScores, list[Finding]]:
    """Fit a clone on each split's first positions, and score it on its second.

    splits: n_splits times n_repeats of them. joblib's configuration says where they run. A metric
    that some fold leaves undefined is the mean over the others, and that is a finding. anew: for
    what depends on the rows that it will be fitted on; else a clone of estimator.
    """
    splits = list(splits)
    make = anew or (lambda _: clone(estimator))
    found = Parallel()(
        delayed(_scored)(make(split[0]), X, y, split, len(labels), names, threshold)
        for split in splits
    )
    share = sum(len(test) for _, test in splits) / sum(len(train) for train, _ in splits)
    by_name = {name: [scores[name] for scores in found] for name in names}
    known = {
        name: np.array([value for value in values if value is not None], dtype=np.float64)
        for name, values in by_name.items()
    }
    scores = RepeatedScores(
        n_splits,
        n_repeats,
        {name: _estimate(name, values, share) for name, values in known.items()},
        {name: corrected_error(values, share) for name, values in known.items() if _varies(values)},
    )
    return scores, _undefined({name: len(values) for name, values in known.items()}, len(splits))


def corrected_error(values: Floats, share: float) -> float:
    """Give the standard error of the mean of scores on folds; share: n_test / n_train."""
    return math.sqrt((1 / len(values) + share) * float(values.var(ddof=1)))


def _scored(
    estimator: Any,
    X: pd.DataFrame,
    y: Codes,
    split: Split,
    n_classes: int,
    names: Sequence[str],
    threshold: float | None,
) -> Mapping[str, float | None]:
    train, test = split
    # What has not seen a label has no probability for it: none of its metrics is comparable.
    if estimator is None or len(np.unique(y[train])) < n_classes or not len(test):
        return dict.fromkeys(names)
    proba = estimator.fit(X.iloc[train], y[train]).predict_proba(X.iloc[test])
    return score(y[test], proba, names=names, threshold=threshold)


def _varies(values: Floats) -> bool:
    return len(values) > 1 and float(np.ptp(values)) > 0


def _estimate(name: str, values: Floats, share: float) -> Estimate:
    if not len(values):
        return Estimate(None)
    mean = float(values.mean())
    # Scores that are all the same, as where nothing is wrong, tell nothing of their variance.
    if not _varies(values):
        return Estimate(mean)
    half = float(student.ppf(0.975, len(values) - 1)) * corrected_error(values, share)
    least, most = RANGES.get(name, (0.0, 1.0))
    return Estimate(mean, max(least, mean - half), min(most, mean + half))


def _undefined(n_defined: Mapping[str, int], n_folds: int) -> list[Finding]:
    missing = {name: n_folds - n for name, n in n_defined.items() if n < n_folds}
    if not missing:
        return []
    listed = ", ".join(f"{name} in {n}" for name, n in missing.items())
    message = (
        f"of {n_folds} folds of repeated cross-validation some leave metrics undefined: {listed};"
        " what is shown is the mean over the others; fewer folds (evaluation.n_splits) hold more"
        " rows of every label"
    )
    return [Finding("undefined_folds", message, facts={"n_folds": n_folds, "missing": missing})]


# The last step doubles the rows: as curves mostly flatten out (Viering and Loog, 2023), doubling
# them again seldom brings more than it did.
FRACTIONS = (0.1, 0.25, 0.5, 1.0)
# Less than this is seldom worth collecting rows for.
NEGLIGIBLE = 0.005


@dataclass(frozen=True)
class LearningCurve:
    """Points by size, and whether the curve still rises at its end, in words and numbers."""

    points: list[LearningPoint]
    finding: Finding


@dataclass(frozen=True)
class _Fit:
    """Areas on the rows that were learned from and on others; error: why there are none."""

    seen: float = np.nan
    unseen: float = np.nan
    error: str | None = None


@dataclass(frozen=True)
class _Size:
    n_rows: int
    fits: Sequence[_Fit]

    @property
    def error(self) -> str | None:
        return next((fit.error for fit in self.fits if fit.error is not None), None)


def learning_curve(
    estimator: Any,
    X: pd.DataFrame,
    y: Codes,
    splits: Sequence[Split],
    *,
    seed: int,
    fractions: Sequence[float] = FRACTIONS,
    anew: Anew | None = None,
) -> LearningCurve:
    """Fit on parts of each fold's training rows; a smaller part lies in the larger ones.

    splits: training and test positions of two folds or more. y: of shape (n_rows,), codes from 0
    on without a gap. Fits run on joblib's workers, as parallel_config has them. A size on which
    a fit fails, or that lacks a class in a fold, is left out, and the finding says so. anew: for
    what depends on the rows that it will be fitted on; else a clone of estimator.
    """
    make = anew or (lambda _: clone(estimator))
    orders = [train[stratified_order(y[train], seed)] for train, _ in splits]
    parts = [
        [order[: round(fraction * len(order))] for order in orders]
        for fraction in sorted(set(fractions))
    ]
    n_classes = int(y.max()) + 1
    fits = Parallel()(
        delayed(_fit)(make(rows), X.iloc[rows], y[rows], X.iloc[test], y[test], n_classes)
        for part in parts
        for rows, (_, test) in zip(part, splits, strict=True)
    )
    sizes = [
        _Size(round(np.mean([len(rows) for rows in part])), fits[start : start + len(splits)])
        for part, start in zip(parts, range(0, len(fits), len(splits)), strict=True)
    ]
    share = float(np.mean([len(test) / len(train) for train, test in splits]))
    whole = [size for size in sizes if size.error is None]
    left_out = {size.n_rows: size.error for size in sizes if size.error is not None}
    return LearningCurve([_point(size, share) for size in whole], _conclude(whole, left_out, share))


def _fit(
    estimator: Any,
    X_train: pd.DataFrame,
    y_train: Codes,
    X_test: pd.DataFrame,
    y_test: Codes,
    n_classes: int,
) -> _Fit:
    if not has_every_class(y_train, n_classes):
        return _Fit(error="a class has no row in it")
    if not has_every_class(y_test, n_classes):
        return _Fit(error="a class has no row in a fold it is scored on")
    if estimator is None:
        return _Fit(error="too few rows of a class, or too few groups, for its calibration")
    try:
        # Models that fit parts side by side would begin workers of their own.
        with parallel_config("sequential"):
            fitted = estimator.fit(X_train, y_train)
            seen, unseen = (fitted.predict_proba(rows) for rows in (X_train, X_test))
    except Exception as error:  # whatever a model raises on few rows is what there is to say
        return _Fit(error=f"{type(error).__name__}: {error}".partition("\n")[0])
    return _Fit(_area(y_train, seen), _area(y_test, unseen))


def _area(y: Codes, proba: NDArray[np.float64]) -> float:
    return score(y, proba, names=["roc_auc"])["roc_auc"] or 0.0


def _point(size: _Size, share: float) -> LearningPoint:
    seen, unseen = (
        _within_0_and_1(_estimate_learning_curve([getattr(fit, kind) for fit in size.fits], share))
        for kind in ("seen", "unseen")
    )
    return LearningPoint(size.n_rows, seen, unseen)


def _estimate_learning_curve(values: Sequence[float], share: float) -> Estimate:
    """Estimate a mean over folds; share: of them n_test / n_train.

    Folds that are all alike, as where the area is always 1, don't tell how far chance goes.
    """
    found = np.array(values)
    mean = float(found.mean())
    if len(found) < 2 or np.ptp(found) == 0:
        return Estimate(mean)
    half = float(student.ppf(0.975, len(found) - 1)) * corrected_error(found, share)
    return Estimate(mean, mean - half, mean + half)


def _within_0_and_1(estimate: Estimate) -> Estimate:
    if estimate.interval is None:
        return estimate
    low, high = estimate.interval
    return replace(estimate, low=max(0.0, low), high=min(1.0, high))


def _conclude(whole: Sequence[_Size], left_out: Mapping[int, str | None], share: float) -> Finding:
    facts: dict[str, Any] = {"left_out": {str(n): reason for n, reason in left_out.items()}}
    remarks = [f" {n:,} rows are left out: {reason}." for n, reason in left_out.items()]
    if len(whole) < 2:
        words = "the learning curve has less than two points: it cannot tell if more rows help."
        return Finding(
            "learning_curve", words + "".join(remarks), facts={"end": "unknown", **facts}
        )
    *_, (before, last) = pairwise(whole)
    gains = [b.unseen - a.unseen for a, b in zip(before.fits, last.fits, strict=True)]
    gain = _estimate_learning_curve(gains, share)
    end = _end(gain) if any(gains) or len(gains) < 2 else "flat"
    facts |= {"end": end, "n_before": before.n_rows, "n_rows": last.n_rows}
    facts |= {"gain": gain.value, "low": gain.low, "high": gain.high}
    interval = "" if gain.low is None else f" (95 % interval {gain.low:+.4f} to {gain.high:+.4f})"
    words = (
        f"{_WORDS[end]}: from {before.n_rows:,} to {last.n_rows:,} rows the area under the ROC"
        f" curve changed by {gain.value:+.4f}{interval}."
    )
    return Finding("learning_curve", words + "".join(remarks), facts=facts)


_WORDS = {
    "rises": "the learning curve still rises at its end, so more rows would probably help",
    "flat": "the learning curve is flat at its end, so more rows would hardly help",
    "unclear": "whether the learning curve still rises at its end cannot be told",
}


def _end(gain: Estimate) -> str:
    if gain.interval is None:
        return "unclear"
    low, high = gain.interval
    if low > 0:
        return "rises"
    return "flat" if high < NEGLIGIBLE else "unclear"
