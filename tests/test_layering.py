"""Layers: a module imports from lower layers or its own package, never upwards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# Commands and applications, which only call what lies in packages.
ENTRY_POINTS = [
    *sorted((ROOT / "src").glob("*.py")),
    *sorted((ROOT / "api").glob("*.py")),
    ROOT / "src/tabproof/__main__.py",
]
# What training needs, a model store, a signature, or the prediction log.
HEAVY = {
    *("hydra", "omegaconf", "pandas", "sklearn", "scipy", "joblib", "pyarrow", "lets_plot"),
    *("fsspec", "obstore", "cryptography", "model_signing", "boto3"),
    # The prediction log.
    "arro3",
}


def test_the_contracts_in_pyproject_are_kept() -> None:
    # In a process of its own: import-linter disables the loggers of its process.
    lint = Path(sys.executable).with_name("lint-imports")
    paths = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
    done = subprocess.run(
        [lint, "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", ENTRY_POINTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_entry_point_has_no_logic(path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60


def test_the_service_starts_without_the_training_stack() -> None:
    code = "import sys, tabproof.service.app; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(loaded.stdout.split())
