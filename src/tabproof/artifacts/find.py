"""Find runs: one by the name that a user types, or all that are in outputs/.

Runs are at <outputs>/<date>/<run>/, those of a sweep at <outputs>/<date>/<sweep>/<job>/.
"""

import difflib
import json
import logging
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from tabproof.artifacts import run_directory
from tabproof.artifacts.errors import AmbiguousRunError, ManifestError, NoSuchRunError, OutputsError
from tabproof.artifacts.files import folders_of, real_parts, write_atomically
from tabproof.artifacts.manifest import NAME, SEARCH, Manifest, read_manifest
from tabproof.artifacts.record import Record, read_record
from tabproof.artifacts.registry import Registry
from tabproof.artifacts.run_directory import LATEST, STATUS, SUMMARY, RunDirectory, read_plan
from tabproof.errors import NewerFormatError, listed

TIME = re.compile(r"(\d{2})-(\d{2})-(\d{2})_")
ID_PREFIX = re.compile(r"[0-9a-f]{4,}")

log = logging.getLogger(__name__)

# --- The walk through outputs/.


class RunFolder(NamedTuple):
    """A run directory, and what its file times say.

    completed: when the manifest was written, in nanoseconds; 0 where there is none.
    signature: changes whenever the files do; empty where no file can show a change.
    """

    completed: int
    path: str
    signature: str

    def manifest(self) -> Manifest:
        """Return the manifest; an empty one where it is missing or damaged."""
        # Asking for this run by its directory shows what is wrong with it.
        with suppress(ManifestError, NewerFormatError):
            return read_manifest(Path(self.path)) or Manifest("", {})
        return Manifest("", {})


def walk_runs(dates: Iterable[Path]) -> Iterator[RunFolder]:
    """Yield every run directory of some dates, complete or not."""
    for date in dates:
        for folder in folders_of(date):
            yield from walk_folder(folder)


def walk_folder(folder: str, *, is_job: bool = False) -> Iterator[RunFolder]:
    """Yield a run directory, or those of the jobs in a sweep's directory."""
    if manifest := _lstat(f"{folder}/{NAME}"):
        files = _signature(manifest), _signature(_lstat(f"{folder}/{SUMMARY}"))
        yield RunFolder(manifest.st_mtime_ns or 1, folder, " ".join(files))
    elif status := _lstat(f"{folder}/{STATUS}"):
        yield RunFolder(0, folder, f"{STATUS} {_signature(status)}")
    elif os.path.isdir(f"{folder}/.hydra") or os.path.isdir(f"{folder}/{SEARCH}"):  # noqa: PTH112
        yield RunFolder(0, folder, "")
    elif not is_job:
        for job in folders_of(folder):
            yield from walk_folder(job, is_job=True)


def dates_of(outputs: Path) -> list[Path]:
    """Return the dated directories, the newest first."""
    dates = (Path(path) for path in folders_of(outputs))
    return sorted((path for path in dates if is_date(path.name)), reverse=True)


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
    nothing = f"{outputs} holds no complete run; python -m src.train makes one"
    if text == LATEST:
        if newest := newest_complete_run(outputs):
            return newest
        raise NoSuchRunError(asked=text, found=nothing)
    if _lstat(str(Path(text) / NAME)) is not None:
        # `outputs/latest` is a link, and verifying follows none.
        return RunDirectory(Path(text).resolve()).shown_path
    name, slash, version = text.partition("/")
    if models is not None and name in (registry := Registry(models)).names():
        path = registry.path_of(name, registry.version_named(name, version if slash else None))
        # As above: a registry may be mounted through links.
        return (
            path if path.resolve() == path.absolute() else RunDirectory(path.resolve()).shown_path
        )
    runs = sorted(run for run in walk_runs(dates_of(outputs)) if run.completed)
    # By age: of runs of one id, which have the same numbers, this is the newest.
    by_id = {run.manifest().run_id: run.path for run in runs}
    matching = [i for i in by_id if i.startswith(text)] if ID_PREFIX.fullmatch(text) else []
    if text in matching or len(matching) == 1:
        return Path(by_id[text if text in matching else matching[0]])
    if matching:
        raise AmbiguousRunError(asked=text, n_found=len(matching), found=sorted(matching))
    if os.path.isdir(text):  # noqa: PTH112 - is_dir() raises where a name is too long
        # The caller's error will say what is missing in it.
        return Path(text)
    if not runs:
        raise NoSuchRunError(asked=text, found=nothing)
    # The last part of a directory's name looks like an id but is not one.
    similar: list[object] = [run.path for run in runs if text.strip("/") and text in run.path]
    similar = similar or [by_id[run_id] for run_id in difflib.get_close_matches(text, by_id)]
    shown = listed(similar or [newest_complete_run(outputs)], 3)
    found = (
        "it is neither a directory, nor the beginning of a run id (4 characters or more), nor"
        f" 'latest'; of the {len(runs)} run(s) in {outputs} there is {shown}"
    )
    raise NoSuchRunError(asked=text, found=found)


def skip_completed(run_id: str, outputs: Path) -> None:
    """Raise RunSkipped where there is a complete run of that id."""
    complete = (run for run in walk_runs(dates_of(outputs)) if run.completed)
    same = [run for run in complete if run.manifest().run_id == run_id]
    if same:
        raise run_directory.RunSkipped(Path(max(same).path))


