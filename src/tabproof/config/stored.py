"""The configuration that a run keeps, composed again: typed, and with this machine's runtime."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import MISSING, DictConfig, OmegaConf

from tabproof.config.errors import ConfigurationError, KeyDecidesError, StoredConfigError
from tabproof.config.hydra_errors import as_user_error, unknown_key
from tabproof.config.paths import CONF
from tabproof.config.schema import GROUPS, RuntimeConfig, TrainConfig
from tabproof.config.search_schema import MemberConfig
from tabproof.config.typed import identity_of, typed
from tabproof.errors import OverrideSyntaxError

# What is this machine's own affair.
MACHINES = {f.name for f in fields(TrainConfig) if not f.metadata["decides_numbers"]}
# By them a group's schemas are told apart.
TELLING = ("_target_", "engine")


def as_yaml(config: TrainConfig) -> str:
    """Write a configuration, resolved and complete: what `recompose` reads."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def command_of(directory: Path) -> list[str]:
    """Give the command line that began a run there; empty where Hydra did not begin it."""
    overrides = directory / ".hydra" / "overrides.yaml"
    if not overrides.is_file():
        return []
    return ["python", "-m", "src.train", *map(str, OmegaConf.load(overrides))]


@dataclass(frozen=True)
class Recomposed:
    """added: keys that decide numbers and that the run, of an earlier version, did not have."""

    config: TrainConfig
    added: list[str]


def machine_runtime(overrides: Sequence[str]) -> RuntimeConfig:
    """Give the runtime of this machine, as conf/ and overrides of `runtime` say."""
    cfg = _composed_here(overrides)
    runtime: RuntimeConfig = OmegaConf.to_object(cfg.runtime)  # type: ignore[assignment]
    return runtime


def recompose(text: str, overrides: Sequence[str], *, to_its_end: bool) -> Recomposed:
    """Compose what stands in a run's config.yaml.

    overrides: may change what decides no number; raises KeyDecidesError.
    to_its_end: leave a budget of time out, which this machine might use up.
    """
    here, changes = _composed_here(overrides), _of_the_run(overrides)
    try:
        stored = _parsed(text)
        cfg = _with_stored(here, stored)
        identity = identity_of(typed(cfg))
    except Exception as error:
        raise StoredConfigError(str(as_user_error(error) or error)) from error
    for key, value in (("resume", False), ("time_budget", None)):
        if key in cfg.search and (key == "resume" or to_its_end):
            cfg.search[key] = value
    for override in changes:
        key = override.key_or_group
        if key in GROUPS or override.is_add() or override.is_delete():
            raise KeyDecidesError(key)
        OmegaConf.update(cfg, key, override.value(), merge=True)
        if identity_of(typed(cfg)) != identity:
            raise KeyDecidesError(key)
    # A complete run of this id is what is compared with.
    cfg.skip_completed = False
    return Recomposed(typed(cfg), _added(typed(cfg), stored))


def _parsed(text: str) -> DictConfig:
    stored = OmegaConf.create(text)
    if not isinstance(stored, DictConfig):
        raise ConfigurationError("it holds no keys")
    return stored


def _composed_here(overrides: Sequence[str]) -> DictConfig:
    ours = [each for each in overrides if _is_of_runtime(each)]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=ours)


def _is_of_runtime(override: str) -> bool:
    return override.partition("=")[0].partition(".")[0] == "runtime"


def _of_the_run(overrides: Sequence[str]) -> list[Override]:
    theirs = [each for each in overrides if not _is_of_runtime(each)]
    parsed = OverridesParser.create().parse_overrides(theirs)
    for override in parsed:
        if override.is_sweep_override():
            raise OverrideSyntaxError(str(override.input_line))
    return parsed


def _with_stored(cfg: DictConfig, stored: DictConfig) -> DictConfig:
    known = {f.name for f in fields(TrainConfig)}
    for key in map(str, stored):
        if key not in known:
            raise unknown_key(key)
        if key not in MACHINES:
            cfg[key] = _structured(key, stored[key]) if key in GROUPS else stored[key]
    return cfg


def _structured(group: str, node: DictConfig) -> DictConfig:
    """Give a group's node the schema that it was composed with."""
    plain = {key: value for key, value in node.items() if key != "members"}
    made: DictConfig = OmegaConf.merge(OmegaConf.structured(_schema_of(group, node)), plain)  # type: ignore[assignment]
    for name, member in node.get("members", {}).items():
        made.members[name] = OmegaConf.structured(MemberConfig)
        made.members[name].model = _structured("model", member.model)
        made.members[name].preprocess = _structured("preprocess", member.preprocess)
    return made


def _schema_of(group: str, node: DictConfig) -> type:
    keys = {str(key) for key in node}

    def misfit(schema: type) -> tuple[int, int, int]:
        names = {f.name for f in fields(schema)}
        return len(keys - names), _contradiction(schema, node), len(names - keys)

    # What still does not fit is told by the merge, which names the key.
    return min(GROUPS[group].values(), key=misfit)


def _contradiction(schema: type, node: DictConfig) -> int:
    """Give 0 where a schema's own default says the same, 1 where it leaves it open, else 2."""
    for f in fields(schema):
        if f.name in TELLING and f.name in node:
            default = getattr(f.default, "value", f.default)
            return 1 if default == MISSING else 2 * (default != node[f.name])
    return 0


def _added(config: TrainConfig, stored: DictConfig) -> list[str]:
    then: Any = OmegaConf.to_container(stored)
    now: Any = OmegaConf.to_container(OmegaConf.structured(config))
    return [key for key in _new_keys(now, then) if key.partition(".")[0] not in MACHINES]


def _new_keys(now: dict[str, Any], then: dict[str, Any], path: str = "") -> list[str]:
    found = [f"{path}{key}" for key in now if key not in then]
    for key in now:
        if isinstance(now[key], dict) and isinstance(then.get(key), dict):
            found += _new_keys(now[key], then[key], f"{path}{key}.")
    return found
