"""A search that was killed is resumed, and its results are those of an uninterrupted run."""

import fcntl
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tabproof.artifacts import read_manifest
from tabproof.artifacts.errors import ResumeDiffersError, RunningError
from tabproof.config import Composed
from tabproof.errors import InvalidValueError
from tabproof.sweep import arguments_for_hydra
from tests.artifacts.making import changed_files
from tests.conftest import ROOT, composed, made_once, quickly, train

TIMES = r"^(mean|std)_(fit|score)_time$"
# Fits of some hundredths of a second, most of which are continued in a later rung.
GRID = "{clf__max_depth: [2, 3, 4, 5, 6], clf__min_samples_leaf: [1, 7]}"
RUNGS = (
    "[{candidates: all, iterations: 25%, rows: 100%, folds: 1},"
    " {candidates: 4, iterations: 50%, rows: 100%, folds: 2},"
    " {candidates: 2, iterations: 100%, rows: 100%, folds: all}]"
)


@pytest.fixture(scope="module")
def table(make_csv: Callable[..., Path]) -> Path:
    return make_csv()


@pytest.fixture(scope="module")
def asked(table: Path) -> list[str]:
    return [
        "dataset=file",
        f"dataset.path={table}",
        "dataset.target=label",
        "model=random_forest",
        "model.estimator.n_estimators=40",
        "search=full",
        f"+model.param_grids.mine={GRID}",
        "search.param_grid=mine",
        f"search.schedule={RUNGS}",
        "runtime=serial",
        "checks=none",
        "evaluation=minimal",
    ]


