"""Alarms from daily counts: what is found and what is not, when, and in which words."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from msgspec import structs

from tabproof.artifacts.reference import CategoryReference
from tabproof.drift.daily import Daily
from tabproof.drift.e_detector import Tolerance
from tabproof.monitoring.alarms import (
    SHARE_OF_TODAY,
    UNITS,
    Alarm,
    Detection,
    FalseAlarmRateError,
    detect,
    detect_today,
)
from tests.monitoring.making import FIRST, JOB, REFERENCE, made

# In job, half of the clerks are a category that training has not seen.
NEW_JOB = (0.3, 0.35, 0.3, 0.05)
ONE_JOB = CategoryReference(
    name="job", categories=("clerk",), counts=(3800,), n_other=0, n_missing=200
)
OLDER = (0.15, 0.25, 0.25, 0.35, 0)


def day(place: int) -> date:
    return FIRST + timedelta(days=place)


def streams_of(found: Detection) -> set[str]:
    return {stream.name for alarm in found.alarms for stream in alarm.streams}


def simulated(seed: int, n: int, **changes: tuple[float, ...]) -> Alarm | None:
    """Return the alarm of a day of n rows, the eighth one."""
    daily = made([1000] * 7 + [n], 7, seed=seed, changes=changes)
    return detect_today(daily, REFERENCE)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"age": (0.15, 0.15, 0.15, 0.15, 0.4)}, "age: missing"),
        ({"job": (0.5, 0.2, 0.3, 0)}, "job = another category"),
        ({"warned": (0.7, 0.3)}, "warnings"),
    ],
)
def test_missing_and_unusual_cells_raise_an_alarm_before_the_day_is_over(
    changes: dict[str, tuple[float, ...]], name: str
) -> None:
    found = simulated(0, 200, **changes)
    assert found is not None
    assert (found.raised, found.began, found.ended) == (day(7), day(7), None)
    assert found.detector == "today"
    assert found.streams[0].name == name
    assert found.streams[0].n_rows <= 200
    assert found.streams[0].found > found.streams[0].reference + 0.2
    # What an alarm has named already is none again.
    daily = made([1000] * 7 + [200], 7, changes=changes)
    assert detect_today(daily, REFERENCE, 1.0, [found]) is None


def test_values_of_a_day_that_is_not_over_raise_no_alarm() -> None:
    assert simulated(0, 5000, age=(0, 0, 0, 1, 0), labels=(0, 1), yes=(0, 0, 1)) is None
    assert detect_today(made([]), REFERENCE) is None
    assert detect_today(made([0]), REFERENCE) is None


def test_looks_at_a_day_without_a_change_are_as_rarely_an_alarm_as_promised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Without a tolerance, and with a large reference, such rows are at the edge of a change.
    unit = replace(UNITS[0], tolerance=Tolerance(0, 0, 0))
    monkeypatch.setattr("tabproof.monitoring.alarms.UNITS", (unit, UNITS[1]))
    large = structs.replace(JOB, counts=(24 * 10**8, 14 * 10**8), n_missing=2 * 10**8)
    reference = replace(REFERENCE, n_rows=4 * 10**9, columns=(large,))
    # As many as 1 in 5 days.
    rate, n_days, n_found = 365.25 / SHARE_OF_TODAY * 0.2, 200, 0
    for seed in range(n_days):
        rows = made([20] * 50, seed=seed)
        sums = np.cumsum(rows.columns["job"], axis=0)
        days = (replace(rows, columns={"job": sums[: n + 1]}).before(day(n + 1)) for n in range(50))
        n_found += any(detect_today(each, reference, rate) is not None for each in days)
    assert 0 < n_found <= 0.2 * n_days + 3 * (n_days * 0.2 * 0.8) ** 0.5


def test_rows_as_in_training_raise_nothing() -> None:
    found = detect(made([1000] * 70), REFERENCE)
    assert found.alarms == ()
    for state in found.detectors:
        assert (state.log_evidence < state.log_limit).all()
        assert state.held == frozenset()


def test_a_gross_error_is_found_on_its_first_day() -> None:
    found = detect(made([1000] * 30, 20, changes={"job": NEW_JOB}), REFERENCE)
    first = found.alarms[0]
    assert (first.detector, first.raised, first.began, first.ended) == (
        "day",
        day(20),
        day(20),
        None,
    )
    stream = first.streams[0]
    assert stream.column == "job"
    assert stream.measures == "share of 'clerk'" or "categories" in stream.measures
    assert stream.n_rows == pytest.approx(950, abs=30)
    assert {each.column for each in first.streams} == {"job"}
    assert found.current == [alarm for alarm in found.alarms if alarm.ended is None]
    evidence = [each.log_evidence for each in first.streams]
    assert evidence == sorted(evidence, reverse=True)


def test_a_small_shift_is_found_by_weeks_alone() -> None:
    found = detect(made([1000] * 140, 70, changes={"age": OLDER}), REFERENCE)
    assert [alarm.detector for alarm in found.alarms] == ["week"]
    alarm = found.alarms[0]
    # Weeks end on Sunday.
    assert alarm.raised.weekday() == 6
    assert day(70) <= alarm.raised <= day(90)
    assert alarm.began == day(70)
    assert alarm.streams[0].name == "age: place"
    assert alarm.streams[0].found == pytest.approx(0.575, abs=0.01)


def test_an_alarm_ends_and_a_later_change_is_another_one() -> None:
    counts = made([1000] * 60, 10, 20, changes={"job": NEW_JOB})
    later = made([1000] * 60, 50, None, changes={"job": NEW_JOB})
    columns = {**counts.columns, "job": counts.columns["job"].copy()}
    columns["job"][40:] = later.columns["job"][40:]
    found = [
        a for a in detect(replace(counts, columns=columns), REFERENCE).alarms if a.detector == "day"
    ]
    assert [alarm.raised for alarm in found] == [day(10), day(50)]
    assert found[0].ended is not None
    assert day(20) < found[0].ended < day(30)
    assert found[1].ended is None


def test_a_change_elsewhere_is_found_while_another_lasts() -> None:
    daily = made([1000] * 40, 10, changes={"job": NEW_JOB})
    later = made([1000] * 40, 20, changes={"note": (0.1, 0.9, 0)})
    daily = replace(daily, columns={**daily.columns, "note": later.columns["note"]})
    found = detect(daily, REFERENCE)
    assert any(alarm.raised == day(20) for alarm in found.alarms)
    assert {"note: place", "job = another category"} <= streams_of(found)


def test_a_week_whose_weekend_differs_is_no_change() -> None:
    rows = [1000] * 70
    daily = made(rows)
    weekend = made(rows, 0, changes={"age": (0.35, 0.3, 0.2, 0.15, 0)}, seed=1).columns["age"]
    week = made(rows, 0, changes={"age": (0.21, 0.23, 0.27, 0.29, 0)}, seed=2).columns["age"]
    is_weekend = np.arange(70) % 7 >= 5
    age = np.where(is_weekend[:, None], weekend, week)
    assert detect(replace(daily, columns={**daily.columns, "age": age}), REFERENCE).alarms == ()
    # The same rows, if the weekend is every day, are a change.
    changed = replace(daily, columns={**daily.columns, "age": weekend})
    assert {alarm.detector for alarm in detect(changed, REFERENCE).alarms} >= {"week"}


@pytest.mark.parametrize("n_rows", [[], [0] * 400, [10] * 400, [10, 0, 0, 0, 0, 0, 0] * 57])
def test_days_without_rows_or_with_ten_raise_nothing(n_rows: list[int]) -> None:
    found = detect(made(n_rows), REFERENCE)
    assert found.alarms == ()
    assert len(found.detectors[0].days) == len(n_rows)


def test_days_without_rows_do_not_end_an_alarm() -> None:
    # One day as in training is not enough, whatever follows without rows.
    daily = made([1000] * 16 + [0] * 30, 10, 15, changes={"job": NEW_JOB})
    assert all(alarm.ended is None for alarm in detect(daily, REFERENCE).alarms)
    daily = made([1000] * 16 + [0] * 30 + [1000] * 10, 10, 15, changes={"job": NEW_JOB})
    assert [a.ended for a in detect(daily, REFERENCE).alarms if a.detector == "day"] == [day(51)]


def test_one_day_is_looked_at_and_no_week() -> None:
    found = detect(made([1000], 0, changes={"job": NEW_JOB}), REFERENCE)
    assert [alarm.raised for alarm in found.alarms] == [FIRST]
    day_state, week_state = found.detectors
    assert day_state.days == (FIRST,)
    assert week_state.days == ()
    assert {stream.name for stream in week_state.streams} == {s.name for s in day_state.streams}


def test_weeks_begin_on_monday_whatever_the_first_day() -> None:
    daily = made([1000] * 30, first=date(2026, 1, 8))
    assert detect(daily, REFERENCE).detectors[1].days == (
        date(2026, 1, 18), date(2026, 1, 25), date(2026, 2, 1),
    )  # fmt: skip


def test_what_is_not_in_the_log_takes_no_part() -> None:
    daily = made([1000] * 30, 10, changes={"job": NEW_JOB})
    only = {"job": daily.columns["job"]}
    daily = replace(daily, columns=only, probabilities={}, labels={}, warned=None)
    found = detect(daily, REFERENCE)
    assert found.alarms
    assert {stream.column for stream in found.detectors[0].streams} == {"job"}
    nothing = replace(daily, columns={})
    assert detect(nothing, REFERENCE).alarms == ()


def test_one_label_or_none_predicted_is_no_error() -> None:
    only = replace(
        REFERENCE, labels={"no": 4000}, predicted={"no": 1000},
        probabilities={"no": REFERENCE.probabilities["no"]},
    )  # fmt: skip
    daily = made([1000] * 20)
    daily = replace(daily, labels={"no": daily.n_rows})
    assert detect(daily, only).alarms == ()


def test_a_missing_column_is_found() -> None:
    found = detect(made([100] * 20, 15, changes={"age": (0, 0, 0, 0, 1)}), REFERENCE)
    assert found.alarms[0].raised == day(15)
    assert found.alarms[0].streams[0].name == "age: missing"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"labels": (0.4, 0.6)}, "predicted yes"),
        ({"yes": (0.1, 0.3, 0.6)}, "probability yes: place"),
        ({"warned": (0.5, 0.5)}, "warnings"),
        ({"note": (0.2, 0.8, 0)}, "note: place"),
    ],
)
def test_answers_warnings_and_texts_are_looked_at(
    changes: dict[str, tuple[float, ...]], name: str
) -> None:
    assert name in streams_of(detect(made([1000] * 21, 7, changes=changes), REFERENCE))


def test_fewer_promised_false_alarms_need_more_evidence() -> None:
    limits = [
        detect(made([10]), REFERENCE, rate).detectors[0].log_limit for rate in (0.1, 1.0, 12.0)
    ]
    assert limits == sorted(limits, reverse=True)
    # The day that is not over has a tenth of the promise.
    assert np.exp(limits[1]) == pytest.approx(2 * 365.25 / 0.9)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf"), 53.0])
def test_a_rate_that_cannot_be_promised_is_refused(rate: float) -> None:
    with pytest.raises(FalseAlarmRateError, match="cannot be promised"):
        detect(made([10]), REFERENCE, rate)


def test_counts_that_do_not_fit_the_reference_are_refused() -> None:
    daily = made([10] * 3)
    with pytest.raises(ValueError, match="not consecutive"):
        detect(replace(daily, days=(day(0), day(2), day(3))), REFERENCE)
    with pytest.raises(ValueError, match="job"):
        detect(daily, replace(REFERENCE, columns=(ONE_JOB,)))


def test_the_result_does_not_depend_on_how_many_days_are_computed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    daily: Daily = made([1000] * 100, 40, changes={"job": NEW_JOB})
    whole = detect(daily, REFERENCE)
    monkeypatch.setattr("tabproof.monitoring.alarms.CHUNK", 3)
    parts = detect(daily, REFERENCE)
    # Sums of other shapes may have other last bits.
    for one, other in zip(parts.alarms, whole.alarms, strict=True):
        assert (one.raised, one.began, one.ended) == (other.raised, other.began, other.ended)
        names = [[stream.name for stream in alarm.streams] for alarm in (one, other)]
        assert names[0] == names[1]
    for state, same in zip(parts.detectors, whole.detectors, strict=True):
        np.testing.assert_allclose(state.log_evidence, same.log_evidence)
