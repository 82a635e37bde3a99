"""What a run stands on: library versions, the platform, the commit of the code."""

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

# --- The run id: a hash of all that determines the numbers. Same id, same numbers.

LENGTH = 16


def run_id_of(**determinants: Any) -> str:
    """Hash configuration, data, code, versions and platform, whatever the order of keys."""
    text = _as_json(determinants)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def as_plain(determinants: Mapping[str, Any]) -> Any:
    """Give what determines numbers as it would be read from a file."""
    return json.loads(_as_json(determinants))


def _as_json(determinants: Mapping[str, Any]) -> str:
    return json.dumps(determinants, sort_keys=True, ensure_ascii=False, default=_as_plain)


def _as_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in an identity")


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
# Those that compute, or decide what is computed.
LIBRARIES = ("joblib", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")
# Those that not everybody has.
OPTIONAL = ("catboost", "dask", "distributed", "lightgbm", "xgboost", "xgboost-cpu")
# Of what a working tree has beside its commit; somebody may keep a data set there.
MAX_PATCH = 1 << 20
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
PYTHON_LINE = "# Python "


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
    # Not at the top: the limits of threads must be set before numpy is loaded.
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

    patch: what the tree had beside the commit, where it was not clean.
    """

    version: dict[str, Any]
    patch: bytes | None


def project_root() -> Path | None:
    """Return the root of the project that this code lies in; None of an installed package."""
    package = Path(__file__).resolve().parents[1]
    root = package.parents[1]
    is_project = package.parent.name == "src" and (root / "pyproject.toml").is_file()
    return root if is_project else None


def read_code_state(root: Path | None) -> CodeState:
    """Read which code this is, as far as git knows; nothing of an installed package."""
    if root is None:
        return CodeState({"commit": None, "clean": None}, None)
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain")
    clean = None if changes is None else changes == b""
    facts = {"commit": None if commit is None else commit.decode().strip(), "clean": clean}
    return CodeState(facts, None if clean is not False else _patch(root))


def _patch(root: Path) -> bytes:
    """Give the difference from the commit, as `git apply` takes it, below the new files' names."""
    names = _git(root, "ls-files", "--others", "--exclude-standard") or b""
    head = b"".join(b"# not in git: " + name + b"\n" for name in names.splitlines())
    # Whatever the user's own git shows instead of a patch is of no use to `git apply`.
    plain = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index")
    whole = head + (_git(root, "diff", "HEAD", *plain) or b"")
    if len(whole) <= MAX_PATCH:
        return whole
    return b"# cut: only the first %d bytes follow\n" % MAX_PATCH + whole[:MAX_PATCH]


def _git(root: Path, *arguments: str) -> bytes | None:
    """Give what git answers, or a little more of it than is kept; None where it fails."""
    git = shutil.which("git")
    if git is None:
        return None
    # The lock is for who works in the tree; we only look.
    command = [git, "--no-optional-locks", "-C", str(root), *arguments]
    try:
        with subprocess.Popen(  # noqa: S603 - our own words, found on the PATH
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
    """Give Python's version and what pip installs to have this environment again.

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
    """Give the versions of distributions, of those that they require, and so on."""
    found: dict[str, str] = {}
    left = [_normal(name) for name in asked]
    while left:
        name = left.pop()
        if name in found or name == PROJECT:
            continue
        # Many a requirement is for another system or Python.
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
