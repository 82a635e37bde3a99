"""One cell has the bits of many; a calendar is Python's; texts are found however they are typed."""

import datetime
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tabproof.features import (
    DATE_PARTS,
    FIRST,
    LAST,
    MAX_CHARACTERS,
    TextTable,
    all_days_between,
    count_tokens,
    date_parts,
    date_values,
    days_between,
    seconds_of,
)

SECONDS = st.floats(allow_nan=True) | st.floats(FIRST, LAST) | st.integers(-(10**10), 10**10)
EDGES = [
    FIRST,
    LAST,
    -1e-6,
    0.0,
    86_399.999999,
    86_400.0,
    951_782_400.0,
    math.nan,
    math.inf,
    -1e300,
]


@given(st.lists(SECONDS, min_size=1), st.floats(FIRST, LAST))
def test_one_date_has_the_bits_of_many(found: list[float], newest: float) -> None:
    seconds = np.array([*map(float, found), *EDGES])
    for place, part in enumerate(DATE_PARTS):
        alone = [date_values(each, newest)[place] for each in seconds.tolist()]
        assert_array_equal(date_parts(seconds, part, newest), alone)
    pairs = zip(seconds.tolist(), seconds[::-1].tolist(), strict=True)
    alone = [days_between(first, second) for first, second in pairs]
    assert_array_equal(all_days_between(seconds, seconds[::-1]), alone)


@given(st.datetimes())
def test_parts_are_those_of_pythons_calendar(time: datetime.datetime) -> None:
    (seconds,) = seconds_of(np.array([time], dtype="datetime64[us]"))
    micros = (time - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)
    assert seconds == micros / 10**6
    if time.year < 9999:  # the last second of the calendar may be rounded
        time = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=math.floor(seconds))
    found = dict(zip(DATE_PARTS, date_values(seconds, 0.0), strict=True))
    for part in ("year", "month", "day", "hour"):
        assert found[part] == getattr(time, part)  # type: ignore[index]
    assert found["weekday"] == time.weekday()


def test_a_missing_date_has_no_part() -> None:
    (seconds,) = seconds_of(np.array(["NaT"], dtype="datetime64[us]"))
    assert math.isnan(seconds)
    assert all(map(math.isnan, date_values(seconds, 0.0)))
    assert math.isnan(days_between(seconds, 0.0))
    assert math.isnan(days_between(0.0, seconds))


def test_days_are_counted_from_the_newest_row() -> None:
    assert date_values(0.0, 86_400.0)[0] == -1
    assert days_between(0.0, 43_200.0) == 0.5


def table_of(*texts: str, width: int = 1) -> TextTable:
    buckets = sorted({bucket for text in texts for bucket in count_tokens(text, 2**31)})
    rng = np.random.default_rng(0)
    idf, table = rng.uniform(1, 5, len(buckets)), rng.normal(size=(len(buckets), width))
    return TextTable(2**31, np.array(buckets), idf, table)


TEXTS = st.text() | st.text(alphabet="ab 苦情。😀é", max_size=30)


@given(st.lists(TEXTS | st.none(), min_size=1), st.integers(1, 6))
def test_one_text_has_the_bits_of_many(texts: list[str | None], width: int) -> None:
    table = table_of(*[text for text in texts if text], width=width)
    alone = [table.features(text) for text in texts]
    assert_array_equal(table.all_features(texts), alone)


@given(st.text(alphabet=[chr(code) for code in range(0x20, 0x7F)]))
def test_full_width_letters_and_capitals_are_the_same_words(text: str) -> None:
    wide = "".join("\u3000" if c == " " else chr(ord(c) + 0xFEE0) for c in text)
    assert count_tokens(wide, 2**31) == count_tokens(text, 2**31)
    assert count_tokens(text.upper(), 2**31) == count_tokens(text.lower(), 2**31)


@pytest.mark.parametrize(
    ("text", "n_tokens"),
    [
        ("", 0),
        ("... !", 0),
        ("late", 1),
        ("paid late", 3),
        ("paid late paid", 4),
        ("苦情", 3),
        ("late苦情late", 4),
        ("😀😀", 2),
    ],
)
def test_tokens_are_words_symbols_and_pairs(text: str, n_tokens: int) -> None:
    assert len(count_tokens(text, 2**31)) == n_tokens


def test_a_text_of_spaces_is_missing_and_unknown_words_count_nothing() -> None:
    table = table_of("late")
    for text in (None, "", " \u3000\n"):
        assert all(map(math.isnan, table.features(text)))
    assert table.features("never seen") == [10.0, 0.0]


def test_the_rest_of_a_very_long_text_is_not_read() -> None:
    table, start = table_of("late"), "x " * (MAX_CHARACTERS // 2)
    assert table.features(f"{start} late") == [MAX_CHARACTERS, 0.0]
    # NFKC makes 18 characters of this one.
    assert table.features("\ufdfa" * MAX_CHARACTERS)[0] == MAX_CHARACTERS


def test_half_of_a_surrogate_pair_is_a_character() -> None:
    assert table_of("late").features("\ud800 late")[0] == 6.0
