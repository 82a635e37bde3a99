"""From what a configuration asks for to the best pipeline."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression

from tabproof import artifacts, experiment
from tabproof.conf_files import CONF
from tabproof.config import check_config, typed
from tabproof.config.schema import AutoSearchConfig, VoteConfig
from tabproof.config.targets import CannotInstantiateError
from tabproof.errors import RungNotScoredError, UserError
from tabproof.experiment import run_experiment
from tabproof.modeling import check_grid
from tabproof.steps import search as searching
from tabproof.steps.search import make_members, make_pipeline
from tests.conftest import ROOT, composed, train
from tests.steps.cases import changed

WINE = ["dataset=wine", "model=logistic_regression", "runtime=serial"]


def test_without_a_search_the_estimator_is_fitted_as_it_is(tmp_path: Path) -> None:
    config = composed(*WINE, "search=none")
    plan = searching.make_plan(config)
    division = experiment.load_rows(config, plan)
    result = searching.find_best(config, plan, division, artifacts.RunDirectory(tmp_path), {}, 1)
    assert result.best_params == {}
    assert result.best_score is None
    assert result.stopped is None
    assert not plan.grids
    assert not plan.spaces
    pipeline = make_pipeline(config).fit(division.X_train, division.y_train)
    np.testing.assert_array_equal(
        result.pipeline.predict_proba(division.X_test), pipeline.predict_proba(division.X_test)
    )


def test_members_of_packages_that_are_not_installed_are_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    absent = {"catboost", "lightgbm"}
    monkeypatch.setattr(searching, "find_spec", lambda name: None if name in absent else object())
    caplog.set_level("INFO")
    config = composed(*WINE, "search=auto")
    assert isinstance(config.search, AutoSearchConfig)
    plan = searching.make_plan(config)
    targets = {n: str(m.model.estimator["_target_"]) for n, m in config.search.members.items()}
    assert [*plan.pipelines] == [n for n, t in targets.items() if t.startswith("sklearn.")]
    assert len(plan.pipelines) >= 2
    gone = ", ".join(n for n, t in targets.items() if t.startswith("catboost."))
    assert f"left out, because catboost is not installed: {gone}" in caplog.text


def rungs(**changes: str) -> str:
    line = {"candidates": "all", "iterations": "100%", "rows": "100%", "folds": "all", **changes}
    return "{" + ", ".join(f"{key}: {value}" for key, value in line.items() if value) + "}"


FIRST = rungs(rows="50%", folds="1")
LINEAR = "search.members.linear"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search.schedule=[]"], "search.schedule: it has no rung"),
        ([f"search.schedule=[{FIRST}]"], "search.schedule: the last rung"),
        ([f"search.schedule=[{rungs()}, {rungs()}]"], "rung 2 .* has no more iterations"),
        ([f"search.schedule=[{rungs()}, {FIRST}]"], "rung 2 .* is smaller"),
        ([f"search.schedule=[{rungs(rows='50')}]"], "rung 1 has rows: 50; it takes all or a share"),
        (
            [f"search.schedule=[{rungs(folds='')}]"],
            "a rung has candidates, iterations, rows, folds",
        ),
        (["search.schedule=[3]"], "rung 1 has 3"),
        (["search.time_budget=10 parsecs"], "search.time_budget=10 parsecs .* 90s, 10m"),
        (["search.resume=3"], "search.resume=3 .*directory of an unfinished run"),
        (["model.param_grids.fast={}"], "fast={} cannot work; .* at least one parameter"),
        (["model.param_grids.fast.clf__C=[]"], "a list with at least one value"),
        (["+model.param_grids.fast.clf__Q=[1]"], "clf__Q"),
        (["+model.param_grids.fast.clf__tol=[-1]"], "clf__tol.*-1"),
        (["search=random", "+model.param_space.clf__tol=3"], "clf__tol=3 cannot be drawn from"),
        (["search=random", "+model.param_space.clf__tol={low: 2, high: 1}"], "low must be less"),
        (
            ["search=tpe", "+model.param_space.clf__tol={low: 0, high: 1, log: true}"],
            "with log: true, low must be above 0",
        ),
        (["search=random", "+model.param_space.clf__Q=[1]"], "clf__Q"),
        (["search=random", "+model.param_space.clf__tol={low: -1.0, high: 1.0}"], "clf__tol"),
        (["search=random", "search.n_candidates=0"], "search.n_candidates=0 .* 1 or more"),
        (["search=tpe", "search.batch_size=-1"], "search.batch_size=-1 .* 1 or more"),
        (["search=portfolio", "search.param_grid=huge"], "search.param_grid=huge cannot work"),
        (["search=portfolio", f"+{LINEAR}.model.param_grids.fast.clf__Q=[1]"], "clf__Q"),
        (["search=portfolio", f"{LINEAR}.model.estimator._target_=no.such"], f"{LINEAR}.model"),
        (
            ["search=portfolio", f"{LINEAR}.preprocess.keeps_categories=true"],
            "search.members.linear: LogisticRegression takes no",
        ),
        (["search.scoring=roc_uc"], "did you mean roc_auc"),
    ],
    ids=str,
)
def test_a_search_that_cannot_work_is_refused_before_data_is_read(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: Any) -> None:
        pytest.fail("data was read")

    monkeypatch.setattr(experiment, "load_rows", read)
    run = tmp_path / "outputs" / "day" / "run"
    choices = [each for each in arguments if "." not in each.partition("=")[0]]
    fields = [each for each in arguments if each not in choices]
    with pytest.raises(UserError, match=words) as raised:
        run_experiment(changed(composed(*WINE, *choices), *fields), run)
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.glob("outputs/*"))


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("search.time_budget=10 parsecs", "search.time_budget=10 parsecs cannot work"),
        ("search.schedule=3", "search.schedule"),
        ("+model.param_grids.fast.clf__Q=[1]", "clf__Q"),
    ],
)
def test_the_error_is_one_line_and_no_file_is_left(
    argument: str, words: str, tmp_path: Path
) -> None:
    done = train(*WINE, argument, f"hydra.run.dir={tmp_path}/outputs/day/run")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert not list(tmp_path.glob("outputs/*"))


def test_candidates_that_all_fail_are_an_error_that_keeps_its_log(tmp_path: Path) -> None:
    config = changed(
        composed(*WINE),
        # Each value is valid; together, and with the solver, they are not.
        "model.param_grids.fast={clf__l1_ratio: [0.5, 1.0]}",
        "model.estimator.solver=newton-cg",
        "model.estimator.l1_ratio=0.7",
    )
    with pytest.raises(RungNotScoredError, match="could not be scored for any candidate") as raised:
        run_experiment(config, tmp_path / "run")
    assert raised.value.exit_code == 1
    assert str(raised.value).startswith("rung 1 on ")
    assert "\n" not in str(raised.value)
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "failed"


def test_a_candidate_that_fails_is_logged_and_kept_in_the_table(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = changed(
        composed(*WINE),
        "model.param_grids.fast={clf__solver: [lbfgs, saga], clf__l1_ratio: [0.0, 1.0]}",
    )
    with caplog.at_level("INFO"):
        run_experiment(config, tmp_path)
    lines = [record.getMessage() for record in caplog.records]
    # The schedule is logged before it is run.
    assert lines.index("rung  candidates  iterations    rows  folds") < lines.index(
        "not scored: rung 1, fold 0, {'clf__l1_ratio': 1.0, 'clf__solver': 'lbfgs'}"
    )
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["not_scored"] == [
        "rung 1, fold 0, {'clf__l1_ratio': 1.0, 'clf__solver': 'lbfgs'}"
    ]
    results = pd.read_csv(tmp_path / "cv_results.csv")
    failed = results[results["error"].notna()]
    assert len(failed) == 1
    assert failed["error"].str.contains("Traceback").all()


def test_a_complete_random_search_is_not_marked_as_stopped(tmp_path: Path) -> None:
    run_experiment(composed(*WINE, "search=random", "search.n_candidates=2"), tmp_path)
    assert not (tmp_path / "search").exists()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["stopped"] is None
    assert summary["n_not_tried"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("ensemble", [True, False])
def test_the_result_of_a_portfolio_is_exported_like_any_model(
    ensemble: bool, tmp_path: Path
) -> None:
    config = composed(
        "dataset=wine", "search=portfolio", f"search.ensemble={ensemble}".lower(), "seed=1"
    )
    run_experiment(config, tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["parity"]["max_difference"] <= 1e-12
    assert (summary["ensemble_score"] is not None) == ensemble
    assert ensemble or "model" in summary["best_params"]


def test_the_study_of_tpe_is_kept_with_the_run(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    config = composed(*WINE, "search=tpe", "search.n_candidates=2", "search.batch_size=1")
    run_experiment(config, tmp_path)
    manifest = artifacts.read_manifest(tmp_path)
    assert manifest is not None
    assert "optuna_study.log" in manifest.files


def test_a_vote_holds_a_pipeline_per_member_in_their_order() -> None:
    vote = make_pipeline(composed("model=vote"))["clf"]
    assert type(vote) is VotingClassifier
    found = {name: type(member["clf"]) for name, member in vote.estimators}
    assert found == {
        "boosting": HistGradientBoostingClassifier,
        "linear": LogisticRegression,
        "extra": ExtraTreesClassifier,
        "forest": RandomForestClassifier,
    }
    preprocess = {name: member["preprocess"] for name, member in vote.estimators}
    assert preprocess["boosting"] == "passthrough"
    assert [name for name, _ in preprocess["linear"].transformers[1][1].steps] == [
        "impute",
        "encode",
    ]


def test_a_member_is_the_same_model_as_alone() -> None:
    config = composed("model=vote")
    assert isinstance(config.model, VoteConfig)
    members = make_members("model.members", config.model.members, seed=config.seed)
    alone = make_pipeline(
        changed(
            composed("model=logistic_regression", "preprocess=onehot"),
            "+model.estimator.C=0.1",
            "seed=42",
        )
    )
    # Of the selectors of columns a text says where in memory they lie. The limit of categories is
    # one for all members: it holds before the vote.
    one, other = (re.sub("0x[0-9a-f]+", "", repr(each[1:])) for each in (members["linear"], alone))
    assert one == other


def test_everything_random_gets_the_seed() -> None:
    parameters = make_pipeline(changed(composed("model=vote"), "seed=7")).get_params()
    states = {k: v for k, v in parameters.items() if k.endswith("__random_state")}
    assert set(states.values()) == {7}
    of_members = {k.split("__")[1] for k in states if k.startswith("clf__")}
    assert of_members == {"boosting", "linear", "extra", "forest"}


def test_the_members_grids_can_be_searched() -> None:
    config = composed("model=vote")
    for grid in config.model.param_grids.values():
        check_grid(make_pipeline(config), grid)


def test_weights_and_parameters_come_from_the_configuration() -> None:
    pipeline = make_pipeline(
        changed(
            composed("model=vote"),
            "model.estimator.weights=[2,1,1,0.5]",
            "model.members.forest.model.estimator.n_estimators=7",
        )
    )
    assert pipeline["clf"].weights == [2, 1, 1, 0.5]
    assert pipeline.get_params()["clf__forest__clf__n_estimators"] == 7


def test_other_ensembles_take_members_too() -> None:
    config = composed("model=vote")
    config.model.estimator = {"_target_": "sklearn.ensemble.StackingClassifier"}
    pipeline = make_pipeline(config)
    assert type(pipeline["clf"]) is StackingClassifier
    assert len(pipeline["clf"].estimators) == 4


@pytest.mark.parametrize(
    ("override", "key"),
    [
        (
            "model.members.linear.model.estimator._target_=sklearn.linear_model.Logistic",
            "model.members.linear.model.estimator",
        ),
        (
            "+model.members.linear.preprocess.numeric.impute.strat=mean",
            "model.members.linear.preprocess.numeric.impute",
        ),
        ("model.estimator._target_=sklearn.linear_model.LogisticRegression", "model.estimator"),
    ],
)
def test_an_estimator_that_cannot_be_made_is_named_by_its_key(override: str, key: str) -> None:
    with pytest.raises(CannotInstantiateError, match=rf"^{re.escape(key)}: "):
        make_pipeline(changed(composed("model=vote"), override))


@pytest.mark.parametrize("path", sorted((CONF / "estimator").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_estimator_is_that_of_a_model(path: Path) -> None:
    model = (CONF / "model" / path.name).read_text(encoding="utf-8")
    assert f"  - /estimator@_here_: {path.stem}\n" in model


def examples() -> list[str]:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    return [text for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "vote" in text]


def test_the_documented_vote_works(tmp_path: Path) -> None:
    (example,) = examples()
    shutil.copytree(CONF, tmp_path / "conf")
    (tmp_path / "conf" / "model" / "mine.yaml").write_text(example, encoding="utf-8")
    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3"):
        config = typed(compose("train", overrides=["model=mine"]))
    check_config(config)
    vote: Any = make_pipeline(config)["clf"]
    assert [name for name, _ in vote.estimators] == ["boosting", "linear"]
    assert vote.weights == [2, 1]
    check_grid(make_pipeline(config), config.model.param_grids["fast"])
