"""Find runs: one by the name that a user types, or all that are in outputs/.

Runs are at <outputs>/<date>/<run>/, those of a sweep at <outputs>/<date>/<sweep>/<job>/.
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
from typing import NamedTuple

import msgspec

from tabproof.artifacts.checkpoint import read_plan
from tabproof.artifacts.errors import AmbiguousRunError, ManifestError, NoSuchRunError, OutputsError
from tabproof.artifacts.manifest import NAME, SEARCH, Manifest, read_manifest
from tabproof.artifacts.record import Record, read_record
from tabproof.artifacts.registry import Registry
from tabproof.artifacts.run_directory import LATEST, STATUS, SUMMARY, RunDirectory, RunSkipped
from tabproof.errors import NewerFormatError

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
TIME = re.compile(r"(\d{2})-(\d{2})-(\d{2})_")
ID_PREFIX = re.compile(r"[0-9a-f]{4,}")

log = logging.getLogger(__name__)

# --- The walk through outputs/.


class RunFolder(NamedTuple):
    """A run directory, and what its file times say.

    completed: when the manifest was written, in nanoseconds; None where there is none.
    signature: changes whenever the files do; empty where no file can show a change.
    """

    path: str
    completed: int | None
    signature: str

    @property
    def age(self) -> tuple[int, str]:
        """A sort key: the newest run last."""
        return self.completed or 0, self.path


def walk_runs(outputs: Path) -> Iterator[RunFolder]:
    """Yield every run directory in outputs/, complete or not, the newest date first."""
    for date in dates_of(outputs):
        yield from walk_date(date)


def walk_date(date: Path) -> Iterator[RunFolder]:
    """Yield every run directory of one date."""
    for folder in folders_of(date):
        yield from walk_folder(folder)


def walk_folder(folder: str, *, is_job: bool = False) -> Iterator[RunFolder]:
    """Yield a run directory, or those of the jobs in a sweep's directory."""
    manifest = _lstat(f"{folder}/{NAME}")
    if manifest is not None:
        files = _signature(manifest), _signature(_lstat(f"{folder}/{SUMMARY}"))
        yield RunFolder(folder, manifest.st_mtime_ns, " ".join(files))
        return
    status = _lstat(f"{folder}/{STATUS}")
    if status is not None:
        yield RunFolder(folder, None, f"{STATUS} {_signature(status)}")
    elif os.path.isdir(f"{folder}/.hydra") or os.path.isdir(f"{folder}/{SEARCH}"):  # noqa: PTH112
        yield RunFolder(folder, None, "")
    elif not is_job:
        for job in folders_of(folder):
            yield from walk_folder(job, is_job=True)


def dates_of(outputs: Path) -> list[Path]:
    """Return the dated directories, the newest first."""
    dates = (Path(path) for path in folders_of(outputs))
    dated = (path for path in dates if DATE.fullmatch(path.name))
    return sorted(dated, key=lambda path: path.name, reverse=True)


def folders_of(path: str | Path) -> list[str]:
    """Return the directories in a directory that are not hidden; none where it cannot be read."""
    # Another process may be removing it, or it may belong to another user.
    with (
        suppress(FileNotFoundError, NotADirectoryError, PermissionError),
        os.scandir(path) as entries,
    ):
        return [e.path for e in entries if e.name[0] != "." and e.is_dir(follow_symlinks=False)]
    return []


def _lstat(path: str) -> os.stat_result | None:
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _signature(found: os.stat_result | None) -> str:
    # A copy that keeps its mtime has another ctime, whatever the clocks show.
    return "None" if found is None else f"{found.st_mtime_ns} {found.st_size} {found.st_ctime_ns}"


