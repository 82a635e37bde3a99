"""What tests compose from memory is what Hydra composes from conf/."""

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from omegaconf import OmegaConf

from tests import composing_quickly
from tests.config.composing import composed


@pytest.mark.parametrize(
    "overrides",
    [
        ("seed=7",),
        ("model=vote", "search=full", "cv=grouped", "cv.group_column=site"),
        ("dataset=wine", "+preprocess@search.members.v.preprocess=native", "search=portfolio"),
    ],
    ids=" ".join,
)
def test_it_is_what_hydra_composes(
    overrides: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def composed_yaml() -> str:
        return OmegaConf.to_yaml(composed(*overrides, hydra=True))

    quickly = composed_yaml()
    # Each gets a copy, so that a test changes its own alone.
    composed(*overrides, hydra=True).seed = 1
    assert composed_yaml() == quickly
    monkeypatch.setattr(ConfigRepository, "load_config", composing_quickly._load_config)
    merge = "_compose_config_from_defaults_list"
    monkeypatch.setattr(ConfigLoaderImpl, merge, composing_quickly._merge)
    assert composed_yaml() == quickly
