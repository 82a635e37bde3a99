"""From Hydra's DictConfig to the plain, typed objects that the rest of the project reads."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, cast

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from tabproof.config.errors import CannotInstantiateError, ConfigurationError
from tabproof.config.hydra_errors import unknown_key
from tabproof.config.schema import TrainConfig
from tabproof.config.search_schema import (
    GridSearchConfig,
    HalvingSearchConfig,
    MemberConfig,
    PortfolioSearchConfig,
    RandomSearchConfig,
    VoteConfig,
)
from tabproof.errors import MissingValueError, PackageMissingError, UserError

# --- Make what a `_target_` names, or say in one line why it cannot be made.

# Packages that are extras of the project, each by its own name.
EXTRAS = ("catboost", "lightgbm", "xgboost")


def make(key: str, node: Any, **arguments: Any) -> Any:
    """Call the `_target_` of a node with the node's other keys and the arguments.

    key is where the node stands in the configuration; errors name it.
    """
    if isinstance(node, dict) and "_target_" not in node:
        raise MissingValueError(f"{key}._target_")
    if isinstance(node, str):
        raise CannotInstantiateError(key, node, "a step is written {_target_: package.Class, …}")
    try:
        # Plain lists and dictionaries: scikit-learn fails on OmegaConf's own.
        return instantiate(node, _convert_="all", **arguments)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError):
            raise cause from None
        root = _root_of(error)
        if isinstance(root, ModuleNotFoundError) and root.name in EXTRAS:
            what = f"{key}: {_target_of(node)}"
            raise PackageMissingError(what, root.name, root.name) from None
        raise CannotInstantiateError(key, _target_of(node), _reason(root)) from error


def _target_of(node: Any) -> str:
    return str(node.get("_target_", "?") if isinstance(node, dict) else node._target_)


def _root_of(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _reason(error: BaseException) -> str:
    return str(error).splitlines()[0]


def typed(cfg: DictConfig) -> TrainConfig:
    """Turn a composed configuration into plain objects; every value must be there."""
    if OmegaConf.get_type(cfg) is not TrainConfig:
        raise ConfigurationError("this configuration lacks `train_schema` among its defaults")
    refuse_unknown_keys(cfg)
    return cast(TrainConfig, OmegaConf.to_object(cfg))


def refuse_unknown_keys(node: DictConfig, path: str = "") -> None:
    """Find keys that the schema has not, in whatever way they came in."""
    # Hydra's `+key=1` opens typed nodes too, and OmegaConf converts them without a word.
    node_type = OmegaConf.get_type(node)
    known = {f.name for f in fields(node_type)} if is_dataclass(node_type) else None
    for key in node:
        full_key = f"{path}{key!s}"
        if known is not None and key not in known:
            raise unknown_key(full_key)
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_missing():
            refuse_unknown_keys(child, f"{full_key}.")


def identity_of(config: TrainConfig) -> dict[str, Any]:
    """Give the part of a configuration that decides numbers, as plain values."""
    identity = cast(dict[str, Any], _deciding_part(config))
    identity["search"]["searched"] = _searched(config)
    return identity


def members_of(config: TrainConfig) -> dict[str, MemberConfig]:
    """Give every model with its preprocess, by the key under which both stand; empty: the top."""
    if isinstance(config.search, PortfolioSearchConfig):
        members = config.search.members
        return {f"search.members.{name}": member for name, member in members.items()}
    found = {"": MemberConfig(config.model, config.preprocess)}
    if isinstance(config.model, VoteConfig):
        found |= {f"model.members.{name}": each for name, each in config.model.members.items()}
    return found


def most_categories(members: Iterable[MemberConfig]) -> int | None:
    """Give the most categories in a column that all models take which get them as they are."""
    limits = [
        each.model.max_categories
        for each in members
        if each.preprocess.keeps_categories and each.model.max_categories is not None
    ]
    return min(limits, default=None)


def searched_grid(config: TrainConfig) -> dict[str, list[Any]] | None:
    """Give the grid that the search is over; None where there is none."""
    if isinstance(config.search, (GridSearchConfig, HalvingSearchConfig)):
        return cast(dict[str, list[Any]], config.model.param_grids[config.search.param_grid])
    return None


def _searched(config: TrainConfig) -> Any:
    """Give what candidates are made of, wherever it stands."""
    if isinstance(config.search, PortfolioSearchConfig):
        name = config.search.param_grid
        return {key: each.model.param_grids[name] for key, each in config.search.members.items()}
    if isinstance(config.search, RandomSearchConfig):
        return config.model.param_space
    return searched_grid(config)


def _deciding_part(value: Any) -> Any:
    if is_dataclass(value):
        return {
            f.name: _in_order(part) if f.metadata["is_ordered"] else part
            for f in fields(value)
            if f.metadata["decides_numbers"]
            for part in [_deciding_part(getattr(value, f.name))]
        }
    if isinstance(value, dict):
        return {key: _deciding_part(item) for key, item in value.items()}
    return value.value if isinstance(value, Enum) else value


def _in_order(entries: dict[str, Any]) -> list[list[Any]]:
    # Steps in another order are another pipeline; keys of a dictionary have no order.
    return [list(entry) for entry in entries.items()]
