"""A run directory records how its run ended and which process writes it."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tabproof.artifacts import RunDirectory, record_outcome
from tabproof.artifacts.run_directory import Status, read_status
from tabproof.data.target import SingleClassError
from tabproof.errors import DirectoryTakenError, RunExistsError, RungNotScoredError


def step() -> str:
    return "searching"


def test_a_refused_run_leaves_no_directory(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "outputs" / "day" / "run")
    with pytest.raises(SingleClassError), record_outcome(run, step, keep_refused=False):
        raise SingleClassError(where="target 'y'", label="a")
    assert not list((tmp_path / "outputs").iterdir())


def test_a_refused_run_removes_only_its_own_files(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "mine" / "run")
    with suppress(SingleClassError), record_outcome(run, step, keep_refused=False):
        (run.path / "thesis.txt").write_text("three years of work")
        raise SingleClassError(where="target 'y'", label="a")
    assert [path.name for path in run.path.iterdir()] == ["thesis.txt"]


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with (
        pytest.raises(DirectoryTakenError, match=r"it holds 'thesis\.txt'"),
        record_outcome(RunDirectory(tmp_path), step, keep_refused=False),
    ):
        pytest.fail("began")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_directory_that_another_run_writes_is_refused(tmp_path: Path) -> None:
    with (
        record_outcome(RunDirectory(tmp_path), step, keep_refused=False),
        pytest.raises(DirectoryTakenError, match=r"status\.json"),
    ):
        RunDirectory(tmp_path).begin()


def test_a_failed_search_keeps_its_directory(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    error = RungNotScoredError(1, 30, "no class", sufficient=60)
    with pytest.raises(RungNotScoredError), record_outcome(run, step, keep_refused=False):
        raise error
    assert (run.path / "status.json").exists()


@pytest.mark.parametrize("error", [OSError(5, "the last sync"), KeyboardInterrupt()])
def test_an_error_after_the_manifest_leaves_the_run_complete(
    error: BaseException, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "run")
    with suppress(type(error)), record_outcome(run, step, keep_refused=False):
        run.complete("id")
        raise error
    assert [path.name for path in run.path.iterdir()] == ["manifest.json"]


def test_a_refused_run_of_a_sweep_keeps_its_reason(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(SingleClassError), record_outcome(run, step, keep_refused=True):
        raise SingleClassError(where="target 'y'", label="a")
    status = json.loads((run.path / "status.json").read_text())
    assert status["state"] == "failed"
    assert "one class only" in status["reason"]


def test_an_unexpected_error_keeps_the_directory_and_names_the_step(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(ZeroDivisionError) as caught, record_outcome(run, step, keep_refused=False):
        1 / 0  # noqa: B018 - raises
    assert "while searching" in caught.value.__notes__[0]
    assert json.loads((run.path / "status.json").read_text())["state"] == "failed"


def test_the_directory_of_a_complete_run_is_refused(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with record_outcome(run, step, keep_refused=False):
        run.complete("id")
    with pytest.raises(RunExistsError), record_outcome(run, step, keep_refused=False):
        pytest.fail("began")
    assert [path.name for path in run.path.iterdir()] == ["manifest.json"]


def test_only_a_living_process_is_alive(tmp_path: Path) -> None:
    RunDirectory(tmp_path).begin()
    status = read_status(tmp_path)
    assert status is not None
    assert status.is_alive
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for pid in (ended.pid, None, 0, 2**70):
        assert not replace(status, pid=pid).is_alive
    # A process number that is used again is another process.
    assert not replace(status, begun="another boot 1").is_alive
    # What runs on another machine cannot be known.
    assert Status("running", pid=1, host="elsewhere", begun="x").is_alive
    assert Status("running", pid=os.getpid()).is_alive
