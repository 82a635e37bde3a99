"""What a run depends on: its id, library versions, the platform, the commit of the code."""

import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import (
    PackageNotFoundError,
    distribution,
    distributions,
    packages_distributions,
    requires,
    version,
)
from pathlib import Path
from typing import Any

RUN_ID_LENGTH = 16


def run_id_of(**determinants: Any) -> str:
    """Hash all that determines the numbers, in any order of keys: same id, same numbers."""
    return hashlib.sha256(_as_json(determinants).encode()).hexdigest()[:RUN_ID_LENGTH]


def as_plain(determinants: Mapping[str, Any]) -> Any:
    """Return the determinants as they would be read from a JSON file."""
    return json.loads(_as_json(determinants))


def _as_json(determinants: Mapping[str, Any]) -> str:
    return json.dumps(determinants, sort_keys=True, ensure_ascii=False, default=_as_plain)


def _as_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be part of a run id")


# The parts of this package that decide numbers. A change of anything else (commands, reports, logs,
# files on disk, the service, messages) leaves a run's numbers, and so its id, as they are.
DECIDING = (
    "auc.py",
    "config",
    "data",
    "evaluation",
    "experiment.py",
    "modeling",
    "scorer",
    "search",
    "steps/check.py",
    "steps/decide.py",
    "steps/evaluate.py",
    "steps/search.py",
)


def code_hash(package: Path, parts: Collection[str] = ()) -> str:
    """Hash the source files of a package, or a module: their names and contents.

    parts: the files and folders that count, without their errors.py; all of it by default.
    """
    if package.name == "__init__.py":
        package = package.parent
    paths = sorted(package.rglob("*.py")) if package.is_dir() else [package]
    if parts:
        paths = [path for path in paths if _is_part(path.relative_to(package), parts)]
    digest = hashlib.sha256()
    for path in paths:
        name, content = path.relative_to(package.parent).as_posix().encode(), path.read_bytes()
        digest.update(len(name).to_bytes(8, "little") + name)
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def _is_part(path: Path, parts: Collection[str]) -> bool:
    names = {path.as_posix(), *(parent.as_posix() for parent in path.parents)}
    return path.name != "errors.py" and not names.isdisjoint(parts)


def deciding_code_hash(package: Path = Path(__file__).parents[1]) -> str:
    """Hash the code of this package that decides numbers."""
    return code_hash(package, DECIDING)


