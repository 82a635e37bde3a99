"""Finished fits on disk are whole or missing, belong to one plan, and have one writer."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tabproof.artifacts import (
    RunDirectory,
    differences,
    is_complete,
    is_searched,
    read_plan,
    unfinished_runs,
)
from tabproof.artifacts.errors import ResumeDiffersError, RunningError
from tabproof.artifacts.run_directory import FinishedFits
from tests.artifacts.making import changed_files
from tests.conftest import ROOT

PLAN: dict[str, Any] = {"config": {"seed": 42, "search": {"n_splits": 5}}, "data": "0" * 64}


@pytest.fixture
def fits(tmp_path: Path) -> Iterator[FinishedFits]:
    fits = FinishedFits(tmp_path / "search", PLAN)
    yield fits
    fits.close()


def test_fits_are_read_back_by_the_next_process(fits: FinishedFits, tmp_path: Path) -> None:
    fits["rung-0_candidate-1_fold-0"] = {"score": 0.5}
    fits["rung-0_candidate-2_fold-0"] = None
    fits.close()
    again = FinishedFits(tmp_path / "search", PLAN)
    assert dict(again) == {
        "rung-0_candidate-1_fold-0": {"score": 0.5},
        "rung-0_candidate-2_fold-0": None,
    }
    assert len(again) == 2
    again.close()
    del again["rung-0_candidate-2_fold-0"]
    assert list(again) == ["rung-0_candidate-1_fold-0"]
    with pytest.raises(KeyError):
        again["rung-0_candidate-2_fold-0"]


def test_a_damaged_fit_is_missing(fits: FinishedFits, tmp_path: Path) -> None:
    fits["a"] = list(range(100))
    path = tmp_path / "search" / "a.pickle"
    whole = path.read_bytes()
    # A power cut may leave a file that is cut, or zeros.
    for content in (b"", whole[:1], whole[:7], whole[:-1], bytes(100)):
        path.write_bytes(content)
        assert fits.get("a") is None
        assert "a" not in fits
    fits["a"] = 1
    assert fits["a"] == 1


def test_a_fit_that_is_being_written_is_missing(fits: FinishedFits, tmp_path: Path) -> None:
    (tmp_path / "search" / ".a.pickle.123.456.tmp").write_bytes(b"half of")
    assert list(fits) == []


def test_another_plan_is_refused_with_the_differences(fits: FinishedFits, tmp_path: Path) -> None:
    fits.close()
    other = {"config": {"seed": 43, "search": {"n_splits": 5}}, "data": "1" * 64}
    with pytest.raises(
        ResumeDiffersError, match=r"config\.seed \(42, now 43\)', 'data \("
    ) as raised:
        FinishedFits(tmp_path / "search", other)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500
    # The refused one holds no lock.
    FinishedFits(tmp_path / "search", PLAN).close()


def test_plans_with_a_tuple_or_a_list_are_equal(tmp_path: Path) -> None:
    FinishedFits(tmp_path / "search", {"labels": ("a", "b")}).close()
    FinishedFits(tmp_path / "search", {"labels": ["a", "b"]}).close()


def test_a_second_process_is_refused(fits: FinishedFits, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from tabproof.artifacts.run_directory import FinishedFits\n"
        "FinishedFits(Path(sys.argv[1]), {})"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "search")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert RunningError.__name__ in done.stderr
    assert is_searched(tmp_path)
    fits.close()
    assert not is_searched(tmp_path)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ResumeDiffersError.__name__ in done.stderr


def test_remove_leaves_nothing(fits: FinishedFits, tmp_path: Path) -> None:
    fits["a"] = 1
    fits.remove()
    assert list(tmp_path.iterdir()) == []
    assert read_plan(tmp_path) is None
    assert not is_searched(tmp_path)


@pytest.mark.parametrize(
    ("then", "now", "lines"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["a (1, now 2)"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "d": 4}}, [
            "a.b (1, now 3)", "a.c (2, now null)", "a.d (null, now 4)",
        ]),
        ({"a": [1, 2]}, {"a": [2, 1]}, ["a ([1, 2], now [2, 1])"]),
        ({}, {"a": "ä" * 50}, [f'a (null, now "{"ä" * 39}…)']),
    ],
    ids=str,
)  # fmt: skip
def test_differences_have_the_path_of_their_key(then: Any, now: Any, lines: list[str]) -> None:
    assert differences(then, now) == lines


def test_resumable_runs_are_listed_the_newest_first(tmp_path: Path) -> None:
    day, sweep = tmp_path / "2000-01-01", tmp_path / "2000-01-02" / "sweep"
    made = [day / "older", day / "complete", day / "newer", sweep / "0_job"]
    for age, run in enumerate(made):
        run.mkdir(parents=True)
        FinishedFits(run / "search", PLAN).close()
        os.utime(run / "search", (age, age))
    (day / "complete" / "manifest.json").touch()
    (day / "never begun").mkdir()
    assert list(unfinished_runs(tmp_path)) == [sweep / "0_job", day / "newer", day / "older"]
    assert list(unfinished_runs(tmp_path / "nowhere")) == []


def begun(path: Path) -> RunDirectory:
    """Begin a run that has a finished fit."""
    run = RunDirectory(path)
    run.begin()
    run.open_fits(PLAN)["a"] = 1
    return run


def test_a_run_that_cannot_be_completed_keeps_its_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(tmp_path / "run")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("tabproof.artifacts.run_directory.seal", full)
        with pytest.raises(OSError, match="No space left"):
            run.complete("id")
    assert not is_complete(run.path)
    run.fail("failed", "disk full")
    again = FinishedFits(run.path / "search", PLAN)
    assert dict(again) == {"a": 1}
    again.close()


def test_a_complete_run_has_no_fits(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    (run.path / "config.yaml").write_text("seed: 1")
    manifest = run.complete("id")
    assert set(manifest.files) == {"config.yaml"}
    assert not (run.path / "search").exists()
    # A process killed in between leaves fits: the run is complete all the same.
    (run.path / "search").mkdir()
    (run.path / "search" / "a.pickle").touch()
    assert changed_files(run.path, manifest) == []
    assert list(unfinished_runs(tmp_path)) == []
