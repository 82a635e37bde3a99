"""The directory of a sweep: one process's at a time, and nothing of others is removed."""

import os
from pathlib import Path

import pytest

from tabproof.artifacts import FinishedFits, RunDirectory, SweepDirectory, clear_job
from tabproof.artifacts.errors import (
    JobRunningError,
    NoSweepError,
    SweepDiffersError,
    SweepRunningError,
)
from tabproof.errors import DirectoryTakenError

DETERMINANTS = {"jobs": {"0": {"seed": 1}}, "code": "0" * 64}


def opened(path: Path, *, accept_changes: bool = False, **changes: object) -> SweepDirectory:
    sweep = SweepDirectory(path)
    sweep.open(["seed=1"], {**DETERMINANTS, **changes}, n_jobs=1, accept_changes=accept_changes)
    return sweep


def test_it_is_one_holder_s_at_a_time_and_names_it(tmp_path: Path) -> None:
    first = opened(tmp_path)
    with pytest.raises(SweepRunningError, match=r"is being written by process \d+ on "):
        opened(tmp_path)
    first.close()
    opened(tmp_path).close()


def test_what_it_was_made_of_stays_unless_changes_are_accepted(tmp_path: Path) -> None:
    opened(tmp_path).close()
    changed = {"jobs": {"0": {"seed": 2}}}
    with pytest.raises(SweepDiffersError, match=r"jobs\.0\.seed \(1, now 2\)"):
        opened(tmp_path, **changed)
    # Refused, it keeps nobody away.
    opened(tmp_path, accept_changes=True, **changed).close()
    assert SweepDirectory(tmp_path).plan["determinants"]["jobs"] == DETERMINANTS["jobs"]


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"arguments": 3}', "\x00"])
def test_what_is_no_sweep_is_told(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(NoSweepError, match="holds no sweep"):
        _ = SweepDirectory(tmp_path).plan


def test_jobs_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("10_a", "2_b", "1_c", ".submitit", "other"):
        (tmp_path / name).mkdir()
    names = [job.name for job in SweepDirectory(tmp_path).jobs]
    assert names == ["other", "1_c", "2_b", "10_a"]


@pytest.mark.parametrize("sign", ["status.json", "summary.json"])
def test_what_a_run_has_left_is_cleared_but_for_its_log(sign: str, tmp_path: Path) -> None:
    for name in (sign, "train.log", "config.yaml"):
        (tmp_path / name).touch()
    for name in (".hydra", "plots"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    assert not clear_job(tmp_path, keeps_fits=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hydra", "train.log"]


def test_what_no_run_has_left_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(DirectoryTakenError, match=r"thesis\.tex"):
        clear_job(tmp_path, keeps_fits=True)
    assert (tmp_path / "thesis.tex").exists()


def test_a_search_that_can_go_on_is_not_cleared(tmp_path: Path) -> None:
    FinishedFits(tmp_path / "search", {}).close()
    (tmp_path / "status.json").write_text('{"state": "running"}')
    assert clear_job(tmp_path, keeps_fits=True)
    assert (tmp_path / "search").is_dir()
    # With changes accepted its fits are of something else.
    assert not clear_job(tmp_path, keeps_fits=False)
    assert not (tmp_path / "search").exists()


def test_a_job_whose_process_lives_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabproof.artifacts.sweep_directory.END_SECONDS", 0.3)
    RunDirectory(tmp_path / "job").begin()
    with pytest.raises(JobRunningError, match=rf"process {os.getpid()} on "):
        clear_job(tmp_path / "job", keeps_fits=True)
    assert (tmp_path / "job" / "status.json").exists()