def newest_complete_run(
    outputs: Path, *, holding: str = "", roots: Sequence[Path] = ()
) -> Path | None:
    """Find the run that was completed last, on the last date that has a complete run.

    holding: only runs with a file whose name begins with this. roots: links to dates and runs are
    followed if they stay beneath one of these, and others raise OutputsError; without roots no
    link is followed.
    """
    dates = [*dates_of(outputs), *_links(outputs, roots, is_date)]
    for date in sorted(dates, reverse=True):
        found = [*walk_runs([date])]
        for link in _links(date, roots):
            found += walk_folder(str(link))
        for run in sorted((run for run in found if run.completed), reverse=True):
            if not holding or any(file.startswith(holding) for file in run.manifest().files):
                return Path(run.path)
    return None


def _links(
    folder: Path, roots: Sequence[Path], wanted: Callable[[str], bool] = bool
) -> Iterator[Path]:
    """Yield the links in a directory that lead to directories beneath a root."""
    if not roots or not folder.is_dir():
        return
    for link in folder.iterdir():
        if link.is_symlink() and link.name[0] != "." and wanted(link.name):
            try:
                real_parts(link, roots)
            except ValueError as error:
                raise OutputsError(path=link, reason=str(error)) from error
            if link.is_dir():
                yield link


def unfinished_runs(outputs: Path) -> Iterator[Path]:
    """Yield runs whose search can be resumed, the newest first."""
    for date in dates_of(outputs):
        ages = []
        for run in walk_runs([date]):
            path = Path(run.path)
            # The search may be completed meanwhile.
            with suppress(FileNotFoundError):
                if not run.completed and read_plan(path) is not None:
                    ages.append(((path / SEARCH).stat().st_mtime_ns, path))
        yield from (path for _, path in sorted(ages, reverse=True))


# --- All runs in brief. An index keeps the records of files that have not changed.

# The first line is the format and a checksum of the second, a JSON object.
INDEX = ".index.json"
INDEX_FORMAT = 2
# The first line of an index of another version.
OTHER_FORMAT = re.compile(rb"\d+ \d+")

# Records per thousand that may be missing in the index: reading one again takes less time than
# writing a thousand.
MAX_MISSING = 1

# By path relative to outputs: the signature and the record.
Records = dict[str, tuple[str, Record]]


@dataclass(frozen=True)
class Found:
    """A run directory and its record.

    when: the date and time in its name. signature: as in RunFolder. key: the path below outputs.
    Both are empty where outputs was not walked through.
    """

    path: Path
    when: str
    record: Record
    signature: str = ""
    key: str = ""


def read_records(outputs: Path) -> list[Found]:
    """Read every run directory, complete or not, the newest first."""
    try:
        # A misspelt directory must not look like one without runs.
        os.scandir(outputs).close()
        runs = [
            (date.name + run.path.removeprefix(str(date)), run)
            for date in dates_of(outputs)
            for run in walk_runs([date])
        ]
    except OSError as error:
        raise OutputsError(path=outputs, reason=f"cannot be read: {error.strerror}") from error
    remembered, final, found = _read_index(outputs / INDEX), Records(), []
    completed: dict[str, int] = {}
    n_new = 0
    for key, run in runs:
        path = Path(run.path)
        signature, record = remembered.get(key, ("", None))
        if record is None or signature != run.signature:
            record = read_record(path)
        # A damaged run may be restored; a process that is gone does not come back.
        unfinished = {"failed", "interrupted"} if run.signature.startswith(STATUS) else set()
        is_final = record.state in {"complete", "partial", *unfinished}
        if is_final and run.signature and record.elsewhere is None:
            n_new += signature != run.signature
            final[key] = run.signature, record
        # The directory's name has the time when the run began: file times change when it is copied.
        date, *rest = key.split("/")
        time = TIME.match(rest[0]) if rest else None
        when = f"{date} {':'.join(time.groups())}" if time else date
        found.append(Found(path, when, record, run.signature, key))
        # Short runs may begin in the same second; jobs of a sweep are sorted by their numbers.
        completed[key] = run.completed if len(rest) == 1 else 0
    n_changed = n_new + len(remembered.keys() - final.keys())
    if n_changed > MAX_MISSING * len(final) // 1000:
        # A record may hold text that UTF-8 cannot encode: json.dumps escapes it.
        content = json.dumps(msgspec.to_builtins(final)).encode()
        # No permission, no space: it is only a cache.
        with suppress(OSError):
            head = f"{INDEX_FORMAT} {zlib.crc32(content)}\n".encode()
            write_atomically(outputs / INDEX, head + content, durable=False)
    return sorted(
        found, key=lambda each: (each.when, completed[each.key], each.path.name), reverse=True
    )


def _read_index(path: Path) -> Records:
    try:
        head, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return {}
    if head == f"{INDEX_FORMAT} {zlib.crc32(content)}".encode():
        return msgspec.convert(json.loads(content), Records)
    if OTHER_FORMAT.fullmatch(head) and not head.startswith(f"{INDEX_FORMAT} ".encode()):
        return {}
    log.warning("%s is damaged: made anew", path)
    return {}


def read_set(place: Path) -> list[Found]:
    """Read every run directory in a place: outputs, the directory of a sweep, or a run."""
    if not place.is_dir():
        raise OutputsError(path=place, reason="is not a directory")
    if dates_of(place):
        return read_records(place)
    paths = sorted(Path(run.path) for run in walk_folder(str(place)))
    return [Found(path, path.name, read_record(path)) for path in paths]
