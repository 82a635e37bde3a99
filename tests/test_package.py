"""The wheel: what it contains, and that it works in an empty directory without the project."""

import http.client
import json
import os
import shlex
import socket
import subprocess
import sys
import time
import zipfile
from contextlib import chdir, closing, suppress
from pathlib import Path
from typing import Any

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
        if path.is_file() and not {"__pycache__", "node_modules"} & set(path.parts)
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


CSV = ["age,plan,when,churned"] + [
    f"{20 + i * 7 % 50},{'ab'[i % 2]},2024-01-{1 + i % 28:02d},{'yes' if i % 3 else 'no'}"
    for i in range(90)
]


@pytest.fixture(scope="module")
def from_a_file(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that held a CSV, after `init`, its command, and a promotion."""
    folder = tmp_path_factory.mktemp("from_a_file")
    (folder / "my.csv").write_text("\n".join(CSV), encoding="utf-8")
    printed = tabproof(unpacked, folder, "init", "my.csv", "--yes")
    quick = [f"{group}={choice}" for group, choice in QUICK.items()]
    command = shlex.split(printed.splitlines()[-1].partition("tabproof ")[2])
    assert command[:2] == ["train", "dataset=my"]
    tabproof(unpacked, folder, *command, "search=none", "model=logistic_regression", *quick)
    tabproof(unpacked, folder, "runs", "promote", "latest")
    return folder


def test_an_installed_package_goes_from_a_file_to_scores(unpacked: Path, from_a_file: Path) -> None:
    (from_a_file / "new.csv").write_text("\n".join(CSV[:4]), encoding="utf-8")
    tabproof(unpacked, from_a_file, "score", "run=my", "input=new.csv", "output=scored.csv")
    header, *rows = (from_a_file / "scored.csv").read_text(encoding="utf-8").splitlines()
    assert "proba" in header
    assert len(rows) == 3


def test_an_installed_package_serves(unpacked: Path, from_a_file: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tabproof", "serve", "--port", str(port)],
        cwd=from_a_file,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        row = {"age": "33", "plan": "a", "when": "2024-01-05"}
        body = json.dumps({"features": row})
        content: dict[str, Any] = {}
        for _ in range(600):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            with suppress(ConnectionError), closing(connection):
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                content = json.loads(connection.getresponse().read())
                break
            assert server.poll() is None
            time.sleep(0.1)
        assert content["model"] == "my"
        assert set(content["probabilities"]) == {"no", "yes"}
    finally:
        server.terminate()
        server.wait()


@pytest.mark.slow
def test_an_installed_package_replays(unpacked: Path, outside: Path) -> None:
    assert "nothing differs" in tabproof(unpacked, outside, "replay", "latest", "--check")