@pytest.fixture(scope="module")
def whole(asked: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that was not interrupted."""

    def make(run: Path) -> None:
        done = train(*asked, f"hydra.run.dir={run}")
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "whole", make)


def fits_of(run: Path) -> dict[str, int]:
    """Return the finished fits, with inode numbers: a file that is written again has another."""
    return {path.stem: path.stat().st_ino for path in run.glob("search/*.pickle")}


def killed(arguments: list[str], run: Path, n_fits: int, **options: Any) -> dict[str, int]:
    """Start a search, kill it at a random moment after n_fits; return its finished fits."""
    process = subprocess.Popen(
        [sys.executable, "-m", "src.train", *arguments],
        cwd=options.pop("cwd", ROOT),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **options,
    )
    deadline = time.monotonic() + 60
    while len(fits_of(run)) < n_fits and process.poll() is None:
        assert time.monotonic() < deadline, "no fits"
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.1))  # noqa: S311 - any moment will do
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was over before it could be killed"
    return fits_of(run)


@pytest.fixture(scope="module")
def unfinished(asked: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that was killed; tests work on a copy."""

    def make(run: Path) -> None:
        assert killed([*asked, f"hydra.run.dir={run}"], run, 3)

    return made_once(tmp_path_factory, "unfinished", make)


def copied(run: Path, to: Path) -> Path:
    shutil.copytree(run, to / "copy")
    return to / "copy"


def results(run: Path) -> pd.DataFrame:
    table = pd.read_csv(run / "cv_results.csv")
    return table.drop(columns=table.filter(regex=TIMES).columns)


def assert_same_run(run: Path, other: Path) -> None:
    one, another = (json.loads((r / "summary.json").read_text()) for r in (run, other))
    for machine in ("seconds", "row_microseconds", "git"):
        del one[machine], another[machine]
    assert one == another
    pd.testing.assert_frame_equal(results(run), results(other), check_exact=True)
    predictions = [pd.read_parquet(r / "predictions.parquet") for r in (run, other)]
    pd.testing.assert_frame_equal(*predictions, check_exact=True)
    for file in ("schema.json", "scorer/model.json"):
        if (other / file).exists():
            assert (run / file).read_bytes() == (other / file).read_bytes()


def assert_sealed(run: Path) -> None:
    manifest = read_manifest(run)
    assert manifest is not None
    assert changed_files(run, manifest) == []
    assert not (run / "search").exists()
    assert not [file for file in manifest.files if "search/" in file or file == "status.json"]


@pytest.mark.parametrize("n_kills", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_killed_at_any_moment_is_resumed_to_the_same_results(
    n_kills: int, asked: list[str], unfinished: Path, whole: Path, tmp_path: Path
) -> None:
    run = copied(unfinished, tmp_path)
    first = fits_of(run)
    again = [*asked, f"search.resume={run}"]
    if n_kills == 2:
        # No finished fit is written a second time.
        second = killed(again, run, len(first) + 4)
        assert first.items() < second.items()
        first = second
    done = train(*again)
    assert done.returncode == 0, done.stderr
    assert f"resuming: {len(first)} fits are finished\n" in done.stdout
    assert_sealed(run)
    assert_same_run(run, whole)
    log = (run / "train.log").read_text()
    assert log.count("resuming:") == n_kills


@pytest.mark.slow
def test_the_newest_unfinished_run_is_found_by_its_configuration(
    asked: list[str], whole: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"cwd": tmp_path}

    def runs() -> list[Path]:
        return sorted(path.parent for path in tmp_path.glob("outputs/*/*/.hydra"))

    command = [sys.executable, "-m", "src.train", *asked, "search.resume=true"]
    # There is no unfinished run, so a new one starts.
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("outputs/*/*/search/*.pickle")):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate()
    (run,) = runs()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, done.stderr
    assert "resuming: " in done.stdout
    assert runs() == [run]
    assert_sealed(run)
    assert_same_run(run, whole)
    assert (tmp_path / "outputs" / "latest").resolve() == run


def refused(directory: Path, *arguments: str) -> str:
    """Return the error line of a resumed run that is refused; check that its fits are unchanged."""
    before = fits_of(directory)
    done = train(*arguments, f"search.resume={directory}")
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert fits_of(directory) == before
    return done.stderr


@pytest.mark.slow
def test_resuming_with_other_data_is_refused_and_with_the_same_data_works(
    asked: list[str], table: Path, unfinished: Path, whole: Path, tmp_path: Path
) -> None:
    run = copied(unfinished, tmp_path)
    other = tmp_path / "other.csv"
    other.write_text(table.read_text().replace("smith", "baker"))
    said = refused(run, *asked, f"dataset.path={other}")
    assert "it is of something else: 'data (" in said
    assert "search.resume=false" in said
    # The same table in another place is the same data.
    elsewhere = shutil.copy(table, tmp_path / table.name)
    done = train(*asked, f"dataset.path={elsewhere}", f"search.resume={run}")
    assert done.returncode == 0, done.stderr
    assert_same_run(run, whole)


def asked_to_resume(arguments: list[str], run: Path | bool) -> list[str]:
    wish = run if isinstance(run, Path) else str(run).lower()
    config = composed(*arguments, f"search.resume={wish}")
    return arguments_for_hydra([], Composed(Path("outputs/2000-01-01/new"), [config]))


@pytest.mark.parametrize(
    ("override", "differing", "by_name"),
    [
        ("seed=43", r"config\.seed \(42, now 43\)", False),
        ("seed=43", r"config\.seed \(42, now 43\)", True),
        (
            "model.estimator.n_estimators=201",
            r"config\.model\.estimator\.n_estimators \(40, now",
            True,
        ),
        pytest.param(
            "search.n_splits=4",
            r"config\.search\.n_splits \(5, now 4\)",
            True,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "search.scoring=accuracy",
            r'search\.scoring \("roc_auc", now "accuracy"\)',
            True,
            marks=pytest.mark.slow,
        ),
        (
            "model.param_grids.mine.clf__max_depth=[2,3,4,5]",
            r"config\.search\.searched\.clf__max_depth \(\[2, 3, 4, 5, 6\], now \[2, 3, 4, 5\]\)",
            True,
        ),
        ("cv.test_size=0.3", r"config\.cv\.test_size", False),
    ],
)
def test_resuming_with_another_configuration_is_refused_and_the_difference_is_named(
    override: str,
    differing: str,
    by_name: bool,
    asked: list[str],
    unfinished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(unfinished, tmp_path / "outputs" / "2000-01-01" / "old")
    with pytest.raises(ResumeDiffersError, match=differing) as raised:
        asked_to_resume([*asked, override], unfinished if by_name else True)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("override", ["runtime.workers=1", "search.time_budget=9h", "report=none"])
def test_settings_that_change_no_number_may_differ(
    override: str, asked: list[str], unfinished: Path
) -> None:
    (found,) = asked_to_resume([*asked, override], unfinished)
    assert found == f'hydra.run.dir="{unfinished}"'


def test_the_newest_unfinished_run_of_this_configuration_is_resumed(
    asked: list[str], unfinished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    day = tmp_path / "outputs" / "2000-01-01"
    for age, name in enumerate(["it's new", "older", "of another seed"]):
        shutil.copytree(unfinished, day / name)
        os.utime(day / name / "search", (1e9 - age, 1e9 - age))
    plan = day / "of another seed" / "search" / "plan.json"
    content = json.loads(plan.read_text())
    content["config"]["seed"] = 1
    plan.write_text(json.dumps(content))
    os.utime(plan.parent, (1e9 + 9, 1e9 + 9))
    assert asked_to_resume(asked, True) == ['hydra.run.dir="outputs/2000-01-01/it\'s new"']
    # Runs of another dataset are not resumed.
    assert asked_to_resume(["dataset=wine"], True) == []
    assert asked_to_resume(asked, False) == []


def test_there_must_be_something_to_resume(run: Path, asked: list[str], tmp_path: Path) -> None:
    complete = run
    for directory in (tmp_path, tmp_path / "none", complete):
        with pytest.raises(InvalidValueError, match=re.escape(f"search.resume={directory} cannot")):
            asked_to_resume(asked, directory)
    done = train(*asked, f"search.resume={tmp_path}/none")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: search.resume={tmp_path}/none cannot work")
    assert not list(tmp_path.iterdir())


def test_a_second_process_is_refused_and_changes_nothing(
    asked: list[str], unfinished: Path, tmp_path: Path
) -> None:
    run = copied(unfinished, tmp_path)

    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in sorted(run.rglob("*"))}

    before = files()
    with (run / "search" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "is being written by another process" in refused(run, *asked)
        with pytest.raises(RunningError):
            asked_to_resume(asked, run)
    assert files() == before
    asked_to_resume(asked, run)


def test_an_unfinished_run_is_not_overwritten_by_a_new_one(
    asked: list[str], unfinished: Path
) -> None:
    before = fits_of(unfinished)
    done = train(*asked, f"hydra.run.dir={unfinished}")
    assert done.returncode == 2
    assert "search" in done.stderr
    assert fits_of(unfinished) == before


def test_a_time_budget_marks_the_run_as_partial(
    asked: list[str], whole: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = train(*asked, "search.time_budget=0.1s", f"hydra.run.dir={run}")
    assert done.returncode == 0, done.stderr
    assert "stopped early (the time budget is used up)" in done.stdout
    assert "the run is marked as partial" in done.stdout
    assert_sealed(run)
    partial, full = (json.loads((r / "summary.json").read_text()) for r in (run, whole))
    assert partial["stopped"] == "the time budget is used up"
    assert partial["n_not_tried"] > 0
    assert partial["run_id"] != full["run_id"]
    assert full["stopped"] is None
    assert full["n_not_tried"] == 0
    assert partial["code"] == full["code"]


@pytest.mark.slow
def test_a_sufficient_time_budget_does_not_change_the_run(
    asked: list[str], whole: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = train(*asked, "search.time_budget=1h", "runtime=local", f"hydra.run.dir={run}")
    assert done.returncode == 0, done.stderr
    ids = [json.loads((r / "summary.json").read_text())["run_id"] for r in (run, whole)]
    assert ids[0] == ids[1]
    pd.testing.assert_frame_equal(results(run), results(whole), check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "search"),
    [
        ("hist_gradient_boosting", ["search=full"]),
        ("logistic_regression", ["search=random", "search.n_candidates=30"]),
        ("hist_gradient_boosting", ["search=tpe", "search.n_candidates=20"]),
        ("hist_gradient_boosting", ["search=portfolio"]),
    ],
    ids=str,
)
def test_every_search_engine_is_resumed_to_the_same_results(
    model: str, search: list[str], tmp_path: Path
) -> None:
    if search == ["search=tpe", "search.n_candidates=20"]:
        pytest.importorskip("optuna")
    arguments = ["dataset=breast_cancer", f"model={model}", *search]
    arguments += quickly(arguments)
    done = train(*arguments, f"hydra.run.dir={tmp_path}/whole")
    assert done.returncode == 0, done.stderr
    n_fits = 0
    run = tmp_path / "run"
    killed([*arguments, "runtime=serial", f"hydra.run.dir={run}"], run, 2)
    for more in (1, 2, 4):
        n_fits = len(fits_of(run)) + more
        killed([*arguments, "runtime=serial", f"search.resume={run}"], run, n_fits)
    done = train(*arguments, f"search.resume={run}")
    assert done.returncode == 0, done.stderr
    assert_sealed(run)
    assert_same_run(run, tmp_path / "whole")
