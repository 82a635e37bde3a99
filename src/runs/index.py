"""All runs of outputs/ in brief, quickly: an SQLite file remembers what was read before.

<outputs>/.index.sqlite is a cache and nothing else. Every directory is looked at each time; what
is remembered counts only while manifest and summary are the very files that were read. It may be
deleted at any time; where it cannot be written, lists only take longer.
"""

import json
import logging
import os
import re
import sqlite3
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from src.errors import OutputsError
from src.runs import manifest as manifests
from src.runs.directory import STATUS, SUMMARY
from src.runs.finding import dates_of
from src.runs.manifest import SEARCH
from src.runs.record import Record, read_record

NAME = ".index.sqlite"
FORMAT = 1
# How long to wait for another program that is writing it, in seconds.
PATIENCE = 2.0
# What keeps it from being read and is no damage: others use it, rights, a file system without
# locks, a writer that was killed (the next one puts that right).
HINDRANCES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
TABLE = "CREATE TABLE runs (path BLOB PRIMARY KEY, sign TEXT, record BLOB, sum INTEGER)"
TIME = re.compile(r"(\d{2})-(\d{2})-(\d{2})_")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """A run directory and what is known of it."""

    path: Path
    when: str
    record: Record


# A path below outputs, in bytes as the system has it, and what must be the same to be remembered.
Signs = Mapping[bytes, str]
Records = dict[bytes, tuple[str, Record]]


def read_records(outputs: Path) -> list[Found]:
    """Give every run directory, complete or not, the newest first."""
    signs = {os.fsencode(os.path.relpath(path, outputs)): sign for path, sign in scan(outputs)}
    remembered = _remembered(outputs / NAME)
    records, new = {}, {}
    for key, sign in signs.items():
        known = remembered.get(key)
        if known is not None and known[0] == sign:
            records[key] = known[1]
            continue
        records[key] = read_record(outputs / os.fsdecode(key))
        if _is_settled(records[key], sign):
            new[key] = sign, records[key]
    stale = {key for key, (sign, _) in remembered.items() if signs.get(key) != sign}
    if new or stale:
        _remember(outputs / NAME, new, stale)
    found = [_found(outputs, key, record) for key, record in records.items()]
    return sorted(found, key=lambda each: (each.when, each.path.name), reverse=True)


def read_set(place: Path) -> list[Found]:
    """Give every run directory in a place: outputs, one sweep's directory, or a run's own."""
    if not place.is_dir():
        raise OutputsError(place, "is no directory")
    if dates_of(place):
        return read_records(place)
    found = [Path(path) for path, _ in runs_in(str(place))]
    return [Found(path, path.name, read_record(path)) for path in sorted(found)]


def scan(outputs: Path) -> Iterator[tuple[str, str]]:
    """Give the path of every run directory, and a sign that changes when its files do."""
    try:
        # Otherwise there would be no runs in what is misspelt.
        os.scandir(outputs).close()
        for date in dates_of(outputs):
            for folder in _folders(str(date)):
                yield from runs_in(folder)
    except OSError as error:
        raise OutputsError(outputs, f"cannot be read: {error.strerror}") from error


def runs_in(folder: str, *, in_sweep: bool = False) -> Iterator[tuple[str, str]]:
    """Give a run directory, or those of a sweep's jobs, each with its sign."""
    sealed = _sign(f"{folder}/{manifests.NAME}")
    if sealed is not None:
        yield folder, f"{sealed} {_sign(f'{folder}/{SUMMARY}')}"
        return
    begun = _sign(f"{folder}/{STATUS}")
    if begun is not None:
        yield folder, f"{STATUS} {begun}"
    elif {".hydra", SEARCH} & _names(folder):
        yield folder, ""
    elif not in_sweep:
        for job in _folders(folder):
            yield from runs_in(job, in_sweep=True)


def _names(folder: str) -> set[str]:
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        return {path.name for path in Path(folder).iterdir()}
    return set()


def _folders(folder: str) -> list[str]:
    # Somebody may be tidying up, and not everything need be ours to read.
    with (
        suppress(FileNotFoundError, NotADirectoryError, PermissionError),
        os.scandir(folder) as entries,
    ):
        return [e.path for e in entries if e.name[0] != "." and e.is_dir(follow_symlinks=False)]
    return []


def _sign(path: str) -> str | None:
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    # A copy that keeps its times has another ctime, wherever clocks go.
    return f"{found.st_mtime_ns} {found.st_size} {found.st_ctime_ns}"


def _is_settled(record: Record, sign: str) -> bool:
    """Tell whether a record stays true for as long as its sign does."""
    if record.elsewhere is not None or not sign:
        return False
    # What is damaged may be put back; a process that is gone stays so.
    unfinished = {"failed", "interrupted"} if sign.startswith(STATUS) else set()
    return record.state in {"complete", "partial", *unfinished}


def _remembered(path: Path) -> Records:
    if not path.is_file():
        return {}
    try:
        with closing(_connected(path, "ro")) as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
                raise sqlite3.DatabaseError("it is of another version")
            rows = connection.execute("SELECT path, sign, record, sum FROM runs").fetchall()
            return {bytes(key): _parsed(key, *rest) for key, *rest in rows}
    except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        # The lowest byte is the kind of error, the others say more of it.
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF not in HINDRANCES:
            _drop(path, error)
    return {}


def _parsed(key: bytes, sign: str, record: bytes, checksum: int) -> tuple[str, Record]:
    if _checksum(key, sign, record) != checksum:
        raise ValueError("an entry was changed")
    return sign, msgspec.convert(json.loads(record), Record)


def _checksum(key: bytes, sign: str, record: bytes) -> int:
    return zlib.crc32(b"\0".join([key, sign.encode(), record]))


def _drop(path: Path, error: Exception) -> None:
    log.warning("%s is damaged (%s): made anew", path, error)
    # A journal that was left would be played back into the new one.
    for part in (path.with_name(f"{NAME}-journal"), path):
        with suppress(OSError):
            part.unlink()


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=PATIENCE)


def _remember(path: Path, new: Records, stale: set[bytes]) -> None:
    # No right, no space, no locks on this file system: it is a convenience only.
    with suppress(sqlite3.Error), closing(_connected(path, "rwc")) as connection:
        # It can be made anew at any time, so it need not outlast a power cut.
        connection.execute("PRAGMA synchronous = OFF")
        with connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
                connection.execute("DROP TABLE IF EXISTS runs")
                connection.execute(TABLE)
                connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.executemany("DELETE FROM runs WHERE path = ?", [(key,) for key in stale])
            connection.executemany(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)",
                [_row(key, sign, record) for key, (sign, record) in new.items()],
            )


def _row(key: bytes, sign: str, record: Record) -> tuple[bytes, str, bytes, int]:
    content = json.dumps(asdict(record)).encode()
    return key, sign, content, _checksum(key, sign, content)


def _found(outputs: Path, key: bytes, record: Record) -> Found:
    path = outputs / os.fsdecode(key)
    return Found(path, when_of(path, outputs), record)


def when_of(run: Path, outputs: Path) -> str:
    """Give when a run was begun, as its directory says it: clocks and copies don't matter."""
    date, *rest = run.relative_to(outputs).parts
    time = TIME.match(rest[0]) if rest else None
    return f"{date} {':'.join(time.groups())}" if time else date


def is_date(text: str) -> bool:
    """Tell whether text is a day, as the directories are named."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").strftime("%Y-%m-%d") == text
    except ValueError:
        return False
