"""Finding a run by what a person calls it: a directory, a run id, `latest`, a promoted name.

Runs lie at <outputs>/<date>/<run>/, those of a sweep at <outputs>/<date>/<sweep>/<job>/.
"""

import difflib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from src.errors import AmbiguousRunError, ManifestError, NewerFormatError, NoSuchRunError
from src.runs import manifest as manifests
from src.runs.directory import LATEST, RunDirectory
from src.runs.registry import Registry

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
