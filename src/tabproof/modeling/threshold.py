"""The probability above which the second of two labels is predicted.

The threshold is chosen on one curve of all predictions out of folds: an average of F1 over folds
is biased (Forman and Scholz, 2010), and a recall that each fold must reach is stricter than asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import make_scorer, precision_recall_curve
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

from tabproof.errors import ConstantPredictionsError, OutOfReachError
from tabproof.modeling.given import GivenProba

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
# Scores predicted codes against true ones; greater is better.
Objective = Callable[[Codes, Codes], float]

# Maximum number of thresholds that are tried, evenly spaced by rank.
MAX_THRESHOLDS = 1_000


@dataclass(frozen=True)
class Chosen:
    """A threshold, and its score on predictions out of folds."""

    threshold: float
    score: float


def choose_max_f1(proba: Floats, y: Codes) -> Chosen:
    """Choose the threshold with the best F1 of the second label.

    proba : out of folds, of shape (n_rows, 2), as in all functions here.
    """
    return _choose(proba, y, _f1)


def choose_cheapest(proba: Floats, y: Codes, costs: Sequence[Sequence[float]]) -> Chosen:
    """Choose the threshold with the lowest cost per row, which is the score.

    costs : a row per true label and a column per predicted label.
    """
    table = np.asarray(costs, dtype=np.float64)

    def saved(true: Codes, predicted: Codes) -> float:
        return -float((_counts(true, predicted) * table).sum()) / len(true)

    chosen = _choose(proba, y, saved)
    return Chosen(chosen.threshold, abs(chosen.score))


def choose_most_precise(
    proba: Floats, y: Codes, min_recall: float, min_precision: float | None
) -> Chosen:
    """Choose the threshold with the best precision, the score, among those with that recall.

    Raises OutOfReachError where there is none. Predicting every row positive reaches any recall
    but decides nothing, so it does not count.
    """

    def precision_if_found(true: Codes, predicted: Codes) -> float:
        (_, false_alarms), (_, found) = _counts(true, predicted)
        recall = found / np.count_nonzero(true)
        if recall < min_recall or predicted.all():
            # Below every precision.
            return -1.0
        return float(found / (found + false_alarms))

    # The best one must be tried, even if there are more than MAX_THRESHOLDS.
    chosen = _choose(proba, y, precision_if_found, _most_precise(proba, y, min_recall))
    if chosen.score >= (min_precision or 0.0):
        return chosen
    raise _out_of_reach(proba, y, min_recall, min_precision)


def with_threshold(fitted: Any, threshold: float) -> FixedThresholdClassifier:
    """Return a fitted classifier that predicts the second label above a threshold."""
    # scikit-learn predicts the second label also at its threshold, so it gets the next number.
    at = float(np.nextafter(threshold, np.inf))
    decided = FixedThresholdClassifier(
        fitted, threshold=at, pos_label=1, response_method="predict_proba"
    )
    decided.estimator_ = fitted
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(fitted, name):
            setattr(decided, name, getattr(fitted, name))
    return decided


def _choose(proba: Floats, y: Codes, objective: Objective, also: Sequence[float] = ()) -> Chosen:
    distinct = np.unique(proba[:, 1])
    if np.isclose(distinct[0], distinct[-1]):
        raise ConstantPredictionsError(float(distinct[0]))
    search = TunedThresholdClassifierCV(
        GivenProba().fit(None, y),
        scoring=make_scorer(objective),
        response_method="predict_proba",
        thresholds=np.union1d(_candidates(proba, y, distinct), also),
        cv="prefit",
        refit=False,
        n_jobs=1,
    ).fit(proba, y)
    # scikit-learn predicts the second label also at its threshold; here, only above it.
    return Chosen(float(np.nextafter(search.best_threshold_, -np.inf)), float(search.best_score_))


def _candidates(proba: Floats, y: Codes, distinct: Floats) -> Floats:
    """Return thresholds that include the best: the scores of positive rows, and both ends.

    Between two of them only rows of the first label change, which improves no objective.
    """
    positive = np.unique(proba[y == 1, 1])
    if len(positive) > MAX_THRESHOLDS:
        places = np.linspace(0, len(positive) - 1, MAX_THRESHOLDS).round().astype(np.intp)
        positive = positive[places]
    return np.unique([distinct[0], *positive, np.nextafter(distinct[-1], np.inf)])


def _most_precise(proba: Floats, y: Codes, min_recall: float) -> list[float]:
    """Return the best threshold of all; none if only the lowest one has the recall."""
    precision, recall, thresholds = precision_recall_curve(y, proba[:, 1])
    counts = (recall[:-1] >= min_recall) & (thresholds > thresholds[0])
    if not counts.any():
        return []
    return [float(thresholds[np.argmax(np.where(counts, precision[:-1], -1.0))])]


def _counts(true: Codes, predicted: Codes) -> NDArray[np.int64]:
    """Count rows by true and predicted code."""
    return np.bincount(2 * true + predicted, minlength=4).reshape(2, 2)


def _f1(true: Codes, predicted: Codes) -> float:
    (_, false_alarms), (missed, found) = _counts(true, predicted)
    return float(2 * found / (2 * found + false_alarms + missed))


def _out_of_reach(
    proba: Floats, y: Codes, min_recall: float, min_precision: float | None
) -> OutOfReachError:
    precision, recall, _ = precision_recall_curve(y, proba[:, 1])
    # At the first point every row is predicted positive, at the last one none.
    precision, recall = precision[1:-1], recall[1:-1]
    precise = precision >= (min_precision or 0.0)
    found = recall >= min_recall
    return OutOfReachError(
        min_recall,
        min_precision,
        best_recall=float(recall[precise].max(initial=0.0)),
        best_precision=float(precision[found].max()) if found.any() else None,
    )
