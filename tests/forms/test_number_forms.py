import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.forms import NumberForm, find_number_form, parse_number
from tabproof.forms.numbers import MONEY_SCALES

MONEY = tuple(MONEY_SCALES)


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


@pytest.mark.parametrize(
    ("texts", "forms"),
    [
        (["12:34:56", "9:05:00"], [NumberForm(time="h:mm:ss")]),
        (["12:34", "9:05", "?"], [NumberForm(time="h:mm")]),
        (["20分", "1時間5分"], [NumberForm(time="h:mm:ss")]),
        # A unit that all cells have is dropped, as 20 is what stands there.
        (["20分", "5分"], [NumberForm(marks=("分",))]),
        # 12:34 may be minutes and seconds.
        (["12:34", "9:05", "1:02:03"], []),
    ],
)
def test_times_are_numbers(texts, forms):
    assert list(find_number_form(texts)) == forms


MAN = ("兆", "億", "千万", "百万", "万")


@pytest.mark.parametrize(
    ("texts", "forms"),
    [
        (["3万", "1,200万"], [NumberForm(".", ",", (), MAN)]),
        (["3万円", "500円", "2億円"], [NumberForm(".", "", ("円",), MAN)]),
        # Numbers of their own beside a few words.
        (["450", "800", "3万"], [NumberForm()]),
        (["€1.5M", "€500K", "€0"], [NumberForm(".", "", ("€",), MONEY)]),
        (["$1.5m", "$2m"], [NumberForm(".", "", ("$",), MONEY[:5])]),
        # A distance, a length, a size: only money says what its letters are.
        (["10k", "5k"], []),
        (["1.5M", "20K"], []),
        (["5m", "10m"], [NumberForm(marks=("m",))]),
    ],
)
def test_words_and_letters_multiply_where_nothing_else_can_be_meant(texts, forms):
    assert list(find_number_form(texts)) == forms


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["1,234.5", "1 234.5"], NumberForm(".", ", ")),
        (["1.234,5", "1 234,5", "1'234,5"], NumberForm(",", ".' ")),
        (["1,234,567", "1 234"], NumberForm(".", ", ")),
        (["$1,234", "$1 234"], NumberForm(".", ", ", ("$",))),
    ],
)
def test_several_signs_may_group_digits(texts, form):
    assert find_number_form(texts) == (form,)


@pytest.mark.parametrize(
    ("texts", "grouped", "other"),
    [
        # 1234, or 1.234 beside a thousand and more.
        (["1,234", "1 234"], NumberForm(".", ", "), NumberForm(",", " ")),
        (["1.234", "1 234"], NumberForm(",", ". "), NumberForm(".", " ")),
        (["1,234", "1.234"], NumberForm(".", ","), NumberForm(",", ".")),
        # Some are written in one way and some in the other.
        (["1234.5", "1.234", "1.234,5"], NumberForm(",", "."), NumberForm()),
    ],
)
def test_where_two_ways_of_writing_meet_nothing_is_guessed(texts, grouped, other):
    assert find_number_form(texts) == (grouped, other)
    sign = other.decimal
    (chosen,) = find_number_form(texts, thousands=sign)
    assert sign in chosen.thousands
    (chosen,) = find_number_form(texts, decimal=sign)
    assert sign == chosen.decimal


def test_a_rare_mistake_makes_no_question_of_a_column():
    texts = [f"0.{i}" for i in range(100, 999)]
    assert find_number_form([*texts, "1.234", "1.234,5"]) == (NumberForm(),)


def test_a_few_cells_with_other_marks_do_not_decide():
    texts = [str(number) for number in range(100)]
    assert find_number_form([*texts, "12%"]) == (NumberForm(),)
    assert find_number_form([f"${text}" for text in texts] + ["€5"]) == (NumberForm(marks=("$",)),)


@pytest.mark.parametrize(
    "texts", [["170 cm", "165cm"], ["3.5kg", "4 kg"], ["1 day", "5 days"], ["12 km/h", "3 km/h"]]
)
def test_a_unit_that_all_cells_have_is_dropped(texts):
    (form,) = find_number_form(texts)
    assert [parse_number(text, form) for text in texts] == [
        float(re.match("[0-9.]+", text)[0]) for text in texts
    ]


def test_addresses_of_the_internet_are_no_amounts():
    assert find_number_form(["192.168.100.101", "192.168.100.254"]) == ()
    assert find_number_form(["192.168.100.101", "999.168.100.254"]) == (NumberForm(",", "."),)


@given(
    st.lists(st.from_regex(r"[-$]?[0-9]{1,3}[.,' ]?[0-9]{1,3}[%k万]?", fullmatch=True), max_size=5)
)
def test_which_digits_there_are_decides_nothing_except_that_they_are_0(texts):
    ones = [re.sub("[1-9]", "1", text) for text in texts]
    assert find_number_form(texts) == find_number_form(ones)
