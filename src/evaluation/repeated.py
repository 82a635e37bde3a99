"""Repeated cross-validation: metrics on folds, and how far their mean may be from the truth.

Folds share rows to learn from, so their scores vary together, and the mean varies more than its
usual standard error says: the variance of the scores is taken (1/J + n_test/n_train) times, J being
the number of fits (Nadeau and Bengio, 2003, section 5; Bouckaert and Frank, 2004, for repeated
folds). The interval is Student's with J - 1 degrees of freedom.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.base import clone

from src.evaluation.metrics import Codes, Floats, score
from src.evidence import Estimate, Finding, RepeatedScores

Split = tuple[NDArray[np.int64], NDArray[np.int64]]
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
