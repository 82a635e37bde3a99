"""Functions of the evaluator in JavaScript against those of the scorer, and exact results."""

import sys
import unicodedata
from decimal import Context, Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.features import count_tokens
from tabproof.scorer import numbers
from tests.web.conftest import Calls
from tests.web.evaluating import ulps_between
from tests.web.test_web import needs_node

pytestmark = needs_node
EXACTLY = Context(prec=60, Emin=-10_000, Emax=10_000)


def of(js: Calls, name: str, values: np.ndarray) -> np.ndarray:
    return np.array(list(map(float, js(name, values.tolist()))))


def spread(low: float, high: float, n: int = 2000) -> np.ndarray:
    """Return numbers of all sizes between two."""
    rng = np.random.default_rng(0)
    small = rng.uniform(-1, 1, n) * 10.0 ** rng.uniform(-20, 0, n)
    return np.concatenate([rng.uniform(low, high, n), small[(small > low) & (small < high)]])


def test_exp_is_that_of_the_scorer(js: Calls) -> None:
    ends = [-708.3, -512.0, -511.9, 709.78, 709.7827, 0.0, -0.0, 1.0, 5e-324, -600.0, -573.42039831]
    values = np.concatenate([spread(-20, 20, 4000), spread(-708, 709.7, 4000), ends])
    assert of(js, "exp", values).tolist() == list(map(numbers.exp, values.tolist()))


@pytest.mark.parametrize(
    "values",
    [
        spread(0, 1e6),
        spread(0.9, 1.1),
        np.array([5e-324, 2.3e-308, 1.7e308, 1e-12, 0.5, 2.0]),
    ],
)
def test_log_is_the_float_nearest_to_the_exact_result(js: Calls, values: np.ndarray) -> None:
    expected = [float(Decimal(value).ln(EXACTLY)) for value in values.tolist()]
    assert of(js, "log", values).tolist() == numbers.log_all(values).tolist() == expected


def test_exp_is_one_float_from_the_exact_result_at_most(js: Calls) -> None:
    values = np.concatenate([spread(-744, 709.7), [-745.13, -745.1, 709.78]])
    expected = np.array([float(Decimal(value).exp(EXACTLY)) for value in values.tolist()])
    assert ulps_between(of(js, "exp", values), expected).max() <= 1


def test_the_ends_of_exp_and_log(js: Calls) -> None:
    assert of(js, "exp", np.array([709.79, 1e308, -745.2, -1e308])).tolist() == [
        *(np.inf, np.inf, 0.0, 0.0)
    ]
    assert of(js, "log", np.array([0.0])).tolist() == [-np.inf]


@pytest.mark.parametrize("name", ["exp", "log"])
def test_numpy_is_one_float_away_at_most(js: Calls, name: str) -> None:
    values = spread(-700, 700) if name == "exp" else spread(0, 1e6)
    assert ulps_between(of(js, name, values), getattr(np, name)(values)).max() <= 1


def floats_32(low: float, high: float) -> np.ndarray:
    return spread(low, high, 40_000).astype(np.float32)


def test_exp_of_32_bits_is_that_of_the_scorer(js: Calls) -> None:
    values = np.append(floats_32(-104, 88.7), np.float32([-103.9721, -103.9722, 88, 0]))
    assert of(js, "exp32", values).tolist() == numbers.exp32(values).tolist()
    assert of(js, "exp32", np.array([88.75])).tolist() == [np.inf]


def test_log_of_32_bits_is_that_of_the_scorer(js: Calls) -> None:
    powers = np.float32(2) ** np.arange(-120, 120, dtype=np.float32)
    values = np.concatenate([floats_32(1e-30, 2), powers, np.nextafter(powers, np.float32(0))])
    assert of(js, "log32", values).tolist() == numbers.log32(values).tolist()


@given(st.integers(0, 700), st.integers(0, 2**32 - 1))
def test_a_sum_has_the_bits_of_numpy(js: Calls, length: int, seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(0, 5, length)
    assert js("sum", values.tolist()) == values.sum()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_a_number_is_written_as_in_python(js: Calls, values: list[float]) -> None:
    # Halves are rounded to the even digit.
    values += [1234565.0, 1234575.0, 0.5, 100000.0, 999999.5, 1e-5, 0.0001, -0.0]
    assert js("general", values) == [f"{value:g}" for value in values]


def test_case_is_folded_as_in_python(js: Calls) -> None:
    letters = [
        letter
        for letter in map(chr, range(sys.maxunicode + 1))
        # What later versions of Unicode added is not known to both; halves are no characters.
        if unicodedata.category(letter) not in ("Cn", "Cs")
        and unicodedata.normalize("NFKC", letter) == letter
    ]
    assert js("folded", letters) == [letter.casefold() for letter in letters]


@pytest.mark.slow
def test_every_character_is_in_a_word_or_not_as_in_python(js: Calls) -> None:
    texts = [
        f"a{letter}b"
        for letter in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(letter) not in ("Cn", "Cs")
    ]
    for start in range(0, len(texts), 50_000):
        some = texts[start : start + 50_000]
        found: list[Any] = js("tokens", some, 2**31)
        wrong = [
            text
            for text, tokens in zip(some, found, strict=True)
            if dict(map(tuple, tokens)) != count_tokens(text, 2**31)
        ]
        assert wrong == []
