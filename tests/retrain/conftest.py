"""A registry with one promoted model, trained once."""

from pathlib import Path

import pytest

from tests.conftest import made_once
from tests.retrain.making import copied, csv, promoted, rows


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a table and the registry of its model; tests must not change it."""

    def make(path: Path) -> None:
        path.mkdir()
        promoted(path, csv(rows(300, "a", 1), path / "old.csv"))

    return made_once(tmp_path_factory, "retrained", make)


@pytest.fixture
def here(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory with a copy of the registry."""
    copied(old / "models", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
