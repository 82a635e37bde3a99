"""From Hydra's DictConfig to plain, typed objects."""

import os
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from tabproof.config import data_schema, schema
from tabproof.config.hydra_errors import ConfigurationError, unknown_key
from tabproof.config.quoting import decoded
from tabproof.errors import UserError

# The environment variable that says where downloads are cached, if no key does.
DATA_HOME = "TABPROOF_DATA_HOME"


class TargetMissingError(UserError):
    """A table of the user without the name of its target."""

    template = "dataset.target=… must be given; the columns of {path} are {columns}"


def typed(cfg: DictConfig) -> schema.TrainConfig:
    """Convert a composed configuration to plain objects; every value must be there."""
    if OmegaConf.get_type(cfg) is not schema.TrainConfig:
        raise ConfigurationError("this configuration lacks `train_schema` among its defaults")
    check_keys(cfg)
    if OmegaConf.get_type(cfg.dataset) is data_schema.FileDatasetConfig:
        _name_columns_if_no_target(cfg.dataset)
    config = cast(schema.TrainConfig, OmegaConf.to_object(cfg))
    dataset = config.dataset
    if isinstance(dataset, data_schema.OpenMLDatasetConfig) and dataset.data_home is None:
        dataset.data_home = config.data_home or os.environ.get(DATA_HOME) or "data_cache"
    if isinstance(dataset, data_schema.FileDatasetConfig):
        dataset.column_types = {decoded(k): kind for k, kind in dataset.column_types.items()}
    return config


def _name_columns_if_no_target(dataset: DictConfig) -> None:
    """Raise TargetMissingError if no target is given, and the columns of the file can be read."""
    if not OmegaConf.is_missing(dataset, "target") or OmegaConf.is_missing(dataset, "path"):
        return
    # Nothing is fetched for a message.
    if not (path := Path(str(dataset.path)).expanduser()).exists():
        return
    # It loads numeric libraries, which read their limits of threads once.
    from tabproof.reading import ReadOptions, read_table

    options = ReadOptions(dataset.separator, dataset.encoding, dataset.sheet, "skip")
    try:
        columns = read_table(str(path), options).table.column_names
    except UserError:
        return
    raise TargetMissingError(path=str(dataset.path), columns=columns)


def check_keys(node: DictConfig, path: str = "") -> None:
    """Raise UnknownKeyError for a key that is not in the schema, however it was added."""
    # Hydra's `+key=1` opens typed nodes too, and OmegaConf converts them without a word.
    node_type = OmegaConf.get_type(node)
    known = {f.name for f in fields(node_type)} if is_dataclass(node_type) else None
    for key in node:
        if known is not None and key not in known:
            raise unknown_key(f"{path}{key!s}")
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_missing():
            check_keys(child, f"{path}{key!s}.")


# One column per category takes memory for each, and says little of rare ones.
MAX_ONE_HOT = 1_000


def members_of(config: schema.TrainConfig) -> dict[str, schema.MemberConfig]:
    """Return every model with its preprocess, by the key of both; the top level has the key ''."""
    if isinstance(config.search, schema.MembersSearchConfig):
        members = config.search.members
        return {f"search.members.{name}": member for name, member in members.items()}
    found = {"": schema.MemberConfig(config.model, config.preprocess)}
    if isinstance(config.model, schema.VoteConfig):
        found |= {f"model.members.{name}": each for name, each in config.model.members.items()}
    return found


def most_categories(config: schema.TrainConfig) -> int | None:
    """Return the largest number of categories of a column that every model accepts.

    None: any number. Columns with more become the share of each class among their rows.
    """
    limits: list[int | None] = []
    for each in members_of(config).values():
        if each.preprocess.keeps_categories:
            limits.append(each.model.max_categories)
        steps = [str(step.get("_target_")) for step in each.preprocess.categorical.values()]
        if any(step.endswith(".OneHotEncoder") for step in steps):
            limits.append(MAX_ONE_HOT)
    return min((limit for limit in limits if limit is not None), default=None)


def prepared_features(config: schema.TrainConfig) -> dict[str, Any]:
    """Return the parameters of prepared features: the most of what any model asks for."""
    asked = [each.preprocess for each in members_of(config).values()]
    if isinstance(config.search, schema.PortfolioSearchConfig):
        asked = [each.preprocess for each in config.search.members.values()]
    most = {
        "combinations": max(each.combinations for each in asked),
        "interactions": max(each.interactions for each in asked),
        "shares": any(each.shares for each in asked),
        "products": any(each.products for each in asked),
    }
    return most if any(most.values()) else {}


def searched(config: schema.TrainConfig) -> Any:
    """Return what is searched: a grid, a space, or the grids of members; None if nothing is."""
    search, model = config.search, config.model
    if isinstance(search, schema.PortfolioSearchConfig):
        members = search.members.items()
        return {name: each.model.param_grids[search.param_grid] for name, each in members}
    if isinstance(search, schema.AutoSearchConfig):
        return {name: search.members[name].model.param_space for name in search.n_drawn}
    if isinstance(search, schema.RandomSearchConfig):
        return model.param_space
    name = getattr(search, "param_grid", None)
    return None if name is None else model.param_grids[name]


def identity_of(config: schema.TrainConfig) -> dict[str, Any]:
    """Return the part of a configuration that decides numbers, as plain values."""
    identity = cast(dict[str, Any], _deciding_part(config))
    identity["search"]["searched"] = searched(config)
    return identity


def _deciding_part(value: Any) -> Any:
    if is_dataclass(value):
        found = {}
        for f in fields(value):
            if f.metadata["decides_numbers"]:
                part = _deciding_part(getattr(value, f.name))
                # Steps in another order are another pipeline; keys of a dictionary have no order.
                is_ordered = f.metadata["is_ordered"]
                found[f.name] = [list(entry) for entry in part.items()] if is_ordered else part
        return found
    if isinstance(value, dict):
        return {key: _deciding_part(item) for key, item in value.items()}
    return value.value if isinstance(value, Enum) else value
