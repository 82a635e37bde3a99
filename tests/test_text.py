"""Parameters and numbers of things are worded shortly, and no two alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from tabproof.text import counted, format_params, short_names

NAMES = st.lists(st.sampled_from(["clf", "prep", "C", "depth"]), min_size=1, max_size=3).map(
    "__".join
)


@given(st.sets(NAMES))
def test_short_names_differ_as_the_long_ones_do(names: set[str]) -> None:
    short = short_names(names)
    assert set(short) == names
    assert len(set(short.values())) == len(names)
    assert all(name == s or name.endswith(f"__{s}") for name, s in short.items())


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "defaults"),
        ({"clf__C": 0.1}, "C 0.1"),
        ({"clf__max_depth": 3, "clf__max_iter": 10}, "max_depth 3, max_iter 10"),
        ({"clf__gbm__C": 1, "clf__lin__C": 2}, "gbm__C 1, lin__C 2"),
        ({"clf": LogisticRegression(C=3), "clf__C": 2}, "clf LogisticRegression, C 2"),
        ({"rate": 0.1 + 0.2, "flag": True, "none": None}, "rate 0.3, flag True, none None"),
    ],
)
def test_parameters_in_words(params: dict[str, object], words: str) -> None:
    assert format_params(params) == words


@given(st.dictionaries(st.text(), st.text()))
def test_parameters_are_one_line_that_cannot_move_a_cursor(params: dict[str, str]) -> None:
    assert format_params(params).isprintable()


def test_one_of_a_thing_is_not_many() -> None:
    assert [counted(n, "row") for n in (0, 1, 1234)] == ["0 rows", "1 row", "1,234 rows"]
