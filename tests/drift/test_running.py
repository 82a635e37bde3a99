"""Rows are counted in the bins of the reference; a change is found, and none by chance."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray

from tabproof.artifacts.reference import DateReference, Reference
from tabproof.drift.e_detector import Tolerance
from tabproof.drift.running import Change, RowsTest, RunningTest
from tests.monitoring.making import AGE, JOB, REFERENCE, SHARES

CATEGORIES = {"job": ("cook", "clerk", "pilot")}
LABELS = ("yes", "no")
# A value in each bin of the reference, and a missing one; of the codes of jobs two are others.
AGES = np.array([20.0, 20.5, 40.0, 1e9, np.nan])
JOBS = np.array([1, 0, 2, 3, 4])


def of_values(level: float = 0.001, reference: Reference = REFERENCE, **chosen: Any) -> RunningTest:
    return RunningTest(reference, LABELS, CATEGORIES, level, **{"of_quality": False, **chosen})


def of_rows(**chosen: Any) -> RowsTest:
    return RowsTest(REFERENCE, LABELS, CATEGORIES, 0.001, **chosen)


def counts(test: RunningTest, kind: Any, name: str) -> list[int]:
    found: list[int] = test._counts[kind, name].tolist()
    return found


@pytest.mark.parametrize("of_quality", [False, True])
def test_cells_are_counted_in_the_bins_of_the_reference(of_quality: bool) -> None:
    test = of_values(of_quality=of_quality)
    test.add_column("age", AGES)
    test.add_column("age", (30.0, 30.0))
    if not of_quality:
        assert counts(test, "column", "age") == [1, 3, 1, 1, 1]
        test.add_column("note", ["", "0123456789", "0123456789a", None])
        assert counts(test, "column", "note") == [2, 1, 1]
    # The reference has clerk, cook, others, missing.
    test.add_column("job", JOBS)
    assert counts(test, "column", "job") == [1, 1, 2, 1]
    test.add_column("unknown", [1.0])


def test_answers_are_counted_by_their_labels_and_not_by_their_places() -> None:
    tests = of_values(), of_values(of_quality=True)
    proba = np.array([[0.8, 0.2], [0.7, 0.3], [0.3, 0.7]])
    for test in tests:
        test.add_answers(proba, np.array([0, 0, 1]), np.array([True, False, False]))
        test.add_answers(proba[:1], np.array([0]), None)
    # Of no and yes, the latter is watched.
    assert counts(tests[0], "probability", "yes") == [1, 1, 2]
    assert counts(tests[0], "labels", "") == [1, 3]
    assert counts(tests[1], "warned", "") == [3, 1]


def add(test: RunningTest | RowsTest, rng: np.random.Generator, n: int, **changed: Any) -> None:
    """Add rows that are as in training, but for some columns."""

    def drawn(name: str, values: NDArray[Any]) -> NDArray[Any]:
        return rng.choice(values, n, p=SHARES[name])

    cells = {"age": drawn("age", AGES), "job": drawn("job", JOBS[[0, 1, 2, 4]])}
    for name, column in {**cells, **changed}.items():
        test.add_column(name, column)
    place = rng.choice(3, n, p=SHARES["yes"])
    proba = np.array([0.3, 0.5, 0.9])[place]
    labels = 1 - (place == 2)
    test.add_answers(np.stack([proba, 1 - proba], axis=1), labels, None)


def test_rows_as_in_training_are_no_change_whenever_they_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Without a tolerance, and with a large reference, such rows are at the edge of a change.
    monkeypatch.setattr("tabproof.drift.running.TOLERANCE", Tolerance(0, 0, 0))
    age = structs.replace(AGE, counts=(10**9,) * 4)
    job = structs.replace(JOB, counts=(24 * 10**8, 14 * 10**8), n_missing=2 * 10**8)
    reference = replace(REFERENCE, n_rows=4 * 10**9, columns=(age, job))
    rng, level, n = np.random.default_rng(0), 0.2, 200
    n_changes = 0
    for _ in range(n):
        test = of_values(level, reference)
        for look in range(60):
            add(test, rng, 50)
            if test.change() is not None:
                n_changes += 1
                break
            if look % 2:
                test.end_portion()
    # Three standard deviations above what is promised.
    assert n_changes <= level * n + 3 * (n * level * (1 - level)) ** 0.5


@pytest.mark.parametrize("in_portions", [False, True])
def test_a_change_is_found_and_named_after_a_long_time_without_one(in_portions: bool) -> None:
    rng, test = np.random.default_rng(0), of_values()
    for _ in range(300 if in_portions else 1):
        add(test, rng, 1000)
        assert test.change() is None
        test.end_portion()
    n_rows, found = 0, None
    while found is None:
        add(test, rng, 20, age=np.full(20, 4e4))
        n_rows, found = n_rows + 20, test.change()
        if in_portions and n_rows % 60 == 0:
            test.end_portion()
    assert n_rows <= 100
    assert str(found).startswith("column age, ")
    assert found.found > found.reference


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"age": np.full(200, np.nan)}, "column age, share of missing cells: 0 in training, 1 in"),
        ({"job": np.full(200, 3)}, "column job, share of categories that few training rows have"),
    ],
)
def test_the_quality_of_rows_is_looked_at_at_any_time(changed: Any, words: str) -> None:
    rng, test = np.random.default_rng(0), of_rows()
    assert test.change_before(7) is None
    for _ in range(3):
        add(test, rng, 200)
        assert test.change() is None
    add(test, rng, 200, **changed)
    found = test.change()
    assert str(found).startswith(words)
    assert found is not None
    assert found.n_rows == 200


def changes_of_days(ages_of_hour: Any, n_days: int) -> list[Change | None]:
    """Return what is found at the end of each day; the first one begins at noon."""
    rng, test, found = np.random.default_rng(0), of_rows(), []
    for day in range(n_days):
        found.append(test.change_before(100 + day))
        for hour in range(12 if day == 0 else 0, 24):
            add(test, rng, 100, age=np.full(100, ages_of_hour(day, hour)))
            assert test.change() is None
            # The day is not over, and a clock may be set back.
            assert test.change_before(100 + day) is None
            assert test.change_before(99) is None
    return found


def test_values_that_differ_by_the_hour_are_no_change_if_the_day_is_as_in_training() -> None:
    assert changes_of_days(lambda _day, hour: AGES[hour // 6], 8) == [None] * 8


def test_values_that_change_are_found_when_a_whole_day_is_over() -> None:
    # The first day is no whole one.
    found = changes_of_days(lambda _day, _hour: AGES[3], 3)
    assert found[:2] == [None, None]
    assert str(found[2]).startswith("column age, ")
    found = changes_of_days(lambda day, hour: AGES[3 if day > 3 else hour // 6], 6)
    assert [each is not None for each in found] == [False] * 5 + [True]


def test_dates_and_ignored_columns_take_no_part() -> None:
    day = DateReference(name="day", edges=(10,), counts=(2000, 2000), n_missing=0)
    columns = (*REFERENCE.columns, day)
    test = of_values(reference=replace(REFERENCE, columns=columns), ignored={"age"})
    test.add_column("day", np.full(1000, 1e9))
    test.add_column("age", np.full(1000, 1e9))
    assert test.change() is None


def test_no_row_is_no_change() -> None:
    test = of_rows()
    assert test.change() is None
    assert test.change_before(3) is None
    assert test.change_before(4) is None
    assert test.change_before(5) is None