PROJECT = "tabproof"
# Libraries that compute, or decide what is computed.
LIBRARIES = ("joblib", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")
# Libraries of extras.
OPTIONAL = ("catboost", "dask", "distributed", "lightgbm", "xgboost", "xgboost-cpu")
# A working tree may have a data set among its uncommitted files.
MAX_PATCH = 1 << 20
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
PYTHON_LINE = "# Python "


def library_versions(using: Iterable[object] = ()) -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide numbers.

    using: the objects of a pipeline, whose libraries count too, such as LightGBM. Code that is not
    part of an installed distribution is identified by its hash.
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
    """Return what must be the same on every machine of a cluster.

    Only "processor" may differ; the last bits of numbers may then differ too.
    """
    versions = {name: _version_of(name) for name in (*LIBRARIES, *OPTIONAL)}
    # The limits of threads must be set before numpy is imported.
    import numpy as np

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
    # Cached: files that change later do not change the code that runs.
    return code_hash(Path(__file__).parents[1])


def _package_of(item: object) -> str:
    # A function has its module as an attribute; other objects have a type with one.
    module = item.__module__ if callable(item) else type(item).__module__
    return module.partition(".")[0]


def platform_facts() -> dict[str, Any]:
    """Return what can change the last bits of a number on another machine.

    BLAS and numpy choose their kernels by the processor's instruction sets.
    """
    # The service imports this module and does not need these.
    import numpy as np
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


@dataclass(frozen=True)
class CodeState:
    """version: the git commit and whether the tree was clean; None where there is no git.

    patch: the uncommitted changes, where the tree was not clean.
    """

    version: dict[str, Any]
    patch: bytes | None


def project_root() -> Path | None:
    """Return the root of the project that this code is in; None for an installed package."""
    package = Path(__file__).resolve().parents[1]
    root = package.parents[1]
    is_project = package.parent.name == "src" and (root / "pyproject.toml").is_file()
    return root if is_project else None


def read_code_state(root: Path | None) -> CodeState:
    """Read the state of the code from git; nothing is known of an installed package."""
    if root is None:
        return CodeState({"commit": None, "clean": None}, None)
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain")
    clean = None if changes is None else changes == b""
    facts = {"commit": None if commit is None else commit.decode().strip(), "clean": clean}
    return CodeState(facts, None if clean is not False else _patch(root))


def _patch(root: Path) -> bytes:
    """Return the uncommitted changes for `git apply`, after the names of new files."""
    names = _git(root, "ls-files", "--others", "--exclude-standard") or b""
    head = b"".join(b"# not in git: " + name + b"\n" for name in names.splitlines())
    # The user's git configuration may replace the patch by something else.
    plain = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index")
    whole = head + (_git(root, "diff", "HEAD", *plain) or b"")
    if len(whole) <= MAX_PATCH:
        return whole
    return b"# cut: only the first %d bytes follow\n" % MAX_PATCH + whole[:MAX_PATCH]


def _git(root: Path, *arguments: str) -> bytes | None:
    """Return git's output, at most one byte more than is kept; None where it fails."""
    git = shutil.which("git")
    if git is None:
        return None
    # Reading must not block a git command of the user.
    command = [git, "--no-optional-locks", "-C", str(root), *arguments]
    try:
        with subprocess.Popen(  # noqa: S603 - fixed arguments
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        ) as process:
            if process.stdout is None:
                return None
            answer = process.stdout.read(MAX_PATCH + 1)
            if len(answer) > MAX_PATCH:
                process.kill()
                return answer
    except OSError:
        return None
    return answer if process.returncode == 0 else None


def environment_text(root: Path | None, using: Iterable[str] = ()) -> str:
    """Return Python's version and the requirements from which pip rebuilds this environment.

    using: distributions that this run needs beside those of the project, such as lightgbm.
    """
    asked = _requirements_of_project(root)
    found = _with_requirements([*asked, *using]) if asked else _all_installed()
    lines = [f"{PYTHON_LINE}{platform.python_version()}"]
    return "\n".join([*lines, *(f"{name}=={found[name]}" for name in sorted(found))]) + "\n"


def _requirements_of_project(root: Path | None) -> list[str]:
    if root is not None:
        with suppress(OSError, ValueError, KeyError):
            text = (root / "pyproject.toml").read_text(encoding="utf-8")
            return _names(tomllib.loads(text)["project"]["dependencies"])
    with suppress(PackageNotFoundError):
        return _names(requires(PROJECT) or [])
    return []


def _with_requirements(asked: Iterable[str]) -> dict[str, str]:
    """Return the versions of distributions and of all that they require, directly or not."""
    found: dict[str, str] = {}
    left = [_normal(name) for name in asked]
    while left:
        name = left.pop()
        if name in found or name == PROJECT:
            continue
        # Some requirements are for other systems or versions of Python.
        with suppress(PackageNotFoundError):
            known = distribution(name)
            found[name] = known.version
            left += [_normal(each) for each in _names(known.requires or [])]
    return found


def _all_installed() -> dict[str, str]:
    found = {_normal(each.metadata["Name"]): each.version for each in distributions()}
    return {name: number for name, number in found.items() if name != PROJECT}


def _names(requirements: Iterable[str]) -> list[str]:
    wanted = (line for line in requirements if "extra ==" not in line.partition(";")[2])
    return [found[0] for line in wanted if (found := NAME.match(line))]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
