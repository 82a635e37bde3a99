"""From Hydra's DictConfig to the plain, typed objects that the rest of the project reads."""

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from src.config.schema import Engine, TrainConfig
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
    if not is_dataclass(node_type):
        return
    known = {f.name for f in fields(node_type)}
    for key in map(str, node):
        full_key = f"{path}{key}"
        if key not in known:
            raise unknown_key(full_key)
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_missing():
            refuse_unknown_keys(child, f"{full_key}.")


def identity_of(config: TrainConfig) -> dict[str, Any]:
    """Give the part of a configuration that decides numbers, as plain values."""
    identity = cast(dict[str, Any], _deciding_part(config))
    identity["search"]["param_grid"] = searched_grid(config)
    for kind in ("numeric", "categorical"):
        # Steps in another order are another pipeline; keys of a dictionary have no order.
        identity["preprocess"][kind] = [list(step) for step in identity["preprocess"][kind].items()]
    return identity


def searched_grid(config: TrainConfig) -> dict[str, list[Any]] | None:
    """Give the grid that the search is over; None where nothing is searched."""
    if config.search.engine is Engine.none or config.search.param_grid is None:
        return None
    return cast(dict[str, list[Any]], config.model.param_grids[config.search.param_grid])


def _deciding_part(value: Any) -> Any:
    if is_dataclass(value):
        return {
            f.name: _deciding_part(getattr(value, f.name))
            for f in fields(value)
            if f.metadata["decides_numbers"]
        }
    if isinstance(value, dict):
        return {key: _deciding_part(item) for key, item in value.items()}
    return value.value if isinstance(value, Enum) else value
