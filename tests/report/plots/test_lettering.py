"""Texts of any alphabet fit into the room they have."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.report.plots.lettering import fitted, n_cells, printable, shown, width_of, wrapped
from tests.report.plots.drawn import parsed

ANY = st.text(st.characters(), max_size=200)


@given(ANY, st.integers(2, 60))
def test_what_is_shown_fits(text: str, room: int) -> None:
    assert n_cells(shown(text, room)) <= room


@given(ANY, st.integers(8, 60), st.integers(1, 3))
def test_lines_fit_and_say_how_the_text_begins(text: str, room: int, n_lines: int) -> None:
    lines = wrapped(printable(text), room, n_lines)
    assert len(lines) <= n_lines
    assert all(n_cells(line) <= room for line in lines)
    assert printable(text).startswith(lines[0].removesuffix("…"))


@given(ANY, st.floats(30, 300))
def test_what_is_fitted_fits(text: str, room: float) -> None:
    assert width_of(fitted(text, room, 10), 10) <= room


@given(ANY)
def test_any_text_can_be_written_into_a_file(text: str) -> None:
    element = ElementTree.Element("text")
    element.text = printable(text)
    written = ElementTree.tostring(element)
    assert (parsed(written).text or "") == printable(text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("rate 0.05, depth 4", ["rate", "0.05, …"]),
        ("ab", ["ab"]),
        ("日本語の値", ["日本語", "の値"]),
    ],
)
def test_lines_break_between_words_where_there_are_any(text: str, lines: list[str]) -> None:
    assert wrapped(text, 7, 2) == lines


def test_wide_letters_are_squares() -> None:
    assert width_of("日本", 10) == 20
    assert width_of("ab", 10) < 13
