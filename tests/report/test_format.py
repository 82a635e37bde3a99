"""Numbers of pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.evaluation_result import Estimate
from tabproof.report.format import cases, count, decimal, n_decimals

SHARES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("low", "high", "decimals"),
    [
        (0.709, 0.851, 2),
        (0.9255, 0.9330, 3),
        (0.92901, 0.92931, 4),
        (0.0, 1.0, 2),
        (0.5, 0.5, 3),
        (None, None, 3),
    ],
)
def test_digits_are_those_that_the_interval_justifies(
    low: float | None, high: float | None, decimals: int
) -> None:
    assert n_decimals(Estimate(0.8, low, high)) == decimals


@given(st.floats(0, 1), st.floats(0.001, 1))
def test_rounding_moves_a_number_by_less_than_its_interval(low: float, width: float) -> None:
    estimate = Estimate(low, low, low + width)
    moved = abs(float(decimal(low, n_decimals(estimate))) - low)
    assert moved <= width / 4


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (float("nan"), "–"), (-0.0004, "0.000"), (-0.25, "−0.250"), (0.7889, "0.789")],
)
def test_a_number_is_written_as_people_write_it(value: float | None, text: str) -> None:
    assert decimal(value) == text


def test_digits_are_grouped_by_no_sign_that_is_a_decimal_point_elsewhere() -> None:
    assert [count(n) for n in (0, 999, 9999, 48842)] == ["0", "999", "9999", "48\u202f842"]


@given(SHARES, SHARES, SHARES)
def test_cases_stay_in_order(a: float, b: float, c: float) -> None:
    low, value, high = sorted((a, b, c))
    of, numbers = cases(Estimate(value, low, high))
    assert of in {100, 1000}
    assert 0 <= int(numbers["low"]) <= int(numbers["value"]) <= int(numbers["high"]) <= of
