"""Numbers, anybody's names, and texts that must fit."""

import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.evaluation_result import Estimate
from tabproof.report.format import (
    END_ISOLATE,
    ISOLATE,
    MARK,
    cases,
    count,
    decimal,
    in_a_sentence,
    n_decimals,
    printable,
    shorten,
    shown,
    wrap,
)
from tabproof.text import display_width

SHARES = st.floats(0, 1)
ANY = st.text(st.characters(), max_size=200)
OVERRIDES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


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
def test_a_number_has_the_digits_that_its_interval_justifies(
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
def test_minus_zero_and_missing_values_are_written_plainly(value: float | None, text: str) -> None:
    assert decimal(value) == text


def test_thousands_are_separated_by_commas() -> None:
    assert [count(n) for n in (0, 999, 9769, 48842)] == ["0", "999", "9,769", "48,842"]


@given(SHARES, SHARES, SHARES)
def test_cases_stay_in_order(a: float, b: float, c: float) -> None:
    low, value, high = sorted((a, b, c))
    of, numbers = cases(Estimate(value, low, high))
    assert of in {100, 1000}
    ends = [int(numbers[name].replace(",", "")) for name in ("low", "value", "high")]
    assert [0, *ends, of] == sorted([0, *ends, of])


@given(st.text())
def test_a_name_is_one_line_that_does_not_turn_the_text_next_to_it(name: str) -> None:
    text = shown(name)
    assert len(text.splitlines()) <= 1
    text.encode()
    inner = text.removeprefix(ISOLATE).removesuffix(END_ISOLATE)
    controls = {letter for letter in inner if unicodedata.bidirectional(letter) in OVERRIDES}
    assert not controls
    from_the_right = any(unicodedata.bidirectional(letter) in {"R", "AL"} for letter in inner)
    assert from_the_right == (text != inner)


def test_hidden_characters_are_marked_and_joined_emoji_stay_one() -> None:
    assert shown("\u202egnirts") == f"{MARK}gnirts"
    assert shown("👩‍👧") == "👩‍👧"
    assert shown("a\n\tb") == "a b"


def test_a_name_in_a_sentence_is_shortened() -> None:
    assert in_a_sentence("w" * 200) == "w" * 59 + "…"
    assert in_a_sentence("w" * 60) == "w" * 60


@given(ANY, st.integers(2, 60))
def test_a_shortened_text_fits(text: str, room: int) -> None:
    assert display_width(shorten(text, room)) <= room


@given(ANY, st.integers(8, 60), st.integers(1, 3))
def test_wrapped_lines_fit_and_begin_with_the_text(text: str, room: int, n_lines: int) -> None:
    lines = wrap(text, room, n_lines)
    assert len(lines) <= n_lines
    assert all(display_width(line) <= room for line in lines)
    assert printable(text).startswith(lines[0].removesuffix("…"))


@given(ANY)
def test_any_text_can_be_written_into_a_file(text: str) -> None:
    element = ElementTree.Element("text")
    element.text = printable(text)
    read = ElementTree.fromstring(ElementTree.tostring(element))  # noqa: S314 - just written
    assert (read.text or "") == printable(text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("rate 0.05, depth 4", ["rate", "0.05, …"]),
        ("ab", ["ab"]),
        ("日本語の値", ["日本語", "の値"]),
    ],
)
def test_lines_break_between_words_where_there_are_any(text: str, lines: list[str]) -> None:
    assert wrap(text, 7, 2) == lines