def is_date(text: str) -> bool:
    """Return whether the text is a date, as directories are named."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").strftime("%Y-%m-%d") == text
    except ValueError:
        return False


# --- One run, by its name.


def find_run(text: str, outputs: Path, models: Path | None = None) -> Path:
    """Find a run by its directory, the beginning of its id, "latest", or a promoted name.

    models: the registry in which NAME and NAME/VERSION are looked up. Raises NoSuchRunError or
    AmbiguousRunError.
    """
    if text == LATEST:
        newest = newest_complete_run(outputs)
        if newest is None:
            raise NoSuchRunError(text, outputs, 0, [])
        return newest
    if _lstat(str(Path(text) / NAME)) is not None:
        # `outputs/latest` is a link, and verifying follows none.
        return RunDirectory(Path(text).resolve()).shown_path
    promoted = None if models is None else _find_promoted(text, Registry(models))
    if promoted is not None:
        return promoted
    runs = [run for run in walk_runs(outputs) if run.completed is not None]
    by_id = _find_by_id(text, runs) if ID_PREFIX.fullmatch(text) else None
    if by_id is not None:
        return by_id
    if os.path.isdir(text):  # noqa: PTH112 - is_dir() raises where a name is too long
        # The caller's error will say what is missing in it.
        return Path(text)
    raise NoSuchRunError(text, outputs, len(runs), _similar(text, runs, outputs))


def skip_completed(run_id: str, outputs: Path) -> None:
    """Raise RunSkipped where there is a complete run of that id."""
    same = [run for run in walk_runs(outputs) if run.completed and _run_id_of(run) == run_id]
    if same:
        raise RunSkipped(_newest(same))


def newest_complete_run(outputs: Path, *, holding: str = "") -> Path | None:
    """Find the run that was completed last, on the last date that has a complete run.

    holding: only runs with a file whose name begins with this.
    """
    for date in dates_of(outputs):
        complete = [run for run in walk_date(date) if run.completed is not None]
        for run in sorted(complete, key=lambda run: run.age, reverse=True):
            if not holding or any(file.startswith(holding) for file in _files_of(run)):
                return Path(run.path)
    return None


def unfinished_runs(outputs: Path) -> Iterator[Path]:
    """Yield runs whose search can be resumed, the newest first."""
    for date in dates_of(outputs):
        paths = [Path(run.path) for run in walk_date(date) if run.completed is None]
        resumable = [path for path in paths if read_plan(path) is not None]
        yield from sorted(resumable, key=_search_age, reverse=True)


def _search_age(run: Path) -> tuple[int, str]:
    try:
        return (run / SEARCH).stat().st_mtime_ns, str(run)
    except FileNotFoundError:
        return 0, str(run)  # it has been completed meanwhile


def _find_promoted(text: str, registry: Registry) -> Path | None:
    name, slash, version = text.partition("/")
    if name not in registry.names():
        return None
    return registry.path_of(name, registry.version_named(name, version if slash else None))


def _find_by_id(prefix: str, runs: list[RunFolder]) -> Path | None:
    found: dict[str, list[RunFolder]] = {}
    for run in runs:
        run_id = _run_id_of(run)
        if run_id.startswith(prefix):
            found.setdefault(run_id, []).append(run)
    if len(found) > 1 and prefix not in found:
        raise AmbiguousRunError(prefix, sorted(found))
    # Runs of one id have the same numbers: any of them would do.
    same = found.get(prefix) or next(iter(found.values()), [])
    return _newest(same) if same else None


def _newest(runs: list[RunFolder]) -> Path:
    return Path(max(runs, key=lambda run: run.age).path)


def _run_id_of(run: RunFolder) -> str:
    manifest = _manifest_of(run)
    return "" if manifest is None else manifest.run_id


def _files_of(run: RunFolder) -> Mapping[str, object]:
    manifest = _manifest_of(run)
    return {} if manifest is None else manifest.files


def _manifest_of(run: RunFolder) -> Manifest | None:
    try:
        return read_manifest(Path(run.path))
    except (ManifestError, NewerFormatError):
        # Asking for this run by its directory shows what is wrong with it.
        return None


def _similar(text: str, runs: list[RunFolder], outputs: Path) -> list[str]:
    # The last part of a directory's name looks like an id but is not one.
    containing = [run.path for run in runs if text.strip("/") and text in run.path]
    by_id = {_run_id_of(run): run.path for run in runs}
    similar = [by_id[run_id] for run_id in difflib.get_close_matches(text, by_id)]
    newest = newest_complete_run(outputs)
    return containing or similar or ([] if newest is None else [str(newest)])


# --- All runs in brief. An SQLite file keeps the records of files that have not changed.

INDEX = ".index.sqlite"
INDEX_FORMAT = 2
# How long to wait for another process that is writing the index, in seconds.
INDEX_TIMEOUT = 2.0
# Not damage: used by others, no permission, a file system without locks, or a writer that was
# killed (the next one repairs that).
NOT_DAMAGE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
TABLE = "CREATE TABLE runs (path BLOB PRIMARY KEY, sign TEXT, record BLOB, sum INTEGER)"

# By path relative to outputs, in the bytes of the file system: the signature and the record.
Records = dict[bytes, tuple[str, Record]]


@dataclass(frozen=True)
class Found:
    """A run directory and its record; when: the date and time in its name."""

    path: Path
    when: str
    record: Record


def read_records(outputs: Path) -> list[Found]:
    """Read every run directory, complete or not, the newest first."""
    signatures = {}
    try:
        # A misspelt directory must not look like one without runs.
        os.scandir(outputs).close()
        for run in walk_runs(outputs):
            signatures[os.fsencode(os.path.relpath(run.path, outputs))] = run.signature
    except OSError as error:
        raise OutputsError(path=outputs, reason=f"cannot be read: {error.strerror}") from error
    remembered = _read_index(outputs / INDEX)
    records, new = {}, {}
    for key, signature in signatures.items():
        known = remembered.get(key)
        if known is not None and known[0] == signature:
            records[key] = known[1]
            continue
        records[key] = read_record(outputs / os.fsdecode(key))
        if _is_final(records[key], signature):
            new[key] = signature, records[key]
    stale = {key for key, (signature, _) in remembered.items() if signatures.get(key) != signature}
    if new or stale:
        _write_index(outputs / INDEX, new, stale)
    paths = {outputs / os.fsdecode(key): record for key, record in records.items()}
    found = [Found(path, when_of(path, outputs), record) for path, record in paths.items()]
    return sorted(found, key=lambda each: (each.when, each.path.name), reverse=True)


def read_set(place: Path) -> list[Found]:
    """Read every run directory in a place: outputs, the directory of a sweep, or a run."""
    if not place.is_dir():
        raise OutputsError(path=place, reason="is not a directory")
    if dates_of(place):
        return read_records(place)
    paths = sorted(Path(run.path) for run in walk_folder(str(place)))
    return [Found(path, path.name, read_record(path)) for path in paths]


def when_of(run: Path, outputs: Path) -> str:
    """Return when a run began, from its directory's name: file times change when it is copied."""
    date, *rest = run.relative_to(outputs).parts
    time = TIME.match(rest[0]) if rest else None
    return f"{date} {':'.join(time.groups())}" if time else date


