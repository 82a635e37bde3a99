"""A run directory is complete or has no manifest, whatever happens to the run."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tabproof.artifacts import read_manifest
from tests.artifacts.making import changed_files
from tests.conftest import ROOT, process, train

QUICK = (
    "dataset=wine",
    "search=none",
    "model=logistic_regression",
    "checks=none",
    "evaluation=minimal",
    "report=none",
)


def check_complete(run: Path) -> None:
    manifest = read_manifest(run)
    assert manifest is not None
    assert changed_files(run, manifest) == []


def test_changed_files_are_found(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
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


@pytest.mark.slow
def test_runs_that_start_in_the_same_second_have_different_directories(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: process("train", *QUICK, cwd=tmp_path), range(2)))
    assert [one.returncode for one in done] == [0, 0]
    runs = [path.parent for path in tmp_path.glob("outputs/*/*/manifest.json")]
    assert len(runs) == 2
    for run in runs:
        check_complete(run)
    latest = tmp_path / "outputs" / "latest"
    assert latest.resolve() in {run.resolve() for run in runs}


def start_run(path: Path, report: str = "none", **options: Any) -> subprocess.Popen[str]:
    words = [*QUICK, f"report={report}", f"hydra.run.dir={path}"]
    return subprocess.Popen(
        [sys.executable, "-m", "src.train", *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


MOMENTS = [
    pytest.param(".hydra/config.yaml", marks=pytest.mark.slow),
    pytest.param("status.json", marks=pytest.mark.slow),
    pytest.param("config.yaml", marks=pytest.mark.slow),
    pytest.param("schema.json", marks=pytest.mark.slow),
    pytest.param("reference.json", marks=pytest.mark.slow),
    pytest.param("estimator.joblib", marks=pytest.mark.slow),
    pytest.param("cv_results.csv", marks=pytest.mark.slow),
    pytest.param("predictions.parquet", marks=pytest.mark.slow),
    pytest.param("evaluation.json", marks=pytest.mark.slow),
    pytest.param("plots/roc.svg", marks=pytest.mark.slow),
    pytest.param("report.html", marks=pytest.mark.slow),
    pytest.param("model_card.md", marks=pytest.mark.slow),
    pytest.param("summary.json", marks=pytest.mark.slow),
    "manifest.json",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_at_any_moment_is_complete_or_has_no_manifest(
    moment: str, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    of_report = moment in ("plots/roc.svg", "report.html", "model_card.md")
    started = start_run(run, "default" if of_report else "none")
    while started.poll() is None and not (run / moment).exists():
        time.sleep(0.001)
    started.send_signal(signal.SIGKILL)
    started.communicate()
    assert (run / ".hydra").exists(), "the run did not start"
    manifest = read_manifest(run)
    assert manifest is not None or moment != "manifest.json"
    assert manifest is None or changed_files(run, manifest) == []


@pytest.mark.parametrize(
    ("limit", "report"),
    [
        pytest.param(200, "none", marks=pytest.mark.slow),
        (3_000, "none"),
        pytest.param(20_000, "default", marks=pytest.mark.slow),
        pytest.param(26_000, "default", marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_is_one_line_and_leaves_no_manifest(
    limit: int, report: str, tmp_path: Path
) -> None:
    # A limit on the size of files makes a write fail in the middle of a file, as a full disk does.
    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    run = tmp_path / "run"
    started = start_run(run, report, preexec_fn=limit_files)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 1
    assert len(errors.splitlines()) == 1, errors
    assert "cannot write" in errors
    assert "hydra.run.dir" in errors
    assert read_manifest(run) is None


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = train(f"hydra.run.dir={tmp_path}/file/run")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: cannot write {tmp_path}/file/run: Not a directory")
    assert len(done.stderr.splitlines()) == 1


def test_a_complete_run_is_never_overwritten(run: Path) -> None:
    done = train(f"hydra.run.dir={run}")
    assert done.returncode == 2
    assert "holds a complete run already" in done.stderr
    check_complete(run)


@pytest.mark.slow
@pytest.mark.parametrize(
    "again",
    [
        ["hydra.run.dir=${oc.env:RUNS}/0"],
        ["-m", "hydra.sweep.dir=${oc.env:RUNS}", "hydra.sweep.subdir=${hydra:job.num}"],
        ["-m", "hydra.sweep.dir=${oc.env:RUNS}", "hydra.sweep.subdir=0"],
    ],
)
def test_complete_runs_of_a_sweep_are_never_overwritten(again: list[str], tmp_path: Path) -> None:
    first = train("-m", *QUICK, f"hydra.sweep.dir={tmp_path}", "hydra.sweep.subdir=0")
    assert first.returncode == 0
    done = train(*again, *QUICK, "seed=7", env={**os.environ, "RUNS": str(tmp_path)})
    assert done.returncode == 2
    assert "holds a complete run already" in done.stderr
    check_complete(tmp_path / "0")


@pytest.mark.slow
def test_of_two_runs_in_one_directory_one_is_refused(tmp_path: Path) -> None:
    started = [start_run(tmp_path / "run") for _ in range(2)]
    for each in started:
        each.communicate(timeout=60)
    assert sorted(each.returncode for each in started) == [0, 2]
    check_complete(tmp_path / "run")


@pytest.mark.slow
def test_a_closed_console_does_not_stop_a_run(tmp_path: Path) -> None:
    words = " ".join([*QUICK, f"hydra.run.dir={tmp_path}/run"])
    command = f"{sys.executable} -m src.train {words} | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""
    assert read_manifest(tmp_path / "run") is not None


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_console_on_a_full_disk_is_one_warning_and_does_not_stop_a_run(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "src.train", *QUICK, f"hydra.run.dir={tmp_path}/run"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "cannot write to the console" in done.stderr
    assert read_manifest(tmp_path / "run") is not None
