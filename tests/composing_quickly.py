"""Keep in memory what Hydra makes of conf/, which no test changes.

For every composition Hydra reads all files again and merges them one by one, for a third of a
second; the tests compose some hundred times. Overrides of keys are applied by Hydra itself, to a
copy of what the same choices made before.
"""

from copy import deepcopy
from dataclasses import replace
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository
from hydra.core.default_element import ResultDefault
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig

from tabproof.conf_files import CONF

_results: dict[str, ConfigResult | None] = {}
_merged: dict[tuple[Any, ...], DictConfig] = {}

_load_config = ConfigRepository.load_config
_merge = ConfigLoaderImpl._compose_config_from_defaults_list


def install() -> None:
    """Replace the two slow steps of a composition in this process."""
    ConfigRepository.load_config = load_config  # type: ignore[method-assign]
    ConfigLoaderImpl._compose_config_from_defaults_list = merge  # type: ignore[method-assign]


def are_of_conf(sources: list[ConfigSource]) -> bool:
    """Return whether all files come from conf/: tests may have a directory of their own."""
    return {source.path for source in sources if source.scheme() == "file"} == {str(CONF)}


def load_config(repository: ConfigRepository, config_path: str) -> ConfigResult | None:
    if not are_of_conf(repository.sources):
        return _load_config(repository, config_path)
    if config_path not in _results:
        _results[config_path] = _load_config(repository, config_path)
    result = _results[config_path]
    if result is None or result.provider == "main":
        return result
    # Hydra merges into a configuration of a dataclass.
    return replace(result, config=deepcopy(result.config))


def merge(
    loader: ConfigLoaderImpl, defaults: list[ResultDefault], repo: CachingConfigRepository
) -> DictConfig:
    if not are_of_conf(repo.get_sources()):
        return _merge(loader, defaults, repo)
    key = tuple((d.config_path, d.package, d.parent, d.is_self, d.primary) for d in defaults)
    if key not in _merged:
        _merged[key] = _merge(loader, defaults, repo)
    return deepcopy(_merged[key])
