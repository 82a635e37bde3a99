"""Tidying up removes what was named, and nothing that anybody needs."""

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tabproof.artifacts import Registry, SweepDirectory, find_run, is_complete
from tabproof.artifacts.errors import RegistryDamagedError
from tabproof.artifacts.files import point_to
from tabproof.artifacts.run_directory import FinishedFits
from tabproof.runs import prune
from tabproof.runs.prune import NotAskedError
from tests.artifacts.making import (
    DAY,
    make_failed,
    make_recorded_run,
    make_running,
    make_unfinished,
)

OUTPUTS, MODELS = Path("outputs"), Path("models")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def runs() -> dict[str, Path]:
    runs = {
        "promoted": make_recorded_run(OUTPUTS / "2026-11-20/09-00-00_a", "aaaa0000", 0.7),
        "best": make_recorded_run(OUTPUTS / DAY / "10-00-00_b", "bbbb0000", 0.95),
        "other": make_recorded_run(OUTPUTS / DAY / "11-00-00_c", "cccc0000", 0.9),
        "job": make_recorded_run(OUTPUTS / DAY / "12-00-00_sweep/0_x", "dddd0000", 0.9),
        "wine": make_recorded_run(OUTPUTS / DAY / "13-00-00_e", "eeee0000", 0.5, dataset="wine"),
        "partial": make_recorded_run(
            OUTPUTS / "2026-11-22/14-00-00_f", "ffff0000", 0.6, stopped="early"
        ),
        "failed": make_failed(OUTPUTS / DAY / "15-00-00_g 失敗"),
        "running": make_running(OUTPUTS / DAY / "16-00-00_h"),
        "young": make_unfinished(OUTPUTS / DAY / "17-00-00_i", None),
    }
    Registry(MODELS).promote(runs["promoted"], "adult", "me", "")
    return runs


def pruned(**changes: object) -> str:
    asked = {"dataset": None, "since": None, "until": None, "yes": True, "dry_run": False}
    return prune.prune(outputs=OUTPUTS, models=MODELS, **{**asked, **changes})  # type: ignore[arg-type]


def left(runs: dict[str, Path]) -> set[str]:
    return {name for name, path in runs.items() if path.exists()}


KEPT = {"promoted", "best", "wine", "running", "young"}


def test_promoted_best_and_running_runs_are_kept(runs: dict[str, Path]) -> None:
    told = pruned()
    assert left(runs) == KEPT
    assert "(promoted as adult)" in told
    assert "(the best of adult)" in told
    assert told.endswith("\nremoved 4 runs, 0.0 MB")
    assert not (OUTPUTS / DAY / "12-00-00_sweep").exists()
    assert pruned().endswith("nothing to remove")


def test_a_dry_run_removes_nothing_and_lists_all(runs: dict[str, Path]) -> None:
    told = pruned(dry_run=True, yes=True)
    assert left(runs) == set(runs)
    assert told.count("\nremove  ") == 4
    assert f"remove  {runs['failed']}  (adult, failed, 0.0 MB)" in told
    assert told.endswith("would remove 4 runs, 0.0 MB")


def test_filters_select_candidates_but_not_the_best_runs(runs: dict[str, Path]) -> None:
    pruned(dataset="wine")
    pruned(until="2026-11-20")
    assert left(runs) == set(runs)
    pruned(dataset="adult", since=DAY)
    assert left(runs) == KEPT | {"partial"}


def test_without_a_terminal_nothing_is_removed_without_yes(runs: dict[str, Path]) -> None:
    with pytest.raises(NotAskedError, match="nothing was removed: 4 runs"):
        pruned(yes=False)
    assert left(runs) == set(runs)


@pytest.mark.parametrize(("answer", "goes"), [(b"y\n", True), (b"\n", False), (b"no\n", False)])
def test_the_user_confirms_first(runs: dict[str, Path], answer: bytes, goes: bool) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tabproof", "runs", "prune"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    # So that reading ends where the process does.
    os.close(theirs)
    asked = b""
    while b"[y/N]" not in asked:
        asked += os.read(ours, 4096)
    assert b"remove 4 runs" in asked
    assert left(runs) == set(runs)
    os.write(ours, answer)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert (left(runs) == KEPT) is goes
    assert ("nothing was removed" in out) is not goes


def test_a_running_search_is_kept(runs: dict[str, Path]) -> None:
    (runs["failed"] / "status.json").unlink()
    os.utime(runs["failed"], (1, 1))
    fits = FinishedFits(runs["failed"] / "search", {"a": 1})
    os.utime(runs["failed"], (1, 1))
    pruned()
    assert runs["failed"].exists()
    fits.close()
    assert "its search could go on" in pruned()
    assert not runs["failed"].exists()


def test_jobs_of_a_running_sweep_are_kept(runs: dict[str, Path]) -> None:
    sweep = SweepDirectory(runs["job"].parent)
    sweep.open([], {}, n_jobs=1, accept_changes=False)
    pruned()
    assert runs["job"].exists()
    sweep.close()
    pruned()
    assert not runs["job"].exists()
    assert sweep.is_begun


def test_a_run_that_starts_during_the_question_is_kept(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def agree(*_: object) -> bool:
        failed_run = runs["failed"] / "status.json"
        failed_run.write_text((runs["running"] / "status.json").read_text())
        return True

    monkeypatch.setattr(prune, "_is_agreed", agree)
    assert pruned(yes=False).endswith("removed 3 runs, 0.0 MB")
    assert runs["failed"].exists()


def test_latest_points_to_a_run_again(runs: dict[str, Path]) -> None:
    point_to(OUTPUTS / "latest", runs["partial"])
    pruned()
    assert (OUTPUTS / "latest").resolve() == find_run("latest", OUTPUTS).resolve()


def test_a_killed_removal_leaves_no_complete_run(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prune, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        # The newest goes first, and the failed one never was a run.
        pruned(until="2026-11-22", since="2026-11-22")
    assert runs["partial"].exists()
    assert not is_complete(runs["partial"])


def test_nothing_is_removed_if_the_registry_is_damaged(runs: dict[str, Path]) -> None:
    (MODELS / "adult/pointer.json").write_text("{")
    with pytest.raises(RegistryDamagedError):
        pruned()
    assert left(runs) == set(runs)


@pytest.mark.parametrize("content", ['{"format": 99}', "damaged", ""])
def test_a_run_that_cannot_be_read_is_kept(runs: dict[str, Path], content: str) -> None:
    (runs["other"] / "manifest.json").write_text(content)
    told = pruned()
    assert runs["other"].exists()
    assert f"keep    {runs['other']}  (cannot be read)" in told


def test_a_run_that_completes_during_the_question_is_kept(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def agree(*_: object) -> bool:
        shutil.rmtree(runs["failed"])
        shutil.copytree(runs["wine"], runs["failed"])
        return True

    monkeypatch.setattr(prune, "_is_agreed", agree)
    pruned(yes=False)
    assert is_complete(runs["failed"])
