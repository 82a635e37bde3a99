"""Whatever conf/ offers is built and fitted."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tabproof.config import check_config
from tabproof.config.checks import IncompatiblePreprocessError
from tabproof.experiment import run_experiment
from tests.conftest import OPENML_HOME, composed, needs_openml_home

CONF = Path(__file__).parents[1] / "conf"


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def table(path: Path) -> list[str]:
    return ["dataset=file", f"dataset.path={path}", "dataset.target=label"]


def fitted(directory: Path, n_classes: int, *overrides: str) -> str:
    """Run, and check the shape and the sums of the predicted probabilities."""
    line = run_experiment(composed(*overrides), directory)
    proba = pd.read_parquet(directory / "predictions.parquet").filter(like="proba_")
    assert proba.shape == (24, n_classes)
    assert proba.sum(axis=1).tolist() == pytest.approx([1.0] * 24)
    return line


# Forests and boosting of few trees: a search, or a vote, is tried, not its models.
SMALL_VOTE = [
    "model.members.boosting.model.estimator.max_iter=20",
    "model.members.extra.model.estimator.n_estimators=10",
    "model.members.forest.model.estimator.n_estimators=10",
]
SMALL_PORTFOLIO = [
    "search.n_splits=2",
    "search.members.boosting.model.estimator.max_iter=20",
    "search.members.ordinal_boosting.model.estimator.max_iter=20",
    "search.members.small_boosting.model.estimator.max_iter=20",
    "search.members.extra_trees.model.estimator.n_estimators=10",
    "search.members.forest.model.estimator.n_estimators=10",
]

# The default of each model, one more for each, and all for the model of most runs.
PAIRS = [
    ("hist_gradient_boosting", "native"),
    ("hist_gradient_boosting", "onehot"),
    ("hist_gradient_boosting", "ordinal"),
    ("hist_gradient_boosting", "target"),
    ("hist_gradient_boosting", "hashing"),
    ("hist_gradient_boosting_small", "native"),
    ("lightgbm", "native"),
    ("lightgbm", "hashing"),
    ("xgboost", "ordinal"),
    ("xgboost", "target"),
    ("catboost", "ordinal"),
    ("catboost", "onehot"),
    ("random_forest", "ordinal"),
    ("random_forest", "hashing"),
    ("extra_trees", "ordinal"),
    ("extra_trees", "target"),
    ("logistic_regression", "onehot"),
    ("logistic_regression", "hashing"),
    ("vote", "native"),
]


@pytest.mark.parametrize(("model", "preprocess"), PAIRS)
def test_a_model_is_fitted_with_its_own_preprocess_and_with_others(
    model: str, preprocess: str, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    choice = [f"model={model}", f"preprocess={preprocess}", "search=none"]
    choice += SMALL_VOTE if model == "vote" else []
    line = fitted(tmp_path, 3, *table(make_csv(n_classes=3)), *choice)
    assert line.startswith("[RESULT] ds=file_small")


def test_every_model_and_preprocess_is_tried_above_and_others_are_refused() -> None:
    assert {model for model, _ in PAIRS} == set(choices("model"))
    assert {preprocess for _, preprocess in PAIRS} == set(choices("preprocess"))
    preprocesses = {name: composed(f"preprocess={name}") for name in choices("preprocess")}
    refused = set()
    for model in choices("model"):
        config = composed(f"model={model}")
        for name, other in preprocesses.items():
            try:
                check_config(replace(config, preprocess=other.preprocess))
            except IncompatiblePreprocessError:
                refused.add((model, name))
    natively = {"catboost", "xgboost", "random_forest", "extra_trees", "logistic_regression"}
    assert refused == {
        *((model, "native") for model in natively),
        *(("logistic_regression", name) for name in ("ordinal", "target")),
        *(("vote", name) for name in preprocesses if name != "native"),
    }


@pytest.mark.slow
@pytest.mark.parametrize(("number", "model"), list(enumerate(choices("model"))))
def test_every_model_is_searched_with_a_preprocess_of_its_own(
    number: int, model: str, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    n_classes = 2 + number % 2
    path = make_csv(n_classes=n_classes)
    assert " mode=fast " in fitted(tmp_path, n_classes, *table(path), f"model={model}")


# The others are those of conf/model/vote.yaml.
@pytest.mark.parametrize(("preprocess", "n_classes"), [("target", 2), ("hashing", 3)])
def test_a_member_of_a_vote_takes_another_preprocess(
    preprocess: str, n_classes: int, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    fitted(
        tmp_path,
        n_classes,
        *table(make_csv(n_classes=n_classes)),
        "search=none",
        "model=vote",
        f"preprocess@model.members.boosting.preprocess={preprocess}",
        *SMALL_VOTE,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    ["logistic_regression", "hist_gradient_boosting", "random_forest", "extra_trees"],
)
def test_weights_of_classes_are_searched_and_exported(
    model: str, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    config = composed(
        *table(make_csv()),
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
    choice = [f"search={search}", f"runtime={runtime}", "model=logistic_regression"]
    small = {"portfolio": SMALL_PORTFOLIO, "classic": ["search.n_splits=2"]}.get(search, [])
    assert f" mode={search} " in fitted(tmp_path, 2, *table(make_csv()), *choice, *small)


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
    config = composed(*table(path), "model=logistic_regression", f"cv={cv}", *extra)
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
