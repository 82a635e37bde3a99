"""A canary whose rows have changed is taken back in the thread of the log, and no answer waits."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tabproof.artifacts import Challenge
from tabproof.prediction_log.stream import Scored
from tabproof.service.canary_drift import CanaryDrift
from tabproof.service.challengers import Canaries, Challenger
from tabproof.service.served_model import ServedModel
from tabproof.service.settings import Settings
from tests.service.test_challengers import CANARY, Counts, ask, run_id


def challenge(table: ServedModel, **changes: Any) -> Challenger:
    chosen = {"share": 1.0, "run_id": table.run_id, **changes}
    found: Challenge = replace(CANARY, **chosen)
    return Challenger(table, found)


NOON, DAY = 12 * 3600 * 10**6, 24 * 3600 * 10**6


def rows_of(age: float, day: int = 0, n: int = 300) -> Scored:
    """Return rows that differ from training by their ages alone; NaN is a missing one."""
    rng = np.random.default_rng(0)
    ages = rng.normal(age, 10, n)
    incomes = np.where(np.arange(n) % 11 == 0, np.nan, rng.lognormal(3, 1, n))
    jobs = np.where(np.arange(n) % 13 == 0, 4, rng.integers(0, 3, n))
    codes = rng.integers(0, 2, n)
    proba = np.where(codes[:, None] == [0, 1], 0.95, 0.05)
    columns = {"age": ages, "income": incomes, "job": jobs}
    return Scored(NOON + day * DAY, columns, proba, codes, None)


def seen(drift: CanaryDrift, model: ServedModel, *parts: Scored) -> None:
    """Observe parts of the rows that are taken at once."""
    for part in parts:
        drift.observe(model.logged, part)
    drift.look(model.logged)


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def canaries(counts: Counts) -> Canaries:
    return Canaries(Settings(canary_max_slowdown=1e9), counts)


def test_a_canary_is_taken_back_once_when_its_rows_change(
    canaries: Canaries, counts: Counts, table: ServedModel, caplog: pytest.LogCaptureFixture
) -> None:
    challenger, drift = challenge(table), CanaryDrift(canaries, 0.001)
    ask(canaries, table, challenger, 1, run_id)
    seen(drift, table, rows_of(40))
    assert not counts.back
    with caplog.at_level(logging.ERROR, "uvicorn.error"):
        seen(drift, table, rows_of(np.nan))
        seen(drift, table, rows_of(np.nan))
    assert counts.back == [f"table {table.run_id}"]
    assert caplog.text.count("answers no longer in this process: drift: column age") == 1
    assert canaries.info(challenger).share == 0


def test_values_are_looked_at_when_a_day_is_over(
    canaries: Canaries, counts: Counts, table: ServedModel
) -> None:
    challenger, drift = challenge(table), CanaryDrift(canaries, 0.001)
    ask(canaries, table, challenger, 1, run_id)
    for _ in range(3):
        seen(drift, table, rows_of(400))
        seen(drift, table, rows_of(400, day=1))
        assert not counts.back
    seen(drift, table, rows_of(40, day=2))
    why = "answers no longer in this process: drift: column age, mean"
    assert canaries.info(challenger).detail.startswith(why)
    assert counts.back == [f"table {table.run_id}"]


def test_rows_with_warnings_come_apart_from_the_others_and_are_looked_at_with_them(
    canaries: Canaries, counts: Counts, table: ServedModel
) -> None:
    drift = CanaryDrift(canaries, 0.001)
    ask(canaries, table, challenge(table), 1, run_id)
    for _ in range(5):
        warned = replace(rows_of(40, n=20), warned=np.ones(20, dtype=bool))
        seen(drift, table, rows_of(40, n=380), warned)
    assert not counts.back
    seen(drift, table, rows_of(40, n=20), replace(rows_of(40), warned=np.ones(300, dtype=bool)))
    assert counts.back


def test_a_new_challenge_begins_without_evidence(
    canaries: Canaries, counts: Counts, table: ServedModel
) -> None:
    drift = CanaryDrift(canaries, 0.001)
    ask(canaries, table, challenge(table), 1, run_id)
    seen(drift, table, rows_of(np.nan))
    again = challenge(table, share=0.5)
    ask(canaries, table, again, 1, run_id)
    seen(drift, table, rows_of(40))
    assert canaries.info(again).share == 0.5
    assert len(counts.back) == 1


def test_rows_of_another_run_and_the_sticky_column_take_no_part(
    canaries: Canaries, counts: Counts, table: ServedModel
) -> None:
    drift, other = CanaryDrift(canaries, 0.001), replace(table, run_id="another")
    seen(drift, table, rows_of(np.nan))
    ask(canaries, table, challenge(table, sticky="age"), 1, run_id)
    seen(drift, other, rows_of(np.nan))
    seen(drift, table, rows_of(np.nan))
    assert not counts.back


def test_a_run_without_a_reference_is_a_warning_and_answers_on(
    canaries: Canaries, counts: Counts, table: ServedModel, tmp_path: Path, caplog: Any
) -> None:
    drift, older = CanaryDrift(canaries, 0.001), replace(table, path=tmp_path)
    ask(canaries, older, challenge(older), 1, run_id)
    for _ in range(2):
        seen(drift, older, rows_of(np.nan))
    assert caplog.text.count("has no reference.json") == 1
    assert not counts.back


def test_what_cannot_be_counted_ends_the_test_and_not_the_log(
    canaries: Canaries, counts: Counts, table: ServedModel, caplog: Any
) -> None:
    drift = CanaryDrift(canaries, 0.001)
    ask(canaries, table, challenge(table), 1, run_id)
    seen(drift, table, replace(rows_of(np.nan), columns={"age": ["no number"]}))
    seen(drift, table, rows_of(np.nan))
    assert caplog.text.count("can be tested no longer") == 1
    assert not counts.back
