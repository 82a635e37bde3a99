"""Fits on parts of the training rows: repeated cross-validation and the learning curve.

Intervals are Student's with the corrected standard error of Nadeau and Bengio (2003), since both
are about models trained on other rows too. DeLong's interval is about one fitted model, and leaves
out which rows it happened to learn from. The correction of the learning curve is that of the whole
folds for every size: smaller parts of them overlap less, so their intervals are rather too wide.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray
from scipy.stats import t as student

from tabproof.auc import Codes, Floats, has_every_class
from tabproof.evaluation.metrics import score
from tabproof.evaluation.slices import stratified_order
from tabproof.evaluation_result import (
    Estimate,
    Finding,
    LearningPoint,
    RepeatedScores,
    finding_text,
    make_finding,
)

Positions = NDArray[np.intp]
Split = tuple[Positions, Positions]
# Makes an unfitted estimator for the training rows at these positions; None where it cannot.
MakeEstimator = Callable[[NDArray[np.int64]], Any]


def estimate_mean(
    values: Floats, share: float, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> Estimate:
    """Return the mean of scores on folds with its interval; share: n_test / n_train of a fold.

    Equal scores, as where nothing is wrong, say nothing about their variance: no interval.
    """
    if not len(values):
        return Estimate(None)
    mean = float(values.mean())
    if not np.ptp(values) > 0:
        return Estimate(mean)
    half = float(student.ppf(0.975, len(values) - 1)) * corrected_error(values, share)
    return Estimate(mean, max(bounds[0], mean - half), min(bounds[1], mean + half))


def corrected_error(values: Floats, share: float) -> float:
    """Return the standard error of the mean of scores on folds that share training rows."""
    return math.sqrt((1 / len(values) + share) * float(values.var(ddof=1)))


# --- Repeated cross-validation.

# The range of a metric; of the others it is 0 to 1.
RANGES = {"mcc": (-1.0, 1.0), "log_loss": (0.0, math.inf), "brier": (0.0, 2.0)}


def repeated_scores(
    make_estimator: MakeEstimator,
    X: pd.DataFrame,
    y: Codes,
    splits: Sequence[Split],
    *,
    labels: Sequence[str],
    n_splits: int,
    n_repeats: int,
    names: Sequence[str],
    threshold: float | None = None,
) -> tuple[RepeatedScores, list[Finding]]:
    """Fit on each split's first positions, and score on its second.

    splits : n_splits times n_repeats of them. Fits run on joblib's active backend. A metric
    that some fold leaves undefined is the mean over the others, which is a finding.
    """
    found = Parallel()(
        delayed(_fit_and_score)(
            make_estimator(split[0]), X, y, split, len(labels), names, threshold
        )
        for split in splits
    )
    share = sum(len(test) for _, test in splits) / sum(len(train) for train, _ in splits)
    known = {
        name: np.array([scores[name] for scores in found if scores[name] is not None], dtype=float)
        for name in names
    }
    scores = RepeatedScores(
        n_splits,
        n_repeats,
        {name: estimate_mean(v, share, RANGES.get(name, (0.0, 1.0))) for name, v in known.items()},
        {name: corrected_error(v, share) for name, v in known.items() if len(v) and np.ptp(v) > 0},
    )
    missing = {name: len(splits) - len(v) for name, v in known.items() if len(v) < len(splits)}
    if not missing:
        return scores, []
    return scores, [make_finding("undefined_folds", n_folds=len(splits), missing=missing)]


def _fit_and_score(
    estimator: Any,
    X: pd.DataFrame,
    y: Codes,
    split: Split,
    n_classes: int,
    names: Sequence[str],
    threshold: float | None,
) -> Mapping[str, float | None]:
    train, test = split
    # A model has no probability for a label it was not fitted on: its metrics are not comparable.
    if estimator is None or len(np.unique(y[train])) < n_classes or not len(test):
        return dict.fromkeys(names)
    proba = estimator.fit(X.iloc[train], y[train]).predict_proba(X.iloc[test])
    return score(y[test], proba, names=names, threshold=threshold)


# --- Learning curve: the AUC of models trained on more and more rows.

# The last step doubles the rows: as curves mostly flatten out (Viering and Loog, 2023), doubling
# them again seldom gains more than it did.
FRACTIONS = (0.1, 0.25, 0.5, 1.0)
# A gain below this is seldom worth collecting rows.
NEGLIGIBLE = 0.005


def learning_curve(
    make_estimator: MakeEstimator,
    X: pd.DataFrame,
    y: Codes,
    splits: Sequence[Split],
    *,
    seed: int,
    fractions: Sequence[float] = FRACTIONS,
) -> tuple[list[LearningPoint], Finding]:
    """Return points by size, and whether the curve still rises at its end.

    A smaller part of a fold's training rows is contained in the larger ones.

    splits : training and test positions of two folds or more. y : (n_rows,), codes from 0 on
    without a gap. Fits run on joblib's active backend. A size on which a fit fails, or that
    lacks a class in a fold, is left out, and the finding gives the reason.
    """
    orders = [train[stratified_order(y[train], seed)] for train, _ in splits]
    parts = [
        [order[: round(fraction * len(order))] for order in orders]
        for fraction in sorted(set(fractions))
    ]
    n_classes = int(y.max()) + 1
    fits = Parallel()(
        delayed(_fit)(make_estimator(rows), X.iloc[rows], y[rows], X.iloc[test], y[test], n_classes)
        for part in parts
        for rows, (_, test) in zip(part, splits, strict=True)
    )
    share = float(np.mean([len(test) / len(train) for train, test in splits]))
    points, unseen, left_out = [], [], {}
    for number, part in enumerate(parts):
        n_rows = round(np.mean([len(rows) for rows in part]))
        of_size = fits[number * len(splits) : (number + 1) * len(splits)]
        errors = [fit for fit in of_size if isinstance(fit, str)]
        if errors:
            left_out[str(n_rows)] = errors[0]
            continue
        seen_and_unseen = np.array(of_size).T
        estimates = [estimate_mean(values, share, (0.0, 1.0)) for values in seen_and_unseen]
        points.append(LearningPoint(n_rows, *estimates))
        unseen.append(seen_and_unseen[1])
    return points, _conclude(points, unseen, left_out, share)


def _fit(
    estimator: Any,
    X_train: pd.DataFrame,
    y_train: Codes,
    X_test: pd.DataFrame,
    y_test: Codes,
    n_classes: int,
) -> tuple[float, float] | str:
    """Return the AUC on the rows that were learned from and on others, or why there is none."""
    if not has_every_class(y_train, n_classes):
        return "a class has no row in it"
    if not has_every_class(y_test, n_classes):
        return "a class has no row in a fold it is scored on"
    if estimator is None:
        return "too few rows of a class, or too few groups, for its calibration"
    try:
        # Models that fit parts in parallel would start workers of their own.
        with parallel_config("sequential"):
            fitted = estimator.fit(X_train, y_train)
            probas = [fitted.predict_proba(rows) for rows in (X_train, X_test)]
    except Exception as error:  # whatever a model raises on few rows is the reason to report
        return f"{type(error).__name__}: {error}".partition("\n")[0]
    seen, unseen = (
        score(y, proba, names=["roc_auc"])["roc_auc"] or 0.0
        for y, proba in zip((y_train, y_test), probas, strict=True)
    )
    return seen, unseen


def _conclude(
    points: Sequence[LearningPoint],
    unseen: Sequence[Floats],
    left_out: Mapping[str, str],
    share: float,
) -> Finding:
    """Report whether the last step gains; the gain of each fold is that of the same test rows."""
    facts: dict[str, Any] = {"left_out": dict(left_out), "end": "unknown"}
    texts = []
    if len(points) > 1:
        gains = unseen[-1] - unseen[-2]
        gain = estimate_mean(gains, share)
        facts["end"] = "unclear"
        if gain.low is not None and gain.low > 0:
            facts["end"] = "rises"
        elif (gain.high is not None and gain.high < NEGLIGIBLE) or (
            len(gains) > 1 and not gains.any()
        ):
            facts["end"] = "flat"
        facts |= {"n_before": points[-2].n_rows, "n_rows": points[-1].n_rows}
        facts |= {"gain": gain.value, "low": gain.low, "high": gain.high}
        numbers = {name: f"{facts[name]:,}" for name in ("n_before", "n_rows")}
        numbers |= {k: f"{facts[k]:+.4f}" for k in ("gain", "low", "high") if facts[k] is not None}
        key = "change_alone" if gain.low is None else "change"
        texts.append(finding_text("learning_curve", key, **numbers))
    texts.insert(0, finding_text("learning_curve", facts["end"]))
    if left_out:
        texts.append(finding_text("learning_curve", "left_out", sizes=left_out))
    return Finding("learning_curve", " ".join(texts), facts=facts)
