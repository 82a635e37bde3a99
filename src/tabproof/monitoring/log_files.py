"""Find the files of a prediction log, and leave out those that are no whole Parquet files.

A log is a directory. One that lies in a bucket is copied first: nothing else here needs a network,
and a check reads each column of a file by itself, which is slow over one.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import unquote

from tabproof.errors import MissingValueError, UserError
from tabproof.prediction_log import layout

MAGIC = b"PAR1"
# Magic bytes at both ends, and the length of the footer.
LEAST_SIZE = 12
# Files that are named in a message.
N_NAMED = 3


class NoLogError(UserError):
    """A directory that is not there."""

    template = (
        "there is no log at {path}: {reason}; the service writes one where API_PREDICTION_LOG says,"
        " and --log names the same directory"
    )


class LogInBucketError(UserError):
    """A log that has to be copied first."""

    template = (
        "{place} is in a bucket, and a check reads a directory; copy it first, as in"
        " {command}, then --log log"
    )


# What copies a directory of a bucket, by the protocol of its address.
COPIES = {
    "s3": "aws s3 sync {place} log",
    "gs": "gcloud storage rsync -r {place} log",
}


@dataclass(frozen=True)
class LogFiles:
    """The files of a log, by model, and what was left out.

    unreadable : paths of files that begin or end otherwise than Parquet files do: one that a crash
    cut off, or that is still being copied.
    """

    root: Path
    predictions: Mapping[str, Sequence[str]]
    labels: Sequence[str]
    unreadable: Sequence[str] = field(default_factory=tuple)

    @property
    def n_files(self) -> int:
        """Files that are read."""
        return sum(map(len, self.predictions.values())) + len(self.labels)


def log_directory(place: str | None) -> Path:
    """Return the directory of the log: --log, or what API_PREDICTION_LOG has.

    Raises MissingValueError, LogInBucketError, or NoLogError if it cannot be listed.
    """
    place = place or os.environ.get("API_PREDICTION_LOG") or ""
    if not place:
        raise MissingValueError("--log, or API_PREDICTION_LOG,", "predictions")
    protocol, mark, rest = place.partition("://")
    if mark and protocol != "file":
        command = COPIES.get(protocol, "a copy of {place} to log").format(place=place)
        raise LogInBucketError(place, command)
    path = Path(rest if mark else place).expanduser()
    try:
        os.scandir(path).close()
    except OSError as error:
        raise NoLogError(path=path, reason=error.strerror) from error
    return path


def find_files(root: Path, first: date | None = None) -> LogFiles:
    """Return the files of a log, those of days before `first` left out, in order of their names.

    Hidden names are of files that are being written, and skipped. Raises NoLogError if a directory
    cannot be listed.
    """
    try:
        return _find(root, first)
    except OSError as error:
        raise NoLogError(path=error.filename or root, reason=error.strerror) from error


def _find(root: Path, first: date | None) -> LogFiles:
    unreadable: list[str] = []
    predictions: dict[str, list[str]] = {}
    for day in _dated(root / layout.PREDICTIONS, first):
        for folder in _folders(day):
            name = Path(folder).name
            if name.startswith(layout.MODEL):
                model = unquote(name.removeprefix(layout.MODEL))
                predictions.setdefault(model, []).extend(_whole(folder, unreadable))
    # A label may come long after its row, and never comes before it.
    labels = [
        path for day in _dated(root / layout.LABELS, first) for path in _whole(day, unreadable)
    ]
    kept = {model: files for model, files in sorted(predictions.items()) if files}
    return LogFiles(root, kept, labels, unreadable)


def _folders(path: str | Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(e.path for e in entries if e.name[0] != "." and e.is_dir())
    except FileNotFoundError:
        return []


def _dated(path: Path, first: date | None) -> Iterator[str]:
    """Yield the directories of days, from the one given on."""
    for folder in _folders(path):
        day = layout.day_of(Path(folder).name)
        if day is not None and (first is None or day >= first):
            yield folder


def _whole(folder: str, unreadable: list[str]) -> list[str]:
    """Return the whole Parquet files of a directory; add the others to `unreadable`."""
    found: list[str] = []
    with os.scandir(folder) as entries:
        names = sorted(
            each.path
            for each in entries
            if each.name[0] != "." and each.name.endswith(layout.SUFFIX)
        )
    for path in names:
        (found if is_whole(path) else unreadable).append(path)
    return found


def is_whole(path: str) -> bool:
    """Return whether a file begins and ends as a Parquet file does, and has room for its footer."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - called for each of many files
            size = file.seek(0, os.SEEK_END)
            if size < LEAST_SIZE:
                return False
            file.seek(0)
            if file.read(4) != MAGIC:
                return False
            file.seek(size - 8)
            tail = file.read(8)
    except OSError:
        return False
    return tail[4:] == MAGIC and int.from_bytes(tail[:4], "little") <= size - LEAST_SIZE


def named(paths: Sequence[str], root: Path) -> list[str]:
    """Return the first few paths, below the log."""
    return [os.path.relpath(path, root) for path in paths[:N_NAMED]]
