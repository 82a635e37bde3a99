"""What a cell means is decided in one place: strictly for numbers, as in training for names."""

import math
import time

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tabproof.data.table import as_categories
from tabproof.scorer import as_category, as_number

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite)
def test_what_python_writes_is_read_back_bit_for_bit(number: float) -> None:
    for text in (repr(number), f"  {number!r}\t", f"{number:e}" if number == 0 else repr(number)):
        found = as_number(text)
        assert found == number
        assert math.copysign(1, found) == math.copysign(1, number)


@given(st.integers(-(10**300), 10**300))
def test_whole_numbers_are_numbers(number: int) -> None:
    assert as_number(str(number)) == float(number)


@given(st.text(max_size=12) | st.from_regex(r"\s*[-+]?[0-9_.,eE]{0,9}\s*", fullmatch=True))
def test_a_number_is_what_python_takes_for_one_or_nothing(text: str) -> None:
    found = as_number(text)
    if found is not None:
        assert found == float(text)
        assert math.isfinite(found)


@pytest.mark.parametrize(
    "text", ["1", "-1", "+1", "1.", ".5", "1e5", "1E-5", " 1 \n", "00", "-0.0"]
)
def test_numbers_as_people_write_them(text: str) -> None:
    assert as_number(text) == float(text)


@pytest.mark.parametrize(
    "text",
    [
        *["", " ", ".", "+", "e5", "1e", "1e5.0", "--1", "1 2", "1,5", "1_000", "0x10", "1j"],
        *["nan", "NaN", "inf", "-inf", "Infinity", "True", "null"],
        *["１２", "٣", "１.５", "1\u00a0", "\u20031", "1\x00", "−1", "½", "1\x1c"],
        *["1e400", "-1e400", "9" * 400, "9" * 401, "0" * 401],
    ],
)
def test_everything_else_is_none(text: str) -> None:
    assert as_number(text) is None


def test_what_is_nearly_zero_is_zero_and_not_refused() -> None:
    assert as_number("1e-400") == 0.0
    assert as_number("5e-324") == 5e-324


def test_a_long_text_costs_no_time() -> None:
    started = time.perf_counter()
    for text in ("1" * 399 + "x", " " * 10**6, "1" * 10**6, "1." * 200, "1e" + "1" * 390 + "x"):
        assert as_number(text) is None
    assert time.perf_counter() - started < 0.5


@given(st.floats() | st.integers() | st.booleans() | st.text())
def test_categories_have_the_names_of_training(value: object) -> None:
    frame = pd.DataFrame({"a": pd.Series([value], dtype="object")})
    assume(not frame["a"].isna().any())
    (category,) = as_categories(frame, ["a"], "")["a"].cat.categories
    assert as_category(value) == category


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (3, "3"),
        (3.0, "3"),
        (-0.0, "0"),
        (2.5, "2.5"),
        (1e16, "10000000000000000"),
        (True, "True"),
        ("3.0", "3.0"),
        ("", ""),
        ("東京", "東京"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_names_of_categories(value: object, name: str) -> None:
    assert as_category(value) == name
