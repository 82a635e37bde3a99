"""What a run recorded of itself: read once, after every byte of the run was verified."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabproof import artifacts
from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.artifacts.run_directory import CONFIG, ENVIRONMENT, EVIDENCE, PREDICTIONS, SUMMARY
from tabproof.artifacts.summary import FORMAT
from tabproof.errors import NewerFormatError
from tabproof.replay.errors import NotReplayableError

NEEDED = (CONFIG, SUMMARY, PREDICTIONS)
# What determines numbers, and numbers; all else of a summary may be absent.
FACTS = ("code", "data", "metrics", "platform", "versions")


@dataclass(frozen=True)
class Recorded:
    """config: YAML. environment and evidence: None in a run of an earlier version."""

    path: Path
    run_id: str
    config: str
    summary: dict[str, Any]
    predictions: bytes
    environment: str | None
    evidence: bytes | None

    @property
    def n_rows(self) -> int | None:
        """Count the rows that had a target."""
        sides = [self.summary.get(key) for key in ("n_train", "n_test")]
        known = [side for side in sides if isinstance(side, int)]
        return sum(known) if len(known) == len(sides) else None


def read_recorded(path: Path) -> Recorded:
    """Verify a run and read what it says of itself; raises NotReplayableError."""
    try:
        run = artifacts.read_verified(path, {*NEEDED, ENVIRONMENT, EVIDENCE}.__contains__)
    except UnverifiedRunError as error:
        raise NotReplayableError(str(error)) from error
    for name in NEEDED:
        if name not in run.files:
            raise NotReplayableError(f"{path} has no {name}; take another run")
    environment = run.files.get(ENVIRONMENT)
    return Recorded(
        path,
        run.run_id,
        _text(path, CONFIG, run.files[CONFIG]),
        _summary(path, run.files[SUMMARY]),
        run.files[PREDICTIONS],
        None if environment is None else _text(path, ENVIRONMENT, environment),
        run.files.get(EVIDENCE),
    )


def _text(path: Path, name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise NotReplayableError(f"{path / name} is no text; take another run") from error


def _summary(path: Path, content: bytes) -> dict[str, Any]:
    try:
        summary = json.loads(_text(path, SUMMARY, content))
    except ValueError as error:
        raise NotReplayableError(f"{path / SUMMARY} is no JSON; take another run") from error
    if not isinstance(summary, dict):
        raise NotReplayableError(f"{path / SUMMARY} holds no object; take another run")
    found = summary.get("format", 0)
    if not isinstance(found, int) or found > FORMAT:
        raise NewerFormatError(SUMMARY, found, FORMAT)
    if lacking := [key for key in FACTS if key not in summary]:
        raise NotReplayableError(
            f"{path / SUMMARY} lacks {', '.join(lacking)}; take a run of a later version"
        )
    return summary
