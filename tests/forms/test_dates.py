import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.forms import (
    DAY_FIRST,
    MONTH_FIRST,
    SHORT_YEAR_FIRST,
    DateForm,
    date_micros,
    find_date_form,
    parse_date,
)


@given(st.datetimes())
def test_a_date_is_read_as_it_was_written(when):
    seconds = (
        when - when.fromtimestamp(0).replace(year=1970, month=1, day=1, hour=0)
    ).total_seconds()
    assert parse_date(when.isoformat(), DateForm()) == pytest.approx(seconds, abs=1e-4)
    assert parse_date(str(when), DateForm()) == parse_date(when.isoformat(), DateForm())


@pytest.mark.parametrize(
    ("texts", "patterns"),
    [
        (["24-03-21", "24-04-22", "23-12-28"], (DAY_FIRST, SHORT_YEAR_FIRST)),
        (["21-03-24", "22-04-24", "28-12-23"], (DAY_FIRST, SHORT_YEAR_FIRST)),
        (["03/21/24", "04/22/23", "04/23/22"], (MONTH_FIRST,)),
        (["01/03/89", "01/04/57", "01/04/45"], (DAY_FIRST, MONTH_FIRST)),
    ],
)
def test_a_year_of_two_digits_that_comes_first_is_not_taken_for_a_day(texts, patterns):
    assert tuple(form.pattern for form in find_date_form(texts)) == patterns


def test_what_the_user_says_of_the_first_part_holds():
    (form,) = find_date_form(["24-03-21", "24-04-22", "23-12-28"], day_first=True)
    assert form.pattern == DAY_FIRST


def test_a_year_of_two_digits_is_of_the_century_that_excel_takes():
    days = [parse_date(text, DateForm(DAY_FIRST)) for text in ("01/01/30", "01/01/29")]
    assert days == [-1262304000, 1861920000]


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("2024-03-21", "iso"),
        ("2024/3/21", "iso"),
        ("2024.03.21", "iso"),
        ("2024年3月21日", "iso"),
        ("２０２４年３月２１日(木)", "iso"),
        ("Mar 21, 2024", "iso"),
        ("21-Mar-2024", "iso"),
        ("21 March 24", "iso"),
        ("Thu, 21 Mar 2024", "iso"),
        ("21/03/2024", DAY_FIRST),
        ("21.3.2024", DAY_FIRST),
        ("03/21/2024", MONTH_FIRST),
        ("3/21/24", MONTH_FIRST),
        ("2024-03-21", MONTH_FIRST),
        ("20240321", "%Y%m%d"),
        (20240321, "%Y%m%d"),
        (1710979200, "epoch_s"),
        ("1710979200000", "epoch_ms"),
    ],
)
def test_dates_are_read_in_their_form(text, pattern):
    assert parse_date(text, DateForm(pattern)) == 1710979200


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("1970-01-01 01:02", 3720),
        ("1970-01-01T01:02:03.25", 3723.25),
        ("1970-01-01 1:02 PM", 46920),
        ("1970/1/1 12:00 am", 0),
        ("1970年1月1日 1時2分", 3720),
        ("1970年1月1日1時2分3秒", 3723),
        ("１９７０年１月１日　１時２分", 3720),
        ("1970年1月1日(木) 午後1時", 46800),
        ("1970年1月1日午前0:02", 120),
        ("1970/1/1 13時", 46800),
    ],
)
def test_times_of_day_are_read(text, second):
    assert parse_date(text, DateForm()) == second


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-02-30",
        "2024-13",
        "1.2.10",
        "2024-01-01 24:00",
        "2024-01-0112:00",
        "2024年1月1日 25時",
        "12",
        "x",
    ],
)
@pytest.mark.parametrize("pattern", ["iso", DAY_FIRST])
def test_what_is_no_date_is_none(text, pattern):
    assert parse_date(text, DateForm(pattern)) is None


def test_a_number_is_a_date_only_where_the_form_says_so():
    assert parse_date(1710979200, DateForm()) is None
    assert parse_date(math.nan, DateForm("epoch_s")) is None
    assert parse_date(True, DateForm("epoch_s")) is None


def test_a_cell_is_moved_to_the_clock_of_the_column():
    tokyo = DateForm(offset=540, has_time=True)
    assert parse_date("1970-01-01T09:00+09:00", tokyo) == 9 * 3600
    assert parse_date("1970-01-01T00:00Z", tokyo) == 9 * 3600
    assert parse_date("1970-01-01T09:00", tokyo) == 9 * 3600


@pytest.mark.parametrize(
    ("texts", "forms"),
    [
        (["2024-01-31"], [DateForm()]),
        (["2024-01-31 10:00", "2024-01-31"], [DateForm(has_time=True)]),
        (["03/21/2024", "03/04/2024"], [DateForm(MONTH_FIRST)]),
        (["21/03/2024", "03/04/2024"], [DateForm(DAY_FIRST)]),
        (["03/04/2024"], [DateForm(DAY_FIRST), DateForm(MONTH_FIRST)]),
        (["2024-01-01T00:00+09:00"], [DateForm(offset=540, has_time=True)]),
        (["2024-01-01T00:00+09:00", "2024-01-01T00:00Z"], [DateForm(offset=0, has_time=True)]),
        (["red"], []),
        ([], []),
    ],
)
def test_the_whole_column_decides_how_its_dates_are_written(texts, forms):
    assert list(find_date_form(texts)) == forms


def test_the_user_decides_which_number_is_the_day():
    assert find_date_form(["03/04/2024"], day_first=True) == (DateForm(DAY_FIRST),)
    assert find_date_form(["03/04/2024"], day_first=False) == (DateForm(MONTH_FIRST),)


def test_two_digits_of_a_year_are_never_read_as_a_day_in_silence():
    assert [form.pattern for form in find_date_form(["24-06-28", "20-03-04"])] == [
        DAY_FIRST,
        SHORT_YEAR_FIRST,
    ]
    assert find_date_form(["24-06-28"], year_first=True) == (DateForm(SHORT_YEAR_FIRST),)
    assert find_date_form(["24-06-28"], day_first=True) == (DateForm(DAY_FIRST),)
    # Other columns of the table keep their own order.
    assert find_date_form(["28/06/2024"], year_first=True) == (DateForm(DAY_FIRST),)
    # A number that is no day, or days from all over the months, decide.
    assert find_date_form(["99-06-28", "20-03-04"]) == (DateForm(SHORT_YEAR_FIRST),)
    days = [f"{20 + day % 5}-06-{day:02}" for day in range(1, 29)]
    assert find_date_form(days) == (DateForm(SHORT_YEAR_FIRST),)
    turned = ["/".join(reversed(each.split("-"))) for each in days]
    assert find_date_form(turned) == (DateForm(DAY_FIRST),)


def test_points_between_two_digits_each_are_of_a_date_and_others_of_a_version():
    assert date_micros("28.06.24", DateForm(DAY_FIRST)) == date_micros("2024-06-28", DateForm())
    assert date_micros("24.06.28", DateForm(SHORT_YEAR_FIRST)) == date_micros(
        "2024-06-28", DateForm()
    )
    assert find_date_form(["1.2.10", "1.12.3"]) == ()


def test_years_of_two_digits_are_of_1930_to_2029():
    texts = ("08/10/45", "08/10/29", "08/10/30", "8-Oct-45")
    years = [date_micros(text, DateForm(DAY_FIRST)) // (365.2425 * 86400 * 10**6) for text in texts]
    assert [1970 + year for year in years] == [1945, 2029, 1930, 1945]
