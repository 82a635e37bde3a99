"""Laws of a whole run: same id, same numbers, and nothing learned from the hold-out."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from tabproof.artifacts import read_manifest
from tabproof.artifacts.reference import read_reference
from tabproof.experiment import run_experiment
from tabproof.schema import Schema
from tests.artifacts.making import changed_files
from tests.conftest import OPENML_HOME, composed, needs_openml_home, train

BOOSTING, FOREST = (
    pytest.param(model, marks=pytest.mark.slow)
    for model in ("hist_gradient_boosting", "random_forest")
)
CONTENT = {
    ".hydra/config.yaml",
    ".hydra/hydra.yaml",
    ".hydra/overrides.yaml",
    "config.yaml",
    "cv_results.csv",
    "environment.txt",
    "estimator.joblib",
    "evaluation.json",
    "model_card.md",
    "plots/calibration.svg",
    "plots/confusion.svg",
    "plots/dependence.svg",
    "plots/distributions.svg",
    "plots/importance.svg",
    "plots/precision_recall.svg",
    "plots/roc.svg",
    "plots/search.svg",
    "predictions.parquet",
    "reference.json",
    "report.html",
    "schema.json",
    "scorer/arrays.safetensors",
    "scorer/scorer.json",
    "summary.json",
    "train.log",
}


def test_a_run_directory_contains_exactly_the_documented_files(run: Path) -> None:
    manifest = read_manifest(run)
    assert manifest is not None
    # Only where the working tree is not clean.
    assert set(manifest.files) - {"code.patch"} == CONTENT
    assert changed_files(run, manifest) == []


def test_the_reference_has_the_columns_of_the_schema_and_the_labels_of_the_predictions(
    run: Path,
) -> None:
    schema = Schema.from_json((run / "schema.json").read_text())
    reference = read_reference(run)
    assert reference is not None
    assert reference.n_rows == schema.n_rows
    kinds = [[(each.name, each.kind) for each in of.columns] for of in (reference, schema)]
    assert kinds[0] == kinds[1]
    predictions = pd.read_parquet(run / "predictions.parquet")
    proba = predictions[[f"proba_{label}" for label in schema.labels]].to_numpy()
    counts = np.bincount(proba.argmax(axis=1), minlength=len(schema.labels)).tolist()
    assert reference.predicted == dict(zip(schema.labels, counts, strict=True))


def test_the_stored_pipeline_predicts_the_stored_predictions(run: Path) -> None:
    schema = Schema.from_json((run / "schema.json").read_text())
    predictions = pd.read_parquet(run / "predictions.parquet")
    pipeline = joblib.load(run / "estimator.joblib")
    from sklearn.datasets import load_wine

    rows = load_wine(as_frame=True).data.loc[predictions["row_id"]]
    proba = pipeline.predict_proba(rows[[column.name for column in schema.columns]])
    kept = predictions[[f"proba_{label}" for label in schema.labels]].to_numpy()
    np.testing.assert_array_equal(proba, kept)


@pytest.mark.parametrize("model", ["logistic_regression", BOOSTING, FOREST])
def test_nothing_is_learned_from_the_hold_out(
    model: str, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    # Other values in the held-out rows must not change search, schema or model.
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    frame = pd.read_csv(make_csv())
    frame.to_csv(first, index=False)

    def run_on(path: Path) -> Path:
        table = [f"dataset.path={path}", "dataset.target=label", f"model={model}"]
        few = "search.n_splits=2"
        run_experiment(composed("dataset=file", few, *table), tmp_path / path.stem)
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
    quick = ["search=none", "model=logistic_regression"]
    done = train("dataset=wine", *quick, f"hydra.run.dir={tmp_path}/run")
    result = done.stdout.splitlines()[-1]
    assert result.startswith("[RESULT] ds=builtin_wine mode=none AUC=")
    assert (tmp_path / "run" / "train.log").read_text().splitlines()[-1].endswith(result)


def numbers_of(run: Path) -> dict[str, Any]:
    summary = json.loads((run / "summary.json").read_text())
    of_a_machine = {"seconds", "row_microseconds", "workers", "git"}
    return {key: summary[key] for key in summary.keys() - of_a_machine}


LINEAR = pytest.param("logistic_regression", marks=pytest.mark.slow)


@pytest.mark.parametrize("n_classes", [2, pytest.param(3, marks=pytest.mark.slow)])
# tests/replay has the law for a logistic regression.
@pytest.mark.parametrize("model", ["hist_gradient_boosting", LINEAR, FOREST])
def test_runtime_changes_no_number(
    model: str, n_classes: int, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    table = [f"dataset.path={make_csv(n_classes=n_classes)}", "dataset.target=label"]
    runs = []
    for workers, threads in [(1, 1), (2, 2)]:
        runtime = [f"runtime.workers={workers}", f"runtime.openmp_threads={threads}"]
        path = tmp_path / f"{workers}_{threads}"
        run_experiment(composed("dataset=file", *table, f"model={model}", *runtime), path)
        runs.append(path)
    first, other = runs
    assert numbers_of(other) == numbers_of(first)
    predictions = [(run / "predictions.parquet").read_bytes() for run in runs]
    assert predictions[0] == predictions[1]


def test_only_the_rows_and_the_configuration_make_another_run(
    make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    csv, parquet = make_csv(), tmp_path / "small.parquet"
    pd.read_csv(csv).to_parquet(parquet)
    found = {}
    for path, seed in ((csv, 1), (parquet, 1), (csv, 2)):
        table = [f"dataset.path={path}", "dataset.target=label", "model=logistic_regression"]
        config = composed("dataset=file", *table, "search=none", f"seed={seed}")
        run_experiment(config, run := tmp_path / f"{path.suffix}{seed}")
        found[path, seed] = numbers_of(run)
    assert found[csv, 1]["run_id"] == found[parquet, 1]["run_id"]
    assert found[csv, 1]["run_id"] != found[csv, 2]["run_id"]
    assert found[csv, 1]["metrics"] != found[csv, 2]["metrics"]


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


@pytest.mark.slow
@needs_openml_home
@pytest.mark.parametrize(
    ("dataset", "search"), [("credit-g", "fast"), ("adult", "none"), ("adult", "fast")]
)
@pytest.mark.parametrize("model", ["hist_gradient_boosting", "logistic_regression"])
def test_runtime_changes_no_number_on_real_data(
    model: str, dataset: str, search: str, tmp_path: Path
) -> None:
    # Large enough for threads and workers to have something to divide.
    found = []
    for workers, threads in [(1, 1), (2, 2)]:
        run = tmp_path / f"{workers}_{threads}"
        done = train(
            f"dataset={dataset}",
            f"dataset.data_home={OPENML_HOME}",
            f"model={model}",
            f"search={search}",
            f"runtime.workers={workers}",
            f"runtime.openmp_threads={threads}",
            f"hydra.run.dir={run}",
        )
        assert done.returncode == 0, done.stderr
        found.append((numbers_of(run), (run / "predictions.parquet").read_bytes()))
    assert found[0] == found[1]
