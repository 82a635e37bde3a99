"""A project's own conf/ comes before the packaged one; the help page lists what both offer."""

import shutil
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from tabproof.conf_files import CONF, choices, help_text, own_conf
from tabproof.config.options import GROUPS
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


def test_the_help_page_explains_every_choice_of_every_group() -> None:
    lines = help_text().splitlines()
    for group in [*GROUPS, "experiment"]:
        start = lines.index(f"  {group}")
        for path in (CONF / group).glob("*.yaml"):
            line = next(line for line in lines[start:] if line[4:].split(" ")[0] == path.stem)
            assert len(line[4 + len(path.stem) :].strip()) > 10, f"{path} does not explain itself"


def test_the_help_page_marks_one_default_of_each_group() -> None:
    marked = [line.split()[1] for line in help_text().splitlines() if line.startswith("  * ")]
    # In the order of the defaults list of conf/train.yaml.
    assert marked == [
        "breast_cancer",
        "stratified",
        "native",
        "hist_gradient_boosting",
        "fast",
        "default",
        "none",
        "default",
        "default",
        "default",
        "local",
        "default",
    ]
