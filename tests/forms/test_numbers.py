import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.forms import (
    FLOAT32_MAX,
    NumberForm,
    bounded,
    is_exact,
    parse_number,
)

MAN = NumberForm(".", ",", ("円",), ("億", "万"))
EURO = NumberForm(".", "", ("€",), ("bn", "M", "K"))
finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite)
def test_a_number_is_read_as_it_was_written(number):
    assert parse_number(repr(number), NumberForm()) == number


@given(st.integers(-(10**15), 10**15), st.sampled_from([",", ".", " ", "'"]))
def test_grouped_digits_are_the_number_that_was_grouped(number, group):
    form = NumberForm("." if group != "." else ",", group)
    assert parse_number(f"{number:,}".replace(",", group), form) == number


@pytest.mark.parametrize(
    ("text", "form", "number"),
    [
        ("14,526.65", NumberForm(".", ","), 14526.65),
        ("1.234,56", NumberForm(",", "."), 1234.56),
        ("1,00,000", NumberForm(".", ","), 100000),
        ("1\u202f234,5", NumberForm(",", " "), 1234.5),
        ("$12.83", NumberForm(marks=("$",)), 12.83),
        ("-$12.83", NumberForm(marks=("$",)), -12.83),
        ("68.7 %", NumberForm(marks=("%",)), 68.7),
        ("1,200円", NumberForm(".", ",", ("円",)), 1200),
        ("￥１，２００", NumberForm(".", ",", ("¥",)), 1200),
        ("１０", NumberForm(), 10),
        ("(12.5)", NumberForm(), -12.5),
        ("▲5", NumberForm(), -5),
        (" .5 ", NumberForm(), 0.5),
        ("1E-3", NumberForm(), 0.001),
        ("1e400", NumberForm(), 1.7976931348623157e308),
    ],
)
def test_numbers_are_read_in_their_form(text, form, number):
    assert parse_number(text, form) == number


@pytest.mark.parametrize(
    "text", ["", ".", "-", "inf", "nan", "1_000", "5²", "--1", "(1", "1 2", "1,5"]
)
def test_what_is_no_number_of_the_form_is_none(text):
    assert parse_number(text, NumberForm()) is None


@pytest.mark.parametrize(
    ("text", "form", "number"),
    [
        ("3万", MAN, 30_000),
        ("1.5 万円", MAN, 15_000),
        ("0.57億", MAN, 57_000_000),
        ("2億3000万", MAN, 230_000_000),
        ("1億2,000万500円", MAN, 120_000_500),
        ("-3万", MAN, -30_000),
        ("(3万)", MAN, -30_000),
        ("１２万", MAN, 120_000),
        # What says its unit, is 0, or is too large to be meant in 万, is read as it stands.
        ("450円", MAN, 450),
        ("0", MAN, 0),
        ("12000", MAN, 12_000),
        ("€110.5M", EURO, 110_500_000),
        ("€565K", EURO, 565_000),
        ("1.2bn €", EURO, 1_200_000_000),
        ("€0", EURO, 0),
    ],
)
def test_words_that_multiply_are_read(text, form, number):
    assert parse_number(text, form) == number


@pytest.mark.parametrize(
    "text", ["450", "3", "5千", "3万2億", "万", "", "3万円円", "--3万", "3万x"]
)
def test_what_may_be_another_number_among_those_that_are_multiplied_is_none(text):
    assert parse_number(text, MAN) is None


@pytest.mark.parametrize("text", ["565", "€1K500", "€1K2M"])
def test_letters_multiply_one_number(text):
    assert parse_number(text, EURO) is None


def test_one_sign_groups_all_digits_of_a_number():
    form = NumberForm(".", ", ")
    assert parse_number("1,234.5", form) == parse_number("1 234.5", form) == 1234.5
    assert parse_number("1,234 567", form) is None


def test_digits_that_a_double_cannot_hold_are_known():
    assert is_exact("9007199254740992")
    assert not is_exact("9007199254740993")
    assert is_exact("0.123456789012345678")


def test_numbers_are_bounded_and_infinite_ones_are_missing():
    assert bounded(1e308) == FLOAT32_MAX
    assert bounded(-1e308) == -FLOAT32_MAX
    assert bounded(1.5) == 1.5
    assert math.isnan(bounded(math.inf))
    assert math.isnan(bounded(math.nan))
