"""Ticks are round, few and within limits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tabproof.report.plots.ticks import margined, round_ticks, tick_labels

NUMBERS = st.floats(-1e6, 1e6)


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
    assert tick_labels([-0.05, 0.0, 0.1]) == ["−0.05", "0", "0.1"]
    assert tick_labels([0.0, 20_000.0]) == ["0", "20k"]


@given(NUMBERS, NUMBERS)
def test_limits_leave_room(one: float, other: float) -> None:
    low, high = margined(min(one, other), max(one, other))
    assert low < min(one, other) <= max(one, other) < high
    assert np.isfinite([low, high]).all()
