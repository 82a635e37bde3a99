"""The service imports this package: what it never uses is not loaded."""

import subprocess
import sys

from tests.conftest import ROOT

HEAVY = {"numpy", "pandas", "joblib", "sklearn", "scipy", "hydra", "omegaconf", "pyarrow", "fsspec"}


def test_importing_the_package_loads_nothing_of_training() -> None:
    code = (
        "import sys, tabproof.artifacts; print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "msgspec" in done.stdout.split()
    assert HEAVY.isdisjoint(done.stdout.split())
