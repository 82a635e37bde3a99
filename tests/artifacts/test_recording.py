"""Whatever ends a run is told in its directory."""

import json
from contextlib import suppress
from pathlib import Path

import pytest

from tabproof.artifacts import RunDirectory, recorded
from tabproof.data.errors import SingleClassError
from tabproof.errors import DirectoryTakenError, RunExistsError, RungNotScoredError


def step() -> str:
    return "searching"


def test_a_refused_run_leaves_nothing_where_somebody_watched(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "outputs" / "day" / "run")
    with pytest.raises(SingleClassError), recorded(run, step, keep_refused=False):
        raise SingleClassError("target 'y'", "a")
    assert not list((tmp_path / "outputs").iterdir())


def test_a_refused_run_takes_nothing_of_others_with_it(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "mine" / "run")
    with suppress(SingleClassError), recorded(run, step, keep_refused=False):
        (run.path / "thesis.txt").write_text("three years of work")
        raise SingleClassError("target 'y'", "a")
    assert [path.name for path in run.path.iterdir()] == ["thesis.txt"]


def test_a_directory_with_other_things_in_it_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with (
        pytest.raises(DirectoryTakenError, match=r"it holds 'thesis\.txt'"),
        recorded(RunDirectory(tmp_path), step, keep_refused=False),
    ):
        pytest.fail("began")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_directory_that_another_run_is_writing_is_not_taken(tmp_path: Path) -> None:
    with (
        recorded(RunDirectory(tmp_path), step, keep_refused=False),
        pytest.raises(DirectoryTakenError, match=r"status\.json"),
    ):
        RunDirectory(tmp_path).begin()


def test_a_search_that_failed_keeps_its_log(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    error = RungNotScoredError(1, 30, "no class", sufficient=60)
    with pytest.raises(RungNotScoredError), recorded(run, step, keep_refused=False):
        raise error
    assert (run.path / "status.json").exists()


def test_a_failure_after_the_manifest_leaves_the_run_complete(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with suppress(OSError), recorded(run, step, keep_refused=False):
        run.complete("id")
        raise OSError(5, "the last sync")
    assert [path.name for path in run.path.iterdir()] == ["manifest.json"]


def test_an_interrupt_after_the_manifest_leaves_the_run_complete(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with suppress(KeyboardInterrupt), recorded(run, step, keep_refused=False):
        run.complete("id")
        raise KeyboardInterrupt
    assert [path.name for path in run.path.iterdir()] == ["manifest.json"]


def test_a_refused_run_of_a_sweep_keeps_its_reason(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(SingleClassError), recorded(run, step, keep_refused=True):
        raise SingleClassError("target 'y'", "a")
    status = json.loads((run.path / "status.json").read_text())
    assert status["state"] == "failed"
    assert "one class only" in status["reason"]


def test_an_unexpected_error_keeps_the_directory_and_names_the_step(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(ZeroDivisionError) as caught, recorded(run, step, keep_refused=False):
        1 / 0  # noqa: B018 - raises
    assert "while searching" in caught.value.__notes__[0]
    assert json.loads((run.path / "status.json").read_text())["state"] == "failed"


def test_a_complete_run_is_not_taken_for_another(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with recorded(run, step, keep_refused=False):
        run.complete("id")
    with pytest.raises(RunExistsError), recorded(run, step, keep_refused=False):
        pytest.fail("began")
    assert [path.name for path in run.path.iterdir()] == ["manifest.json"]
