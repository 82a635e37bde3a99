"""Schedules: what can be read, what is refused, and what follows from a rung."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.search import Rung, as_table, parse_schedule
from tabproof.search.schedule import DEFAULT, WHOLE, ScheduleError


def line(**changes: Any) -> dict[str, Any]:
    return {"candidates": "all", "iterations": "100%", "rows": "100%", "folds": "all", **changes}


FIRST = line(iterations="20%", rows="25%", folds=1)


def test_a_schedule_is_parsed() -> None:
    lines = [FIRST, line(candidates="20%", iterations="33%", folds=1), line(candidates=2)]
    assert parse_schedule(lines) == (
        Rung(None, 0.2, 0.25, 1),
        Rung(0.2, 0.33, 1.0, 1),
        Rung(2, 1.0, 1.0, None),
    )


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("candidates", "100%", None),
        ("candidates", "all", None),
        ("candidates", 1, 1),
        ("candidates", "0.5%", 0.005),
        ("iterations", " 20% ", 0.2),
        ("iterations", "all", 1.0),
        ("rows", "99.9%", 0.999),
        ("folds", 3, 3),
    ],
)
def test_values_of_a_rung(key: str, value: Any, read: Any) -> None:
    first, _ = parse_schedule([{**FIRST, key: value}, line()])
    assert getattr(first, key) == pytest.approx(read)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "it has no rung"),
        ([3], "rung 1 has 3; a rung has candidates, iterations, rows, folds"),
        ([{}], "rung 1 has ; a rung has candidates"),
        ([{k: v for k, v in line().items() if k != "rows"}], "rung 1 has candidates, iterations"),
        ([FIRST, {**line(), "colour": 1}], "rung 2 has .*colour; a rung has candidates"),
        ([line(candidates=0)], "rung 1 has candidates: 0; it takes all, a number or a share"),
        ([line(candidates=-1)], "candidates: -1"),
        ([line(candidates=1.5)], "candidates: 1.5"),
        ([line(candidates=True)], "candidates: True"),
        ([line(candidates="some")], "candidates: some"),
        ([line(candidates=None)], "candidates: None"),
        ([line(candidates="0%")], "candidates: 0%"),
        ([line(candidates="-5%")], "candidates: -5%"),
        ([line(candidates="101%")], "candidates: 101%"),
        ([line(candidates="nan%")], "candidates: nan%"),
        ([line(iterations=10)], "rung 1 has iterations: 10; it takes all or a share as 25%"),
        ([line(iterations=0.5)], "iterations: 0.5; it takes all or a share as 25%"),
        ([line(rows=100)], "rows: 100; it takes all or a share as 25%"),
        ([line(folds="50%")], "rung 1 has folds: 50%; it takes all or a number"),
        ([line(folds=0)], "folds: 0"),
        ([FIRST], r"the last rung .* must have iterations: 100%"),
        ([line(folds=5)], "the last rung .* must have"),
        ([FIRST, line(rows="50%")], "the last rung .* must have"),
        ([FIRST, FIRST, line()], r"rung 2 .* has no more iterations, rows or folds"),
        ([line(), line(candidates=2)], "rung 2 .* has no more iterations"),
        ([FIRST, {**FIRST, "iterations": "10%", "rows": "50%"}, line()], "rung 2 .* is smaller"),
        ([line(), FIRST], "rung 2 .* is smaller"),
        ([line(rows="50%"), line(folds=3), line()], "rung 2 .* is smaller"),
    ],
    ids=str,
)
def test_an_invalid_schedule_is_refused(lines: Any, words: str) -> None:
    with pytest.raises(ScheduleError, match=rf"^search\.schedule: .*{words}") as raised:
        parse_schedule(lines)
    assert "\n" not in str(raised.value)


def test_one_rung_is_enough() -> None:
    assert parse_schedule([line()]) == (WHOLE,)


def test_the_default_schedule_can_be_written() -> None:
    lines = [
        {
            "candidates": "all" if rung.candidates is None else int(rung.candidates),
            "iterations": f"{rung.iterations:.0%}",
            "rows": f"{rung.rows:.0%}",
            "folds": "all" if rung.folds is None else rung.folds,
        }
        for rung in DEFAULT
    ]
    assert parse_schedule(lines) == DEFAULT


@given(st.integers(1, 10_000), st.floats(0.0001, 0.9999) | st.integers(1, 20_000) | st.none())
def test_the_number_of_entrants_is_between_one_and_all(n_all: int, asked: float | None) -> None:
    found = Rung(asked, 1.0, 1.0, None).n_candidates(n_all)
    assert 1 <= found <= n_all
    if asked is not None and asked < 1:
        assert found >= n_all * asked


@given(st.integers(1, 10_000), st.floats(0.0001, 1.0))
def test_iterations_are_at_least_one_and_the_whole_is_exact(asked: int, share: float) -> None:
    assert 1 <= Rung(None, share, 1.0, None).n_iterations(asked) <= asked
    assert Rung(None, 1.0, 1.0, None).n_iterations(asked) == asked


def test_no_more_folds_than_there_are() -> None:
    assert [Rung(None, 1.0, 1.0, folds).n_folds(3) for folds in (1, 3, 9, None)] == [1, 3, 3, 3]


def test_the_table_of_a_schedule() -> None:
    assert as_table(parse_schedule([FIRST, line(candidates="20%")]), 1500, 5) == [
        "rung  candidates  iterations    rows  folds",
        "   1       1,500         20%     25%      1",
        "   2         300        100%    100%      5",
    ]
