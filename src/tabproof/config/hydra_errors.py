"""Translation of Hydra's and OmegaConf's exceptions into errors of one line."""

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


def as_user_error(error: BaseException) -> UserError | None:
    """Translate an exception of composing; return None for any other exception."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return YamlSyntaxError(mark.name, mark.line + 1, str(error.problem))
    if isinstance(error, OverrideParseException):
        return OverrideSyntaxError(error.override)
    if isinstance(error, MissingConfigException):
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        return UnknownChoiceError(
            group, choice, [option for option in error.options or [] if option]
        )
    # A mistake on the command line is the cause of Hydra's error; one in a file its context.
    origin = error.__cause__ or error.__context__
    if isinstance(error, ConfigCompositionException) and isinstance(origin, OmegaConfBaseException):
        return _translate(origin)
    if isinstance(error, OmegaConfBaseException):
        return _translate(error)
    if isinstance(error, HydraException) or str(error).startswith("Config group override"):
        line = _first_line(error)
        if line.startswith("Ambiguous value"):
            line += ": several values make a sweep, which needs -m"
        return ConfigurationError(line)
    return None


def _translate(error: OmegaConfBaseException) -> UserError:
    key, parent = error.full_key or str(error.key or ""), error.parent_node
    if isinstance(error, MissingMandatoryValue):
        return MissingValueError(key)
    if isinstance(error, (ConfigKeyError, ConfigAttributeError)):
        # A node without a schema takes any key, once it is added.
        if isinstance(parent, DictConfig) and not is_dataclass(OmegaConf.get_type(parent)):
            return UnknownFreeKeyError(key, list(map(str, parent)))
        return unknown_key(key)
    if isinstance(error, InterpolationResolutionError):
        return ConfigurationError(f"{key}: {_first_line(error)}")
    return WrongTypeError(key, _first_line(error))


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def unknown_key(key: str) -> UnknownKeyError:
    """Return the error for a key that this configuration does not have."""
    if key not in valid_keys():
        return UnknownKeyError(key, nearest_keys(key))
    group, _, name = key.rpartition(".")
    schemas = [
        f"/schema/{group}@_here_: {schema}\n"
        for schema, node in GROUPS[group].items()
        if name in {f.name for f in fields(node)}
    ]
    files = {choice: path.read_text(encoding="utf-8") for choice, path in choices(group).items()}
    has_key = [c for c, text in files.items() if any(schema in text for schema in schemas)]
    return KeyOfOtherChoiceError(key, [f"{group}={choice}" for choice in has_key])


@cache
def valid_keys() -> tuple[str, ...]:
    """Return every key of the schema with its path: `seed`, `search.n_splits`, …."""

    def keys() -> Iterator[str]:
        for f in fields(TrainConfig):
            yield f.name
            for schema in GROUPS.get(f.name, {}).values():
                yield from (f"{f.name}.{inner.name}" for inner in fields(schema))

    return tuple(dict.fromkeys(keys()))


def nearest_keys(key: str) -> list[str]:
    """Return the keys that a misspelt key may mean, best first."""
    group, _, name = key.rpartition(".")
    top_level = [f.name for f in fields(TrainConfig)]
    whole = get_close_matches(key, valid_keys(), n=2, cutoff=0.7)
    # `test_size` for `cv.test_size`.
    names = {valid.rpartition(".")[2] for valid in valid_keys()}
    nearest = get_close_matches(name, sorted(names), n=1, cutoff=0.8)
    same_name = [valid for valid in valid_keys() if valid.rpartition(".")[2] in nearest]
    # `serach.x` for `search`.
    same_group = get_close_matches(key.split(".")[0], top_level, n=1, cutoff=0.7)
    siblings = [valid for valid in valid_keys() if group and valid.startswith(f"{group}.")]
    found = [*whole, *same_name] or same_group or siblings
    return list(dict.fromkeys(found))[:3] or top_level
