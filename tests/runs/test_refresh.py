"""The page of all runs is written after runs, promotions and removals, by many at once."""

import logging
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from tabproof import artifacts, experiment
from tabproof.artifacts.errors import RunningError
from tabproof.artifacts.files import locked
from tabproof.runs import page as pages
from tabproof.runs import page_data
from tabproof.runs.refresh import refresh_page
from tests.artifacts.making import make_recorded_run
from tests.conftest import train, typed_in
from tests.runs.pages import (
    DATE,
    MODELS,
    OUTPUTS,
    by_id,
    content_of,
    curves_of,
    here,
    written,
)

__all__ = ["here"]  # a fixture


def test_runs_that_are_slow_to_read_are_left_to_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_recorded_run(DATE / "10-00-00_x", "aaaa0000", 0.9)
    monkeypatch.setattr(pages, "MAX_READING", -1.0)
    refresh_page(DATE / "10-00-00_x")
    (run,) = content_of(OUTPUTS)["runs"]
    assert (run["metrics"][0], run["differs"], run["curve"]) == (0.9, None, None)
    (run,) = written()["runs"]
    assert (run["differs"], run["curve"]) == ([], 0)


def test_a_failure_is_a_warning_at_the_end_of_a_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_recorded_run(DATE / "10-00-00_x", "aaaa0000")
    monkeypatch.setattr(pages, "MAX_WAITING", 0.1)
    with locked(OUTPUTS / pages.LOCK):
        refresh_page(run)
        with pytest.raises(RunningError):
            pages.write_page(OUTPUTS, MODELS)
    monkeypatch.setattr(page_data, "best_of_each_dataset", None)
    monkeypatch.setattr(pages, "best_of_each_dataset", None)
    refresh_page(run)
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.WARNING, logging.WARNING]
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert not (OUTPUTS / "index.html").exists()


def test_a_run_outside_of_outputs_writes_no_page(tmp_path: Path) -> None:
    refresh_page(make_recorded_run(tmp_path / "elsewhere/run", "aaaa0000"))
    refresh_page(make_recorded_run(tmp_path / "outputs/replays/run", "aaaa0000"))
    # A run that is refused leaves nothing, its page included.
    refresh_page(tmp_path / "outputs/2026-11-23/was refused")
    assert not list(tmp_path.rglob("index.html"))


def test_a_run_writes_the_page_complete_or_failed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["dataset=wine", "model=logistic_regression", "report.index=true"]
    paths = [here / DATE / f"1{n}-00-00_wine" for n in range(2)]
    done = train(*words, f"hydra.run.dir={paths[0]}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("[RESULT]")
    (run,) = content_of(here / OUTPUTS)["runs"]
    assert (run["state"], run["curve"], run["dataset"]) == ("complete", 0, "wine")
    # The page is not a part of the run.
    assert artifacts.read_predictions(paths[0])

    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(experiment, "train", fail)
    assert train(*words, f"hydra.run.dir={paths[1]}").returncode == 1
    failed, _ = content_of(here / OUTPUTS)["runs"]
    assert (failed["state"], failed["cause"]) == ("failed", "RuntimeError: broken")
    (here / OUTPUTS / "index.html").unlink()
    assert train(*words[:2], f"hydra.run.dir={paths[1]}").returncode != 0
    assert not (here / OUTPUTS / "index.html").exists()


def test_a_writer_that_has_waited_finds_runs_that_came_meanwhile() -> None:
    make_recorded_run(DATE / "10-00-00_x", "aaaa0000")
    writer = Thread(target=refresh_page, args=[DATE / "10-00-00_x"])
    with locked(OUTPUTS / pages.LOCK):
        writer.start()
        writer.join(0.5)
        assert writer.is_alive()
        make_recorded_run(DATE / "11-00-00_x", "aaaa1111")
    writer.join()
    assert set(by_id(content_of(OUTPUTS))) == {"aaaa0000", "aaaa1111"}


ADDING = """
import sys
from pathlib import Path
from tabproof.runs.page import write_page
from tests.artifacts.making import make_recorded_run

name, outputs = sys.argv[1], Path("outputs")
for n in range(6):
    run_id = f"{name}{n:07x}"
    make_recorded_run(outputs / f"2026-11-{int(name) + 10}/10-00-0{n}_x", run_id, 0.5 + n / 100)
    write_page(outputs, Path("models"))
"""


def test_promoting_and_pruning_write_the_page_again_where_it_is() -> None:
    runs = [make_recorded_run(DATE / f"1{n}-00-00_x", f"aaaa000{n}", 0.9 - n / 9) for n in range(3)]

    def done(*words: object) -> None:
        typed = typed_in("runs", *words, cwd=Path.cwd())
        assert typed.returncode == 0, typed.stderr

    def served() -> list[str]:
        found = content_of(OUTPUTS)["runs"]
        return [run["id"] for run in found if any(each["served"] for each in run["promoted"])]

    done("promote", runs[1], "--force")
    assert not (OUTPUTS / "index.html").exists()
    written()
    assert served() == ["aaaa0001"]
    done("promote", runs[0], "--force")
    assert served() == ["aaaa0000"]
    done("rollback", "adult")
    assert served() == ["aaaa0001"]
    done("prune", "--yes")
    assert [run["id"] for run in content_of(OUTPUTS)["runs"]] == ["aaaa0001", "aaaa0000"]


@pytest.mark.slow
def test_processes_that_write_at_once_lose_no_run(here: Path) -> None:
    OUTPUTS.mkdir()
    command = [sys.executable, "-c", ADDING]
    running = [subprocess.Popen([*command, str(n)], cwd=here) for n in range(2)]
    assert [each.wait(60) for each in running] == [0, 0]
    content = content_of(OUTPUTS)
    assert len(content["runs"]) == 12
    assert all(run["curve"] is not None and run["differs"] is not None for run in content["runs"])
    assert len(curves_of(OUTPUTS)[0]["curves"]) == 12
    assert not list(OUTPUTS.glob(".*.tmp"))
