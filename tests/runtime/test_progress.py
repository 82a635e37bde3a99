"""In a log or a pipe a search is a line per rung; a long step is a line every ten seconds."""

from collections.abc import Iterable, Iterator
from math import nan
from time import sleep
from types import SimpleNamespace

import pytest

from tabproof.runtime import progress as runtime_progress
from tabproof.runtime.progress import Progress, StepProgress, as_clock, search_display, step_display


def report(rung: int = 1, n_done: int = 6, **others: object) -> Progress:
    facts: dict[str, object] = {
        "rung": rung,
        "n_rungs": 3,
        "n_candidates": 6,
        "iterations": 0.33,
        "n_rows": 31_258,
        "n_folds": 1,
        "n_done": n_done,
        "n_fits": 6,
        "share": 0.25,
        "best_score": 0.92761,
        "best_params": {"clf__learning_rate": 0.2, "clf__max_depth": None},
        "seconds": 0.0,
        "seconds_left": None,
    }
    return Progress(**facts | others)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _every_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


def lines_of(caplog: pytest.LogCaptureFixture, reports: Iterable[Progress]) -> list[str]:
    with search_display(bar=True) as show:
        for one in reports:
            show(one)
    return caplog.messages


def test_a_rung_is_logged_at_once_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    with search_display(bar=True) as show:
        for n_done, seconds in ((0, 1.0), (3, 2.0), (6, 2.41)):
            show(report(2, n_done, seconds=seconds))
        # Before what follows the search, such as the fit on all rows.
        logged = list(caplog.messages)
    assert logged == caplog.messages
    assert logged == [
        "rung 2: 6 candidates, 33% iterations, 31,258 rows, 1 fold: 6 fits in 1.4 s,"
        " best 0.9276 (learning_rate 0.2, max_depth None)"
    ]


def test_batches_of_the_first_rung_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    batches = [report(1, n, n_fits=n, n_candidates=n, share=n / 99) for n in (8, 16, 24)]
    first, last = lines_of(caplog, [*batches, report(2, 0), report(2)])
    assert first.startswith("rung 1: 24 candidates")
    assert "24 fits" in first
    assert last.startswith("rung 2: 6 candidates")


def test_a_long_rung_is_logged_every_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    reports = [
        report(2, second // 2, n_fits=1000, seconds=float(second), seconds_left=3600.0 - second)
        for second in range(100)
    ]
    *lines, _ = lines_of(caplog, reports)
    assert lines == [
        f"rung 2 of 3: {second // 2} of 1,000 fits, 25% of the search,"
        f" about {as_clock(3600 - second)} left, best 0.9276 (learning_rate 0.2, max_depth None)"
        for second in range(10, 100, 10)
    ]


def test_an_interrupted_search_logs_how_far_it_came(caplog: pytest.LogCaptureFixture) -> None:
    def interrupted() -> Iterator[Progress]:
        yield report(2, 0, n_fits=1200)
        yield report(2, 1100, n_fits=1200)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lines_of(caplog, interrupted())
    assert "1,100 of 1,200 fits in" in caplog.text


@pytest.mark.parametrize("score", [None, nan])
def test_a_rung_without_a_score(score: float | None, caplog: pytest.LogCaptureFixture) -> None:
    (line,) = lines_of(caplog, [report(2, best_score=score, best_params={})])
    assert line.endswith("6 fits in 0.0 s, nothing scored")


def test_without_reports_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert lines_of(caplog, []) == []


def test_durations() -> None:
    assert [as_clock(seconds) for seconds in (-3, 7.4, 754, 3723)] == [
        "0:00",
        "0:07",
        "12:34",
        "1:02:03",
    ]


def test_parallel_jobs_of_a_sweep_draw_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("multiprocessing.parent_process", lambda: object())
    monkeypatch.setenv("TERM", "xterm")
    assert len(lines_of(caplog, [report(2)])) == 1
    assert {record.name for record in caplog.records} == {"tabproof.runtime.progress"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("tabproof.runtime.progress.perf_counter", lambda: clock.now)
    return clock


def test_a_long_step_is_a_line_every_ten_seconds_whatever_it_does(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert pytest.approx(10) == runtime_progress.SECONDS_BETWEEN_LINES
    monkeypatch.setattr(runtime_progress, "SECONDS_BETWEEN_LINES", 0.05)
    with step_display("loading data", bar=True):
        sleep(0.12)
    assert caplog.messages == ["loading data, 0:00 passed"] * 2
    with step_display("refitting", bar=True) as progress:
        progress.begin_fit("learning curve", 20)
        sleep(0.07)
    assert caplog.messages[2:] == ["learning curve: fit 1 of 20, 0:00 passed"]


def test_a_step_does_not_end_where_no_line_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise OSError

    monkeypatch.setattr(runtime_progress, "SECONDS_BETWEEN_LINES", 0.01)
    monkeypatch.setattr(runtime_progress.log, "info", fail)
    with step_display("loading data", bar=True):
        sleep(0.05)


@pytest.mark.usefixtures("clock")
def test_the_next_part_of_a_step_starts_counting_again() -> None:
    progress = StepProgress("refitting")
    assert str(progress) == "refitting, 0:00 passed"
    for _ in range(3):
        progress.begin_fit("repeated cross-validation", 25)
    progress.begin_fit("learning curve", 20)
    assert str(progress) == "learning curve: fit 1 of 20, 0:00 passed"


@pytest.mark.usefixtures("clock")
def test_parts_of_other_kinds_are_counted_on_their_own() -> None:
    progress = StepProgress("evaluating")
    progress.begin("column", 200)
    progress.begin("column", 200)
    assert str(progress) == "evaluating: column 2 of 200, 0:00 passed"
    progress.begin("baseline", 3)
    assert str(progress) == "evaluating: baseline 1 of 3, 0:00 passed"


def test_a_step_without_fits_logs_nothing(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with step_display("deciding", bar=True):
        pass
    assert capsys.readouterr().out == ""
    assert caplog.messages == []
