"""The wheel: what it contains, and that it works in an empty directory without the project."""

import json
import os
import subprocess
import sys
import zipfile
from contextlib import chdir
from pathlib import Path

import pytest

from tabproof import artifacts
from tests.conftest import QUICK, ROOT

# `make init` installs it, from requirements/build.lock.
build = pytest.importorskip("hatchling.build", reason="hatchling is not installed: no wheel built")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that holds what pip would put into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    with chdir(ROOT):
        name = build.build_wheel(str(folder))
    with zipfile.ZipFile(folder / name) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def files_in(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_the_wheel_contains_the_package_and_conf_and_nothing_else(unpacked: Path) -> None:
    package = files_in(ROOT / "src" / "tabproof")
    conf = {f"conf/{name}" for name in files_in(ROOT / "conf")}
    assert files_in(unpacked / "tabproof") == package | conf
    (metadata,) = unpacked.glob("tabproof-*.dist-info")
    assert {path.name for path in unpacked.iterdir()} == {"tabproof", metadata.name}
    assert "tabproof = tabproof.cli:main" in (metadata / "entry_points.txt").read_text()
    assert (metadata / "licenses" / "LICENSE").is_file()


def tabproof(unpacked: Path, folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tabproof", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def outside(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory, empty before, in which the package has trained a run."""
    folder = tmp_path_factory.mktemp("outside")
    quick = [f"{group}={choice}" for group, choice in QUICK.items()]
    tabproof(
        unpacked,
        folder,
        "train",
        "dataset=wine",
        "search=none",
        "model=logistic_regression",
        *quick,
    )
    return folder


def test_an_installed_package_trains_in_an_empty_directory(unpacked: Path, outside: Path) -> None:
    (run,) = (path.parent for path in outside.glob("outputs/*/*/manifest.json"))
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    # The same code as here, of no commit: a checkout that it may lie in is another project's.
    assert summary["git"] == {"commit": None, "clean": None}
    assert summary["code"] == artifacts.deciding_code_hash()
    assert summary["run_id"][:8] in tabproof(unpacked, outside, "runs", "list")


@pytest.mark.slow
def test_an_installed_package_replays(unpacked: Path, outside: Path) -> None:
    assert "nothing differs" in tabproof(unpacked, outside, "replay", "latest", "--check")
