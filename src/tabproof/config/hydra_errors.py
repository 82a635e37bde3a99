"""Hydra's and OmegaConf's exceptions in the words of this project: one line each."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import cache

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import MarkedYAMLError

from tabproof.config.errors import (
    ConfigurationError,
    KeyOfOtherChoiceError,
    UnknownChoiceError,
    UnknownFreeKeyError,
    WrongTypeError,
    YamlSyntaxError,
)
from tabproof.config.paths import choices
from tabproof.config.schema import GROUPS, TrainConfig
from tabproof.errors import MissingValueError, OverrideSyntaxError, UnknownKeyError, UserError

# --- Every key that conf/ may hold, and which of them somebody may have meant.


@cache
def valid_keys() -> tuple[str, ...]:
    """List every key with its path: `seed`, `search.n_splits`, …."""
    return tuple(dict.fromkeys(_keys()))


def _keys() -> Iterator[str]:
    for f in fields(TrainConfig):
        yield f.name
        for schema in GROUPS.get(f.name, {}).values():
            yield from (f"{f.name}.{inner.name}" for inner in fields(schema))


def unknown_key(key: str) -> UnknownKeyError:
    """Word the error for a key that this configuration has not."""
    if key in valid_keys():
        return KeyOfOtherChoiceError(key, _choices_with(key))
    return UnknownKeyError(key, nearest_keys(key))


def _choices_with(key: str) -> list[str]:
    """List the choices, such as `cv=grouped`, whose schema has a key."""
    group, _, name = key.rpartition(".")
    schemas = [
        schema
        for schema, node in GROUPS[group].items()
        if name in {inner.name for inner in fields(node)}
    ]
    return [
        f"{group}={choice}"
        for choice, path in choices(group).items()
        for schema in schemas
        if f"/schema/{group}@_here_: {schema}\n" in path.read_text(encoding="utf-8")
    ]


def nearest_keys(key: str) -> list[str]:
    """Find what a misspelt key may have meant, best first."""
    group, _, name = key.rpartition(".")
    whole = get_close_matches(key, valid_keys(), n=2, cutoff=0.7)
    by_name: dict[str, list[str]] = {}
    for valid in valid_keys():
        by_name.setdefault(valid.rpartition(".")[2], []).append(valid)
    # `test_size` for `cv.test_size`, `serach.x` for `search`.
    same_name = [k for n in get_close_matches(name, by_name, n=1, cutoff=0.8) for k in by_name[n]]
    top = key.split(".")[0]
    same_group = get_close_matches(top, [f.name for f in fields(TrainConfig)], n=1, cutoff=0.7)
    siblings = [k for k in valid_keys() if group and k.startswith(f"{group}.")]
    found = [*whole, *same_name] or same_group or siblings
    return list(dict.fromkeys(found))[:3] or [f.name for f in fields(TrainConfig)]


def as_user_error(error: BaseException) -> UserError | None:
    """Translate an exception of composing; None if it is something else."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return YamlSyntaxError(mark.name, mark.line + 1, str(error.problem))
    if isinstance(error, OverrideParseException):
        return OverrideSyntaxError(error.override)
    if isinstance(error, MissingConfigException):
        return _unknown_choice(error)
    # A mistake on the command line is its cause; one in a file is the context only.
    origin = error.__cause__ or error.__context__
    if isinstance(error, ConfigCompositionException) and isinstance(origin, OmegaConfBaseException):
        return _of_omegaconf(origin)
    if isinstance(error, OmegaConfBaseException):
        return _of_omegaconf(error)
    is_hydras = isinstance(error, HydraException) or str(error).startswith("Config group override")
    if not is_hydras:
        return None
    line = _first_line(error)
    if line.startswith("Ambiguous value"):
        line += ": several values make a sweep, which needs -m"
    return ConfigurationError(line)


def _unknown_choice(error: MissingConfigException) -> UserError:
    group, _, choice = (error.missing_cfg_file or "").rpartition("/")
    options = [option for option in error.options or [] if option]
    return UnknownChoiceError(group, choice, options)


def _of_omegaconf(error: OmegaConfBaseException) -> UserError:
    full_key = error.full_key or str(error.key or "")
    if isinstance(error, MissingMandatoryValue):
        return MissingValueError(full_key)
    if isinstance(error, (ConfigKeyError, ConfigAttributeError)):
        present = _keys_beside(error)
        if present is not None:
            return UnknownFreeKeyError(full_key, present)
        return unknown_key(full_key)
    if isinstance(error, InterpolationResolutionError):
        return ConfigurationError(f"{full_key}: {_first_line(error)}")
    return WrongTypeError(full_key, _first_line(error))


def _keys_beside(error: OmegaConfBaseException) -> list[str] | None:
    """List the keys of the node that was asked for another one, if it takes any key."""
    parent = error.parent_node
    if not isinstance(parent, DictConfig) or is_dataclass(OmegaConf.get_type(parent)):
        return None
    return [str(key) for key in parent]


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
