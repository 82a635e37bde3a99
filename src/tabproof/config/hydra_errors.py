"""Translation of Hydra's and OmegaConf's exceptions into errors of one line."""

import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from hydra import errors as hydra
from omegaconf import DictConfig, OmegaConf
from omegaconf import errors as omega
from yaml import MarkedYAMLError

from tabproof.conf_files import choices
from tabproof.config.options import GROUPS
from tabproof.config.quoting import SeveralValuesError
from tabproof.config.schema import TrainConfig
from tabproof.errors import (
    MissingValueError,
    OverrideSyntaxError,
    UnknownKeyError,
    UserError,
    first_line,
    listed,
)


class ConfigurationError(UserError):
    """A configuration that cannot be composed."""


def explain_hydra_error(error: BaseException) -> UserError | None:
    """Translate an exception of composing; return None for any other exception."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, MarkedYAMLError) and (mark := error.problem_mark) is not None:
        where = f"{mark.name}, line {mark.line + 1}"
        return ConfigurationError(f"{where} is no valid YAML: {error.problem}")
    if isinstance(error, hydra.OverrideParseException):
        return OverrideSyntaxError(error.override)
    if isinstance(error, hydra.MissingConfigException):
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        return unknown_choice(group, choice, [each for each in error.options or [] if each])
    # A mistake on the command line is the cause of Hydra's error; one in a file its context.
    origin = error.__cause__ or error.__context__
    if isinstance(error, hydra.ConfigCompositionException):
        error = origin if isinstance(origin, omega.OmegaConfBaseException) else error
    line = first_line(error)
    if isinstance(error, omega.OmegaConfBaseException):
        key, parent = error.full_key or str(error.key or ""), error.parent_node
        if isinstance(error, omega.MissingMandatoryValue):
            return MissingValueError(key, "…")
        if isinstance(error, omega.InterpolationResolutionError):
            return ConfigurationError(f"{key}: {line}")
        if not isinstance(error, (omega.ConfigKeyError, omega.ConfigAttributeError)):
            if isinstance(error, omega.ValidationError) and (valid := _valid_values(key)):
                value = re.search(r"[Vv]alue '(.*?)' ", line)
                found = f"'{value[1]}'" if value else "null" if "Optional" in line else "this"
                return ConfigurationError(f"{key}: {found} cannot work; it takes {valid}")
            line = f"{line[:1].lower()}{line[1:]}"
            return ConfigurationError(f"{key}: {line}; see docs/configuration.md")
        if isinstance(parent, DictConfig) and not is_dataclass(OmegaConf.get_type(parent)):
            # A node without a schema takes any key, once it is added.
            present = listed(list(map(str, parent))) or "no keys yet"
            added = f"'+{key}=…' adds it ({key.rpartition('.')[0]} has {present})"
            return ConfigurationError(f"there is no '{key}' yet; {added}")
        return unknown_key(key)
    if isinstance(error, hydra.HydraException) or str(error).startswith("Config group override"):
        if several := re.match(r"Ambiguous value for argument '(.*)'$", line):
            return SeveralValuesError(several[1])
        return ConfigurationError(line)
    return None


# The types of keys, as messages call them.
TYPES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    list: "a list",
    dict: "a dictionary",
    NoneType: "null",
}


def _valid_values(key: str) -> str:
    """Return what a key of the schema takes; empty for another key."""
    group, _, name = key.partition(".")
    schemas = GROUPS[group].values() if name and group in GROUPS else [TrainConfig]
    for f in (f for schema in schemas for f in fields(schema) if f.name == (name or group)):
        types = get_args(f.type) if get_origin(f.type) is UnionType else (f.type,)
        words = [TYPES[kind] for each in types if (kind := get_origin(each) or each) in TYPES]
        if (allowed := f.metadata["allowed"]) is not None:
            words[:1] = [str(allowed)]
        return " or ".join(words)
    return ""


def unknown_choice(group: str, choice: str, known: Sequence[str]) -> ConfigurationError:
    """Return the error for a choice that a config group does not have."""
    found = f"there is no config '{choice}'; a configuration of the project is 'train'"
    if known:
        found = f"{group}={choice}: there is no such choice; there are {listed(known)}"
    return ConfigurationError(found)


def unknown_key(key: str) -> UserError:
    """Return the error for a key that this configuration does not have."""
    if key not in valid_keys():
        return UnknownKeyError(key, nearest_keys(key))
    group, _, name = key.rpartition(".")
    having = {n for n, node in GROUPS[group].items() if name in {f.name for f in fields(node)}}
    found = []
    for choice, path in choices(group).items():
        schema = re.search(rf"/schema/{group}@_here_: (\w+)\n", path.read_text(encoding="utf-8"))
        if schema is not None and schema[1] in having:
            found.append(f"{group}={choice}")
    return ConfigurationError(f"only {' or '.join(found)} has the key '{key}'")


@cache
def valid_keys() -> tuple[str, ...]:
    """Return every key of the schema with its path: `seed`, `search.n_splits`, …."""
    found = dict.fromkeys(f.name for f in fields(TrainConfig))
    for group, schemas in GROUPS.items():
        found |= dict.fromkeys(f"{group}.{f.name}" for s in schemas.values() for f in fields(s))
    return tuple(found)


def nearest_keys(key: str) -> list[str]:
    """Return the keys that a misspelt key may mean, best first."""
    top_level = [f.name for f in fields(TrainConfig)]
    whole = get_close_matches(key, valid_keys(), n=2, cutoff=0.7)
    # `test_size` for `cv.test_size`.
    names = {valid.rpartition(".")[2] for valid in valid_keys()}
    nearest = get_close_matches(key.rpartition(".")[2], sorted(names), n=1, cutoff=0.8)
    same_name = [valid for valid in valid_keys() if valid.rpartition(".")[2] in nearest]
    # `serach.x` for `search`.
    same_group = get_close_matches(key.split(".")[0], top_level, n=1, cutoff=0.7)
    return list(dict.fromkeys([*whole, *same_name] or same_group))[:3] or top_level
