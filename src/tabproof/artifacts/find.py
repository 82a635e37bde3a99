"""Finding a run by what a person calls it: a directory, a run id, `latest`, a promoted name.

Runs lie at <outputs>/<date>/<run>/, those of a sweep at <outputs>/<date>/<sweep>/<job>/.
"""

import difflib
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

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts.checkpoint import read_plan
from tabproof.artifacts.errors import AmbiguousRunError, ManifestError, NoSuchRunError, OutputsError
from tabproof.artifacts.manifest import SEARCH
from tabproof.artifacts.record import Record, read_record
from tabproof.artifacts.registry import Registry
from tabproof.artifacts.run_directory import (
    LATEST,
    STATUS,
    SUMMARY,
    RunDirectory,
    RunSkipped,
    is_complete,
)
from tabproof.errors import NewerFormatError


def skip_completed(run_id: str, outputs: Path) -> None:
    """Raise RunSkipped where there is a complete run of that id."""
    found = complete_run_with_id(run_id, outputs)
    if found is not None:
        raise RunSkipped(found)


DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
BEGINNING = re.compile(r"[0-9a-f]{4,}")


def find_run(text: str, outputs: Path, models: Path | None = None) -> Path:
    """Find the run that text names; raises NoSuchRunError or AmbiguousRunError.

    models: where given, a promoted NAME or NAME/VERSION names its copy.
    """
    if text == LATEST:
        newest = newest_complete_run(outputs)
        if newest is None:
            raise NoSuchRunError(text, outputs, 0, [])
        return newest
    if _sealed_at(Path(text)) is not None:
        # `outputs/latest` is a link, and verifying follows none.
        return RunDirectory(Path(text).resolve()).shown_path
    promoted = None if models is None else _promoted(text, Registry(models))
    if promoted is not None:
        return promoted
    by_id = _run_with_id(text, outputs) if BEGINNING.fullmatch(text) else None
    if by_id is not None:
        return by_id
    if os.path.isdir(text):  # noqa: PTH112 - is_dir() raises where a name is too long
        # Reading it will say what is missing.
        return Path(text)
    runs = list(_complete_runs(outputs))
    raise NoSuchRunError(text, outputs, len(runs), _nearest(text, runs, outputs))


def complete_run_with_id(run_id: str, outputs: Path) -> Path | None:
    """Find the newest complete run of an id; None where there is none."""
    same = [run for run in _complete_runs(outputs) if _run_id_of(run) == run_id]
    return max(same, key=_age, default=None)


def newest_complete_run(outputs: Path, *, holding: str = "") -> Path | None:
    """Find the run that was sealed last, on the last date that has a complete run.

    holding: only runs with a file whose name begins so.
    """
    for date in dates_of(outputs):
        for run in sorted(_runs_in(date), key=_age, reverse=True):
            if not holding or _holds(run, holding):
                return run
    return None


def _holds(run: Path, beginning: str) -> bool:
    try:
        found = manifests.read_manifest(run)
    except (ManifestError, NewerFormatError):
        return False
    return found is not None and any(name.startswith(beginning) for name in found.files)


def _promoted(text: str, registry: Registry) -> Path | None:
    name, slash, version = text.partition("/")
    if name not in registry.names():
        return None
    return registry.path_of(name, registry.version_named(name, version if slash else None))


def _run_with_id(beginning: str, outputs: Path) -> Path | None:
    found: dict[str, list[Path]] = {}
    for run in _complete_runs(outputs):
        run_id = _run_id_of(run)
        if run_id.startswith(beginning):
            found.setdefault(run_id, []).append(run)
    if len(found) > 1 and beginning not in found:
        raise AmbiguousRunError(beginning, sorted(found))
    # One id, the same numbers: any of them would do.
    same = found.get(beginning) or next(iter(found.values()), [])
    return max(same, key=_age, default=None)


def _run_id_of(run: Path) -> str:
    try:
        found = manifests.read_manifest(run)
    except (ManifestError, NewerFormatError):
        # Whoever asks for this run by its directory is told what is wrong with it.
        return ""
    return "" if found is None else found.run_id


def _nearest(text: str, runs: list[Path], outputs: Path) -> list[str]:
    shown = {str(run): run for run in runs}
    # The last part of a directory's name looks like an id and is none.
    holding = [path for path in shown if text.strip("/") and text in path]
    by_id = {_run_id_of(run): str(run) for run in runs}
    alike = [by_id[run_id] for run_id in difflib.get_close_matches(text, by_id)]
    newest = newest_complete_run(outputs)
    return holding or alike or ([] if newest is None else [str(newest)])


def _complete_runs(outputs: Path) -> Iterator[Path]:
    for date in dates_of(outputs):
        yield from _runs_in(date)


def dates_of(outputs: Path) -> list[Path]:
    """List the dated directories, the newest first."""
    dates = (path for path in folders_of(outputs) if DATE.fullmatch(path.name))
    return sorted(dates, key=lambda path: path.name, reverse=True)


def _runs_in(date: Path) -> Iterator[Path]:
    for path in folders_of(date):
        if _sealed_at(path) is not None:
            yield path
        else:
            yield from (job for job in folders_of(path) if _sealed_at(job) is not None)


def folders_of(path: Path) -> list[Path]:
    """List the directories in a directory; none where it is gone."""
    try:
        with os.scandir(path) as entries:
            return [Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        # Somebody may be tidying up.
        return []


def _age(run: Path) -> tuple[int, str]:
    return _sealed_at(run) or 0, str(run)


def _sealed_at(run: Path) -> int | None:
    """Give when the manifest was written, in nanoseconds; None where there is none."""
    try:
        found = (run / manifests.NAME).lstat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns if stat.S_ISREG(found.st_mode) else None


# --- All runs of outputs/ in brief, quickly: an SQLite file remembers what was read before.

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


# --- Runs whose search was killed or interrupted, and can go on.


def unfinished_runs(outputs: Path) -> Iterator[Path]:
    """Give runs that hold the fits of a search and are not complete, the newest first."""
    for date in dates_of(outputs):
        folders = folders_of(date)
        jobs = [job for folder in folders for job in folders_of(folder)]
        yield from sorted(filter(_can_go_on, [*folders, *jobs]), key=_age_unfinished, reverse=True)


def _can_go_on(run: Path) -> bool:
    return read_plan(run) is not None and not is_complete(run)


def _age_unfinished(run: Path) -> tuple[int, str]:
    try:
        return (run / SEARCH).stat().st_mtime_ns, str(run)
    except FileNotFoundError:
        return 0, str(run)  # it has become complete meanwhile
