"""Laws of a whole run: same id, same numbers; complete or not a run at all."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from src.experiment import run_experiment
from src.runs import changed_files, read_manifest
from src.schema import Schema
from tests.conftest import ROOT, composed, train

CONTENT = {
    ".hydra/config.yaml",
    ".hydra/hydra.yaml",
    ".hydra/overrides.yaml",
    "config.yaml",
    "cv_results.csv",
    "estimator.joblib",
    "plots/calibration.png",
    "plots/confusion.png",
    "plots/precision_recall.png",
    "plots/roc.png",
    "predictions.parquet",
    "schema.json",
    "summary.json",
    "train.log",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outputs") / "run"
    done = train("dataset=wine", "model=logistic_regression", f"hydra.run.dir={path}")
    assert done.returncode == 0, done.stderr
    return path


def test_a_run_directory_holds_what_it_promises_and_nothing_else(run: Path) -> None:
    manifest = read_manifest(run)
    assert manifest is not None
    assert set(manifest.files) == CONTENT
    assert changed_files(run, manifest) == []


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


def test_the_kept_pipeline_gives_the_kept_predictions(run: Path) -> None:
    schema = Schema.from_json((run / "schema.json").read_text())
    predictions = pd.read_parquet(run / "predictions.parquet")
    pipeline = joblib.load(run / "estimator.joblib")
    from sklearn.datasets import load_wine

    rows = load_wine(as_frame=True).data.loc[predictions["row_id"]]
    proba = pipeline.predict_proba(rows[[column.name for column in schema.columns]])
    kept = predictions[[f"proba_{label}" for label in schema.labels]].to_numpy()
    np.testing.assert_array_equal(proba, kept)


@pytest.mark.parametrize(
    "model", ["hist_gradient_boosting", "logistic_regression", "random_forest"]
)
def test_nothing_is_learned_from_the_hold_out(
    model: str, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    # Other numbers in the rows held out must leave search, schema and model as they are.
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    frame = pd.read_csv(make_csv())
    frame.to_csv(first, index=False)

    def run_on(path: Path) -> Path:
        table = [f"dataset.path={path}", "dataset.target=label", f"model={model}"]
        run_experiment(composed("dataset=file", *table), tmp_path / path.stem)
        return tmp_path / path.stem

    held_out = pd.read_parquet(run_on(first) / "predictions.parquet")["row_id"]
    frame.loc[held_out, ["age", "income"]] *= 1000
    frame.to_csv(second, index=False)
    run_on(second)
    rows = frame.drop(index=held_out).drop(columns="label").astype({"job": "category"})
    models = [joblib.load(tmp_path / name / "estimator.joblib") for name in ("first", "second")]
    np.testing.assert_array_equal(*(model.predict_proba(rows) for model in models))
    assert (
        numbers_of(tmp_path / "first")["best_score"]
        == (numbers_of(tmp_path / "second")["best_score"])
    )
    schemas = [(tmp_path / name / "schema.json").read_bytes() for name in ("first", "second")]
    assert schemas[0] == schemas[1]


def test_the_log_holds_the_result_and_the_console_ends_with_it(tmp_path: Path) -> None:
    done = train("dataset=wine", "search=none", f"hydra.run.dir={tmp_path}/run")
    result = done.stdout.splitlines()[-1]
    assert result.startswith("[RESULT] ds=builtin_wine mode=none AUC=")
    assert (tmp_path / "run" / "train.log").read_text().splitlines()[-1].endswith(result)


def numbers_of(run: Path) -> dict[str, Any]:
    summary = json.loads((run / "summary.json").read_text())
    return {key: summary[key] for key in summary.keys() - {"seconds", "workers", "git"}}


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "model",
    ["hist_gradient_boosting", "logistic_regression", "random_forest"],
)
def test_runtime_changes_no_number(
    model: str, n_classes: int, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    table = [f"dataset.path={make_csv(n_classes=n_classes)}", "dataset.target=label"]
    runs = []
    for workers, threads in [(1, 1), (2, 2), (2, 1)]:
        runtime = [f"runtime.workers={workers}", f"runtime.openmp_threads={threads}"]
        path = tmp_path / f"{workers}_{threads}"
        run_experiment(composed("dataset=file", *table, f"model={model}", *runtime), path)
        runs.append(path)
    first, *others = runs
    for other in others:
        assert numbers_of(other) == numbers_of(first)
        assert (other / "predictions.parquet").read_bytes() == (
            first / "predictions.parquet"
        ).read_bytes()


def test_another_seed_is_another_run(make_csv: Callable[..., Path], tmp_path: Path) -> None:
    table = [f"dataset.path={make_csv()}", "dataset.target=label", "model=logistic_regression"]
    for seed in (1, 2):
        config = composed("dataset=file", *table, f"seed={seed}")
        run_experiment(config, tmp_path / str(seed))
    assert numbers_of(tmp_path / "1")["run_id"] != numbers_of(tmp_path / "2")["run_id"]
    assert numbers_of(tmp_path / "1")["metrics"] != numbers_of(tmp_path / "2")["metrics"]


def test_the_same_rows_as_csv_and_parquet_are_the_same_run(
    make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    csv = make_csv()
    parquet = tmp_path / "small.parquet"
    pd.read_csv(csv).to_parquet(parquet)
    for path in (csv, parquet):
        table = [f"dataset.path={path}", "dataset.target=label", "model=logistic_regression"]
        run_experiment(composed("dataset=file", *table), tmp_path / path.suffix)
    ids = {numbers_of(tmp_path / suffix)["run_id"] for suffix in (".csv", ".parquet")}
    assert len(ids) == 1


def test_two_runs_of_one_second_keep_apart(tmp_path: Path) -> None:
    arguments = ("dataset=wine", "search=none", "model=logistic_regression")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "src.train", *arguments],
            cwd=tmp_path,
            env=environment,
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
    "plots/roc.png",
    "config.yaml",
    "schema.json",
    "estimator.joblib",
    "cv_results.csv",
    "predictions.parquet",
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


@pytest.mark.slow
def test_blas_threads_change_no_bit_of_a_large_logistic_regression(tmp_path: Path) -> None:
    # Large enough for two BLAS threads to add up in another order than one.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40_000, 60))
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(60)])
    frame["y"] = np.where(X @ rng.normal(size=60) + rng.normal(size=40_000) > 0, "yes", "no")
    frame.to_parquet(tmp_path / "large.parquet")
    table = ["dataset=file", f"dataset.path={tmp_path}/large.parquet", "dataset.target=y"]
    found = set()
    for outside in ("1", "2"):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": outside, "OMP_NUM_THREADS": outside}
        run = tmp_path / outside
        done = train(
            *table,
            "model=logistic_regression",
            "search=none",
            f"hydra.run.dir={run}",
            f"runtime.openmp_threads={outside}",
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        found.add((run / "predictions.parquet").read_bytes())
    assert len(found) == 1
