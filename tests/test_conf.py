"""Whatever conf/ offers is built and fitted."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tabproof.config.checks import IncompatiblePreprocessError
from tabproof.experiment import run_experiment
from tests.conftest import OPENML_HOME, composed, needs_openml_home

CONF = Path(__file__).parents[1] / "conf"


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@pytest.mark.parametrize("preprocess", choices("preprocess"))
@pytest.mark.parametrize("model", choices("model"))
def test_every_model_with_every_preprocess_is_fitted_or_refused_ahead(
    model: str, preprocess: str, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    overrides = [
        "dataset=file",
        f"dataset.path={make_csv(n_classes=3)}",
        "dataset.target=label",
        f"model={model}",
        f"preprocess={preprocess}",
        "search=none",
    ]
    try:
        config = composed(*overrides)
    except IncompatiblePreprocessError:
        return
    assert run_experiment(config, tmp_path).startswith("[RESULT] ds=file_small")
    predictions = pd.read_parquet(tmp_path / "predictions.parquet")
    assert predictions.filter(like="proba_").shape == (24, 3)
    assert predictions.filter(like="proba_").sum(axis=1).tolist() == pytest.approx([1.0] * 24)


# Two classes are searched by the other tests.
@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [pytest.param(2, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("model", choices("model"))
def test_every_model_is_searched_with_a_preprocess_of_its_own(
    model: str, n_classes: int, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    table = [f"dataset.path={make_csv(n_classes=n_classes)}", "dataset.target=label"]
    line = run_experiment(composed("dataset=file", *table, f"model={model}"), tmp_path)
    predictions = pd.read_parquet(tmp_path / "predictions.parquet")
    assert " mode=fast " in line
    assert predictions.filter(like="proba_").shape == (24, n_classes)
    assert predictions.filter(like="proba_").sum(axis=1).tolist() == pytest.approx([1.0] * 24)


@pytest.mark.parametrize("n_classes", [2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("preprocess", choices("preprocess"))
def test_a_member_of_a_vote_takes_every_preprocess(
    preprocess: str, n_classes: int, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    config = composed(
        "dataset=file",
        f"dataset.path={make_csv(n_classes=n_classes)}",
        "dataset.target=label",
        "search=none",
        "model=vote",
        f"preprocess@model.members.boosting.preprocess={preprocess}",
        "model.members.extra.model.estimator.n_estimators=5",
        "model.members.forest.model.estimator.n_estimators=5",
    )
    assert run_experiment(config, tmp_path).startswith("[RESULT]")


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    ["logistic_regression", "hist_gradient_boosting", "random_forest", "extra_trees"],
)
def test_weights_of_classes_are_searched_and_exported(
    model: str, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    config = composed(
        "dataset=file",
        f"dataset.path={make_csv()}",
        "dataset.target=label",
        f"model={model}",
        "search=fast",
        "~model.param_grids.fast",
        "+model.param_grids.fast={clf__class_weight: [{0: 1, 1: 9}, {0: 9, 1: 1}, balanced]}",
    )
    assert run_experiment(config, tmp_path).startswith("[RESULT]")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["n_candidates"] == 4  # the three, and the defaults
    assert summary["parity"]["max_difference"] <= 1e-12


# Those that need a cluster have tests of their own.
@pytest.mark.parametrize(
    ("search", "runtime"),
    [(search, "local") for search in choices("search")] + [("fast", "serial")],
)
def test_every_search_and_runtime_is_fitted(
    search: str, runtime: str, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    table = [f"dataset.path={make_csv()}", "dataset.target=label"]
    choice = [f"search={search}", f"runtime={runtime}", "model=logistic_regression"]
    line = run_experiment(composed("dataset=file", *table, *choice), tmp_path)
    assert f" mode={search} " in line


@pytest.mark.parametrize(
    ("cv", "extra"),
    [
        ("stratified", []),
        ("time_series", []),
        ("time_series", ["cv.time_column=age"]),
        ("grouped", ["cv.group_column=job"]),
    ],
)
def test_every_cv_is_fitted(
    cv: str, extra: list[str], make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_csv()
    if extra == ["cv.time_column=age"]:
        # Sorted by what decides the label, the hold-out would hold one class.
        extra = ["cv.time_column=income"]
        pd.read_csv(path).dropna(subset="income").to_csv(tmp_path / "dated.csv", index=False)
        path = tmp_path / "dated.csv"
    if cv == "grouped":
        frame = pd.read_csv(path)
        frame.assign(subject=frame.index // 3).to_csv(tmp_path / "grouped.csv", index=False)
        path, extra = tmp_path / "grouped.csv", ["cv.group_column=subject"]
    table = [f"dataset.path={path}", "dataset.target=label", "model=logistic_regression"]
    config = composed("dataset=file", *table, f"cv={cv}", *extra)
    line = run_experiment(config, tmp_path / "run")
    assert line.startswith("[RESULT]")


def test_every_cv_is_tried_above() -> None:
    assert list(choices("cv")) == ["grouped", "stratified", "time_series"]


@pytest.mark.parametrize("dataset", ["breast_cancer", "wine"])
def test_every_builtin_dataset_is_learned(dataset: str, tmp_path: Path) -> None:
    line = run_experiment(
        composed(f"dataset={dataset}", "search=none", "model=logistic_regression"), tmp_path
    )
    assert f"ds=builtin_{dataset} mode=none AUC=0.99" in line or "AUC=1.0000" in line


@needs_openml_home
@pytest.mark.parametrize(
    ("dataset", "name"), [("adult", "openml_adult"), ("credit-g", "openml_credit_g")]
)
def test_every_openml_dataset_is_learned(dataset: str, name: str, tmp_path: Path) -> None:
    home = f"dataset.data_home={OPENML_HOME}"
    line = run_experiment(composed(f"dataset={dataset}", home, "search=none"), tmp_path)
    assert line.startswith(f"[RESULT] ds={name} mode=none AUC=0.")


def test_every_dataset_is_tried_above() -> None:
    assert list(choices("dataset")) == ["adult", "breast_cancer", "credit-g", "file", "wine"]


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_every_experiment_is_composed(experiment: str) -> None:
    composed(f"experiment={experiment}")
