"""Whatever conf/ offers is built and fitted."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tabproof.config import TrainConfig, check_config
from tabproof.config.checks import IncompatiblePreprocessError
from tabproof.config.data_schema import DatasetConfig
from tabproof.config.schema import ModelConfig, VoteConfig
from tabproof.data import Division
from tabproof.experiment import load_rows, run_experiment
from tabproof.steps.search import make_plan
from tests.conftest import OPENML_HOME, composed, needs_openml_home

CONF = Path(__file__).parents[1] / "conf"
HOME = [f"dataset.data_home={OPENML_HOME}"]


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


@pytest.fixture(scope="module")
def three_classes(make_csv: Callable[..., Path]) -> DatasetConfig:
    return composed(*table(make_csv(n_classes=3))).dataset


# The members of a portfolio: a search is tried, not its models.
SMALL_PORTFOLIO = [
    *(f"~search.members.{name}" for name in ("boosting", "ordinal_boosting", "extra_trees")),
    "search.members.small_boosting.model.estimator.max_iter=10",
    "search.members.forest.model.estimator.n_estimators=10",
]

# The default of each model, one more for each, and all for the model of most runs.
PAIRS = {
    "hist_gradient_boosting": ["native", "onehot", "ordinal", "target", "hashing"],
    "hist_gradient_boosting_small": ["native"],
    "lightgbm": ["native", "hashing"],
    "xgboost": ["ordinal", "target"],
    "catboost": ["ordinal", "onehot"],
    "random_forest": ["ordinal", "hashing"],
    "extra_trees": ["ordinal", "target"],
    "logistic_regression": ["onehot", "hashing", "splines", "quadratic"],
    "vote": ["native"],
}


def few_trees(model: ModelConfig) -> None:
    """Make forests and boosting small: that they are fitted is tried, not how well."""
    name = model.estimator["_target_"].rpartition(".")[2]
    keys = {"HistGradientBoostingClassifier": "max_iter", "CatBoostClassifier": "iterations"}
    if name in keys or "n_estimators" in model.estimator:
        model.estimator[keys.get(name, "n_estimators")] = 10
    for member in getattr(model, "members", {}).values():
        few_trees(member.model)


def fit(config: TrainConfig) -> tuple[Division, np.ndarray]:
    """Fit a small pipeline without a search; return the data and the hold-out's probabilities."""
    check_config(config)
    config = replace(config, search=composed("search=none").search)
    few_trees(config.model)
    plan = make_plan(config)
    division = load_rows(config, plan)
    pipeline = plan.pipelines[""].fit(division.X_train, division.y_train)
    proba = pipeline.predict_proba(division.X_test)
    assert proba.shape == (len(division.X_test), len(division.table.labels))
    assert proba.sum(axis=1) == pytest.approx(1.0)
    return division, proba


@pytest.mark.parametrize("model", PAIRS)
def test_a_model_is_fitted_with_its_own_preprocess_and_with_others(
    model: str, three_classes: DatasetConfig
) -> None:
    own = composed(f"model={model}").preprocess
    assert own == composed(f"preprocess={PAIRS[model][0]}").preprocess
    for name in PAIRS[model]:
        preprocess = composed(f"preprocess={name}").preprocess
        fit(replace(composed(f"model={model}"), preprocess=preprocess, dataset=three_classes))


# The others are those of conf/model/vote.yaml.
def test_members_of_a_vote_take_other_preprocesses(three_classes: DatasetConfig) -> None:
    config = replace(composed("model=vote"), dataset=three_classes)
    assert isinstance(config.model, VoteConfig)
    for member, name in (("boosting", "target"), ("extra", "hashing")):
        config.model.members[member].preprocess = composed(f"preprocess={name}").preprocess
    fit(config)


def test_every_model_and_preprocess_is_tried_above_and_others_are_refused() -> None:
    assert list(choices("model")) == sorted(PAIRS)
    preprocesses = {name: composed(f"preprocess={name}") for name in choices("preprocess")}
    assert preprocesses.keys() == {name for names in PAIRS.values() for name in names}
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
    [(search, "local" if search == "fast" else "serial") for search in choices("search")],
)
def test_every_search_and_runtime_is_fitted(
    search: str, runtime: str, make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    choice = [f"search={search}", f"runtime={runtime}", "model=logistic_regression"]
    small = {
        "portfolio": SMALL_PORTFOLIO,
        "classic": ["search.param_grid=fast"],
        "random": ["search.n_candidates=4"],
        "tpe": ["search.n_candidates=6", "search.batch_size=3"],
    }.get(search, [])
    choice += ["search.n_splits=2", *small]
    assert f" mode={search} " in fitted(tmp_path, 2, *table(make_csv()), *choice)


@pytest.mark.parametrize(
    "cv",
    [
        "cv=time_series",
        "cv=time_series cv.time_column=income",
        "cv=newest cv.time_column=income",
        "cv=grouped cv.group_column=job",
    ],
)
def test_every_other_cv_is_fitted(cv: str, make_csv: Callable[..., Path], tmp_path: Path) -> None:
    # Sorted by `age`, which decides the label, the hold-out would hold one class.
    frame = pd.read_csv(make_csv()).dropna(subset="income")
    frame.assign(job=frame.index // 3).to_csv(tmp_path / "table.csv", index=False)
    choice = ["model=logistic_regression", "search.n_splits=2", *cv.split(" ")]
    line = run_experiment(composed(*table(tmp_path / "table.csv"), *choice), tmp_path / "run")
    assert line.startswith("[RESULT]")


def test_every_cv_is_tried_above() -> None:
    assert list(choices("cv")) == ["grouped", "newest", "stratified", "time_series"]


DATASETS = [
    ("breast_cancer", [], 0.98),
    ("wine", [], 0.98),
    pytest.param("adult", HOME, 0.85, marks=needs_openml_home),
    pytest.param("credit-g", HOME, 0.7, marks=needs_openml_home),
]


@pytest.mark.parametrize(("dataset", "home", "least"), DATASETS)
def test_every_dataset_is_learned(dataset: str, home: list[str], least: float) -> None:
    division, proba = fit(composed(f"dataset={dataset}", *home))
    score = proba[:, 1] if len(division.table.labels) == 2 else proba
    assert roc_auc_score(division.y_test, score, multi_class="ovr") >= least


def test_every_dataset_is_tried_above() -> None:
    assert list(choices("dataset")) == ["adult", "breast_cancer", "credit-g", "file", "wine"]


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_every_experiment_is_composed(experiment: str) -> None:
    composed(f"experiment={experiment}")
