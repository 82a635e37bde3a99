"""Anybody's names among our letters."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tabproof.report.format import END_ISOLATE, ISOLATE, MARK, in_a_sentence, shown


@given(st.text())
def test_a_name_is_one_line_that_turns_no_letter_beside_it(name: str) -> None:
    text = shown(name)
    assert len(text.splitlines()) <= 1
    text.encode()
    inner = text.removeprefix(ISOLATE).removesuffix(END_ISOLATE)
    controls = {letter for letter in inner if unicodedata.bidirectional(letter) in OVERRIDES}
    assert not controls
    from_the_right = any(unicodedata.bidirectional(letter) in {"R", "AL"} for letter in inner)
    assert from_the_right == (text != inner)


OVERRIDES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def test_what_is_hidden_is_marked_and_joined_emoji_stay_one() -> None:
    assert shown("\u202egnirts") == f"{MARK}gnirts"
    assert shown("👩‍👧") == "👩‍👧"
    assert shown("a\n\tb") == "a b"


def test_a_sentence_bears_names_of_its_length() -> None:
    assert in_a_sentence("w" * 200) == "w" * 59 + "…"
    assert in_a_sentence("w" * 60) == "w" * 60
