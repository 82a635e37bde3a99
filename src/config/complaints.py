"""Hydra's and OmegaConf's exceptions in the words of this project: one line each."""

from dataclasses import is_dataclass

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

from src.config.valid_keys import unknown_key
from src.errors import (
    ConfigurationError,
    MissingValueError,
    OverrideSyntaxError,
    UnknownChoiceError,
    UnknownFreeKeyError,
    UserError,
    WrongTypeError,
    YamlSyntaxError,
)


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
