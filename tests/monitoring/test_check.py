"""A check compares a log with its run: fine, an alarm, or a reason why it cannot tell."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.datasets import load_wine

from tabproof import artifacts
from tabproof.errors import InvalidValueError, PackageMissingError
from tabproof.monitoring import database, joint
from tabproof.monitoring.check import check_log, first_day
from tabproof.monitoring.result import Check, LeftOut, ModelCheck, RunCheck
from tests.conftest import Done, typed_in
from tests.monitoring.logs import NOW, Answers, Log, answers_of, scored


@pytest.fixture(scope="module")
def answers(champion: Path, table: pd.DataFrame) -> Answers:
    """2,800 rows of the table, as the champion answers them."""
    return answers_of(champion, table, 2_800)


@pytest.fixture
def checked(log: Log, outputs: Path, tmp_path: Path) -> Callable[..., Check]:
    def check(**options: Any) -> Check:
        places = {"outputs": outputs, "models": tmp_path / "models", "now": NOW}
        return check_log(log.root, **{**places, **options})

    return check


def only(check: Check) -> tuple[ModelCheck, RunCheck]:
    (model,) = check.models
    (run,) = model.runs
    return model, run


def reasons(left_out: list[LeftOut] | Any) -> str:
    return "; ".join(f"{each.what}: {each.reason}" for each in left_out)


def rounded(check: Check) -> Any:
    content = json.dumps(check.to_builtins())
    return json.loads(content, parse_float=lambda number: round(float(number), 9))


def typed_check(log: Log, outputs: Path, *words: object) -> Done:
    return typed_in("monitor", "check", "--log", log.root, "--outputs", outputs, *words)


@pytest.mark.parametrize("words", [["other"], ["--model", "other"], ["other", "--model=other"]])
def test_a_model_that_the_log_does_not_have_is_named(
    log: Log, answers: Answers, outputs: Path, words: list[str]
) -> None:
    log.write(answers.take(slice(0, 10)), NOW)
    done = typed_check(log, outputs, *words)
    assert done.returncode == 2
    assert "has no model 'other'; it has 'table'" in done.stderr


def test_rows_like_those_of_training_raise_no_alarm(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    log.fill(answers, 14)
    found = checked()
    model, run = only(found)
    assert found.exit_code == 0
    assert (model.n_rows, model.n_requests) == (1_400, 1_400)
    assert [day.n_rows for day in model.days] == [200] * 7
    assert sum(hour.n_rows for hour in model.hours) == 1_400
    assert run.is_judged
    # Today is not over.
    assert run.days_watched == 13
    assert {each.name for each in run.inputs} == {"age", "income", "job"}
    # Drawn with repetition, the rows of the table vary as much as chance lets them.
    assert all(each.psi is not None and each.psi < 0.05 for each in run.inputs)
    assert run.joint is not None
    assert run.joint.auc.value == pytest.approx(0.5, abs=0.05)
    (job,) = (each for each in run.inputs if each.name == "job")
    assert job.bins[-2:] == ("(other)", "(missing)")
    assert job.n_rows == 1_400


@pytest.mark.parametrize("column", ["age", "income"])
def test_a_column_in_another_unit_is_an_alarm(
    log: Log,
    champion: Path,
    answers: Answers,
    checked: Callable[..., Check],
    column: str,
) -> None:
    log.fill(answers.take(slice(0, 1_400)), 14, end=NOW - timedelta(days=3))
    rows = answers.take(slice(1_400, 2_000)).rows
    changed = scored(champion, rows.assign(**{column: rows[column] * 12}), ["c0"] * len(rows))
    log.fill(changed, 3)
    found = checked()
    _, run = only(found)
    assert found.exit_code == 1
    assert any(change.column == column for alarm in run.alarms for change in alarm.changes)
    # What changed most comes first.
    assert run.inputs[0].name == column
    assert run.inputs[0].is_beyond_chance
    assert run.joint is not None
    assert run.joint.auc.low is not None
    assert run.joint.auc.low > 0.5


def test_two_runs_in_one_period_are_compared_with_their_own_references(
    log: Log,
    answers: Answers,
    challenger: Path,
    table: pd.DataFrame,
    checked: Callable[..., Check],
) -> None:
    log.fill(answers.take(slice(0, 700)), 3, end=NOW - timedelta(days=3))
    second = answers_of(challenger, table, 700, seed=1)
    log.fill(second, 3)
    (model,) = checked().models
    assert [run.run_id for run in model.runs] == [answers.run_id, second.run_id]
    assert [run.n_rows for run in model.runs] == [700, 700]
    assert all(run.is_judged for run in model.runs)
    assert model.exit_code == 0


def test_columns_of_an_older_model_are_no_missing_cells(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    # Before, the model had another column, and one of these was a text.
    old = answers.take(slice(0, 100))
    columns = {"x_height": pa.array(np.ones(100)), "x_age": pa.array(["old"] * 100)}
    log.write(old, NOW - timedelta(days=2), run_id="feedfeedfeedfeed", columns=columns)
    log.fill(answers.take(slice(100, 800)), 2)
    (model,) = checked().models
    gone, run = model.runs
    assert gone.path is None
    assert "run feedfeedfeedfeed is neither in" in reasons(gone.left_out)
    assert {each.name for each in gone.quality} == {"height", "age"}
    age = next(each for each in run.quality if each.name == "age")
    assert age.missing == 0
    assert next(each for each in run.inputs if each.name == "age").n_rows == 700
    assert model.exit_code == 2


def test_a_torn_segment_is_named_and_left_out(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    log.fill(answers.take(slice(0, 400)), 2)
    whole, other = sorted(log.root.rglob("*.parquet"))
    content = other.read_bytes()
    other.write_bytes(content[:-100])
    # Whole at both ends, and wrong between them.
    bad = other.with_name("9.parquet")
    footer = 8 + int.from_bytes(content[-8:-4], "little")
    bad.write_bytes(content[:-footer] + bytes(40) + content[40 - footer :])
    whole.with_name(f".{whole.name}").write_bytes(b"PAR1")
    found = checked()
    assert found.n_unreadable == 2
    assert {Path(name).name for name in found.unreadable} == {other.name, "9.parquet"}
    assert found.models[0].n_rows == 200


def test_many_small_files_are_gathered_and_nothing_else_changes(
    log: Log, answers: Answers, checked: Callable[..., Check], monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {"x_age": pa.array(["old"] * 50), "x_AGE": pa.array(np.ones(50))}
    log.write(answers.take(slice(0, 50)), NOW, run_id="feedfeedfeedfeed", columns=columns)
    log.fill(answers.take(slice(50, 850)), 7)
    log.label(log.ids[:200], answers.truth[:200], NOW)
    for number in range(200, 210):
        log.label([log.ids[number]], [answers.truth[number]], NOW)
    torn = min(log.root.rglob("predictions/**/*.parquet"))
    content = torn.read_bytes()
    footer = 8 + int.from_bytes(content[-8:-4], "little")
    torn.write_bytes(content[:-footer] + bytes(40) + content[40 - footer :])
    expected = checked()
    gather = Mock(wraps=database._gathered)
    monkeypatch.setattr(database, "_gathered", gather)
    monkeypatch.setattr(database, "MANY", 3)
    found = checked()
    # Sums of the same numbers in another order.
    assert rounded(found) == rounded(expected)
    # Of labels 11 files, three at a time, and of 8 files of predictions one is torn.
    assert [len(call.args[1]) for call in gather.call_args_list] == [3, 3, 3, 2, 2, 3, 2]
    assert found.n_unreadable == 1
    (run,) = (run for run in found.models[0].runs if run.is_judged)
    assert "column age: another column's name differs by capitals only" in reasons(run.left_out)
    assert run.performance is not None


def test_an_empty_log_cannot_tell(
    log: Log, outputs: Path, tmp_path: Path, checked: Callable[..., Check]
) -> None:
    found = checked()
    assert found.exit_code == 2
    assert "the log holds no row" in found.notes[0]
    done = typed_check(log, outputs)
    assert done.returncode == 2
    assert "cannot tell" in done.stdout
    done = typed_in("monitor", "check", "--log", tmp_path / "nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no log at" in done.stderr


def test_ten_rows_cannot_tell(log: Log, answers: Answers, checked: Callable[..., Check]) -> None:
    log.write(answers.take(slice(0, 10)), NOW - timedelta(hours=1))
    found = checked()
    _, run = only(found)
    assert found.exit_code == 2
    assert run.inputs == ()
    assert run.expected is None
    assert "it answered 10 rows, and 30 are needed" in reasons(run.left_out)


def test_alarms_look_at_a_day_when_it_is_over(
    log: Log, champion: Path, answers: Answers, checked: Callable[..., Check]
) -> None:
    # One morning may differ from a whole day.
    rows = answers.rows
    changed = scored(champion, rows.assign(age=rows["age"] * 12), ["c0"] * len(rows))
    log.write(changed, NOW - timedelta(hours=1))
    found = checked()
    _, run = only(found)
    assert (found.exit_code, run.alarms, run.is_judged) == (2, [], False)
    assert "alarms: a day is looked at when it is over (UTC), and none is yet" in reasons(
        run.left_out
    )
    assert run.inputs[0].is_beyond_chance
    found = checked(now=NOW + timedelta(days=1))
    assert (found.exit_code, only(found)[1].is_judged) == (1, True)


def test_missing_cells_of_a_day_that_is_not_over_are_an_alarm(
    log: Log, champion: Path, answers: Answers, checked: Callable[..., Check]
) -> None:
    rows = answers.rows
    log.fill(answers.take(slice(0, 200)), 2, end=NOW - timedelta(days=1))
    assert checked().exit_code == 0
    changed = scored(champion, rows.assign(age=np.nan), ["c0"] * len(rows))
    log.write(changed, NOW - timedelta(hours=1))
    found = checked()
    (alarm,) = only(found)[1].alarms
    assert found.exit_code == 1
    today = NOW.date().isoformat()
    assert (alarm.detector, alarm.raised, alarm.began, alarm.ended) == ("today", today, today, None)
    assert [change.column for change in alarm.changes] == ["age"]
    # On the day after, it is an alarm of that day.
    (alarm,) = only(checked(now=NOW + timedelta(days=1)))[1].alarms
    assert (alarm.detector, alarm.raised) == ("day", today)


def test_a_clock_that_jumped_does_not_count(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    log.fill(answers.take(slice(0, 400)), 2)
    log.write(answers.take(slice(400, 450)), NOW + timedelta(days=9_000))
    log.write(answers.take(slice(450, 500)), datetime(1999, 1, 1, tzinfo=UTC))
    # The clock was set back within a segment.
    moments = [NOW - timedelta(hours=1)] * 25 + [datetime(1970, 1, 2, tzinfo=UTC)] * 25
    log.write(answers.take(slice(500, 550)), moments)
    model, run = only(checked())
    assert (model.n_rows, model.n_future) == (425, 50)
    assert run.days_watched == 1
    assert "50 rows are dated after now" in model.notes[0]


def test_rows_before_the_period_alone_cannot_tell(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    log.fill(answers.take(slice(0, 400)), 2, end=NOW - timedelta(days=20))
    (model,) = checked().models
    assert model.exit_code == 2
    assert "no row was answered since 2026-11-24; the last one is of 2026-11-10" in model.notes[0]
    assert checked(since="2026-11-01").models[0].n_rows == 400


def test_labels_tell_what_the_answers_were_worth(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    log.fill(answers.take(slice(0, 1_400)), 14)
    log.label(log.ids[:1_000], answers.truth[:1_000], NOW)
    # One is taken back, one says the same, one is of no row, one of no label.
    other = ["c1" if answers.truth[0] == "c0" else "c0", answers.truth[1]]
    log.label([*log.ids[:2], "nobody"], [*other, "c0"], NOW + timedelta(seconds=1))
    log.label([log.ids[1_100]], ["c9"], NOW)
    _, run = only(checked(since="14d"))
    found = run.performance
    assert found is not None
    assert (found.n_labelled, found.n_unlabelled, found.n_measured) == (1_001, 399, 1_000)
    assert (found.n_contradictory, found.n_unknown_labels) == (1, 1)
    assert set(found.metrics) == {"roc_auc", "accuracy", "log_loss", "brier", "ece", "cost"}
    assert all(each.interval is not None for each in found.metrics.values())
    truth = [other[0], *answers.truth[1:1_000]]
    predicted = answers.predicted()[:1_000]
    right = np.mean([a == b for a, b in zip(truth, predicted, strict=True)])
    assert found.metrics["accuracy"].value == pytest.approx(right)
    costs = {("c0", "c1"): 1, ("c1", "c0"): 5}
    cost = np.mean([costs.get(pair, 0) for pair in zip(truth, predicted, strict=True)])
    assert found.metrics["cost"].value == pytest.approx(cost)
    assert [week.week for week in found.weeks] == ["2026-11-16", "2026-11-23"]
    assert sum(week.n_rows for week in found.weeks) == 1_000
    (by_job,) = found.slices
    assert [group.name for group in by_job.groups] == ["clerk", "farmer", "smith", "(missing)"]
    assert sum(group.n_rows for group in by_job.groups) == 1_000
    # The rows are those of the table, and so the probabilities imply what labels tell.
    assert run.expected is not None
    assert run.expected.measured["accuracy"].value is not None
    assert found.measured["roc_auc"].value is not None


def test_labels_of_one_class_give_no_auc(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    log.fill(answers.take(slice(0, 400)), 4)
    log.label(log.ids, ["c0"] * 400, NOW)
    _, run = only(checked())
    assert run.performance is not None
    assert "roc_auc" not in run.performance.metrics
    assert "AUC of the labelled rows: a label has 0 rows" in reasons(run.left_out)
    assert run.performance.metrics["accuracy"].value is not None


def test_a_request_id_that_was_used_twice_has_no_label(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    ids = log.write(answers.take(slice(0, 200)), NOW - timedelta(hours=9))
    log.write(answers.take(slice(200, 250)), NOW - timedelta(hours=3), ids=["same"] * 50)
    log.label([*ids, "same"], [*answers.truth[:200], "c0"], NOW)
    _, run = only(checked())
    assert run.performance is not None
    assert (run.performance.n_labelled, run.performance.n_unlabelled) == (200, 0)
    assert run.performance.n_measured == 200
    assert "50 rows share request id and place" in reasons(run.left_out)


def test_labels_of_a_model_that_is_gone_are_measured_all_the_same(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    log.fill(answers.take(slice(0, 400)), 4, run_id="feedfeedfeedfeed")
    log.label(log.ids, answers.truth[:400], NOW)
    found = checked()
    _, run = only(found)
    assert found.exit_code == 2
    assert run.path is None
    assert run.inputs == ()
    assert run.performance is not None
    assert run.performance.metrics["roc_auc"].value is not None
    assert run.joint is not None


def test_a_run_of_an_earlier_version_has_no_reference(
    log: Log, champion: Path, answers: Answers, tmp_path: Path
) -> None:
    from shutil import copytree

    from tabproof.artifacts.manifest import seal

    outputs = tmp_path / "outputs"
    path = outputs / "2026-11-01" / champion.name
    copytree(champion, path)
    (path / "reference.json").unlink()
    (path / "manifest.json").unlink()
    seal(path, answers.run_id)
    log.fill(answers.take(slice(0, 400)), 2)
    found = check_log(log.root, outputs=outputs, models=tmp_path / "models", now=NOW)
    _, run = only(found)
    assert found.exit_code == 2
    assert "the run has no reference.json" in reasons(run.left_out)
    assert run.expected is not None
    assert {each.name for each in run.quality} == {"age", "income", "job"}


def test_a_promoted_run_is_found_in_the_registry(
    log: Log, champion: Path, answers: Answers, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    artifacts.Registry(models).promote(champion, "other_name", "me", "")
    log.fill(answers.take(slice(0, 400)), 2)
    found = check_log(log.root, outputs=tmp_path / "outputs", models=models, now=NOW)
    _, run = only(found)
    assert run.is_judged
    assert run.path is not None
    assert "other_name" in run.path


def test_challengers_are_no_answers_and_are_compared_with_the_champion(
    log: Log,
    challenger: Path,
    answers: Answers,
    checked: Callable[..., Check],
) -> None:
    part = answers.take(slice(0, 600))
    ids = log.write(part, NOW - timedelta(hours=2))
    theirs = scored(challenger, part.rows, part.truth)
    log.write(theirs, NOW - timedelta(hours=2), ids=ids, role="challenger")
    # A client gave one id to two requests: of which of them is the challenger's row?
    log.write(part.take([0, 1]), NOW - timedelta(hours=2), ids=["same", "same"])
    log.write(theirs.take([0]), NOW - timedelta(hours=2), ids=["same"], role="challenger")
    canary = theirs.take(slice(0, 40))
    log.write(canary, NOW - timedelta(hours=1), role="canary")
    log.label(ids, part.truth, NOW)
    (model,) = checked().models
    assert model.n_rows == 642
    assert {run.run_id: run.n_rows for run in model.runs} == {
        answers.run_id: 602,
        theirs.run_id: 40,
    }
    assert {run.run_id: run.n_canary for run in model.runs}[theirs.run_id] == 40
    (found,) = model.challengers
    assert (found.run_id, found.champion) == (theirs.run_id, answers.run_id)
    assert (found.n_rows, found.n_labelled) == (600, 600)
    same = np.mean([a == b for a, b in zip(part.predicted(), theirs.predicted(), strict=True)])
    assert found.agreement.value == pytest.approx(same)
    assert [test.test for test in found.tests] == ["DeLong", "McNemar"]
    from tabproof.evaluation.comparison import compare_in_all

    y = np.array([part.labels.index(label) for label in part.truth])
    expected = compare_in_all(y, theirs.proba, part.proba, (theirs.threshold, part.threshold))
    assert [test.p_value for test in found.tests] == pytest.approx(
        [test.p_value for test in expected]
    )
    (week,) = found.weeks
    assert (week.week, week.n_rows) == ("2026-11-30", 600)
    for metrics, each in ((week.challenger, theirs), (week.champion, part)):
        right = np.mean([a == b for a, b in zip(part.truth, each.predicted(), strict=True)])
        assert metrics["accuracy"].value == pytest.approx(right)
        assert all(metric.interval is not None for metric in metrics.values())


def test_hashed_and_excluded_columns_are_left_out(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    part = answers.take(slice(0, 500))
    hashed = [f"{hash(each) % 2**64:016x}" for each in part.rows["job"]]
    columns = {
        "x_job": pa.array(hashed),
        "x_age": pa.array([f"{hash(each) % 2**64:016x}" for each in part.rows["age"]]),
    }
    log.write(part, NOW - timedelta(days=1), columns=columns)
    _, run = only(checked())
    assert run.inputs == []
    told = reasons(run.left_out)
    assert "column income: it is not in the log" in told
    assert "column job: it is hashed in the log" in told
    assert "column age: it is hashed in the log" in told
    assert run.is_judged


def test_warnings_are_counted_by_column(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    part = answers.take(slice(0, 100))
    rows = part.rows.assign(job=[None] * 50 + ["smith"] * 50)
    words = ['["unseen_category:job","out_of_range:age"]'] * 20 + [None] * 80
    log.write(scored(part.run, rows, part.truth), NOW - timedelta(hours=2), warnings=words)
    model, run = only(checked())
    assert model.n_with_warnings == 20
    quality = {each.name: each for each in run.quality}
    assert (quality["job"].missing, quality["job"].unseen) == (0.3, 0.2)
    assert quality["age"].out_of_range == 0.2
    (job,) = (each for each in run.inputs if each.name == "job")
    assert list(job.period[-2:]) == [20, 30]


@pytest.mark.parametrize(
    ("since", "day"), [("1d", "2026-11-30"), ("7d", "2026-11-24"), ("2026-11-01", "2026-11-01")]
)
def test_a_period_begins_with_a_day(since: str, day: str) -> None:
    assert first_day(since, NOW.date()).isoformat() == day


@pytest.mark.parametrize("since", ["0d", "7", "d", "2026-13-01", "yesterday", "-1d"])
def test_other_periods_are_refused(since: str) -> None:
    with pytest.raises(InvalidValueError, match="--since="):
        first_day(since, NOW.date())


def test_the_command_line_shows_alarms_first_and_ends_with_their_code(
    log: Log, outputs: Path, champion: Path, answers: Answers, tmp_path: Path
) -> None:
    now = datetime.now(UTC) - timedelta(minutes=10)
    log.fill(answers.take(slice(0, 700)), 5, end=now)
    done = typed_check(log, outputs)
    assert (done.returncode, done.stderr) == (0, "")
    assert "table: fine (700 rows in 700 requests" in done.stdout
    rows = answers.take(slice(700, 1_400)).rows
    log.fill(scored(champion, rows.assign(age=rows["age"] / 12), ["c0"] * 700), 2, end=now)
    gauges = tmp_path / "tabproof.prom"
    done = typed_check(log, outputs, "--prometheus", gauges)
    assert (done.returncode, done.stderr) == (1, "")
    _, _, head, alarm, *_ = done.stdout.splitlines()
    assert head.startswith("table: ALARM")
    assert alarm.startswith("! ")
    assert "age" in alarm
    done = typed_check(log, outputs, "table", "--json")
    content = json.loads(done.stdout)
    assert (done.returncode, content["exit_code"]) == (1, 1)
    assert content["models"][0]["runs"][0]["alarms"][0]["changes"]
    shown = gauges.read_text()
    assert 'tabproof_monitor_verdict{model="table"} 1\n' in shown
    assert f'tabproof_monitor_rows{{model="table",run="{answers.run_id}"}} 1400\n' in shown
    assert gauges.stat().st_mode & 0o444 == 0o444


def test_what_cannot_be_written_or_read_is_no_alarm(
    log: Log, outputs: Path, answers: Answers, tmp_path: Path
) -> None:
    log.write(answers.take(slice(0, 50)), datetime.now(UTC) - timedelta(hours=1))
    done = typed_check(log, outputs, "--prometheus", tmp_path / "no" / "gauges")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be written: No such file" in done.stderr
    (path,) = log.root.rglob("*.parquet")
    content = path.read_bytes()
    # The footer is whole, and what it tells of is not there.
    path.write_bytes(content[:4] + bytes(len(content) // 2) + content[4 + len(content) // 2 :])
    done = typed_check(log, outputs)
    assert done.returncode == 2
    assert "cannot be read: " in done.stderr
    assert path.name in done.stderr


def test_a_model_that_is_not_in_the_log_is_named(log: Log, outputs: Path, answers: Answers) -> None:
    log.write(answers.take(slice(0, 50)), datetime.now(UTC) - timedelta(hours=1))
    done = typed_check(log, outputs, "tabel")
    assert done.returncode == 2
    assert "no model 'tabel'; it has 'table'" in done.stderr


def test_labels_of_a_file_are_not_written_into_a_bucket(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text("request_id,label\na,yes\n")
    done = typed_in("monitor", "labels", path, "--log", "s3://bucket/log")
    assert (done.returncode, done.stdout) == (2, "")
    assert "s3://bucket/log is in a bucket" in done.stderr
    assert "POST /labels" in done.stderr


@pytest.mark.usefixtures("log")
def test_without_duckdb_its_extra_is_named(
    checked: Callable[..., Check], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(PackageMissingError, match=r"EXTRAS=\[monitor\]"):
        checked()


def test_the_environment_names_the_log(
    log: Log, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_PREDICTION_LOG", str(log.root))
    done = typed_in("monitor", "check", "--outputs", outputs)
    assert done.returncode == 2
    assert str(log.root) in done.stdout
    monkeypatch.delenv("API_PREDICTION_LOG")
    assert "API_PREDICTION_LOG" in typed_in("monitor", "check").stderr


def test_few_requests_have_no_joint_test(
    log: Log, answers: Answers, checked: Callable[..., Check]
) -> None:
    log.write(answers.take(slice(0, 399)), NOW - timedelta(hours=2))
    _, run = only(checked())
    assert run.joint is None
    assert f"it needs the first rows of {2 * joint.MIN_ROWS} requests" in reasons(run.left_out)


def test_three_labels_are_compared_too(
    log: Log, run: Path, checked: Callable[..., Check], tmp_path: Path
) -> None:
    wine = load_wine(as_frame=True)
    names = [str(name) for name in artifacts.read_complete_run(run).summary.labels]
    truth = [names[code] for code in wine.target]
    answers = scored(run, wine.data, truth)
    ids = log.write(answers, NOW - timedelta(days=1), model="wine")
    log.write(answers, NOW - timedelta(days=1), ids=ids, model="wine", role="challenger")
    log.label(ids, truth, NOW)
    models = tmp_path / "models"
    artifacts.Registry(models).promote(run, "wine", "me", "")
    model, found = only(checked(models=models))
    assert model.exit_code == 0
    assert {each.kind for each in found.inputs} == {"number"}
    assert [each.name for each in found.outputs] == ["", *names]
    assert found.expected is not None
    assert found.performance is not None
    accuracy = np.mean(answers.proba.argmax(axis=1) == wine.target)
    assert found.performance.metrics["accuracy"].value == pytest.approx(accuracy)
    assert "cost" not in found.performance.metrics
    assert found.performance.metrics["roc_auc"].interval is not None
    for metric in ("accuracy", "roc_auc"):
        assert found.expected.metrics[metric] == pytest.approx(1, abs=0.06)
    # A challenger that is the champion itself.
    (challenge,) = model.challengers
    assert challenge.agreement.value == 1
    assert [(test.test, test.p_value) for test in challenge.tests] == [("McNemar", 1.0)]


@pytest.mark.parametrize("error", [ZeroDivisionError("fault"), OSError(28, "No space left")])
def test_what_fails_is_no_alarm(
    error: Exception, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("tabproof.monitoring.check.check_log", fail)
    done = typed_in("monitor", "check", "--log", log.root)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
