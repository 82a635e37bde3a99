"""Replay a run in a fresh virtual environment with the versions that the run recorded."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tabproof.artifacts import VerifiedRun
from tabproof.artifacts.provenance import PYTHON_LINE
from tabproof.artifacts.run_directory import ENVIRONMENT
from tabproof.errors import UserError
from tabproof.runtime import console

PACKAGE = Path(__file__).resolve().parents[1]
# Nothing else: an option of pip, or an address, could fetch and run anything.
PINNED = re.compile(r"[a-z0-9][a-z0-9-]*==[A-Za-z0-9.!+_-]+")
MINOR = re.compile(re.escape(PYTHON_LINE) + r"(\d+\.\d+)")
# Variables that make Python look for packages outside of the environment.
ELSEWHERE = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}


class NotReplayableError(UserError):
    """A run that is damaged, or a replay that lacks its files, its data or its Python."""

    template = "cannot be replayed: {reason}"


class EnvironmentFailedError(UserError):
    """An environment that could not be made."""

    exit_code = 1
    template = (
        "--environment: {step} failed: {reason}; pip's own configuration sets where packages come"
        " from"
    )


def replay_in_fresh_environment(run: VerifiedRun, arguments: Sequence[str]) -> int:
    """Make the environment, replay there in a child process, and return its exit code."""
    minor, pinned = read_environment(run)
    here = ".".join(map(str, sys.version_info[:2]))
    python = sys.executable if minor == here else shutil.which(f"python{minor}")
    if python is None:
        raise NotReplayableError(
            f"--environment needs Python {minor}, with which the run was trained, and python{minor}"
            f" is not on the PATH (this is {here}); install it, or leave --environment out"
        )
    clean = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        place = Path(folder)
        requirements, venv, code = place / ENVIRONMENT, place / "venv", place / "code"
        requirements.write_text("\n".join(pinned) + "\n", encoding="utf-8")
        console.say(f"environment    Python {minor}, {len(pinned)} distributions, in {place}")
        # The environment's Python, as venv names it on POSIX or on Windows.
        inside = str(venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        pip = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for step, command in (
            ("python -m venv", [python, "-m", "venv", str(venv)]),
            # The recorded list is complete: nothing is resolved, so nothing newer is installed.
            ("pip install", [*pip, "--no-deps", "--requirement", str(requirements)]),
        ):
            done = subprocess.run(  # noqa: S603 - our own words
                command, env=clean, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
                errors = [line for line in lines if line.startswith("ERROR")] or lines
                raise EnvironmentFailedError(step, *(errors or ["it gave no reason"])[:1])
        # The package alone: the directory that it is in may hold other installed packages.
        code.mkdir()
        (code / PACKAGE.name).symlink_to(PACKAGE, target_is_directory=True)
        return subprocess.run(  # noqa: S603 - our own words
            [inside, "-m", "tabproof", "replay", *arguments],
            env={**clean, "PYTHONPATH": str(code), "PYTHONNOUSERSITE": "1"},
            check=False,
        ).returncode


def read_environment(run: VerifiedRun) -> tuple[str, list[str]]:
    """Return Python's minor version and the pinned distributions; refuse anything else."""
    path = run.path / ENVIRONMENT
    if ENVIRONMENT not in run.files:
        raise NotReplayableError(
            f"{path} does not exist: the run was trained by an earlier version; without"
            " --environment it replays with what is installed here"
        )
    first, *rest = run.files[ENVIRONMENT].decode(errors="replace").splitlines() or [""]
    minor = MINOR.match(first)
    if minor is None:
        raise NotReplayableError(f"{path} names no Python")
    for line in rest:
        if PINNED.fullmatch(line) is None:
            raise NotReplayableError(f"{path} holds {line[:60]!r}, which is no name==version")
    return minor[1], rest
