"""Intervals hold the truth as often as they say."""

import numpy as np
import pytest
from scipy.stats import norm

from src.evaluation import evaluate, find_intervals
from src.evaluation.intervals import area_interval, share_interval


def test_wilsons_interval_equals_the_published_example() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263.
    assert share_interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert share_interval(0 / 20, 20) == pytest.approx((0, 0.1611), abs=1e-4)


@pytest.mark.parametrize("true_area", [0.65, 0.8, 0.95])
def test_the_interval_of_an_area_holds_the_true_area_19_times_in_20(true_area: float) -> None:
    rng = np.random.default_rng(0)
    positive = np.repeat([True, False], [40, 60])
    shift = np.sqrt(2) * norm.ppf(true_area)
    held = 0
    for _ in range(600):
        scores = rng.normal(size=100) + shift * positive
        area = (scores[positive][:, None] > scores[~positive]).mean()
        interval = area_interval(positive, scores, area)
        assert interval is not None
        assert 0 <= interval[0] <= area <= interval[1] <= 1
        held += interval[0] <= true_area <= interval[1]
    assert 0.92 <= held / 600 <= 0.98


def test_a_perfect_ranking_of_few_rows_is_no_certainty() -> None:
    positive = np.repeat([True, False], [10, 10])
    low, high = area_interval(positive, positive.astype(float), 1.0)
    # By hand: 1 - 0.8 is about 1.96² · 0.8 · (1 + 9 · 0.2 / 1.2 + 9 · 0.8 / 1.8) / 100.
    assert (round(low, 3), high) == (0.8, 1.0)
    assert area_interval(positive, -positive.astype(float), 0.0) == pytest.approx((0, 1 - low))
    more = np.repeat([True, False], [1000, 1000])
    assert area_interval(more, more.astype(float), 1.0)[0] > 0.99


def test_one_row_of_a_class_gives_no_interval() -> None:
    positive = np.array([True, False, False])
    assert area_interval(positive, np.array([0.5, 0.2, 0.9]), 0.5) is None


def test_an_area_of_which_no_row_varies_is_a_point() -> None:
    # Every score the same: each row is above half of the others.
    positive = np.repeat([True, False], [5, 5])
    assert area_interval(positive, np.zeros(10), 0.5) == pytest.approx((0.5, 0.5))


def test_several_classes_have_an_interval_of_accuracy_alone() -> None:
    y = np.array([0, 1, 2, 0, 1, 2])
    proba = np.tile(np.eye(3), (2, 1))
    found = find_intervals(y, proba, evaluate(y, proba))
    assert found["roc_auc"] is None
    assert found["accuracy"] == share_interval(1.0, 6)
