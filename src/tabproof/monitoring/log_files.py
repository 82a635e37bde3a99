"""Find the files of a prediction log, and leave out those that are no whole Parquet files.

A log is a directory. What is needed of one in a bucket is copied first: a check reads each column
of a file by itself, which is slow over a network.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import unquote

from tabproof.errors import MissingValueError, PackageMissingError, UserError, first_line
from tabproof.prediction_log import layout
from tabproof.reading.source import BUCKETS, open_bucket

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
    """Labels of a file for a log in a bucket."""

    template = (
        "{place} is in a bucket, and labels of a file are written into a directory; send them to"
        " POST /labels of the service, or use a copy of the log"
    )


class LogNotFetchedError(UserError):
    """A log in a bucket that cannot be copied."""

    template = "the log {place} cannot be fetched: {reason}"


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


def log_place(place: str | None) -> str:
    """Return where the log is: --log, or what API_PREDICTION_LOG has."""
    place = place or os.environ.get("API_PREDICTION_LOG") or ""
    if not place:
        raise MissingValueError("--log, or API_PREDICTION_LOG,", "predictions")
    return place


def log_directory(place: str | None) -> Path:
    """Return the directory of the log.

    Raises MissingValueError, LogInBucketError, or NoLogError if it cannot be listed.
    """
    place = log_place(place)
    protocol, mark, rest = place.partition("://")
    if mark and protocol != "file":
        raise LogInBucketError(place)
    path = Path(rest if mark else place).expanduser()
    try:
        os.scandir(path).close()
    except OSError as error:
        raise NoLogError(path=path, reason=error.strerror) from error
    return path


@contextmanager
def opened_log(
    place: str | None, model: str | None = None, first: date | None = None
) -> Iterator[Path]:
    """Yield the directory of a log; of one in a bucket, files are copied for the block.

    Parameters
    ----------
    place : as in `log_place`.
    model, first : files of other models, and of days before, are not copied.

    Raises
    ------
    MissingValueError, NoLogError, PackageMissingError, LogNotFetchedError
    """
    place = log_place(place)
    protocol, mark, rest = place.partition("://")
    if not mark or protocol == "file":
        yield log_directory(place)
        return
    if protocol not in BUCKETS:
        known = ", ".join(f"{name}://…" for name in sorted(BUCKETS))
        raise LogNotFetchedError(place=place, reason=f"it is a directory, or one of {known}")
    bucket, _, prefix = rest.strip("/").partition("/")
    prefix += "/" if prefix else ""
    of_model = None if model is None else layout.MODEL + layout.partition_value(model)
    with tempfile.TemporaryDirectory(prefix="tabproof-log-") as folder:
        try:
            store = open_bucket(protocol, bucket)
            for found in store.list(prefix or None):
                for each in found:
                    key = each["path"].removeprefix(prefix)
                    if _is_of_log(key, of_model, first):
                        target = Path(folder, key)
                        target.parent.mkdir(parents=True, exist_ok=True)
                        target.write_bytes(bytes(store.get(each["path"]).bytes()))
        except ImportError as error:
            raise PackageMissingError(f"a log at {protocol}://", "obstore", "remote") from error
        except Exception as error:
            # Each protocol has errors of its own.
            raise LogNotFetchedError(place=place, reason=first_line(error)) from error
        yield Path(folder)


def _is_of_log(key: str, of_model: str | None, first: date | None) -> bool:
    """Return whether an object below a log's prefix is a file of the log that is needed."""
    tree, *folders = key.split("/")
    name = folders.pop() if folders else ""
    n_folders = {layout.PREDICTIONS: 2, layout.LABELS: 1}.get(tree)
    day = layout.day_of(folders[0]) if folders else None
    return (
        len(folders) == n_folders
        and day is not None
        and (first is None or day >= first)
        and (len(folders) == 1 or folders[1] == (of_model or folders[1]))
        and name.endswith(layout.SUFFIX)
        # No part can lead out of the copy.
        and not any(part.startswith(".") for part in (*folders, name))
        and "\\" not in key
    )


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
