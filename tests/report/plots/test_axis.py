"""Values of parameters find their place on an axis, whatever they are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.report.plots.axis import MAX_CATEGORIES, MAX_VALUES, make_axis

NUMBERS = st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6))
VALUES = st.one_of(NUMBERS, st.none(), st.booleans(), st.text(max_size=30), st.just(float("nan")))


@given(st.lists(VALUES, min_size=1, max_size=40))
def test_every_value_has_a_place_and_ticks_lie_among_them(values: list[Any]) -> None:
    axis = make_axis(values)
    assert len(axis.positions) == len(values)
    assert np.isfinite(axis.positions).all()
    assert len(axis.ticks) == len(axis.labels) <= max(MAX_CATEGORIES, MAX_VALUES + 6)
    length = np.ptp(axis.positions)
    for tick in axis.ticks:
        low, high = axis.positions.min(), axis.positions.max()
        assert low - 1e-9 * length <= tick <= high + 1e-9 * length


@given(st.lists(NUMBERS, min_size=2, max_size=40))
def test_larger_numbers_stand_further_right(numbers: list[float]) -> None:
    positions = make_axis(numbers).positions
    for left, right in zip(np.argsort(numbers), np.argsort(numbers)[1:], strict=False):
        assert positions[left] <= positions[right]


def test_numbers_over_decades_are_spaced_by_decades() -> None:
    axis = make_axis([0.01, 0.1, 1.0])
    assert np.diff(axis.positions) == pytest.approx([1, 1])
    assert axis.labels == ["0.01", "0.1", "1"]
    assert np.diff(make_axis([1, 2, 11]).positions) == pytest.approx([1, 9])


def test_none_stands_beside_numbers() -> None:
    axis = make_axis([None, 3, 5])
    assert axis.labels == ["3", "5", "None"]
    assert axis.positions[0] > axis.positions[2] > axis.positions[1]
    assert not axis.of_words


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["gini", "entropy", "gini"], ["gini", "entropy"]),
        ([None, 3], ["3", "None"]),
        ([True, False], ["True", "False"]),
        (["sqrt", 0.5, None, 0.1], ["0.1", "0.5", "sqrt", "None"]),
        ([{"a": 1}, None], ["{'a': 1}", "None"]),
    ],
)
def test_words_stand_side_by_side(values: list[Any], labels: list[str]) -> None:
    axis = make_axis(values)
    assert axis.of_words
    assert axis.labels == labels


def test_of_many_numbers_round_ones_are_written() -> None:
    assert make_axis(np.linspace(-1.9, 2.1, 50)).labels == ["-1", "0", "1", "2"]
    assert make_axis(np.logspace(-4.2, 2.1, 50)).labels == ["0.0001", "0.01", "1", "100"]
    assert make_axis(np.arange(4, 200)).labels == ["5", "10", "20", "50", "100"]
