"""Pipelines without a data-only form are refused by name, before data is read."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from tabproof.experiment import run_experiment
from tabproof.modeling import make_pipeline
from tabproof.scorer.export import check_exportable, export_pipeline
from tabproof.scorer.export.exporters import EXPORTERS, NotExportableError
from tabproof.scorer.format import ARRAYS, SPEC
from tests.conftest import ROOT, composed
from tests.scorer.fitted import PREPROCESS, boosting, exported, pipeline_of, small_boosting, table


class OwnForest(RandomForestClassifier):
    """May predict in its own way."""


class OwnBoosting(HistGradientBoostingClassifier):
    """May predict in its own way."""


class OwnImputer(SimpleImputer):
    """May fill in its own way."""


class OwnEncoder(OneHotEncoder):
    """May encode in its own way."""


class OwnTargets(TargetEncoder):
    """May encode in its own way."""


ENCODER = OneHotEncoder(handle_unknown="ignore")
SCALE = {"scale": StandardScaler()}


def refused(numeric: dict[str, Any], categorical: dict[str, Any], estimator: Any) -> str:
    with pytest.raises(NotExportableError) as caught:
        check_exportable(make_pipeline(numeric, categorical, estimator, seed=0))
    message = str(caught.value)
    assert "\n" not in message
    assert "export=false trains it all the same" in message
    assert caught.value.exit_code == 2
    return message


@pytest.mark.parametrize(
    "estimator",
    [
        OwnForest(),
        OwnBoosting(),
        GaussianNB(),
        GradientBoostingClassifier(),
        CalibratedClassifierCV(LogisticRegression()),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_unknown_estimators_are_refused(estimator: Any) -> None:
    message = refused({}, {}, estimator)
    assert f"model.estimator: {type(estimator).__name__} cannot be exported" in message
    for kind in (*EXPORTERS, VotingClassifier):
        name = kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__
        assert f"'{name}'" in message


@pytest.mark.parametrize("kind", [LGBMClassifier, XGBClassifier, CatBoostClassifier])
def test_optional_estimators_are_known_by_their_full_name(kind: type) -> None:
    assert f"{kind.__module__}.{kind.__qualname__}" in EXPORTERS
    own = type("Own", (kind,), {})  # may predict in its own way
    assert "model.estimator: Own cannot be exported" in refused({}, {}, own())


@pytest.mark.parametrize("chosen", [[0], [True, False], ["job"], "all"])
def test_categories_by_other_signs_than_the_type_are_refused(chosen: Any) -> None:
    message = refused({}, {}, boosting(categorical_features=chosen))
    assert "model.estimator.categorical_features" in message


@pytest.mark.parametrize(
    ("numeric", "words"),
    [
        ({"a": RobustScaler()}, "preprocess.numeric: RobustScaler"),
        ({"a": KNNImputer()}, "preprocess.numeric: KNNImputer"),
        ({"a": PolynomialFeatures()}, "preprocess.numeric: PolynomialFeatures"),
        ({"a": OwnImputer()}, "preprocess.numeric: OwnImputer"),
        ({"a": OneHotEncoder()}, "preprocess.numeric: OneHotEncoder"),
        ({"a": "passthrough"}, "preprocess.numeric: str"),
        ({**SCALE, "a": RobustScaler()}, "preprocess.numeric: RobustScaler"),
        ({"a": SimpleImputer(add_indicator=True)}, "SimpleImputer with add_indicator=true"),
        ({"a": MinMaxScaler(clip=True)}, "MinMaxScaler with clip=true"),
    ],
    ids=str,
)
def test_unknown_steps_of_numbers_are_refused(numeric: dict[str, Any], words: str) -> None:
    assert words in refused(numeric, {"encode": ENCODER}, LogisticRegression())


@pytest.mark.parametrize(
    ("categorical", "words"),
    [
        ({"a": OwnTargets()}, "preprocess.categorical: OwnTargets"),
        ({"a": OwnEncoder()}, "preprocess.categorical: OwnEncoder"),
        ({"a": OwnImputer(), "b": ENCODER}, "preprocess.categorical: OwnImputer"),
        ({"a": ENCODER, "b": StandardScaler()}, "preprocess.categorical: "),
        ({"a": OrdinalEncoder(), "b": ENCODER}, "preprocess.categorical: OrdinalEncoder"),
        ({"a": SimpleImputer()}, "preprocess.categorical: SimpleImputer"),
        ({"a": SimpleImputer(add_indicator=True), "b": ENCODER}, "add_indicator=true"),
    ],
    ids=str,
)
def test_unknown_steps_of_categories_are_refused(categorical: dict[str, Any], words: str) -> None:
    assert words in refused(SCALE, categorical, LogisticRegression())


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingClassifier(categorical_features="from_dtype"),
        RandomForestClassifier(),
        ExtraTreesClassifier(),
        DecisionTreeClassifier(),
        LogisticRegression(),
        LogisticRegressionCV(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_known_estimators_are_accepted_unfitted(estimator: Any) -> None:
    for preprocess in PREPROCESS:
        check_exportable(pipeline_of(preprocess, estimator))


@pytest.mark.parametrize(
    "estimator", [boosting(), RandomForestClassifier(5, max_leaf_nodes=9), LogisticRegression()]
)
def test_the_same_pipeline_gives_the_same_bytes(estimator: Any) -> None:
    case = exported(pipeline_of("onehot", estimator), *table(120))
    assert set(case.files) == {SPEC, ARRAYS}
    for _ in range(2):
        assert export_pipeline(case.pipeline, case.X_train, list(case.labels)) == case.files
    again = exported(pipeline_of("onehot", estimator), *table(120))
    assert again.files == case.files


def test_another_process_gives_the_same_bytes_without_importing_optional_libraries() -> None:
    code = (
        "import sys; from tests.scorer.fitted import small_boosting;"
        "sys.stdout.buffer.write(b''.join(small_boosting().files.values()));"
        "found = {'catboost', 'lightgbm', 'xgboost'} & {*sys.modules};"
        "sys.exit(str(found) if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"".join(small_boosting().files.values())


# A model that cannot be exported.
NAIVE_BAYES = (
    "dataset=wine",
    "search=none",
    "preprocess=onehot",
    "model=logistic_regression",
    "model.estimator._target_=sklearn.naive_bayes.GaussianNB",
    "~model.estimator.max_iter",
)


def test_a_run_is_refused_before_data_is_read(tmp_path: Path) -> None:
    # The table is not there: were it read first, that would be the error.
    absent = ["dataset=adult", f"dataset.data_home={tmp_path}/none", "dataset.n_retries=0"]
    config = composed(*NAIVE_BAYES, *absent)
    with pytest.raises(NotExportableError, match=r"model\.estimator: GaussianNB cannot"):
        run_experiment(config, tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_export_false_trains_without_a_scorer(tmp_path: Path) -> None:
    run_experiment(composed(*NAIVE_BAYES, "export=false"), tmp_path / "run")
    assert (tmp_path / "run" / "manifest.json").exists()
    assert not (tmp_path / "run" / "scorer").exists()
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["parity"] is None


def test_a_run_has_a_scorer_and_its_parity(tmp_path: Path) -> None:
    config = composed("dataset=wine", "model=logistic_regression", "search=none")
    run_experiment(config, tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert {SPEC, ARRAYS} <= set(manifest["files"])
    parity = json.loads((tmp_path / "run" / "summary.json").read_text())["parity"]
    assert 0 <= parity["max_difference"] <= parity["allowed"] == 1e-12
    assert parity["n_rows"] > 0
