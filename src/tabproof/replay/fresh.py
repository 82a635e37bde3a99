"""A fresh virtual environment of the versions that a run recorded, and the replay in it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tabproof.artifacts.provenance import PYTHON_LINE
from tabproof.artifacts.run_directory import ENVIRONMENT
from tabproof.replay.errors import (
    EnvironmentFailedError,
    NoEnvironmentError,
    NotReplayableError,
    PythonMissingError,
)
from tabproof.replay.recorded import Recorded
from tabproof.runtime import console

PACKAGE = Path(__file__).resolve().parents[1]
# Nothing else: an option of pip, or an address, could fetch and run anything.
PINNED = re.compile(r"[a-z0-9][a-z0-9-]*==[A-Za-z0-9.!+_-]+")
MINOR = re.compile(re.escape(PYTHON_LINE) + r"(\d+\.\d+)")
# Where Python would look beside the environment.
ELSEWHERE = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}


def replay_in_fresh_environment(recorded: Recorded, arguments: Sequence[str]) -> int:
    """Make the environment, replay there as a child process, and return its exit code."""
    minor, pinned = read_environment(recorded)
    python = _python(minor)
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        place = Path(folder)
        (place / ENVIRONMENT).write_text("\n".join(pinned) + "\n", encoding="utf-8")
        console.say(f"environment    Python {minor}, {len(pinned)} distributions, in {place}")
        _run("python -m venv", [python, "-m", "venv", str(place / "venv")])
        inside = _python_in(place / "venv")
        # The recorded list is complete: nothing is resolved, so nothing newer is installed.
        pip = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run("pip install", [*pip, "--no-deps", "--requirement", str(place / ENVIRONMENT)])
        # The package alone: beside it may lie what is installed here.
        (folder_of_code := place / "code").mkdir()
        (folder_of_code / PACKAGE.name).symlink_to(PACKAGE, target_is_directory=True)
        done = subprocess.run(  # noqa: S603 - our own words
            [inside, "-m", "tabproof", "replay", *arguments],
            env={**_clean(), "PYTHONPATH": str(folder_of_code), "PYTHONNOUSERSITE": "1"},
            check=False,
        )
    return done.returncode


def read_environment(recorded: Recorded) -> tuple[str, list[str]]:
    """Give Python's minor version and the pinned distributions; nothing else may stand there."""
    if recorded.environment is None:
        raise NoEnvironmentError(recorded.path, ENVIRONMENT)
    first, *rest = recorded.environment.splitlines() or [""]
    minor = MINOR.match(first)
    if minor is None:
        raise NotReplayableError(f"{recorded.path / ENVIRONMENT} names no Python")
    for line in rest:
        if PINNED.fullmatch(line) is None:
            raise NotReplayableError(
                f"{recorded.path / ENVIRONMENT} holds {line[:60]!r}, which is no name==version"
            )
    return minor[1], rest


def _python(minor: str) -> str:
    here = ".".join(map(str, sys.version_info[:2]))
    found = sys.executable if minor == here else shutil.which(f"python{minor}")
    if found is None:
        raise PythonMissingError(minor, here)
    return found


def _python_in(environment: Path) -> str:
    found = environment / "bin" / "python"
    return str(found if found.exists() else environment / "Scripts" / "python.exe")


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ELSEWHERE}


def _run(step: str, command: list[str]) -> None:
    done = subprocess.run(  # noqa: S603 - our own words
        command, env=_clean(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")] or said
        raise EnvironmentFailedError(step, " ".join(errors[:1]))
