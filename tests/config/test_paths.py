"""A project's own conf/ comes before the packaged one, which holds all that it lacks."""

import shutil
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from tabproof.config import help_text
from tabproof.config.schema import CONF, choices, own_conf
from tests.conftest import ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    return tmp_path


def dataset_of(*overrides: str) -> str:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=list(overrides)).dataset.name


def test_a_choice_of_the_project_is_found_and_replaces_one_of_the_package(project: Path) -> None:
    wine = CONF / "dataset" / "wine.yaml"
    for name in ("mine", "breast_cancer"):
        shutil.copy(wine, project / "conf" / "dataset" / f"{name}.yaml")
    assert dataset_of("dataset=mine") == dataset_of("dataset=breast_cancer") == "wine"
    assert {"mine", "file", "wine"} <= set(choices("dataset"))
    assert choices("dataset")["breast_cancer"].is_relative_to(project)
    assert "\n    mine " in help_text()


def test_a_train_yaml_of_the_project_takes_the_groups_of_the_package(project: Path) -> None:
    text = (CONF / "train.yaml").read_text(encoding="utf-8")
    changed = text.replace("dataset: breast_cancer", "dataset: wine")
    (project / "conf" / "train.yaml").write_text(changed, encoding="utf-8")
    assert dataset_of() == "wine"
    assert "\n  * wine " in help_text()


def test_without_a_conf_of_its_own_the_package_decides(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(project / "conf")
    assert own_conf() is None
    assert dataset_of() == "breast_cancer"
    monkeypatch.chdir(ROOT)
    assert own_conf() is None
