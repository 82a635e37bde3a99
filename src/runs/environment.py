"""What a run stands on: library versions, the platform, the commit of the code."""

import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

import numpy as np

from src.runs.identity import code_hash

PROJECT = "tabular-experiments"
# Those that compute, or decide what is computed.
LIBRARIES = ("joblib", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")
# Those that not everybody has.
OPTIONAL = ("catboost", "dask", "distributed", "lightgbm", "xgboost", "xgboost-cpu")


def library_versions(using: Iterable[object] = ()) -> dict[str, str]:
    """Give the versions of Python and of the libraries that decide numbers.

    using: the objects of a pipeline, whose own libraries count too, such as LightGBM. Code
    that no distribution brought is identified by its hash.
    """
    distributions = packages_distributions()
    versions = {"python": platform.python_version()}
    versions |= {name: version(name) for name in LIBRARIES}
    for package in sorted({_package_of(item) for item in using} - sys.stdlib_module_names):
        names = distributions.get(package, [])
        # This project's code, installed or not, is in the code hash.
        found = {name: version(name) for name in names if name != PROJECT}
        source = sys.modules.get(package)
        if not names and source is not None and source.__file__ is not None:
            found[package] = code_hash(Path(source.__file__))
        versions |= found
    return dict(sorted(versions.items()))


def worker_facts() -> dict[str, str]:
    """Give what must be the same on every machine that does a part of one work.

    The key "processor" stands for what may differ, and last bits with it.
    """
    versions = {name: _version_of(name) for name in (*LIBRARIES, *OPTIONAL)}
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: found for name, found in versions.items() if found is not None},
        "src": _own_code(),
        "processor": " ".join([platform.machine(), *platform.libc_ver(), *simd.get("found", [])]),
    }


def _version_of(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def _own_code() -> str:
    # Once, when it is loaded: files that change later do not change what runs.
    return code_hash(Path(__file__).parents[1])


def _package_of(item: object) -> str:
    # A function knows its module; of anything else the type does.
    module = item.__module__ if callable(item) else type(item).__module__
    return module.partition(".")[0]


def platform_facts() -> dict[str, Any]:
    """Give what of the machine can change the last bits of a number.

    Linear algebra and numpy choose their kernels by the processor's instruction sets.
    """
    # The service imports this package, and has no need of it.
    from threadpoolctl import threadpool_info

    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    blas = sorted(
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip()
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    )
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
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
