"""A run is complete or none at all, whatever happens to it and beside it."""

import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tabproof.artifacts import changed_files, read_manifest
from tests.conftest import ROOT, train


def test_a_bit_that_flips_is_found(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(run), str(copy)], check=True)
    manifest = read_manifest(copy)
    assert manifest is not None
    for name in ("estimator.joblib", "summary.json", ".hydra/config.yaml"):
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(content)
    (copy / "schema.json").unlink()
    (copy / "stranger").touch()
    assert changed_files(copy, manifest) == [
        ".hydra/config.yaml",
        "estimator.joblib",
        "schema.json",
        "stranger",
        "summary.json",
    ]


def test_two_runs_of_one_second_keep_apart(tmp_path: Path) -> None:
    arguments = ("dataset=wine", "search=none", "model=logistic_regression")

    def start(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "src.train", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(start, range(3)))
    assert [one.returncode for one in done] == [0, 0, 0]
    runs = [path.parent for path in tmp_path.glob("outputs/*/*/manifest.json")]
    assert len(runs) == 3
    for run in runs:
        manifest = read_manifest(run)
        assert manifest is not None
        assert changed_files(run, manifest) == []
    latest = tmp_path / "outputs" / "latest"
    assert latest.resolve() in {run.resolve() for run in runs}


def start_run(path: Path, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "src.train",
            "dataset=wine",
            "search=none",
            "model=logistic_regression",
            "evaluation=minimal",
            f"hydra.run.dir={path}",
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


MOMENTS = [
    ".hydra/config.yaml",
    "status.json",
    pytest.param("config.yaml", marks=pytest.mark.slow),
    pytest.param("schema.json", marks=pytest.mark.slow),
    pytest.param("estimator.joblib", marks=pytest.mark.slow),
    pytest.param("cv_results.csv", marks=pytest.mark.slow),
    "predictions.parquet",
    "evaluation.json",
    pytest.param("plots/roc.svg", marks=pytest.mark.slow),
    "report.html",
    pytest.param("model_card.md", marks=pytest.mark.slow),
    "summary.json",
    "manifest.json",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_it_is_a_complete_run_or_none(moment: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start_run(run)
    while process.poll() is None and not (run / moment).exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (run / ".hydra").exists(), "the run never began"
    manifest = read_manifest(run)
    assert manifest is not None or moment != "manifest.json"
    assert manifest is None or changed_files(run, manifest) == []


@pytest.mark.parametrize("limit", [200, 20_000, 26_000])
def test_a_disk_that_fills_is_told_in_one_line_and_leaves_no_run(
    limit: int, tmp_path: Path
) -> None:
    # A limit on the size of a file fails the writing of whatever is larger, as a full disk
    # does: by an error of the operating system in the middle of a file.
    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    run = tmp_path / "run"
    process = start_run(run, preexec_fn=limit_files)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1, errors
    assert "cannot write" in errors
    assert "hydra.run.dir" in errors
    assert read_manifest(run) is None


def test_a_directory_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = train(f"hydra.run.dir={tmp_path}/file/run")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: cannot write {tmp_path}/file/run: Not a directory")
    assert len(done.stderr.splitlines()) == 1


def test_a_complete_run_is_never_written_over(run: Path) -> None:
    done = train(f"hydra.run.dir={run}")
    assert done.returncode == 2
    assert "holds a complete run already" in done.stderr
    manifest = read_manifest(run)
    assert manifest is not None
    assert changed_files(run, manifest) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "again",
    [
        ["hydra.run.dir=${oc.env:RUNS}/0"],
        ["-m", "hydra.sweep.dir=${oc.env:RUNS}", "hydra.sweep.subdir=${hydra:job.num}"],
        ["-m", "hydra.sweep.dir=${oc.env:RUNS}", "hydra.sweep.subdir=0"],
    ],
)
def test_complete_runs_of_a_sweep_are_never_written_over(again: list[str], tmp_path: Path) -> None:
    arguments = ["dataset=wine", "search=none", "model=logistic_regression"]
    environment = {**os.environ, "RUNS": str(tmp_path)}
    assert (
        train("-m", *arguments, f"hydra.sweep.dir={tmp_path}", "hydra.sweep.subdir=0").returncode
        == 0
    )
    done = train(*again, *arguments, "seed=7", env=environment)
    assert done.returncode == 2
    assert "holds a complete run already" in done.stderr
    manifest = read_manifest(tmp_path / "0")
    assert manifest is not None
    assert changed_files(tmp_path / "0", manifest) == []


@pytest.mark.slow
def test_of_two_runs_in_one_directory_one_is_refused(tmp_path: Path) -> None:
    processes = [start_run(tmp_path / "run") for _ in range(2)]
    for process in processes:
        process.communicate(timeout=60)
    assert sorted(process.returncode for process in processes) == [0, 2]
    manifest = read_manifest(tmp_path / "run")
    assert manifest is not None
    assert changed_files(tmp_path / "run", manifest) == []


def test_a_console_that_went_away_does_not_cost_a_run(tmp_path: Path) -> None:
    command = (
        f"{sys.executable} -m src.train dataset=wine search=none model=logistic_regression"
        f" hydra.run.dir={tmp_path}/run | head -n 1"
    )
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""
    assert read_manifest(tmp_path / "run") is not None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_console_on_a_full_disk_is_told_once_and_does_not_cost_a_run(tmp_path: Path) -> None:
    arguments = ["dataset=wine", "search=none", "model=logistic_regression"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "src.train", *arguments, f"hydra.run.dir={tmp_path}/run"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "cannot write to the console" in done.stderr
    assert read_manifest(tmp_path / "run") is not None
