import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.forms import (
    FLOAT32_MAX,
    NumberForm,
    bounded,
    find_number_form,
    is_exact,
    parse_number,
)

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


def test_digits_that_a_double_cannot_hold_are_known():
    assert is_exact("9007199254740992")
    assert not is_exact("9007199254740993")
    assert is_exact("0.123456789012345678")


@pytest.mark.parametrize(
    ("texts", "forms"),
    [
        (["1.5", "2"], [NumberForm()]),
        (["1", "2"], [NumberForm()]),
        # As it stands in a file of three decimals.
        (["0.126", "1.366"], [NumberForm()]),
        (["16,000", "500"], [NumberForm(".", ",")]),
        (["1,5", "16,000"], [NumberForm(",")]),
        (["0,123", "1,234"], [NumberForm(",")]),
        (["1,234,567", "1,234"], [NumberForm(".", ",")]),
        (["1.234,5", "1"], [NumberForm(",", ".")]),
        (["1 234", "5"], [NumberForm(".", " ")]),
        (["$1,234"], [NumberForm(".", ",", ("$",))]),
        (["12%", "0%"], [NumberForm(marks=("%",))]),
        (["12%", "0.12"], []),
        (["$1", "€1"], []),
        (["red", "blue"], []),
        ([], []),
        # Nothing decides: 1234 or 1.234.
        (["1,234", "2,345"], [NumberForm(".", ","), NumberForm(",")]),
        (["1,500", "2000"], [NumberForm(".", ","), NumberForm(",")]),
    ],
)
def test_the_whole_column_decides_how_its_numbers_are_written(texts, forms):
    assert list(find_number_form(texts)) == forms


def test_the_user_decides_where_cells_do_not():
    texts = ["1,234", "2,345"]
    assert find_number_form(texts, decimal=",") == (NumberForm(","),)
    assert find_number_form(texts, thousands=",") == (NumberForm(".", ","),)
    assert find_number_form(texts, thousands="") == (NumberForm(","),)
    # A key for one column does not spoil the others.
    assert find_number_form(["0.126"], decimal=",") == (NumberForm(),)


def test_prices_with_three_digits_behind_every_point_have_two_readings():
    grouped, plain_form = NumberForm(",", ".", ("€",)), NumberForm(".", "", ("€",))
    prices = ["€1.234", "€12.500", "€900"]
    assert find_number_form(prices) == (grouped, plain_form)
    assert find_number_form(prices, thousands=".") == (grouped,)
    assert find_number_form(prices, decimal=".") == (plain_form,)
    assert find_number_form([*prices, "€1.5"]) == (plain_form,)


def test_numbers_are_bounded_and_infinite_ones_are_missing():
    assert bounded(1e308) == FLOAT32_MAX
    assert bounded(-1e308) == -FLOAT32_MAX
    assert bounded(1.5) == 1.5
    assert math.isnan(bounded(math.inf))
    assert math.isnan(bounded(math.nan))
