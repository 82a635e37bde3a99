"""From Hydra's DictConfig to the plain, typed objects that the rest of the project reads."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from src.config.model_schema import MemberConfig, VoteConfig
from src.config.schema import TrainConfig
from src.config.search_schema import (
    GridSearchConfig,
    HalvingSearchConfig,
    PortfolioSearchConfig,
    RandomSearchConfig,
)
from src.config.valid_keys import unknown_key
from src.errors import ConfigurationError


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
