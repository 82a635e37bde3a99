"""What a run stands on: library versions, the platform, the commit of the code."""

import platform
import shutil
import subprocess
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

# Those that compute, or decide what is computed.
LIBRARIES = ("joblib", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")


def library_versions(using: object = None) -> dict[str, str]:
    """Give the versions of Python and of the libraries that decide numbers.

    using: an estimator, whose own library counts too, such as LightGBM.
    """
    package = type(using).__module__.partition(".")[0]
    extra = set(packages_distributions().get(package, ()))
    # This project's own code is identified by its hash, not by its version.
    names = sorted({*LIBRARIES, *extra} - {"tabular-experiments"})
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def platform_facts() -> dict[str, Any]:
    """Give what of the machine can change the last bits of a number.

    Linear algebra and numpy choose their kernels by the processor's instruction sets.
    """
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    blas = sorted(
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip()
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    )
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "simd": [*simd.get("baseline", []), *simd.get("found", [])],
        "blas": blas,
    }


def code_version(root: Path) -> dict[str, Any]:
    """Give the git commit and whether the tree was clean; None where there is no git."""
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain")
    return {"commit": commit, "clean": None if changes is None else changes == ""}


def _git(root: Path, *arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    answer = subprocess.run(  # noqa: S603 - our own words, found on the PATH
        [git, "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() if answer.returncode == 0 else None
