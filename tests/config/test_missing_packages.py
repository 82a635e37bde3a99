"""A model whose library is not installed says so in one line, before data is read."""

import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tabproof.conf_files import CONF
from tabproof.config.targets import EXTRAS, CannotInstantiateError, make
from tabproof.errors import PackageMissingError
from tabproof.steps.search import make_plan
from tests.conftest import ROOT, composed, train


@pytest.mark.parametrize("package", EXTRAS)
def test_the_model_names_the_package_that_it_needs(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As where it is not installed: an import finds nothing.
    monkeypatch.setitem(sys.modules, package, None)
    (path,) = (CONF / "estimator").glob(f"{package}.yaml")
    estimator = {"_target_": OmegaConf.load(path).estimator["_target_"]}
    with pytest.raises(PackageMissingError, match=f"needs {package}, which is not installed"):
        make("model.estimator", estimator)


def test_one_line_shows_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = "catboost"
    monkeypatch.setitem(sys.modules, package, None)
    # The table is not there: were it read first, that would be the error.
    absent = ["dataset=adult", f"dataset.data_home={tmp_path}/none", "dataset.n_retries=0"]
    done = train(f"model={package}", *absent, f"hydra.run.dir={tmp_path}/run")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert f"needs {package}, which is not installed" in done.stderr
    assert f"make init 'EXTRAS=[{package}]'" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("package", EXTRAS)
def test_every_extra_is_a_model_and_has_a_lock(package: str) -> None:
    assert (CONF / "model" / f"{package}.yaml").is_file()
    assert (ROOT / "requirements" / f"{package}.lock").is_file()
    assert f"\n{package} = [" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_a_member_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    extra = [
        "+estimator@model.members.one.model=xgboost",
        "+preprocess@model.members.one.preprocess=ordinal",
    ]
    config = composed("model=vote", *extra)
    with pytest.raises(PackageMissingError, match=r"members\.one\.model\.estimator: xgboost"):
        make_plan(config)


def test_a_package_that_is_no_extra_is_an_error_like_others() -> None:
    with pytest.raises(CannotInstantiateError, match="No module named 'nowhere'"):
        make("model.estimator", {"_target_": "nowhere.Classifier"}, ["nowhere"])
