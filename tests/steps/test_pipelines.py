"""What a configuration names becomes pipelines, each member behind its own preprocess."""

import re
import shutil
from pathlib import Path
from typing import Any

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

from tabproof.config import VoteConfig, check_config, typed
from tabproof.config.errors import CannotInstantiateError
from tabproof.config.paths import CONF
from tabproof.modeling import check_grid
from tabproof.steps.pipelines import make_members, make_pipeline
from tests.conftest import ROOT, composed


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


def test_a_member_is_the_model_that_it_would_be_alone() -> None:
    config = composed("model=vote")
    assert isinstance(config.model, VoteConfig)
    members = make_members("model.members", config.model.members, seed=config.seed)
    alone = make_pipeline(
        composed(
            "model=logistic_regression", "preprocess=onehot", "+model.estimator.C=0.1", "seed=42"
        )
    )
    # Of the selectors of columns a text says where in memory they lie.
    one, other = (re.sub("0x[0-9a-f]+", "", repr(each)) for each in (members["linear"], alone))
    assert one == other


def test_everything_random_gets_the_seed() -> None:
    parameters = make_pipeline(composed("model=vote", "seed=7")).get_params()
    states = {k: v for k, v in parameters.items() if k.endswith("__random_state")}
    assert set(states.values()) == {7}
    assert {k.split("__")[1] for k in states} == {"boosting", "linear", "extra", "forest"}


def test_the_members_grids_can_be_searched() -> None:
    config = composed("model=vote")
    for grid in config.model.param_grids.values():
        check_grid(make_pipeline(config), grid)


def test_weights_and_parameters_come_from_the_configuration() -> None:
    pipeline = make_pipeline(
        composed(
            "model=vote",
            "model.estimator.weights=[2,1,1,0.5]",
            "model.members.forest.model.estimator.n_estimators=7",
        )
    )
    assert pipeline["clf"].weights == [2, 1, 1, 0.5]
    assert pipeline.get_params()["clf__forest__clf__n_estimators"] == 7


def test_what_else_takes_estimators_takes_members() -> None:
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
def test_what_cannot_be_made_is_named_by_its_key(override: str, key: str) -> None:
    with pytest.raises(CannotInstantiateError, match=rf"^{re.escape(key)}: "):
        make_pipeline(composed("model=vote", override))


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
