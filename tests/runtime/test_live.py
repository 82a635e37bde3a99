"""On a terminal a search or a long step is a live display, which leaves the terminal clean."""

import logging
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, Group

from tabproof.runtime.live import draw_search
from tabproof.runtime.progress import SearchLog
from tests.conftest import ROOT
from tests.runtime.terminal import terminal
from tests.runtime.test_progress import report

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"

# What scripts on a terminal begin with; `log` is the file that a run would keep.
BEGINNING = """
import logging, sys, time
from tabproof.runtime.console import ConsoleHandler
from tabproof.runtime.progress import Progress, search_display, step_display

log = {log!r}
logging.basicConfig(level="INFO", handlers=[ConsoleHandler(), logging.FileHandler(log)])

def report(rung=1, n_done=1, **others):
    facts = dict(
        rung=rung, n_rungs=2, n_candidates=9, iterations=0.2, n_rows=1234, n_folds=1,
        n_done=n_done, n_fits=9, share=n_done / 20, best_score=0.75,
        best_params={{"clf__C": 0.1, "clf__name": "日本語" * 40}}, seconds=1.5, seconds_left=65.0,
    )
    return Progress(**facts | others)
"""
ENDLESS = """
with search_display(bar=True) as show:
    show(report(n_done=9))
    show(report(2, 3))
    time.sleep(600)
"""
SEARCH = """
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from tabproof.search import RungSearchCV, parse_schedule

rng = np.random.default_rng(0)
X, y = rng.normal(size=(80, 3)), np.arange(80) % 2
steps = Pipeline([("clf", LogisticRegression())])
schedule = parse_schedule([
    dict(candidates="all", iterations="100%", rows="100%", folds=1),
    dict(candidates=2, iterations="100%", rows="100%", folds="all"),
])
with search_display(bar=True) as show:
    def report_rung(progress):
        show(progress)
        if progress.n_done == 0:
            logging.warning("rung %d\\nbegins", progress.rung)

    grid = {"clf__C": [0.001, 0.1, 1.0]}
    RungSearchCV(steps, grid, cv=4, schedule=schedule, on_progress=report_rung).fit(X, y)
print("after")
"""


def script(tmp_path: Path, what: str) -> str:
    return BEGINNING.format(log=str(tmp_path / "train.log")) + what


SCORES = st.one_of(st.none(), st.floats())
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(deadline=None)
@given(
    width=st.integers(1, 120),
    height=st.integers(1, 30),
    score=SCORES,
    params=st.dictionaries(NAMES, st.one_of(NAMES, st.none(), st.floats()), max_size=4),
    left=st.one_of(st.none(), st.floats(-10, 1e6)),
    n_rungs=st.integers(1, 12),
)
def test_the_display_fits_any_terminal(
    width: int,
    height: int,
    score: float | None,
    params: dict[str, object],
    left: float | None,
    n_rungs: int,
) -> None:
    console = Console(width=width, height=height, record=True, file=StringIO())
    search = SearchLog(logging.getLogger("no search"))
    console.print(Group(*draw_search(search, console, False)))
    assert console.export_text().strip() == ""
    for rung in range(1, n_rungs + 1):
        search.update(report(rung, best_score=score, best_params=params, seconds_left=left))
    console.print(Group(*draw_search(search, console, False)))
    lines = console.export_text().splitlines()
    assert len(lines) <= max(height - 1, 1)
    assert all(cell_len(line) <= width for line in lines)


def test_a_search_leaves_its_table_below_what_was_printed(tmp_path: Path) -> None:
    with terminal(script(tmp_path, SEARCH)) as watched:
        assert watched.wait() == 0, watched.text
        *above, header, first, last, best, after = [line for line in watched.screen if line]
        assert above == ["! rung 1", "! rung 2"]
        assert header.split()[:3] == ["rung", "candidates", "iterations"]
        assert first.split()[:6] == ["1/2", "3", "100%", "60", "1", "3/3"]
        assert last.split()[:6] == ["2/2", "2", "100%", "60", "4", "8/8"]
        assert best.startswith("best 0.")
        assert after == "after"
        assert watched.text.rindex(SHOW_CURSOR) > watched.text.rindex(HIDE_CURSOR)
    log = (tmp_path / "train.log").read_text()
    assert log.count("candidates, 100% iterations") == 2
    assert "rung 1\nbegins" in log


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (80, 24),
        (12, 4),
        pytest.param(30, 24, marks=pytest.mark.slow),
        pytest.param(200, 60, marks=pytest.mark.slow),
    ],
)
def test_a_live_search_shows_what_it_does(width: int, height: int, tmp_path: Path) -> None:
    # What is wider than the terminal fails in `screen`.
    with terminal(script(tmp_path, ENDLESS), width=width, height=height) as watched:
        watched.read(until="passed" if width > 12 else "15%, 0:0")
        screen = "\n".join(watched.screen)
        assert "0.75" in screen
        if width >= 80:
            assert "日本語" in screen
            assert "3/9" in screen
            assert "15%, 0:0" in screen
            assert "1:05 left" in screen


def test_ctrl_c_leaves_the_terminal_clean(tmp_path: Path) -> None:
    with terminal(script(tmp_path, ENDLESS)) as watched:
        watched.read(until="left")
        watched.process.send_signal(signal.SIGINT)
        assert watched.wait() == -signal.SIGINT
        assert watched.text.rindex(SHOW_CURSOR) > watched.text.rindex(HIDE_CURSOR)
        assert "passed" not in "\n".join(watched.screen)
        assert "3/9" in "\n".join(watched.screen)
    assert "rung 2: 9 candidates, 20% iterations, 1,234 rows, 1 fold: 3 of 9" in (
        tmp_path / "train.log"
    ).read_text(encoding="utf-8")


