"""What a run recorded of itself: read once, after every byte of the run was verified."""

from dataclasses import dataclass
from pathlib import Path

from tabproof import artifacts
from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.artifacts.run_directory import CONFIG, ENVIRONMENT, EVIDENCE, PREDICTIONS, SUMMARY
from tabproof.replay.errors import NotReplayableError

NEEDED = (CONFIG, SUMMARY, PREDICTIONS)


@dataclass(frozen=True)
class Recorded:
    """config: YAML. environment and evidence: None in a run of an earlier version."""

    path: Path
    run_id: str
    config: str
    summary: artifacts.Summary
    predictions: bytes
    environment: str | None
    evidence: bytes | None


def read_recorded(path: Path) -> Recorded:
    """Verify a run and read what it says of itself; raises NotReplayableError."""
    try:
        run = artifacts.read_verified(path, {*NEEDED, ENVIRONMENT, EVIDENCE}.__contains__)
    except UnverifiedRunError as error:
        raise NotReplayableError(str(error)) from error
    for name in NEEDED:
        if name not in run.files:
            raise NotReplayableError(f"{path} has no {name}; take another run")
    try:
        summary = artifacts.Summary.from_json(run.files[SUMMARY])
    except ValueError as error:
        reason = f"{path / SUMMARY} {error}; take another run"
        raise NotReplayableError(reason) from error
    environment = run.files.get(ENVIRONMENT)
    return Recorded(
        path,
        run.run_id,
        _text(path, CONFIG, run.files[CONFIG]),
        summary,
        run.files[PREDICTIONS],
        None if environment is None else _text(path, ENVIRONMENT, environment),
        run.files.get(EVIDENCE),
    )


def _text(path: Path, name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise NotReplayableError(f"{path / name} is no text; take another run") from error
