"""Cells are read as training reads them, and encoded alone with the bits of a column."""

import math
import time
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tabproof.data.column import Reading
from tabproof.data.columns import type_columns
from tabproof.scorer import as_category, as_number
from tabproof.scorer.encoding import (
    FLOAT32_MAX,
    CategoryEncoding,
    NumberEncoding,
    make_encodings,
)
from tabproof.scorer.format import NumberSpec, Operation, ScorerDamagedError

operands = st.floats(allow_nan=False, allow_infinity=False).filter(bool)
# float32 alone overflows, which numpy remarks on; exporters put clip_float32 before it.
arithmetic = st.tuples(
    st.sampled_from([name for name in get_args(Operation) if name != "float32"]), operands
)
rounding = st.just([("clip_float32", 0.0), ("float32", 0.0)])
steps = st.lists(arithmetic, max_size=4).flatmap(
    lambda found: st.just(found) | rounding.map(lambda last: found + last)
)


@given(steps, st.lists(st.floats(), min_size=1, max_size=5))
def test_one_number_has_the_bits_of_a_column(
    taken: list[tuple[Operation, float]], values: list[float]
) -> None:
    encoding = NumberEncoding("n", tuple(taken))
    column = encoding.apply_to_all(np.array(values))
    alone = np.array([encoding.apply(value) for value in values])
    assert_array_equal(alone, column)
    assert_array_equal(encoding.features(np.array(values))[:, 0], column)


@pytest.mark.parametrize(
    ("taken", "value", "expected"),
    [
        ([("fill", 7.0)], np.nan, 7.0),
        ([("fill", 7.0)], 1.0, 1.0),
        ([("subtract", 1.0), ("divide", 2.0)], 4.0, 1.5),
        ([("divide", 2.0), ("subtract", 1.0)], 4.0, 1.0),
        ([("multiply", 3.0), ("add", 1.0)], 2.0, 7.0),
        ([("clip_float32", 0.0)], np.inf, FLOAT32_MAX),
        ([("clip_float32", 0.0)], -np.inf, -FLOAT32_MAX),
        ([("float32", 0.0)], 0.1, float(np.float32(0.1))),
        ([("float32", 0.0)], 1e-60, 0.0),
        ([("multiply", 1e300)], 1e300, np.inf),
    ],
)
def test_each_operation(
    taken: list[tuple[Operation, float]], value: float, expected: float
) -> None:
    encoding = NumberEncoding("n", tuple(taken))
    assert encoding.apply(value) == expected
    assert encoding.apply_to_all(np.array([value])).tolist() == [expected]


def test_the_last_two_indices_are_unseen_and_missing() -> None:
    codes = np.arange(8.0).reshape(4, 2)
    encoding = CategoryEncoding("c", ("x", "y"), codes)
    assert encoding.index_of == {"x": 0, "y": 1}
    assert (encoding.unseen, encoding.missing, encoding.width) == (2, 3, 2)
    assert_array_equal(encoding.features(np.array([3, 0])), codes[[3, 0]])


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite)
def test_numbers_written_by_python_are_read_back_bit_for_bit(number: float) -> None:
    for text in (repr(number), f"  {number!r}\t", f"{number:e}" if number == 0 else repr(number)):
        found = as_number(text)
        assert found == number
        assert math.copysign(1, found) == math.copysign(1, number)


@given(st.integers(-(10**300), 10**300))
def test_whole_numbers_are_numbers(number: int) -> None:
    assert as_number(str(number)) == float(number)


@given(st.text(max_size=12) | st.from_regex(r"\s*[-+]?[0-9_.,eE]{0,9}\s*", fullmatch=True))
def test_a_number_is_one_for_python_too(text: str) -> None:
    found = as_number(text)
    if found is not None:
        assert found == float(text)
        assert math.isfinite(found)


@pytest.mark.parametrize(
    "text", ["1", "-1", "+1", "1.", ".5", "1e5", "1E-5", " 1 \n", "00", "-0.0"]
)
def test_accepted_numbers(text: str) -> None:
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
def test_refused_numbers(text: str) -> None:
    assert as_number(text) is None


def test_a_number_below_the_smallest_is_zero() -> None:
    assert as_number("1e-400") == 0.0
    assert as_number("5e-324") == 5e-324


def test_a_long_text_is_refused_quickly() -> None:
    started = time.perf_counter()
    for text in ("1" * 399 + "x", " " * 10**6, "1" * 10**6, "1." * 200, "1e" + "1" * 390 + "x"):
        assert as_number(text) is None
    assert time.perf_counter() - started < 0.5


@given(st.floats() | st.integers(-(2**53), 2**53) | st.booleans() | st.text())
def test_categories_have_the_names_of_training(value: object) -> None:
    frame = pd.DataFrame({"a": pd.Series([value], dtype="object")})
    assume(not frame["a"].isna().any())
    reading = Reading({"a": "category"})
    typed = type_columns(frame, frame.index, reading, is_text=False, divides=True)
    (category,) = typed.X["a"].cat.categories
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


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"knots": [], "codes": [[0.0]]}, "are not a list"),
        ({"knots": [[1.0]], "codes": [[0.0], [0.0]]}, "are not a list"),
        ({"knots": [1.0, 1.0], "codes": [[0.0]] * 3}, "do not increase"),
        ({"knots": [1.0, np.nan], "codes": [[0.0]] * 3}, "do not increase"),
        ({"knots": [-1.7e308, 1.7e308], "codes": [[0.0]] * 3}, "do not increase"),
        ({"knots": [1.0, 2.0], "codes": [[0.0]] * 2}, "no table of 3 rows"),
        ({"knots": [1.0], "codes": [[0.0], [np.inf]]}, "not finite"),
        ({"knots": [1.0], "codes": [[np.nan], [0.0]]}, "not finite"),
        ({"knots": [1.0]}, "no table of 2 rows"),
    ],
)
def test_a_damaged_spline_is_refused(arrays: dict[str, list[float]], message: str) -> None:
    own = {f"{name}.0": np.array(values) for name, values in arrays.items()}
    with pytest.raises(ScorerDamagedError, match=message):
        make_encodings([NumberSpec("x")], own)


def test_a_spline_takes_no_steps() -> None:
    arrays = {"knots.0": np.ones(1), "codes.0": np.ones((2, 1))}
    with pytest.raises(ScorerDamagedError, match="no steps"):
        make_encodings([NumberSpec("x", [("fill", 0.0)])], arrays)
