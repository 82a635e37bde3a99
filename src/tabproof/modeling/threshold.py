"""The probability above which the second of two labels is predicted.

The threshold is chosen on one curve of all predictions out of folds: an average of F1 over folds
is biased (Forman and Scholz, 2010), and a recall that each fold must reach is stricter than asked.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import make_scorer, precision_recall_curve
from sklearn.model_selection import TunedThresholdClassifierCV

from tabproof.errors import NoThresholdError
from tabproof.modeling.calibration import Codes, Floats, GivenProba

# Scores predicted codes against true ones; greater is better.
Objective = Callable[[Codes, Codes], float]

# Maximum number of thresholds that are tried, evenly spaced by rank.
MAX_THRESHOLDS = 1_000


def choose_threshold(
    proba: Floats,
    y: Codes,
    *,
    costs: Sequence[Sequence[float]] | None = None,
    min_recall: float | None = None,
    min_precision: float | None = None,
) -> tuple[float, float]:
    """Choose the threshold with the best F1 of the second label, or by another objective.

    Returns the threshold and its score. Raises NoThresholdError where there is none.

    Parameters
    ----------
    proba : out of folds, of shape (n_rows, 2).
    costs : choose the lowest cost per row, which is the score; a row per true label and a column
        per predicted label.
    min_recall : choose the best precision, which is the score, among thresholds with that recall.
        Predicting every row positive reaches any recall but decides nothing: it does not count.
    min_precision : the least precision with that recall.
    """

    def f1(true: Codes, predicted: Codes) -> float:
        (_, false_alarms), (missed, found) = _counts(true, predicted)
        return float(2 * found / (2 * found + false_alarms + missed))

    def saved(true: Codes, predicted: Codes) -> float:
        return -float((_counts(true, predicted) * np.asarray(costs, np.float64)).sum()) / len(true)

    if costs is not None:
        threshold, score = _choose(proba, y, saved)
        return threshold, abs(score)
    if min_recall is None:
        return _choose(proba, y, f1)

    def precision_if_found(true: Codes, predicted: Codes) -> float:
        (_, false_alarms), (_, found) = _counts(true, predicted)
        if found / np.count_nonzero(true) < min_recall or predicted.all():
            # Below every precision.
            return -1.0
        return float(found / (found + false_alarms))

    # At the first point every row is predicted positive, at the last one none.
    curve = precision_recall_curve(y, proba[:, 1])
    precision, recall, thresholds = curve[0][1:-1], curve[1][1:-1], curve[2][1:]
    reached = recall >= min_recall
    # The best one must be tried, even if there are more than MAX_THRESHOLDS.
    best = thresholds[[np.argmax(np.where(reached, precision, -1.0))]] if reached.any() else ()
    threshold, score = _choose(proba, y, precision_if_found, best)
    if score >= (min_precision or 0.0):
        return threshold, score
    best_recall = recall[precision >= (min_precision or 0.0)].max(initial=0.0)
    found = f"the best recall is {best_recall:.4f}, unless every row is predicted positive"
    if min_precision is not None:
        found = f"with threshold.min_precision={min_precision} the best recall is {best_recall:.4f}"
        if reached.any():
            best_precision = precision[reached].max()
            found += f", and with that recall the best precision {best_precision:.4f}"
    raise NoThresholdError(found, f"lower threshold.min_recall={min_recall}")


def _choose(proba: Floats, y: Codes, objective: Objective, also: Any = ()) -> tuple[float, float]:
    distinct = np.unique(proba[:, 1])
    if np.isclose(distinct[0], distinct[-1]):
        found = f"every row has the probability {distinct[0]:.4g}"
        raise NoThresholdError(found, "use threshold=default")
    # The scores of positive rows, and both ends: between two of them only rows of the first label
    # change, which improves no objective.
    positive = np.unique(proba[y == 1, 1])
    if len(positive) > MAX_THRESHOLDS:
        places = np.linspace(0, len(positive) - 1, MAX_THRESHOLDS).round().astype(np.intp)
        positive = positive[places]
    tried = np.unique([distinct[0], *positive, np.nextafter(distinct[-1], np.inf), *also])
    search = TunedThresholdClassifierCV(
        GivenProba().fit(None, y),
        scoring=make_scorer(objective),
        response_method="predict_proba",
        thresholds=tried,
        cv="prefit",
        refit=False,
        n_jobs=1,
    ).fit(proba, y)
    # scikit-learn predicts the second label also at its threshold; here, only above it.
    return float(np.nextafter(search.best_threshold_, -np.inf)), float(search.best_score_)


def _counts(true: Codes, predicted: Codes) -> NDArray[np.int64]:
    """Count rows by true and predicted code."""
    return np.bincount(2 * true + predicted, minlength=4).reshape(2, 2)
