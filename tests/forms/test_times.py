import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.forms import NumberForm, parse_number

MINUTES, SECONDS = NumberForm(time="h:mm"), NumberForm(time="h:mm:ss")
BOTH = pytest.mark.parametrize("form", [MINUTES, SECONDS])


@given(st.times())
def test_a_time_of_day_is_its_seconds_since_midnight(time):
    since = datetime.datetime.combine(datetime.date.min, time) - datetime.datetime.min
    assert parse_number(time.isoformat(), SECONDS) == since.total_seconds()


@pytest.mark.parametrize(
    ("text", "form", "seconds"),
    [
        ("9:05", MINUTES, 32_700),
        ("00:00", MINUTES, 0),
        ("12:34:56", SECONDS, 45_296),
        ("12:34:56.5", SECONDS, 45_296.5),
        ("１２：３４：５６", SECONDS, 45_296),
        # Longer than a day.
        ("27:15:00", SECONDS, 98_100),
        ("1 days 03:15:00", SECONDS, 98_100),
        ("1 day, 3:15:00", SECONDS, 98_100),
    ],
)
def test_times_are_read_in_their_form(text, form, seconds):
    assert parse_number(text, form) == seconds


@BOTH
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12時34分", 45_240),
        ("12時34分56秒", 45_296),
        ("9時", 32_400),
        ("午前9時5分", 32_700),
        ("午後3時", 54_000),
        ("午後0時30分", 45_000),
        ("午後3:05", 54_300),
        ("3:05 PM", 54_300),
        ("3:05 p.m.", 54_300),
        ("12:05am", 300),
        ("3 PM", 54_000),
        ("3時間20分", 12_000),
        ("90分", 5_400),
        ("45分30秒", 2_730),
    ],
)
def test_what_names_its_hours_is_read_in_both_forms(text, seconds, form):
    assert parse_number(text, form) == seconds


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        *["", "12", "12:60", "12:34:60", "13:05 PM", "0:05 AM", "午前3:05 PM", "午後13時"],
        *["1:2", "12:34:56:78", "-1:00:00", "1 days 27:00:00", "2024-01-01 12:34", "x"],
    ],
)
def test_what_is_no_time_is_none(text, form):
    assert parse_number(text, form) is None


def test_hours_and_minutes_are_not_taken_for_minutes_and_seconds():
    assert parse_number("12:34", SECONDS) is None
    assert parse_number("1:02:03", MINUTES) is None
