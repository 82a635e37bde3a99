"""A run in brief: what lists and leaderboards show of it, or why it is no complete run."""

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from src.errors import ManifestError, NewerFormatError
from src.runs import choices, summary
from src.runs.directory import STATUS, SUMMARY
from src.runs.fits import is_searched
from src.runs.manifest import NAME, Manifest, read_manifest
from src.runs.owner import is_alive
from src.runs.proof import model_name_of
from src.runs.reading import read_json, read_limited

State = Literal["complete", "partial", "failed", "interrupted", "running", "not started"]

COMPLETE: set[State] = {"complete", "partial"}
MAX_SIZE = 16 << 20
# Longer than hashing and syncing a run takes, in seconds.
SEALING = 60


@dataclass(frozen=True)
class Record:
    """What is known of a run directory; of a run that is not complete little is.

    elsewhere: the run that stands for this one, where a complete one of the same id was there.
    state: 'partial' is a whole run of a search that ended early. dataset without where it came
    from; overrides as they were typed; seconds in all; cause in one line.
    """

    state: State
    dataset: str
    run_id: str | None = None
    mode: str | None = None
    overrides: Sequence[str] = ()
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    best_params: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    data: str | None = None
    cause: str | None = None
    elsewhere: str | None = None

    @property
    def choices(self) -> str:
        """What was chosen beside the dataset, in one line."""
        return choices.in_words(self.overrides)

    def value(self, metric: str) -> float | None:
        """Give a metric, where the run has it and it is a number."""
        value = self.metrics.get(metric)
        return value if value is not None and math.isfinite(value) else None

    def interval(self, metric: str) -> tuple[float, float] | None:
        """Give the interval of a metric, where the run has both."""
        return None if self.value(metric) is None else self.intervals.get(metric)


@dataclass(frozen=True)
class _Format:
    format: int = summary.FORMAT


@dataclass(frozen=True)
class _Data:
    sha256: str | None = None


@dataclass(frozen=True)
class _Said:
    """What is read of summary.json; runs of earlier versions say less."""

    dataset: str
    mode: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float] | None] = field(default_factory=dict)
    best_params: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    data: _Data = field(default_factory=_Data)
    stopped: str | None = None


@dataclass(frozen=True)
class _Status:
    """What is read of status.json."""

    state: Literal["running", "failed", "interrupted", "skipped"]
    reason: str | None = None
    pid: int | None = None
    host: str | None = None
    begun: str | None = None


def read_record(run: Path) -> Record:
    """Read one run directory, whatever lies there; only summary.json is compared with its hash."""
    try:
        manifest = read_manifest(run)
        if manifest is None:
            return _of_unfinished(run)
        return _of_complete(run, manifest)
    except (ManifestError, NewerFormatError) as error:
        return _of_damaged(run, str(error))
    except OSError as error:
        return _of_damaged(run, f"{run} cannot be read: {error.strerror}")


def _of_complete(run: Path, manifest: Manifest) -> Record:
    try:
        said = _read_summary(run, manifest)
    except (OSError, ValueError) as error:
        reason = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else error
        return _of_damaged(run, f"{run / SUMMARY} {reason}", manifest.run_id)
    return Record(
        state="complete" if said.stopped is None else "partial",
        dataset=model_name_of(said.dataset),
        run_id=manifest.run_id,
        mode=said.mode,
        overrides=choices.read_overrides(run),
        metrics=said.metrics,
        intervals=said.intervals,
        best_params=said.best_params,
        seconds=said.seconds.get("total"),
        data=said.data.sha256,
        cause=None if said.stopped is None else one_line(said.stopped),
    )


def _read_summary(run: Path, manifest: Manifest) -> _Said:
    content = read_sealed(run, SUMMARY, manifest)
    found = read_json(content, _Format).format
    if found > summary.FORMAT:
        raise NewerFormatError(SUMMARY, found, summary.FORMAT)
    return read_json(content, _Said)


def read_sealed(run: Path, name: str, manifest: Manifest) -> bytes:
    """Read one file and compare it with its hash; raises ValueError where it differs."""
    content = read_limited(run / name, MAX_SIZE)
    sealed = manifest.files.get(name)
    if sealed is None or hashlib.sha256(content).hexdigest() != sealed.sha256:
        raise ValueError("is not what it was when the run was sealed")
    return content


def _of_unfinished(run: Path) -> Record:
    overrides = choices.read_overrides(run)
    dataset = _dataset_of_unfinished(run, overrides)
    try:
        status = read_json(read_limited(run / STATUS, MAX_SIZE), _Status)
    except FileNotFoundError:
        return _without_status(run, Record("not started", dataset, overrides=overrides))
    except NotADirectoryError:
        return Record("not started", dataset, cause=f"{run} is no directory")
    except ValueError as error:
        # Written in one step too, but a machine may stop at any moment.
        return Record("interrupted", dataset, overrides=overrides, cause=f"{STATUS} {error}")
    if status.state == "skipped":
        return _of_skipped(run, status, overrides)
    if status.state != "running":
        cause = one_line(status.reason or "for a reason that was not noted")
        return Record(status.state, dataset, overrides=overrides, cause=cause)
    if is_alive(vars(status)) or is_searched(run):
        return Record("running", dataset, overrides=overrides)
    gone = f"process {status.pid} is gone" if status.pid else "its process is gone"
    return Record("interrupted", dataset, overrides=overrides, cause=gone)


def _without_status(run: Path, record: Record) -> Record:
    """Tell what is not begun from what is being sealed: then the status is gone already."""
    if is_searched(run):
        return replace(record, state="running")
    try:
        age = time.time() - (run / SUMMARY).stat().st_mtime
    except OSError:
        return record
    if age < SEALING:
        return replace(record, state="running")
    return replace(record, state="interrupted", cause="it was ended while it was being sealed")


def _of_skipped(run: Path, status: _Status, overrides: Sequence[str]) -> Record:
    elsewhere = Path(status.reason or "")
    if not status.reason or elsewhere == run or not (elsewhere / NAME).is_file():
        return Record("not started", _dataset_of_unfinished(run, overrides), overrides=overrides)
    return replace(read_record(elsewhere), overrides=overrides, elsewhere=status.reason)


def _of_damaged(run: Path, cause: str, run_id: str | None = None) -> Record:
    overrides = choices.read_overrides(run)
    dataset = _dataset_of_unfinished(run, overrides)
    return Record("failed", dataset, run_id, overrides=overrides, cause=one_line(cause))


def _dataset_of_unfinished(run: Path, overrides: Sequence[str]) -> str:
    # hydra.yaml takes a millisecond; what was said on the command line is nearly always enough.
    said = choices.dataset_of(overrides)
    return said or choices.read_group_choices(run).get("dataset", "?")


def one_line(text: str) -> str:
    """Give text as one line of letters that can be printed."""
    line = " ".join(text.split())
    return line if line.isprintable() else json.dumps(line)[1:-1]


def path_text(path: Path) -> str:
    """Give a path as text that can be written, whatever bytes its name is made of."""
    return str(path).encode(errors="backslashreplace").decode()
