"""A search is told in lines, one per rung, wherever they go."""

from collections.abc import Iterable, Iterator
from math import nan
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from tabproof.runtime.progress import as_clock, search_display
from tabproof.search import Progress, RungSearchCV, parse_schedule
from tests.runtime.reports import report


def lines_of(caplog: pytest.LogCaptureFixture, reports: Iterable[Progress]) -> list[str]:
    caplog.set_level("INFO")
    with search_display(bar=True) as tell:
        for one in reports:
            tell(one)
    return caplog.messages


def test_a_rung_is_a_line_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    reports = [report(2, 0, seconds=1.0), report(2, 3, seconds=2.0), report(2, seconds=2.41)]
    caplog.set_level("INFO")
    with search_display(bar=True) as tell:
        for one in reports:
            tell(one)
        # Before what follows the search, such as the fit on all rows.
        told = list(caplog.messages)
    assert told == caplog.messages
    assert told == [
        "rung 2: 6 candidates, 33% iterations, 31,258 rows, 1 fold: 6 fits in 1.4 s,"
        " best 0.9276 (learning_rate 0.2, max_depth None)"
    ]


def test_a_search_is_as_many_lines_as_it_has_rungs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 2
    pipeline = Pipeline([("prep", StandardScaler()), ("clf", LogisticRegression())])
    schedule = parse_schedule(
        [
            {"candidates": "all", "iterations": "100%", "rows": "100%", "folds": 1},
            {"candidates": 2, "iterations": "100%", "rows": "100%", "folds": "all"},
        ]
    )
    grid = {"clf__C": [0.01, 0.1, 1.0, 10.0]}
    with search_display(bar=True) as tell:
        search = RungSearchCV(pipeline, grid, cv=3, schedule=schedule, on_progress=tell).fit(X, y)
    first, last = caplog.messages
    assert first.startswith("rung 1: 4 candidates, 100% iterations, 40 rows, 1 fold: 4 fits in ")
    assert last.startswith("rung 2: 2 candidates, 100% iterations, 40 rows, 3 folds: 6 fits in ")
    assert last.endswith(f"best {search.best_score_:.4f} (C {search.best_params_['clf__C']:g})")


def test_batches_of_the_first_rung_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    batches = [report(1, n, n_fits=n, n_candidates=n, share=n / 99) for n in (8, 16, 24)]
    first, last = lines_of(caplog, [*batches, report(2, 0), report(2)])
    assert first.startswith("rung 1: 24 candidates")
    assert "24 fits" in first
    assert last.startswith("rung 2: 6 candidates")


def test_a_long_rung_says_so_twice_a_minute_at_most(caplog: pytest.LogCaptureFixture) -> None:
    reports = [
        report(2, second // 2, n_fits=1000, seconds=float(second), seconds_left=3600.0 - second)
        for second in range(100)
    ]
    said = lines_of(caplog, reports)
    assert said[:-1] == [
        f"rung 2 of 3: {second // 2} of 1,000 fits, 25% of the search,"
        f" about {as_clock(3600 - second)} left, best 0.9276 (learning_rate 0.2, max_depth None)"
        for second in (30, 60, 90)
    ]


def test_a_search_that_was_stopped_says_how_far_it_came(caplog: pytest.LogCaptureFixture) -> None:
    def stop() -> Iterator[Progress]:
        yield report(2, 0, n_fits=1200)
        yield report(2, 1100, n_fits=1200)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lines_of(caplog, stop())
    assert "1,100 of 1,200 fits in" in caplog.text


@pytest.mark.parametrize("score", [None, nan])
def test_what_has_no_score_is_told_without(
    score: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    (line,) = lines_of(caplog, [report(2, best_score=score, best_params={})])
    assert line.endswith("6 fits in 0.0 s, nothing scored")


def test_nothing_told_is_no_line(caplog: pytest.LogCaptureFixture) -> None:
    assert lines_of(caplog, []) == []


@pytest.mark.parametrize(
    ("seconds", "words"), [(-3, "0:00"), (7.4, "0:07"), (754, "12:34"), (3723, "1:02:03")]
)
def test_a_duration_is_read_as_on_a_clock(seconds: float, words: str) -> None:
    assert as_clock(seconds) == words


def test_jobs_beside_each_other_draw_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("multiprocessing.parent_process", lambda: object())
    monkeypatch.setenv("TERM", "xterm")
    assert len(lines_of(caplog, [report(2)])) == 1
    assert {record.name for record in caplog.records} == {"tabproof.runtime.progress"}
