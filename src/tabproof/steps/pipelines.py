"""From a typed configuration to pipelines that are not fitted yet."""

from collections.abc import Mapping
from typing import Any

from sklearn.pipeline import Pipeline

from tabproof import modeling
from tabproof.config import MemberConfig, TrainConfig, VoteConfig, make


def make_pipeline(config: TrainConfig) -> Pipeline:
    """Make the pipeline of a run; of a model with members, one that holds theirs."""
    if not isinstance(config.model, VoteConfig):
        return make_member("", MemberConfig(config.model, config.preprocess), seed=config.seed)
    members = make_members("model.members", config.model.members, seed=config.seed)
    estimator = make("model.estimator", config.model.estimator, estimators=[*members.items()])
    return modeling.make_pipeline({}, {}, estimator, seed=config.seed)


def make_members(
    key: str, members: Mapping[str, MemberConfig], *, seed: int
) -> dict[str, Pipeline]:
    """Make a pipeline of each member. key : where they stand in the configuration."""
    return {
        name: make_member(f"{key}.{name}.", member, seed=seed) for name, member in members.items()
    }


def make_member(prefix: str, member: MemberConfig, *, seed: int) -> Pipeline:
    """Make a model behind its preprocess. prefix : what errors put before their keys."""

    def steps_of(kind: str, nodes: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: make(f"{prefix}preprocess.{kind}.{name}", node) for name, node in nodes.items()
        }

    return modeling.make_pipeline(
        steps_of("numeric", member.preprocess.numeric),
        steps_of("categorical", member.preprocess.categorical),
        make(f"{prefix}model.estimator", member.model.estimator),
        seed=seed,
    )
