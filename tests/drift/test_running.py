"""Rows are counted in the bins of the reference; a change is found, and none by chance."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray

from tabproof.artifacts.reference import DateReference, Reference
from tabproof.drift.e_detector import Tolerance
from tabproof.drift.running import RunningTest
from tests.monitoring.making import AGE, JOB, REFERENCE, SHARES

CATEGORIES = {"job": ("cook", "clerk", "pilot")}
LABELS = ("yes", "no")
# A value in each bin of the reference, and a missing one; of the codes of jobs two are others.
AGES = np.array([20.0, 20.5, 40.0, 1e9, np.nan])
JOBS = np.array([1, 0, 2, 3, 4])


def made(level: float = 0.001, reference: Reference = REFERENCE, **settings: Any) -> RunningTest:
    return RunningTest(reference, LABELS, CATEGORIES, level, **settings)


def counts(test: RunningTest, kind: Any, name: str) -> list[int]:
    found: list[int] = test._counts[kind, name].tolist()
    return found


def test_cells_are_counted_in_the_bins_of_the_reference() -> None:
    test = made()
    test.add_column("age", AGES)
    test.add_column("age", (30.0, 30.0))
    assert counts(test, "column", "age") == [1, 3, 1, 1, 1]
    # The reference has clerk, cook, others, missing.
    test.add_column("job", JOBS)
    assert counts(test, "column", "job") == [1, 1, 2, 1]
    test.add_column("note", ["", "0123456789", "0123456789a", None])
    assert counts(test, "column", "note") == [2, 1, 1]
    test.add_column("unknown", [1.0])


def test_answers_are_counted_by_their_labels_and_not_by_their_places() -> None:
    test = made()
    proba = np.array([[0.8, 0.2], [0.7, 0.3], [0.3, 0.7]])
    test.add_answers(proba, np.array([0, 0, 1]), np.array([True, False, False]))
    test.add_answers(proba[:1], np.array([0]), None)
    # Of no and yes, the latter is watched.
    assert counts(test, "probability", "yes") == [1, 1, 2]
    assert counts(test, "labels", "") == [1, 3]
    assert counts(test, "warned", "") == [3, 1]


def add(test: RunningTest, rng: np.random.Generator, n: int, **changed: Any) -> None:
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
        test = made(level, reference)
        for _ in range(60):
            add(test, rng, 50)
            if test.change() is not None:
                n_changes += 1
                break
    # Three standard deviations above what is promised.
    assert n_changes <= level * n + 3 * (n * level * (1 - level)) ** 0.5


@pytest.mark.parametrize(
    ("changed", "measures"),
    [
        ({"age": np.full(200, 4e4)}, "column age, "),
        ({"age": np.full(200, np.nan)}, "column age, share of missing cells"),
        ({"job": np.full(200, 3)}, "column job, share of categories that few training rows have"),
    ],
)
def test_a_change_is_found_and_named(changed: Any, measures: str) -> None:
    rng, test = np.random.default_rng(0), made()
    add(test, rng, 200)
    assert test.change() is None
    add(test, rng, 200, **changed)
    found = test.change()
    assert found is not None
    assert str(found).startswith(measures)
    assert abs(found.found - found.reference) > 0.2
    assert found.n_rows == 200


def test_small_portions_are_looked_at_together() -> None:
    one, many = made(), made()
    age = np.full(4, 4e4)
    add(one, np.random.default_rng(0), 4, age=age)
    for row in range(4):
        add(many, np.random.default_rng(0), 1, age=age[row : row + 1])
        assert many.change() is None
    assert one.change() is None
    # Two rows less than a portion of a hundred are enough.
    add(one, np.random.default_rng(0), 60, age=np.full(60, 4e4))
    assert one.change() is not None


def test_a_long_time_without_a_change_hides_none() -> None:
    rng, test = np.random.default_rng(0), made()
    for _ in range(300):
        add(test, rng, 1000)
        assert test.change() is None
    n_rows = 0
    while test.change() is None:
        add(test, rng, 20, age=np.full(20, 4e4))
        n_rows += 20
    assert n_rows <= 100


def test_dates_and_ignored_columns_take_no_part() -> None:
    day = DateReference(name="day", edges=(10,), counts=(2000, 2000), n_missing=0)
    test = made(reference=replace(REFERENCE, columns=(*REFERENCE.columns, day)), ignored={"age"})
    test.add_column("day", np.full(1000, 1e9))
    test.add_column("age", np.full(1000, 1e9))
    assert test.change() is None


def test_no_row_is_no_change() -> None:
    assert made().change() is None