def test_a_search_outlives_its_terminal(tmp_path: Path) -> None:
    going_on = """
with search_display(bar=True) as show:
    show(report(n_done=3))
    for _ in range(8):
        time.sleep(0.1)
        logging.info("still here")
    show(report(n_done=9, share=1.0))
print("into the void")
logging.info("to the end")
"""
    with terminal(script(tmp_path, going_on)) as watched:
        watched.read(until="passed")
        watched.close()
        assert watched.process.wait(60) == 0
    log = (tmp_path / "train.log").read_text(encoding="utf-8")
    assert "9 fits in" in log
    assert log.endswith("to the end\n")


@pytest.mark.slow
def test_a_search_outlives_its_pipe(tmp_path: Path) -> None:
    reports = """
with search_display(bar=True) as show:
    for rung in (1, 2):
        show(report(rung, 9))
logging.info("to the end")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script(tmp_path, reports)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 0
    log = (tmp_path / "train.log").read_text(encoding="utf-8")
    assert log.count("9 fits in") == 2
    assert log.endswith("to the end\n")


def test_frames_do_not_grow_with_reports(tmp_path: Path) -> None:
    many = """
begin = time.perf_counter()
with search_display(bar=True) as show:
    for n_done in range(20_000):
        show(report(n_done=n_done, n_fits=20_001))
print("seconds", time.perf_counter() - begin)
"""
    with terminal(script(tmp_path, many)) as watched:
        assert watched.wait() == 0, watched.text
        seconds = float(watched.text.split("seconds ")[-1].split()[0])
        assert watched.text.count("passed") <= 4 * seconds + 1


def test_lines_never_tear_the_display(tmp_path: Path) -> None:
    hurried = """
import tabproof.runtime.live
tabproof.runtime.live.FRAMES_PER_SECOND = 2000
sys.setswitchinterval(1e-6)
with search_display(bar=True) as show:
    for n in range(60):
        show(report(1 + n // 10, n % 10, best_params={}))
        logging.info("line %d", n)
"""
    with terminal(script(tmp_path, hurried), height=60) as watched:
        assert watched.wait() == 0, watched.text
        lines = [line for line in watched.screen if line]
    assert lines[:60] == [f"line {n}" for n in range(60)]
    assert [line.split()[0] for line in lines[60:]] == [
        "rung",
        *(f"{n}/2" for n in range(1, 7)),
        "best",
    ]


@pytest.mark.parametrize(
    ("words", "environment", "lines"),
    [("bar=False", {}, []), ("bar=True", {"TERM": "dumb"}, ["rung 1:", "rung 2:"])],
    ids=["bar=False", "a terminal that cannot move its cursor"],
)
def test_no_live_display_where_it_is_off_or_impossible(
    words: str, environment: dict[str, str], lines: list[str], tmp_path: Path
) -> None:
    reports = f"""
with search_display({words}) as show:
    show(report(1, 9, best_params={{}}))
    show(report(2, 9, best_params={{}}))
"""
    with terminal(script(tmp_path, reports), width=200, **environment) as watched:
        assert watched.wait() == 0, watched.text
        assert "\x1b" not in watched.text
        assert [line[:7] for line in watched.screen if line] == lines
    assert "rung 2:" in (tmp_path / "train.log").read_text(encoding="utf-8")


def test_letters_that_a_terminal_lacks_are_replaced(tmp_path: Path) -> None:
    reports = """
with search_display(bar=True) as show:
    show(report(1, 3))
    time.sleep(0.5)
print("to the end")
"""
    with terminal(script(tmp_path, reports), PYTHONIOENCODING="ascii") as watched:
        assert watched.wait() == 0, watched.text
        assert "best 0.7500: C 0.1, name ????" in watched.text
        assert watched.screen[-2] == "to the end"


def test_the_log_has_the_lines_where_the_terminal_has_the_display(tmp_path: Path) -> None:
    with terminal(script(tmp_path, ENDLESS.replace("time.sleep(600)", "pass"))) as watched:
        assert watched.wait() == 0, watched.text
        assert "rung 1:" not in watched.text
    assert "rung 1: 9 candidates" in (tmp_path / "train.log").read_text(encoding="utf-8")


STEP = """
with step_display("refitting", bar=True) as progress:
    progress.begin_fit("learning curve", 20)
    logging.warning("printed meanwhile")
    time.sleep({seconds})
print("after")
"""


def test_a_step_is_a_line_that_leaves_nothing(tmp_path: Path) -> None:
    with terminal(script(tmp_path, STEP.format(seconds=1.7))) as watched:
        watched.read(until="learning curve: fit 1 of 20, 0:01 passed")
        assert watched.wait() == 0, watched.text
        assert [line for line in watched.screen if line] == ["! printed meanwhile", "after"]


def test_a_short_step_is_not_shown(tmp_path: Path) -> None:
    with terminal(script(tmp_path, STEP.format(seconds=0.5))) as watched:
        assert watched.wait() == 0, watched.text
        assert "passed" not in watched.text


@pytest.mark.slow
def test_ctrl_c_in_a_step_leaves_the_terminal_clean(tmp_path: Path) -> None:
    with terminal(script(tmp_path, STEP.format(seconds=600))) as watched:
        watched.read(until="passed")
        watched.process.send_signal(signal.SIGINT)
        assert watched.wait() == -signal.SIGINT
        assert "passed" not in "\n".join(watched.screen)
        assert watched.text.rindex(SHOW_CURSOR) > watched.text.rindex(HIDE_CURSOR)
