"""Spaces: what can be written, and where the draws lie."""

from math import log
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabproof.search import extremes, parse_space, sample
from tabproof.search.spaces import SpaceError


def draw(node: Any, n: int = 200, seed: int = 0) -> list[Any]:
    return [each["x"] for each in sample(parse_space({"x": node}), n, seed)]


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ([], "a list needs at least one value"),
        (3, "it takes .values. or {low"),
        ("7", "it takes"),
        (None, "it takes"),
        ({}, "it takes"),
        ({"low": 1}, "it takes"),
        ({"low": 1, "high": 2, "step": 1}, "it takes"),
        ({"low": "a", "high": 2}, "a is not a finite number"),
        ({"low": 1, "high": None}, "None is not a finite number"),
        ({"low": True, "high": 2}, "True is not a finite number"),
        ({"low": 1, "high": float("inf")}, "inf is not a finite number"),
        ({"low": float("nan"), "high": 2}, "nan is not a finite number"),
        ({"low": 2, "high": 1}, "low must be less than high"),
        ({"low": 2, "high": 2}, "low must be less than high"),
        ({"low": 0, "high": 2, "log": True}, "with log: true, low must be above 0"),
        ({"low": -1.0, "high": 2.0, "log": True}, "with log: true"),
        ({"low": 1, "high": 2, "log": "yes"}, "log must be true or false"),
        ({"low": 1, "high": 2, "log": 1}, "log must be true or false"),
    ],
    ids=str,
)
def test_an_invalid_space_is_refused_by_name(node: Any, words: str) -> None:
    with pytest.raises(SpaceError, match=words) as raised:
        parse_space({"clf__C": node})
    assert str(raised.value).startswith("model.param_space.clf__C=")
    assert "\n" not in str(raised.value)


@settings(max_examples=50, deadline=None)
@given(
    low=st.integers(1, 50), width=st.integers(1, 50), is_log=st.booleans(), seed=st.integers(0, 9)
)
def test_integers_are_drawn_with_both_ends_included(
    low: int, width: int, is_log: bool, seed: int
) -> None:
    drawn = draw({"low": low, "high": low + width, "log": is_log}, 50, seed)
    assert all(type(value) is int and low <= value <= low + width for value in drawn)


@settings(max_examples=50, deadline=None)
@given(low=st.floats(1e-6, 10), factor=st.floats(1.001, 1e6), is_log=st.booleans())
def test_floats_are_drawn_within_their_range(low: float, factor: float, is_log: bool) -> None:
    drawn = draw({"low": low, "high": low * factor, "log": is_log}, 50)
    assert all(type(value) is float and low <= value <= low * factor for value in drawn)


@pytest.mark.parametrize("is_log", [False, True])
def test_both_ends_are_met(is_log: bool) -> None:
    assert {1, 2, 3} == set(draw({"low": 1, "high": 3, "log": is_log}))


def test_integers_are_equally_likely_without_a_log_scale() -> None:
    counts = np.bincount(draw({"low": 0, "high": 3}, 4000))
    assert all(abs(counts - 1000) < 150)


def test_on_a_log_scale_each_power_of_ten_is_equally_likely() -> None:
    drawn = np.array(draw({"low": 0.001, "high": 1000.0, "log": True}, 3000))
    shares, _ = np.histogram(np.log(drawn), bins=3, range=(log(0.001), log(1000)))
    assert all(abs(shares - 1000) < 150)
    assert np.mean(np.array(draw({"low": 0.001, "high": 1000.0}, 500)) > 100) > 0.8


def test_a_range_with_a_float_end_draws_floats() -> None:
    assert all(type(value) is float for value in draw({"low": 0.0, "high": 3}, 5))


def test_choices_keep_their_types() -> None:
    assert set(map(repr, draw([None, "balanced", 3, 0.5], 50))) == (
        {"None", "'balanced'", "3", "0.5"}
    )


def test_with_choices_only_each_setting_is_drawn_once() -> None:
    space = parse_space({"a": [1, 2, 3], "b": [True, False]})
    drawn = sample(space, 60, 0)
    assert len(drawn) == 6
    assert len({tuple(sorted(each.items())) for each in drawn}) == 6
    assert len(sample(space, 4, 0)) == 4


def test_draws_depend_on_the_seed_and_not_on_the_order_of_keys() -> None:
    nodes: dict[str, Any] = {
        "a": {"low": 0.0, "high": 1.0},
        "b": [1, 2],
        "c": {"low": 1, "high": 9},
    }
    first = sample(parse_space(nodes), 20, 3)
    assert first == sample(parse_space(dict(reversed(nodes.items()))), 20, 3)
    assert first != sample(parse_space(nodes), 20, 4)


def test_extremes_are_all_choices_and_both_ends() -> None:
    space = parse_space({"a": [1, None], "b": {"low": 0.1, "high": 2}})
    assert extremes(space) == {"a": [1, None], "b": [0.1, 2]}
