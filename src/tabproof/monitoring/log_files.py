"""Find the files of a prediction log, and leave out those that are no whole Parquet files.

A log is a directory. What is needed of one in a bucket is copied first: a check reads each column
of a file by itself, which is slow over a network. Files that a merged file stands for are left out.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tabproof.errors import MissingValueError, PackageMissingError, UserError, first_line
from tabproof.monitoring.merged import Sources, find_replaced, read_sources
from tabproof.prediction_log import layout
from tabproof.reading.source import BUCKETS, open_bucket

MAGIC = b"PAR1"
# Magic bytes at both ends, and the length of the footer.
LEAST_SIZE = 12
# Files that are named in a message.
N_NAMED = 3
# How often a log in a bucket is listed, while files of it are merged.
N_LISTINGS = 5


class NoLogError(UserError):
    """A directory that is not there."""

    template = (
        "there is no log at {path}: {reason}; the service writes one where API_PREDICTION_LOG says,"
        " and --log names the same directory"
    )


class UnknownPlaceError(UserError):
    """An address that is neither a directory nor a bucket."""

    template = "{place} is no place of a log: it is a directory, or one of {known}"


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


@dataclass(frozen=True)
class LogBucket:
    """A bucket, and what the keys of a log begin with there: empty, or a path that ends in "/"."""

    protocol: str
    name: str
    prefix: str


def bucket_of(place: str) -> LogBucket | None:
    """Return the bucket that a log is in; None for a directory. Raises UnknownPlaceError."""
    protocol, mark, rest = place.partition("://")
    if not mark or protocol == "file":
        return None
    if protocol not in BUCKETS:
        known = ", ".join(f"{name}://…" for name in sorted(BUCKETS))
        raise UnknownPlaceError(place, known)
    name, _, prefix = rest.strip("/").partition("/")
    return LogBucket(protocol, name, prefix + "/" if prefix else "")


def log_directory(place: str | None) -> Path:
    """Return the directory of the log.

    Raises MissingValueError, UnknownPlaceError, LogInBucketError, or NoLogError if it cannot be
    listed.
    """
    place = log_place(place)
    if bucket_of(place) is not None:
        raise LogInBucketError(place)
    path = Path(place.removeprefix("file://")).expanduser()
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

    No file that was merged is removed from the directory before the block ends.

    Parameters
    ----------
    place : as in `log_place`.
    model, first : files of other models, and of days before, are not copied.

    Raises
    ------
    MissingValueError, UnknownPlaceError, NoLogError, PackageMissingError, LogNotFetchedError
    """
    place = log_place(place)
    bucket = bucket_of(place)
    if bucket is None:
        root = log_directory(place)
        with being_read(root):
            yield root
        return
    of_model = None if model is None else layout.MODEL + layout.partition_value(model)
    with tempfile.TemporaryDirectory(prefix="tabproof-log-") as folder:
        try:
            store = open_bucket(bucket.protocol, bucket.name)
            copies = (
                _copy(store, bucket.prefix, Path(folder), of_model, first)
                for _ in range(N_LISTINGS)
            )
            is_complete = any(copies)
        except ImportError as error:
            raise PackageMissingError(place, "obstore", "remote") from error
        except Exception as error:
            # Each protocol has errors of its own.
            raise LogNotFetchedError(place=place, reason=first_line(error)) from error
        if not is_complete:
            reason = "files are removed from it while it is read; try again"
            raise LogNotFetchedError(place=place, reason=reason)
        yield Path(folder)


def _copy(store: Any, prefix: str, folder: Path, of_model: str | None, first: date | None) -> bool:
    """Copy what is needed and not there yet; return whether nothing was removed meanwhile."""
    is_complete = True
    for found in store.list(prefix or None):
        for each in found:
            key = each["path"].removeprefix(prefix)
            target = folder / key
            if not _is_of_log(key, of_model, first) or target.exists():
                continue
            try:
                parts = store.get(each["path"]).stream()
            except FileNotFoundError:
                # It was merged: the merged file is in the next list, if it was not in this one.
                is_complete = False
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                for part in parts:
                    file.write(part)
    return is_complete


def being_read(root: Path) -> AbstractContextManager[None]:
    """Keep files of a log that were merged from being removed, until the block ends."""
    return _locked(root, fcntl.LOCK_SH)


def not_being_read(root: Path) -> AbstractContextManager[None]:
    """Wait until no `being_read` of the log is left, and hold others up until the block ends."""
    return _locked(root, fcntl.LOCK_EX)


@contextmanager
def _locked(root: Path, kind: int) -> Iterator[None]:
    # The directory itself is locked: readers need no right to write, and add no file.
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some network file systems have no locks, others hold them on one machine only.
        with suppress(OSError):
            fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


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


def find_files(root: Path, first: date | None = None, model: str | None = None) -> LogFiles:
    """Return the files of a log in order of their names, inside `opened_log` or `being_read`.

    Hidden names are of files that are being written, and skipped; so are files that a merged file
    stands for. Raises NoLogError if a directory cannot be listed.

    Parameters
    ----------
    root : the directory of the log.
    first : files of days before are left out.
    model : predictions of others are left out.
    """
    try:
        return _find(root, first, model)
    except OSError as error:
        raise NoLogError(path=error.filename or root, reason=error.strerror) from error


def _find(root: Path, first: date | None, only: str | None) -> LogFiles:
    unreadable: list[str] = []
    predictions: dict[str, list[str]] = {}
    for day in _dated(root / layout.PREDICTIONS, first):
        for folder in _folders(day):
            name = Path(folder).name
            if name.startswith(layout.MODEL):
                model = unquote(name.removeprefix(layout.MODEL))
                if only in (None, model):
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
    """Return the whole Parquet files of a directory that count; add others to `unreadable`."""
    with os.scandir(folder) as entries:
        names = sorted(
            each.name
            for each in entries
            if each.name[0] != "." and each.name.endswith(layout.SUFFIX)
        )
    damaged = set[str]()

    def sources_of(name: str) -> Sources:
        try:
            return read_sources(f"{folder}/{name}")
        except (OSError, ValueError):
            # What it stands for may still be there, and counts.
            damaged.add(name)
            return frozenset()

    replaced = find_replaced(names, sources_of)
    found: list[str] = []
    for name in names:
        path = f"{folder}/{name}"
        if name not in replaced:
            (found if name not in damaged and is_whole(path) else unreadable).append(path)
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
