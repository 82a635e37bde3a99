"""Alarms from labels: each row counts once, past days stay as they were, and the promise holds."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabproof.artifacts.manifest import seal
from tabproof.drift.cells import Cells, make_cells
from tabproof.drift.daily import Daily
from tabproof.monitoring.alarms import Alarm, Detection, detect
from tabproof.monitoring.check import check_log
from tabproof.monitoring.counting import Window, microseconds
from tabproof.monitoring.database import open_table, opened
from tabproof.monitoring.known_labels import KNOWN, CountedLabels, count_labelled, keep_labels
from tabproof.monitoring.log_files import find_files
from tabproof.monitoring.result import Check
from tests.conftest import typed_in
from tests.monitoring.logs import NOW, Answers, Log, answers_of
from tests.monitoring.making import FIRST, HELD_OUT, REFERENCE, labelled, made

NEW_JOB = (0.3, 0.35, 0.3, 0.05)


def day(place: int) -> date:
    return FIRST + timedelta(days=place)


def with_labels(n_days: int, first: int, changed_from: int | None, **options: Any) -> Daily:
    """Return days of a thousand rows, and from a day on of 300 labels."""
    by_day = labelled([0] * first + [300] * (n_days - first), changed_from)
    return made([1000] * n_days, **options).with_labelled(by_day)


def of_labels(found: Detection) -> list[Alarm]:
    return [alarm for alarm in found.alarms if alarm.streams[0].name in NAMES]


NAMES = {"accuracy", "true yes", "precision yes", "recall yes"}


# --- From counts by day.


def test_labels_as_held_out_raise_nothing() -> None:
    found = detect(with_labels(140, 7, None), REFERENCE, 1.0, HELD_OUT)
    assert found.alarms == ()
    assert [(each.name, each.is_of_labels) for each in found.detectors] == [
        ("day", False), ("week", False), ("day", True), ("week", True),
    ]  # fmt: skip
    assert all((each.log_evidence < each.log_limit).all() for each in found.detectors)
    assert {stream.name for stream in found.detectors[3].streams} == NAMES


def test_other_right_answers_are_found_though_rows_are_as_before() -> None:
    found = detect(with_labels(140, 7, 70), REFERENCE, 1.0, HELD_OUT)
    first, *others = found.alarms
    assert others == []
    assert (first.began, first.ended) == (day(70), None)
    assert day(70) < first.raised <= day(90)
    assert "accuracy" in {stream.name for stream in first.streams}
    accuracy = next(stream for stream in first.streams if stream.name == "accuracy")
    assert accuracy.column is None
    assert accuracy.reference == 0.86
    assert accuracy.found == pytest.approx(0.716, abs=0.02)


@pytest.mark.parametrize(
    ("shares", "name"),
    [
        # Half of the true ones are missed.
        ((0.6, 0.04, 0.22, 0.14), "recall yes"),
        # More of a label, and the model is as good at each of them.
        ((0.375, 0.025, 0.1667, 0.4333), "true yes"),
        # Of those that it calls yes, many are not.
        ((0.6, 0.16, 0.1, 0.14), "precision yes"),
    ],
)
def test_the_statistic_that_changed_is_named(shares: tuple[float, ...], name: str) -> None:
    by_day = labelled([300] * 60, 28, tuple(np.array(shares) / sum(shares)))
    found = detect(made([1000] * 60).with_labelled(by_day), REFERENCE, 1.0, HELD_OUT)
    assert name in {stream.name for alarm in of_labels(found) for stream in alarm.streams}


def test_without_labels_nothing_is_different() -> None:
    daily = made([1000] * 60, 20, changes={"job": NEW_JOB})
    expected = repr(detect(daily, REFERENCE))
    assert repr(detect(daily, REFERENCE, 1.0, HELD_OUT)) == expected
    assert repr(detect(daily.with_labelled({}), REFERENCE, 1.0, HELD_OUT)) == expected
    # Labels of a run whose held-out rows are gone.
    assert repr(detect(with_labels(60, 7, 30), REFERENCE)) == repr(
        detect(made([1000] * 60), REFERENCE)
    )


def test_what_comes_later_changes_no_alarm_and_no_evidence_of_before() -> None:
    job = {"job": NEW_JOB}
    first_label = 40
    by_day = labelled([0] * first_label + [300] * 100, 70)
    rows = made([1000] * 140, 20, 30, changes=job)
    whole = detect(rows.with_labelled(by_day), REFERENCE, 1.0, HELD_OUT)
    assert {alarm.raised < day(first_label) for alarm in whole.alarms} == {True, False}
    for n_days in (35, first_label, first_label + 1, 77, 100):
        until = {when: counts for when, counts in by_day.items() if when < day(n_days)}
        part = rows.before(day(n_days)).with_labelled(until)
        found = detect(part, REFERENCE, 1.0, HELD_OUT)
        expected = [alarm for alarm in whole.alarms if alarm.raised < day(n_days)]
        for one, other in zip(found.alarms, expected, strict=True):
            assert (one.raised, one.began) == (other.raised, other.began)
        states = {(each.name, each.is_of_labels): each for each in whole.detectors}
        for state in found.detectors:
            same = states[state.name, state.is_of_labels].log_evidence[: len(state.days)]
            np.testing.assert_allclose(state.log_evidence, same)


def test_an_alarm_of_rows_does_not_touch_the_evidence_of_labels() -> None:
    quiet = detect(with_labels(60, 7, None), REFERENCE, 1.0, HELD_OUT)
    loud = detect(
        made([1000] * 60, 20, changes={"job": NEW_JOB}).with_labelled(
            labelled([0] * 7 + [300] * 53, None)
        ),
        REFERENCE,
        1.0,
        HELD_OUT,
    )
    assert loud.alarms
    for one, other in zip(quiet.detectors, loud.detectors, strict=True):
        is_same = np.array_equal(one.log_evidence, other.log_evidence)
        assert is_same == one.is_of_labels


def test_from_the_first_label_on_rows_need_twice_the_evidence() -> None:
    daily = made([1000] * 30)
    alone = detect(daily, REFERENCE)
    both = detect(daily.with_labelled({day(10): HELD_OUT}), REFERENCE, 1.0, HELD_OUT)
    apart = both.detectors[0].log_evidence - alone.detectors[0].log_evidence
    np.testing.assert_allclose(apart, [0] * 10 + [-np.log(2)] * 20, atol=1e-12)
    apart = both.detectors[1].log_evidence - alone.detectors[1].log_evidence
    np.testing.assert_allclose(apart, [0] + [-np.log(2)] * 3, atol=1e-12)


def test_counts_of_other_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="accuracy"):
        detect(made([10]).with_labelled({FIRST: np.ones(9, np.int64)}), REFERENCE, 1.0, HELD_OUT)


# --- From a log.

CELLS = make_cells({"c0": 60, "c1": 40})


@pytest.fixture(scope="module")
def answers(champion: Path, table: pd.DataFrame) -> Answers:
    return answers_of(champion, table, 2_800)


def counted(log: Log, answers: Answers, now: datetime = NOW, cells: Cells = CELLS) -> CountedLabels:
    files = find_files(log.root)
    with opened() as connection:
        labels, _ = open_table(connection, "labels", files.labels)
        keep_labels(connection, labels)
        table, _ = open_table(connection, "predictions", files.predictions["table"])
        assert table is not None
        window = Window(0, microseconds(now))
        return count_labelled(table, window.of_answers(answers.run_id), window.end, cells)


def of_days(found: CountedLabels) -> dict[str, list[int]]:
    return {when.isoformat(): counts.tolist() for when, counts in found.by_day.items()}


def cells_of(truth: list[str], predicted: list[str]) -> list[int]:
    codes = [[CELLS.labels.index(each) for each in labels] for labels in (truth, predicted)]
    return CELLS.count(*map(np.array, codes)).tolist()


def test_labels_that_came_at_the_same_time_are_in_the_order_of_their_texts(
    log: Log, answers: Answers
) -> None:
    ids = log.write(answers.take(slice(0, 100)), NOW - timedelta(days=20))
    for label in ("c1", "c0", "c1"):
        log.label(ids, [label] * 100, NOW)
    with opened() as connection:
        labels, _ = open_table(connection, "labels", find_files(log.root).labels)
        keep_labels(connection, labels)
        known = connection.table(KNOWN).select("truth, differs, first_truth").distinct()
        assert known.fetchall() == [("c1", True, "c0")]


def test_a_row_counts_on_the_day_on_which_its_first_label_came(log: Log, answers: Answers) -> None:
    part = answers.take(slice(0, 300))
    ids = log.write(part, NOW - timedelta(days=20))
    truth, predicted = list(part.truth), part.predicted()
    midnight = datetime(2026, 11, 20, tzinfo=UTC)
    log.label(ids[:100], truth[:100], midnight - timedelta(microseconds=1))
    log.label(ids[100:200], truth[100:200], midnight)
    expected = {
        "2026-11-19": cells_of(truth[:100], predicted[:100]),
        "2026-11-20": cells_of(truth[100:200], predicted[100:200]),
    }
    assert of_days(counted(log, answers)) == expected
    # Labels that came before, or say something else: the first one counts, once.
    other = ["c1" if each == "c0" else "c0" for each in truth]
    log.label(ids[:150], other[:150], midnight + timedelta(days=3))
    log.label(ids[:150], truth[:150], midnight + timedelta(days=4))
    assert of_days(counted(log, answers)) == expected
    # Of a label that the run does not have, of nobody, and of a time to come.
    log.label([ids[200], "nobody"], ["c9", "c0"], midnight)
    log.label([ids[201]], ["c0"], NOW + timedelta(days=1))
    assert of_days(counted(log, answers)) == expected


def test_of_labels_that_came_at_once_the_same_one_is_taken_each_time(
    log: Log, answers: Answers
) -> None:
    part = answers.take(slice(0, 200))
    ids = log.write(part, NOW - timedelta(days=2))
    for label in ("c1", "c0", "c1"):
        log.label(ids, [label] * 200, NOW - timedelta(days=1))
    expected = {"2026-11-29": cells_of(["c0"] * 200, part.predicted())}
    assert all(of_days(counted(log, answers)) == expected for _ in range(3))


def test_a_name_of_two_rows_has_no_label_unless_the_second_came_on_a_later_day(
    log: Log, answers: Answers
) -> None:
    part = answers.take(slice(0, 3))
    when = datetime(2026, 11, 20, 9, tzinfo=UTC)
    log.write(part, when, ids=["once", "twice", "again"])
    log.write(part.take([1]), when + timedelta(hours=14), ids=["twice"])
    log.write(part.take([2]), when + timedelta(days=9), ids=["again"])
    log.label(["once", "twice", "again"], ["c0"] * 3, when + timedelta(hours=1))
    predicted = part.predicted()
    found = counted(log, answers)
    assert of_days(found) == {"2026-11-20": cells_of(["c0"] * 2, [predicted[0], predicted[2]])}
    assert found.n_early == 0


def test_a_label_of_an_earlier_day_than_its_row_counts_for_none(log: Log, answers: Answers) -> None:
    ids = log.write(answers.take(slice(0, 50)), NOW - timedelta(days=1))
    log.label(ids, ["c0"] * 50, NOW - timedelta(days=3))
    found = counted(log, answers)
    assert (of_days(found), found.n_early) == ({}, 50)


def test_rows_of_a_challenger_and_of_other_runs_count_for_none(log: Log, answers: Answers) -> None:
    part = answers.take(slice(0, 90))
    ids = log.write(part.take(slice(0, 30)), NOW - timedelta(days=1), role="canary")
    ids += log.write(part.take(slice(30, 60)), NOW - timedelta(days=1), role="challenger")
    ids += log.write(part.take(slice(60, 90)), NOW - timedelta(days=1), run_id="feedfeedfeedfeed")
    log.label(ids, part.truth, NOW)
    expected = cells_of(list(part.truth[:30]), part.predicted()[:30])
    assert of_days(counted(log, answers)) == {"2026-11-30": expected}


def test_many_labels_are_counted_in_parts(
    log: Log, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = log.write(answers, NOW - timedelta(days=1))
    log.label(ids, answers.truth, NOW)
    whole = of_days(counted(log, answers))
    monkeypatch.setattr("tabproof.monitoring.known_labels.LABELS_AT_ONCE", 300)
    assert of_days(counted(log, answers)) == whole
    assert sum(map(sum, whole.values())) == 2_800


def test_rare_labels_are_counted_together_and_right_ones_among_them_apart(
    log: Log, answers: Answers
) -> None:
    ids = log.write(answers.take(slice(0, 400)), NOW - timedelta(days=1))
    log.label(ids, answers.truth[:400], NOW)
    (counts,) = counted(log, answers, cells=Cells(CELLS.labels, ())).by_day.values()
    n_right = sum(
        true == found
        for true, found in zip(answers.truth[:400], answers.predicted()[:400], strict=True)
    )
    assert counts.tolist() == [n_right, 400 - n_right]


@pytest.mark.parametrize("seed", range(3))
def test_what_a_day_has_is_settled_when_it_is_over(
    answers: Answers, tmp_path: Path, seed: int
) -> None:
    """Rows and labels at random times with few names, and the same log cut off after each day."""
    rng = np.random.default_rng(seed)
    begin, n_days, n_rows, n_labels = datetime(2026, 11, 1, tzinfo=UTC), 8, 120, 400

    def moments(n: int) -> list[datetime]:
        return [begin + timedelta(hours=float(h)) for h in rng.uniform(0, 24 * n_days, n)]

    rows = [
        (when, f"n{name}", place)
        for place, (when, name) in enumerate(
            zip(moments(n_rows), rng.integers(0, 100, n_rows), strict=True)
        )
    ]
    labels = [
        (when, f"n{name}", f"c{code}")
        for when, name, code in zip(
            moments(n_labels),
            rng.integers(0, 100, n_labels),
            rng.integers(0, 2, n_labels),
            strict=True,
        )
    ]
    predicted = answers.predicted()

    def expected(end: datetime) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for name in {name for _, name, _ in rows}:
            of_name = [each for each in labels if each[1] == name and each[0] < end]
            if of_name:
                when, _, label = min(of_name)
                places = [p for t, other, p in rows if other == name and t.date() <= when.date()]
                if len(places) == 1:
                    place = CELLS.place(int(label[1]), int(predicted[places[0]][1]),
                                        label == predicted[places[0]])  # fmt: skip
                    found.setdefault(when.date().isoformat(), [0] * 4)[place] += 1
        return dict(sorted(found.items()))

    for day_of_cut in range(1, n_days + 1):
        end = begin + timedelta(days=day_of_cut)
        part = Log(tmp_path / f"until-{day_of_cut}")
        kept = [row for row in rows if row[0] < end]
        part.write(
            answers.take([place for *_, place in kept]),
            [when for when, *_ in kept],
            ids=[name for _, name, _ in kept],
        )
        for when, name, label in labels:
            if when < end:
                part.label([name], [label], when)
        found = of_days(counted(part, answers, end))
        assert found == expected(end)
        whole = expected(begin + timedelta(days=n_days))
        assert found == {when: n for when, n in whole.items() if when < end.date().isoformat()}


# --- A whole check.


@pytest.fixture
def checked(log: Log, outputs: Path, tmp_path: Path) -> Callable[..., Check]:
    def check(**options: Any) -> Check:
        places = {"outputs": outputs, "models": tmp_path / "models", "now": NOW}
        return check_log(log.root, **{**places, **options})

    return check


def fill(log: Log, answers: Answers, *, is_changed: bool, end: datetime = NOW) -> None:
    """Write 28 days of answers, and labels two days later; a third of them are changed, or none."""
    log.fill(answers, 28, end=end)
    truth = list(answers.truth)
    for place in range(0, len(truth), 3):
        if is_changed and place >= 700:
            truth[place] = "c1" if truth[place] == "c0" else "c0"
    for number in range(26):
        part = slice(number * 100, (number + 1) * 100)
        log.label(log.ids[part], truth[part], end - timedelta(days=25 - number, hours=6))


def without_labels(found: Check) -> Any:
    """Return the inputs, answers and alarms of a check."""
    (model,) = found.models
    (run,) = model.runs
    content = json.dumps(asdict(replace(run, performance=None, left_out=())))
    # Sums of the same numbers in another order.
    return json.loads(content, parse_float=lambda number: round(float(number), 9))


def test_labels_as_held_out_raise_no_alarm(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    fill(log, answers, is_changed=False)
    found = checked()
    assert found.exit_code == 0
    assert found.models[0].runs[0].performance is not None
    # The rows alone are looked at as before.
    assert without_labels(found) == without_labels(checked(label_alarms=False))


def test_other_right_answers_are_an_alarm_unless_labels_raise_none(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    fill(log, answers, is_changed=True)
    found = checked()
    assert found.exit_code == 1
    (alarm,) = found.models[0].runs[0].alarms
    assert "accuracy" in {change.name for change in alarm.changes}
    assert all(change.is_of_labels for change in alarm.changes)
    assert all(change.before > 0 for change in alarm.changes)
    assert "share of rows that were predicted correctly (accuracy) 0." in alarm.message
    off = checked(label_alarms=False)
    assert (off.exit_code, off.models[0].alarms) == (0, [])
    # A later look finds the same alarm.
    later = checked(now=NOW + timedelta(days=6))
    assert [each.raised for each in later.models[0].alarms] == [alarm.raised]


def test_the_held_out_rows_are_those_at_the_threshold_of_the_run(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    # The run has a threshold of its own; at 0.5 other labels would be predicted.
    assert answers.threshold is not None
    assert abs(answers.threshold - 0.5) > 0.1
    fill(log, answers, is_changed=True)
    (run,) = checked().models[0].runs
    measured = run.performance.measured if run.performance is not None else {}
    names = {"accuracy": "accuracy", "recall c1": "recall", "precision c1": "precision"}
    shown = {
        change.name: change.before
        for alarm in run.alarms
        for change in alarm.changes
        if change.name in names
    }
    assert "accuracy" in shown
    for name, before in shown.items():
        assert before == pytest.approx(measured[names[name]].value)


def test_a_run_without_its_held_out_rows_says_that_labels_raise_none(
    log: Log, champion: Path, answers: Answers, tmp_path: Path
) -> None:
    outputs = tmp_path / "outputs"
    path = outputs / "2026-11-01" / champion.name
    copytree(champion, path)
    (path / "predictions.parquet").unlink()
    (path / "manifest.json").unlink()
    seal(path, answers.run_id)
    fill(log, answers, is_changed=True)
    found = check_log(log.root, outputs=outputs, models=tmp_path / "models", now=NOW)
    (run,) = found.models[0].runs
    assert (found.exit_code, run.is_judged) == (0, True)
    (reason,) = (each.reason for each in run.left_out if each.what == "alarms from labels")
    assert "predictions.parquet" in reason


def test_labels_that_came_before_their_rows_are_told(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    ids = log.write(answers.take(slice(0, 60)), NOW - timedelta(days=1))
    log.label(ids, answers.truth[:60], NOW - timedelta(days=4))
    (run,) = checked().models[0].runs
    (reason,) = (
        each.reason for each in run.left_out if each.what == "alarms from labels of some rows"
    )
    assert reason == "60 rows were answered on a later day than their label came"


def test_the_command_line_names_the_statistic_and_can_leave_labels_out(
    log: Log, answers: Answers, outputs: Path, tmp_path: Path
) -> None:
    fill(log, answers, is_changed=True, end=datetime.now(UTC) - timedelta(minutes=10))
    words = ["monitor", "check", "--log", log.root, "--outputs", outputs, "--since", "14d"]
    gauges, page = tmp_path / "gauges", tmp_path / "page.html"
    done = typed_in(*words, "--prometheus", gauges, "--page", page)
    assert (done.returncode, done.stderr) == (1, "")
    head, first, *_ = done.stdout.splitlines()[2:]
    assert head.startswith("table: ALARM")
    assert first.startswith("! share of ")
    assert "labels since about" in first
    assert "(accuracy)" in done.stdout
    assert f'alarms{{model="table",run="{answers.run_id}"}} 1\n' in gauges.read_text()
    assert "answers with a known label" in page.read_text(encoding="utf-8")
    done = typed_in(*words, "--json")
    (alarm,) = json.loads(done.stdout)["models"][0]["runs"][0]["alarms"]
    assert "accuracy" in {change["name"] for change in alarm["changes"]}
    done = typed_in(*words, "--no-label-alarms")
    assert (done.returncode, "ALARM" in done.stdout) == (0, False)
