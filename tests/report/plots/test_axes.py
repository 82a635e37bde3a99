"""Ticks are round, few and within limits; each value of a parameter has a position."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tabproof.report.plots.axes import (
    MAX_VALUES,
    MAX_WORDS,
    date_axis,
    fitting,
    margined,
    number_axis,
    round_ticks,
    value_axis,
)
from tabproof.report.plots.theme import Axis

NUMBERS = st.floats(-1e6, 1e6)
PARAMETERS = st.one_of(st.integers(-1000, 1000), NUMBERS)
VALUES = st.one_of(PARAMETERS, st.none(), st.booleans(), st.text(max_size=30), st.just(np.nan))


def laid_out(values: Any) -> tuple[NDArray[np.float64], Axis, bool]:
    return value_axis(values, 300)


@given(NUMBERS, st.floats(1e-3, 1e6), st.integers(2, 8))
def test_ticks_are_few_and_within_limits(low: float, length: float, n_most: int) -> None:
    ticks = round_ticks(low, low + length, n_most)
    assert 2 <= len(ticks) <= max(n_most + 1, 5)
    assert ticks == sorted(set(ticks))
    room = 1e-6 * length + 1e-9
    assert low - room <= ticks[0] <= ticks[-1] <= low + length + room


def test_ticks_are_round() -> None:
    assert round_ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert round_ticks(-0.013, 0.12) == [0, 0.05, 0.1]
    assert round_ticks(3, 3) == [3]


def test_numbers_are_written_with_the_digits_they_need() -> None:
    assert number_axis((-0.05, 0.1)).labels == ["−0.05", "0", "0.05", "0.1"]
    assert number_axis((0, 20_000), n_most=2).labels == ["0", "10k", "20k"]
    assert number_axis((0, 2e6), n_most=2).labels == ["0", "1M", "2M"]


@given(NUMBERS, NUMBERS)
def test_limits_leave_room(one: float, other: float) -> None:
    low, high = margined([one, other])
    assert low < min(one, other) <= max(one, other) < high
    assert np.isfinite([low, high]).all()


@given(st.lists(VALUES, min_size=1, max_size=40))
def test_every_value_has_a_position_and_ticks_are_within_limits(values: list[Any]) -> None:
    positions, axis, _ = laid_out(values)
    assert len(positions) == len(values)
    assert np.isfinite(positions).all()
    assert len(axis.ticks) == len(axis.labels) <= max(MAX_WORDS, MAX_VALUES + 6)
    low, high = axis.limits
    assert low < positions.min() <= positions.max() < high
    assert all(low < tick < high for tick in axis.ticks)


@given(st.lists(PARAMETERS, min_size=2, max_size=40))
def test_larger_numbers_are_further_right(numbers: list[float]) -> None:
    positions = laid_out(numbers)[0]
    for left, right in zip(np.argsort(numbers), np.argsort(numbers)[1:], strict=False):
        assert positions[left] <= positions[right]


def test_numbers_over_decades_are_spaced_by_decades() -> None:
    positions, axis, _ = laid_out([0.01, 0.1, 1.0])
    assert np.diff(positions) == pytest.approx([1, 1])
    assert axis.labels == ["0.01", "0.1", "1"]
    assert np.diff(laid_out([1, 2, 11])[0]) == pytest.approx([1, 9])


def test_none_sorts_with_numbers() -> None:
    positions, axis, of_words = laid_out([None, 3, 5])
    assert axis.labels == ["3", "5", "None"]
    assert positions[0] > positions[2] > positions[1]
    assert not of_words


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
def test_words_are_in_a_row(values: list[Any], labels: list[str]) -> None:
    _, axis, of_words = laid_out(values)
    assert of_words
    assert axis.labels == labels


def test_many_numbers_have_round_ticks() -> None:
    assert laid_out(np.linspace(-1.9, 2.1, 50))[1].labels == ["-1", "0", "1", "2"]
    assert laid_out(np.logspace(-4.2, 2.1, 50))[1].labels == ["0.0001", "0.01", "1", "100"]
    assert laid_out(np.arange(4, 200))[1].labels == ["5", "10", "20", "50", "100"]


def test_labels_that_would_overlap_are_left_out_and_the_last_stays() -> None:
    axis = Axis((0, 1), [0, 0.5, 0.99, 1], ["a", "b", "long label", "c"])
    assert fitting(axis, 60).labels == ["a", "b", "c"]
    assert fitting(axis, 20).labels == ["a", "c"]
    assert fitting(axis, 10_000) == axis


@pytest.mark.filterwarnings("error")
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_any_numbers_have_an_axis(values: list[float]) -> None:
    limits = margined(values)
    axis = number_axis(limits)
    assert np.isfinite([*limits, *axis.ticks]).all()
    assert limits[0] < limits[1]
    assert axis.ticks


@pytest.mark.filterwarnings("error")
@given(st.lists(st.floats(-6e10, 2.5e11), min_size=1, max_size=5))
def test_any_dates_have_an_axis_of_iso_dates(moments: list[float]) -> None:
    axis = date_axis(np.sort(moments), 120)
    assert 1 <= len(axis.ticks) <= 2
    assert all(label[4] == "-" for label in axis.labels)
    assert axis.limits[0] < axis.limits[1]
