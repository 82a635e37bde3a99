"""Write closure.json: what each locked distribution requires, so that a test needs no network.

`make lock` runs it after it has written the lock files. tests/test_locks.py reads both and proves
that every lock holds all that is needed; then `pip install --no-deps` of a lock is complete.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from itertools import product
from pathlib import Path

from packaging.requirements import Requirement

FOLDER = Path(__file__).parent
CLOSURE = FOLDER / "closure.json"
SYSTEMS = (
    ("linux", "Linux", "x86_64"),
    ("linux", "Linux", "aarch64"),
    ("darwin", "Darwin", "arm64"),
    ("darwin", "Darwin", "x86_64"),
)
# Markers may ask for a patch release: the first and the last of each minor version.
PYTHONS = ("3.11.0", "3.11.99", "3.12.0", "3.12.99", "3.13.0", "3.13.99")
ENVIRONMENTS = [
    {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": name,
        "platform_version": "",
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": platform,
    }
    for (platform, name, machine), python in product(SYSTEMS, PYTHONS)
]


def read_lock(path: Path) -> list[Requirement]:
    """Return the entries of a lock file, with their extras and markers."""
    return [
        Requirement(line.removesuffix("\\"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith(("#", " "))
    ]


def applies(requirement: Requirement, environment: dict[str, str], extra: str = "") -> bool:
    """Return whether a requirement's marker is true there."""
    marker = requirement.marker
    return marker is None or marker.evaluate({**environment, "extra": extra})


def read_pins() -> set[tuple[str, str]]:
    """Return the name and version of all that any lock installs on Linux or macOS."""
    return {
        (entry.name, next(iter(entry.specifier)).version)
        for path in FOLDER.glob("*.lock")
        for entry in read_lock(path)
        if any(applies(entry, environment) for environment in ENVIRONMENTS)
    }


def normalized(requirements: Iterable[str]) -> list[str]:
    """Return requirements in one spelling: the wheels of one release may differ in it."""
    return sorted({str(Requirement(line)) for line in requirements})


def find_requirements(name: str, version: str) -> list[str]:
    """Return a release's Requires-Dist: from this environment, or else through pip."""
    try:
        if distribution(name).version == version:
            return normalized(distribution(name).requires or [])
    except PackageNotFoundError:
        pass
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps"]
        # Some are for a newer Python than this one: wheels only, since building would need it.
        command += ["--python-version", "3.13", "--only-binary=:all:", "--ignore-requires-python"]
        subprocess.run(  # noqa: S603 - our own words
            [*command, "--target", folder, "--report", report, f"{name}=={version}"], check=True
        )
        (found,) = json.loads(report.read_text(encoding="utf-8"))["install"]
    return normalized(found["metadata"].get("requires_dist", []))


def main() -> None:
    """Keep what is known, since a release never changes; read what is new."""
    known = json.loads(CLOSURE.read_text(encoding="utf-8")) if CLOSURE.exists() else {}
    closure = {
        key: known[key] if key in known else find_requirements(name, version)
        for name, version in sorted(read_pins())
        for key in [f"{name}=={version}"]
    }
    lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in closure.items())
    CLOSURE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
