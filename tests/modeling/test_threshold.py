"""A chosen threshold is the best of all thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve
from sklearn.model_selection import TunedThresholdClassifierCV

from tabproof.errors import NoThresholdError
from tabproof.modeling import choose_threshold, threshold
from tabproof.modeling.calibration import GivenProba

COSTS = [[0.0, 1.0], [5.0, 0.0]]


def both(positive: np.ndarray) -> np.ndarray:
    return np.stack([1 - positive, positive], axis=1)


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw probabilities with many equal ones, and classes that both occur."""
    n = draw(st.integers(4, 40))
    positive = draw(
        st.lists(st.integers(0, 12), min_size=n, max_size=n).filter(lambda p: len(set(p)) > 1)
    )
    y = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda y: len(set(y)) > 1))
    return both(np.array(positive) / 12), np.array(y, dtype=np.int64)


def every_decision(proba: np.ndarray) -> list[np.ndarray]:
    """Return the labels at each threshold with a different split of the rows."""
    distinct = np.unique(proba[:, 1])
    return [(proba[:, 1] > t).astype(int) for t in [-1.0, *distinct]]


def counts(y: np.ndarray, predicted: np.ndarray) -> tuple[int, int, int]:
    """Return the numbers of true positives, false positives and false negatives."""
    found, missed = int(predicted[y == 1].sum()), int((y == 1).sum())
    return found, int(predicted[y == 0].sum()), missed - found


def f1(y: np.ndarray, predicted: np.ndarray) -> float:
    found, false_alarms, missed = counts(y, predicted)
    return 2 * found / (2 * found + false_alarms + missed)


def cost(y: np.ndarray, predicted: np.ndarray) -> float:
    _, false_alarms, missed = counts(y, predicted)
    return (COSTS[0][1] * false_alarms + COSTS[1][0] * missed) / len(y)


def recall_and_precision(y: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    found, false_alarms, missed = counts(y, predicted)
    return found / (found + missed), found / (found + false_alarms)


@given(cases())
@settings(max_examples=20, deadline=None)
def test_no_threshold_has_a_better_f1(case: tuple[np.ndarray, np.ndarray]) -> None:
    proba, y = case
    at, score = choose_threshold(proba, y)
    best = max(f1(y, p) for p in every_decision(proba))
    assert score == pytest.approx(best)
    assert f1(y, proba[:, 1] > at) == pytest.approx(best)


@given(cases())
@settings(max_examples=20, deadline=None)
def test_no_threshold_is_cheaper(case: tuple[np.ndarray, np.ndarray]) -> None:
    proba, y = case
    at, score = choose_threshold(proba, y, costs=COSTS)
    best = min(cost(y, p) for p in every_decision(proba))
    assert score == pytest.approx(best)
    assert cost(y, proba[:, 1] > at) == pytest.approx(best)


@given(cases(), st.sampled_from([0.3, 0.7, 0.9, 1.0]), st.sampled_from([None, 0.3, 0.8]))
@settings(max_examples=25, deadline=None)
def test_no_threshold_with_the_recall_is_more_precise(
    case: tuple[np.ndarray, np.ndarray], min_recall: float, min_precision: float | None
) -> None:
    proba, y = case
    points = [recall_and_precision(y, p) for p in every_decision(proba) if 0 < p.sum() < len(y)]
    reached = [precision for recall, precision in points if recall >= min_recall]
    if max(reached, default=-1) >= (min_precision or 0):
        at, score = choose_threshold(proba, y, min_recall=min_recall, min_precision=min_precision)
        recall, precision = recall_and_precision(y, proba[:, 1] > at)
        assert score == precision == pytest.approx(max(reached))
        assert recall >= min_recall
        return
    with pytest.raises(NoThresholdError) as raised:
        choose_threshold(proba, y, min_recall=min_recall, min_precision=min_precision)
    recalls = [recall for recall, precision in points if precision >= (min_precision or 0)]
    assert f"{max(recalls, default=0):.4f}" in str(raised.value)
    if min_precision is not None and reached:
        assert f"best precision {max(reached):.4f}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_predicting_every_row_positive_does_not_count() -> None:
    proba, y = both(np.array([0.1, 0.2, 0.3, 0.4])), np.array([1, 0, 0, 1])
    with pytest.raises(NoThresholdError, match=r"the best recall is 0\.5000, unless every row"):
        choose_threshold(proba, y, min_recall=0.9)


def test_expensive_false_alarms_give_a_threshold_above_all_rows() -> None:
    proba, y = both(np.array([0.1, 0.2, 0.9, 1.0])), np.array([0, 1, 0, 0])
    at, score = choose_threshold(proba, y, costs=[[0, 10], [1, 0]])
    assert (at, score) == (1.0, 0.25)


@pytest.mark.parametrize("costs", [None, COSTS])
def test_constant_predictions_are_an_error(costs: list[list[float]] | None) -> None:
    with pytest.raises(NoThresholdError, match=r"0\.25"):
        choose_threshold(both(np.full(4, 0.25)), np.array([0, 1, 0, 1]), costs=costs)


def test_with_many_rows_few_thresholds_are_tried_and_little_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def spy(*arguments: object, thresholds: np.ndarray, **options: object) -> object:
        tried.append(len(thresholds))
        return TunedThresholdClassifierCV(*arguments, thresholds=thresholds, **options)

    monkeypatch.setattr(threshold, "TunedThresholdClassifierCV", spy)
    rng = np.random.default_rng(0)
    y = (rng.random(20_000) < 0.3).astype(np.int64)
    positive = 1 / (1 + np.exp(-(rng.normal(size=20_000) + 2 * y - 1)))
    proba = both(positive)
    _, score = choose_threshold(proba, y)
    order = np.argsort(-positive)
    found = np.cumsum(y[order])
    best = (2 * found / (np.arange(1, 20_001) + y.sum())).max()
    assert best - 1e-4 < score <= best
    assert len(tried) == 1
    assert tried[0] <= threshold.MAX_THRESHOLDS + 2


def test_max_f1_is_the_choice_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    y = (rng.random(100) < 0.2).astype(np.int64)
    proba = both(rng.beta(2 + 3 * y, 6))
    candidates = np.unique(proba[:, 1])
    theirs = TunedThresholdClassifierCV(
        GivenProba().fit(None, y), scoring="f1", thresholds=candidates, cv="prefit", refit=False
    ).fit(proba, y)
    assert np.nextafter(choose_threshold(proba, y)[0], 1) == theirs.best_threshold_


def test_with_many_rows_the_only_threshold_with_recall_and_precision_is_found() -> None:
    rng = np.random.default_rng(3)
    y = (np.arange(9_000) % 2).astype(np.int64)
    score = rng.uniform(0.1, 0.9, 9_000) * (1 - 0.3 * (y == 0))
    proba = np.column_stack([1 - score, score])
    precision, recall, _ = precision_recall_curve(y, score)
    for min_recall in (0.5, 0.813, 0.9567):
        best = precision[:-1][recall[:-1] >= min_recall].max()
        _, score = choose_threshold(proba, y, min_recall=min_recall, min_precision=float(best))
        assert score == pytest.approx(best, abs=1e-15)
