"""The configuration in a run directory: written, and composed again for a replay."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import MISSING, DictConfig, OmegaConf

from tabproof.artifacts import one_line
from tabproof.artifacts.files import check_yaml, read_yaml
from tabproof.conf_files import CONF, escaped
from tabproof.config.hydra_errors import ConfigurationError, explain_hydra_error, unknown_key
from tabproof.config.options import GROUPS
from tabproof.config.schema import MemberConfig, RuntimeConfig, TrainConfig
from tabproof.config.typed import DATA_HOME, identity_of, typed
from tabproof.errors import OverrideSyntaxError, UserError

# Keys that decide no number: they are taken from this machine, not from the run.
NOT_STORED = {f.name for f in fields(TrainConfig) if not f.metadata["decides_numbers"]}
OF_MACHINE = ("runtime=", "runtime.", "data_home=", "allow=")


class StoredConfigError(UserError):
    """The config.yaml of a run cannot be composed by this version."""

    template = (
        "the run's config.yaml cannot be composed by this version: {reason};"
        " check out the commit that its summary.json names"
    )


class KeyDecidesError(UserError):
    """A stored configuration is composed with a key that decides numbers."""

    template = (
        "'{key}' decides numbers, so the run would be another one; here keys such as"
        " runtime.workers, dataset.path, data_home may be changed, and python -m src.train takes"
        " all keys"
    )


def as_yaml(config: TrainConfig) -> str:
    """Return a configuration, resolved and complete, as `recompose` reads it."""
    return OmegaConf.to_yaml(OmegaConf.structured(escaped(config)))


def command_of(directory: Path) -> list[str]:
    """Return the command line that started a run; empty if Hydra did not start it."""
    overrides = directory / ".hydra" / "overrides.yaml"
    if not overrides.is_file():
        return []
    words = cast(list[str], read_yaml(overrides.read_bytes()))
    return ["python", "-m", "src.train", *words]


def machine_runtime(overrides: Sequence[str]) -> RuntimeConfig:
    """Return the runtime of this machine, as conf/ and the overrides of `runtime` say."""
    return cast(RuntimeConfig, OmegaConf.to_object(_composed_here(overrides).runtime))


def recompose(
    text: str, overrides: Sequence[str], *, to_its_end: bool
) -> tuple[TrainConfig, list[str]]:
    """Compose a run's config.yaml with the runtime of this machine.

    Return it with the keys that decide numbers and did not exist when the run was trained.
    Overrides may change keys that decide no number; KeyDecidesError is raised for others.
    to_its_end: ignore a time budget, which this machine might use up.
    """
    cfg = _composed_here(overrides)
    changes = OverridesParser.create().parse_overrides(
        [each for each in overrides if not each.startswith(OF_MACHINE)]
    )
    for override in changes:
        if override.is_sweep_override():
            raise OverrideSyntaxError(str(override.input_line))
    try:
        stored = _merge_stored(cfg, text)
        identity = identity_of(typed(cfg))
    except Exception as error:
        reason = one_line(str(explain_hydra_error(error) or error))
        raise StoredConfigError(reason=reason) from error
    for key, value in (("resume", False), ("time_budget", None)):
        if key in cfg.search and (key == "resume" or to_its_end):
            cfg.search[key] = value
    for override in changes:
        key = override.key_or_group
        if key in GROUPS or override.is_add() or override.is_delete():
            raise KeyDecidesError(key=key)
        OmegaConf.update(cfg, key, override.value(), merge=True)
        if identity_of(typed(cfg)) != identity:
            raise KeyDecidesError(key=key)
    # A complete run of the same id is what the replay is compared with.
    cfg.skip_completed = False
    config = typed(cfg)
    now = OmegaConf.to_container(OmegaConf.structured(escaped(config)))
    new_keys = _new_keys(now, OmegaConf.to_container(stored))
    return config, [key for key in new_keys if key.split(".")[0] not in NOT_STORED]


def _composed_here(overrides: Sequence[str]) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=[o for o in overrides if o.startswith(OF_MACHINE)])


def _merge_stored(cfg: DictConfig, text: str) -> DictConfig:
    # OmegaConf reads it with this parser, which is slow; libyaml's reads other documents.
    check_yaml(text, yaml.SafeLoader)
    stored = OmegaConf.create(text)
    # Where downloads lie is this machine's matter, if it says so.
    is_home_chosen = cfg.data_home is not None or DATA_HOME in os.environ
    if not isinstance(stored, DictConfig):
        raise ConfigurationError("it holds no keys")
    _refuse_references(OmegaConf.to_container(stored), "")
    for key in map(str, stored):
        if key not in {f.name for f in fields(TrainConfig)}:
            raise unknown_key(key)
        if key not in NOT_STORED:
            # Not resolved: a column may be called `${y}`.
            node = stored._get_node(key)
            cfg[key] = _with_schema(key, node) if isinstance(node, DictConfig) else stored[key]
    if is_home_chosen and "data_home" in cfg.dataset:
        cfg.dataset.data_home = None
    return stored


# With an even number of backslashes before it, OmegaConf resolves it.
REFERENCE = re.compile(r"(?<!\\)(\\\\)*\$\{")


def _refuse_references(value: Any, path: str) -> None:
    """Refuse `${…}`: a run's configuration is resolved, and this would read the environment."""
    if isinstance(value, str) and REFERENCE.search(value):
        raise ConfigurationError(f"{path} holds ${{…}}, which no run has")
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            _refuse_references(each, f"{path}.{key}" if path else str(key))


def _with_schema(group: str, node: DictConfig) -> DictConfig:
    """Return the node of a group with the schema that it was composed with."""
    keys = {str(key) for key in node}

    def misfit(schema: type) -> tuple[int, int, int]:
        """Count unknown keys, whether `engine` or `_target_` differs, and missing keys."""
        defaults = {f.name: f.default for f in fields(schema)}
        name = "engine" if "engine" in defaults else "_target_"
        default = defaults.get(name, MISSING)
        differs = 1 if default == MISSING else 2 * (default != node.get(name, default))
        return len(keys - set(defaults)), differs, len(set(defaults) - keys)

    # Where even the best schema lacks a key, merging raises an error that names the key.
    schema = min(GROUPS[group].values(), key=misfit)
    plain = OmegaConf.masked_copy(node, [str(key) for key in node if key != "members"])
    merged = cast(DictConfig, OmegaConf.merge(OmegaConf.structured(schema), plain))
    for name, member in node.get("members", {}).items():
        merged.members[name] = OmegaConf.structured(MemberConfig)
        for part in ("model", "preprocess"):
            merged.members[name][part] = _with_schema(part, member[part])
    return merged


def _new_keys(now: Any, then: Any, path: str = "") -> Iterator[str]:
    for key, value in now.items():
        if key not in then:
            yield f"{path}{key}"
        elif isinstance(value, dict) and isinstance(then[key], dict):
            yield from _new_keys(value, then[key], f"{path}{key}.")
