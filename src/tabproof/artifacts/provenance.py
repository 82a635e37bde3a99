"""What a run depends on: its id, library versions, the platform, the commit of the code."""

import hashlib
import json
import platform
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from tabproof import kernels

RUN_ID_LENGTH = 16
PACKAGE = Path(__file__).parents[1]
PROJECT = "tabproof"
# Libraries that compute, or decide what is computed.
LIBRARIES = ("joblib", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")
# Libraries of extras.
OPTIONAL = ("catboost", "dask", "distributed", "lightgbm", "xgboost", "xgboost-cpu")
# A working tree may have a data set among its uncommitted files.
MAX_PATCH = 1 << 20
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
PYTHON_LINE = "# Python "


def run_id_of(**determinants: Any) -> str:
    """Hash all that determines the numbers, in any order of keys: same id, same numbers."""
    return hashlib.sha256(_as_json(determinants).encode()).hexdigest()[:RUN_ID_LENGTH]


def as_plain(determinants: Mapping[str, Any]) -> Any:
    """Return the determinants as they would be read from a JSON file."""
    return json.loads(_as_json(determinants))


def _as_json(determinants: Mapping[str, Any]) -> str:
    # dict: of a mapping; it raises TypeError for what cannot be part of a run id.
    return json.dumps(determinants, sort_keys=True, ensure_ascii=False, default=dict)


# The parts of this package that decide numbers. Reading is one: a sweep is resumed by the bytes of
# its file, before they are read. A change of anything else (commands, reports, logs, files on disk,
# the service, messages) leaves a run's numbers, and so its id, as they are.
DECIDING = (
    "auc.py",
    "config",
    "data",
    "evaluation",
    "experiment.py",
    "features.py",
    "forms",
    "modeling",
    "reading",
    "scorer",
    "search",
    "steps/check.py",
    "steps/decide.py",
    "steps/evaluate.py",
    "steps/finalists.py",
    "steps/search.py",
)


SOURCES = frozenset({".py", ".toml"})


def code_hash(package: Path, parts: Collection[str] = ()) -> str:
    """Hash the source files of a package and their tables, or a module: names and contents.

    parts: the files and folders that count, without their errors.py; all of it by default.
    """
    if package.name == "__init__.py":
        package = package.parent
    digest = hashlib.sha256()
    files = (path for path in package.rglob("*") if path.suffix in SOURCES)
    for path in sorted(files) if package.is_dir() else [package]:
        inside = path.relative_to(package)
        names = {each.as_posix() for each in (inside, *inside.parents)}
        if parts and (path.name == "errors.py" or names.isdisjoint(parts)):
            continue
        for part in (path.relative_to(package.parent).as_posix().encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def deciding_code_hash(package: Path = PACKAGE) -> str:
    """Hash the code of this package that decides numbers."""
    return code_hash(package, DECIDING)


def distributions_of(packages: Collection[str]) -> dict[str, list[str]]:
    """Return the distributions that have these packages or modules, by the name of the package.

    The same as in `metadata.packages_distributions()`, which takes a quarter of a second: it
    parses the lists of files of all distributions.
    """
    found: dict[str, list[str]] = {}
    for each in metadata.distributions() if packages else ():
        names = (each.read_text("top_level.txt") or "").split()
        if not names:
            listed = each.read_text("RECORD")
            # Most have none of them.
            if listed and not any(f"{p}/" in listed or f"{p}.py" in listed for p in packages):
                continue
            files = [file for file in each.files or [] if file.suffix == ".py"]
            names = [file.parts[0] if len(file.parts) > 1 else file.stem for file in files]
        for package in packages:
            if package in names:
                found.setdefault(package, []).append(each.metadata["Name"])
    return found


def library_versions(using: Iterable[object] = ()) -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide numbers.

    using: the objects of a pipeline, whose libraries count too, such as LightGBM. Code that is not
    part of an installed distribution is identified by its hash.
    """
    versions = {name: metadata.version(name) for name in LIBRARIES}
    versions["python"] = platform.python_version()
    # A function has its module as an attribute; other objects have a type with one.
    modules = (each.__module__ if callable(each) else type(each).__module__ for each in using)
    packages = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    distributions = distributions_of(packages)
    for package in packages:
        names, source = distributions.get(package, []), sys.modules.get(package)
        # This project's code, installed or not, is in the code hash.
        versions |= {name: metadata.version(name) for name in names if name != PROJECT}
        if not names and source is not None and source.__file__ is not None:
            versions[package] = code_hash(Path(source.__file__))
    return dict(sorted(versions.items()))


@cache  # files that change later do not change the code that runs
def worker_facts() -> dict[str, str]:
    """Return what must be the same on every machine of a cluster.

    Only "processor" may differ; the last bits of numbers may then differ too.
    """
    simd, blas = kernels.found_kernels()
    facts = {"python": ".".join(platform.python_version_tuple()[:2]), "src": code_hash(PACKAGE)}
    # A worker may have loaded fewer of the libraries, whose kernels have one name.
    cores = sorted({library.rpartition(" ")[2] for library in blas})
    facts["processor"] = " ".join([platform.machine(), kernels.libm_hash(), *simd, *cores])
    for name in (*LIBRARIES, *OPTIONAL):
        with suppress(metadata.PackageNotFoundError):
            facts[name] = metadata.version(name)
    return facts


def platform_facts() -> dict[str, Any]:
    """Return what can change the last bits of a number on another machine.

    "level" is there only if all machines of that level have all other facts in common.
    """
    simd, blas = kernels.found_kernels()
    facts = {
        "system": platform.system(),
        "machine": platform.machine(),
        "libm": kernels.libm_hash(),
        "simd": simd,
        "blas": blas,
    }
    level = kernels.found_level()
    return facts if level is None else {**facts, "level": level}


def project_root() -> Path | None:
    """Return the root of the project that this code is in; None for an installed package."""
    package = PACKAGE.resolve()
    root = package.parents[1]
    is_project = package.parent.name == "src" and (root / "pyproject.toml").is_file()
    return root if is_project else None


def read_code_state(root: Path | None) -> tuple[dict[str, Any], bytes | None]:
    """Return the commit and whether the tree was clean, and a patch where it was not.

    The facts are None without git, or of an installed package. The patch is what `git apply`
    takes, after the names of new files.
    """
    if root is None:
        return {"commit": None, "clean": None}, None
    commit, changes = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain")
    clean = None if changes is None else changes == b""
    facts = {"commit": None if commit is None else commit.decode().strip(), "clean": clean}
    if clean is not False:
        return facts, None
    names = _git(root, "ls-files", "--others", "--exclude-standard") or b""
    patch = b"".join(b"# not in git: " + name + b"\n" for name in names.splitlines())
    # The user's git configuration may replace the patch by something else.
    plain = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index")
    patch += _git(root, "diff", "HEAD", *plain) or b""
    if len(patch) > MAX_PATCH:
        patch = b"# cut: only the first %d bytes follow\n" % MAX_PATCH + patch[:MAX_PATCH]
    return facts, patch


def _git(root: Path, *arguments: str) -> bytes | None:
    """Return git's output, at most one byte more than is kept; None where it fails."""
    # Reading must not block a git command of the user.
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
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

    using: distributions that this run needs besides those of the project, such as lightgbm.
    """
    asked: list[str] = []
    with suppress(metadata.PackageNotFoundError):
        asked = metadata.requires(PROJECT) or []
    if root is not None:
        with suppress(OSError, ValueError, KeyError):
            text = (root / "pyproject.toml").read_text(encoding="utf-8")
            asked = tomllib.loads(text)["project"]["dependencies"]
    found: dict[str, str] = {}
    left = (
        [*asked, *using] if asked else [each.metadata["Name"] for each in metadata.distributions()]
    )
    while left:
        line = left.pop()
        named = NAME.match(line)
        if named is None or "extra ==" in line.partition(";")[2]:
            continue
        name = re.sub(r"[-_.]+", "-", named[0]).lower()
        # Some requirements are for other systems or versions of Python.
        with suppress(metadata.PackageNotFoundError):
            if name not in found and name != PROJECT:
                known = metadata.distribution(name)
                found[name] = known.version
                left += known.requires or []
    lines = [f"{PYTHON_LINE}{platform.python_version()}"]
    return "\n".join([*lines, *(f"{name}=={found[name]}" for name in sorted(found))]) + "\n"
