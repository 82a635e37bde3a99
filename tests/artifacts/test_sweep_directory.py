"""A sweep directory has one writer at a time, and only files of runs are removed from it."""

import os
from pathlib import Path

import pytest

from tabproof.artifacts import RunDirectory, SweepDirectory, clear_job
from tabproof.artifacts.errors import ResumeDiffersError, RunningError
from tabproof.artifacts.run_directory import FinishedFits
from tabproof.artifacts.sweep_directory import NoSweepError
from tabproof.errors import DirectoryTakenError

DETERMINANTS = {"jobs": {"0": {"seed": 1}}, "code": "0" * 64}


def opened(path: Path, *, accept_changes: bool = False, **changes: object) -> SweepDirectory:
    sweep = SweepDirectory(path)
    sweep.open(["seed=1"], {**DETERMINANTS, **changes}, n_jobs=1, accept_changes=accept_changes)
    return sweep


def test_a_second_process_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    first = opened(tmp_path)
    with pytest.raises(RunningError, match=r"is being written by process \d+ on "):
        opened(tmp_path)
    first.close()
    opened(tmp_path).close()


def test_a_changed_plan_is_refused_unless_changes_are_accepted(tmp_path: Path) -> None:
    opened(tmp_path).close()
    changed = {"jobs": {"0": {"seed": 2}}}
    with pytest.raises(ResumeDiffersError, match=r"jobs\.0\.seed \(1, now 2\)"):
        opened(tmp_path, **changed)
    # The refused one holds no lock.
    opened(tmp_path, accept_changes=True, **changed).close()
    assert SweepDirectory(tmp_path).plan["determinants"]["jobs"] == DETERMINANTS["jobs"]


def test_a_directory_without_a_valid_plan_is_no_sweep(tmp_path: Path) -> None:
    for content in (None, "", "[]", "{}", '{"arguments": 3}', "\x00"):
        if content is not None:
            (tmp_path / "sweep.json").write_text(content)
        with pytest.raises(NoSweepError, match="holds no sweep"):
            _ = SweepDirectory(tmp_path).plan


def test_jobs_are_sorted_by_number(tmp_path: Path) -> None:
    for name in ("10_a", "2_b", "1_c", ".submitit", "other"):
        (tmp_path / name).mkdir()
    names = [job.name for job in SweepDirectory(tmp_path).jobs]
    assert names == ["other", "1_c", "2_b", "10_a"]


@pytest.mark.parametrize("sign", ["status.json", "summary.json"])
def test_the_files_of_an_incomplete_run_are_removed_but_for_its_log(
    sign: str, tmp_path: Path
) -> None:
    for name in (sign, "train.log", "config.yaml"):
        (tmp_path / name).touch()
    for name in (".hydra", "plots"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    assert not clear_job(tmp_path, keeps_fits=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hydra", "train.log"]


def test_a_directory_with_other_files_is_refused_and_not_changed(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(DirectoryTakenError, match=r"thesis\.tex"):
        clear_job(tmp_path, keeps_fits=True)
    assert (tmp_path / "thesis.tex").exists()


def test_a_search_that_can_be_resumed_is_kept(tmp_path: Path) -> None:
    FinishedFits(tmp_path / "search", {}).close()
    (tmp_path / "status.json").write_text('{"state": "running"}')
    assert clear_job(tmp_path, keeps_fits=True)
    assert (tmp_path / "search").is_dir()
    # With accepted changes its fits are invalid.
    assert not clear_job(tmp_path, keeps_fits=False)
    assert not (tmp_path / "search").exists()


def test_a_job_whose_process_still_runs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabproof.artifacts.sweep_directory.END_SECONDS", 0.3)
    RunDirectory(tmp_path / "job").begin()
    with pytest.raises(RunningError, match=rf"process {os.getpid()} on "):
        clear_job(tmp_path / "job", keeps_fits=True)
    assert (tmp_path / "job" / "status.json").exists()
