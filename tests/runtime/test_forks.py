"""Forks run each job once, share no lock and no log, and are made only where that is safe."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime import in_forks

ROOT = Path(__file__).parents[2]
LAWS = [
    name
    for name, law in inspect.getmembers(in_forks, inspect.isfunction)
    if law.__module__ == in_forks.__name__ and name not in ("never", "results")
]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are forked on Linux only"
)


@pytest.mark.parametrize("name", LAWS)
def test_forks(name: str) -> None:
    call = f"from tests.runtime import in_forks; in_forks.{name}()"
    # With more, OpenBLAS has threads, and nothing is forked.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = f"{ROOT / 'src'}:{ROOT}"
    command = [sys.executable, "-W", "error", "-c", call]
    subprocess.run(command, env=environment, cwd=ROOT, timeout=100, check=True)