def _is_final(record: Record, signature: str) -> bool:
    """Return whether the record stays true for as long as the signature is the same."""
    if record.elsewhere is not None or not signature:
        return False
    # A damaged run may be restored; a process that is gone does not come back.
    unfinished = {"failed", "interrupted"} if signature.startswith(STATUS) else set()
    return record.state in {"complete", "partial", *unfinished}


def _read_index(path: Path) -> Records:
    if not path.is_file():
        return {}
    try:
        with closing(_connect(path, "ro")) as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != INDEX_FORMAT:
                raise sqlite3.DatabaseError("it is of another version")
            rows = connection.execute("SELECT path, sign, record, sum FROM runs").fetchall()
            return {bytes(key): _parsed(key, *rest) for key, *rest in rows}
    except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        # The lowest byte is the kind of error, the others are details.
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF not in NOT_DAMAGE:
            log.warning("%s is damaged (%s): made anew", path, error)
            # A journal that stayed would be replayed into the new file.
            for part in (path.with_name(f"{INDEX}-journal"), path):
                with suppress(OSError):
                    part.unlink()
    return {}


def _write_index(path: Path, new: Records, stale: set[bytes]) -> None:
    # No permission, no space, no locks on this file system: it is only a cache.
    with suppress(sqlite3.Error), closing(_connect(path, "rwc")) as connection:
        # A cache need not survive a power cut.
        connection.execute("PRAGMA synchronous = OFF")
        with connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != INDEX_FORMAT:
                connection.execute("DROP TABLE IF EXISTS runs")
                connection.execute(TABLE)
                connection.execute(f"PRAGMA user_version = {INDEX_FORMAT}")
            connection.executemany("DELETE FROM runs WHERE path = ?", [(key,) for key in stale])
            rows = []
            for key, (signature, record) in new.items():
                content = json.dumps(asdict(record)).encode()
                rows.append((key, signature, content, _checksum(key, signature, content)))
            connection.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", rows)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=INDEX_TIMEOUT)


def _parsed(key: bytes, signature: str, record: bytes, checksum: int) -> tuple[str, Record]:
    if _checksum(key, signature, record) != checksum:
        raise ValueError("an entry was changed")
    return signature, msgspec.convert(json.loads(record), Record)


def _checksum(key: bytes, signature: str, record: bytes) -> int:
    return zlib.crc32(b"\0".join([key, signature.encode(), record]))
