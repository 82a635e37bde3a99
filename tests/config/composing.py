"""Compose conf/, and get the error that a command line is answered with."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from tabproof import config as conf
from tabproof.conf_files import CONF
from tabproof.errors import UserError

FILE = ("dataset=file", "dataset.path=a.csv", "dataset.target=y")


def composed(*overrides: str, directory: Path = CONF, hydra: bool = False) -> DictConfig:
    """Compose as Hydra does for one run; hydra: with Hydra's own keys."""
    with initialize_config_dir(str(directory), version_base="1.3"):
        return compose("train", overrides=list(overrides), return_hydra_config=hydra)


@cache
def _typed(*overrides: str) -> conf.TrainConfig:
    return conf.typed(composed(*overrides))


def config(*overrides: str) -> conf.TrainConfig:
    """Return a typed configuration that a test may change."""
    return deepcopy(_typed(*overrides))


def changed(start: conf.TrainConfig, key: str, value: Any) -> conf.TrainConfig:
    """Return a copy in which one key, such as `search.n_splits`, has another value."""
    copy = deepcopy(start)
    *path, name = key.split(".")
    node: Any = copy
    for part in path:
        node = node[part] if isinstance(node, dict) else getattr(node, part)
    if isinstance(node, dict):
        node[name] = value
    else:
        assert hasattr(node, name), f"a test changes {key}, which is not there"
        setattr(node, name, value)
    return copy


def refusal(*arguments: str) -> UserError:
    """Return the error that the user of this command line gets."""
    try:
        conf.check_command_line(conf.quoted(arguments))
    except Exception as error:
        known = conf.explain_hydra_error(error)
        if known is None:
            raise
        return known
    pytest.fail(f"{arguments} was accepted")


def assert_says(error: BaseException, *words: str) -> None:
    """Check that a message is one line and holds what the user needs."""
    message = str(error)
    assert "\n" not in message
    for word in words:
        assert word in message, f"'{word}' is not said: {message}"
