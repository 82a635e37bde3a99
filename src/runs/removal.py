"""Removing runs so that no reader ever takes the rest of one for a run."""

import fcntl
import stat
from contextlib import suppress
from pathlib import Path

from src.errors import OutputsError
from src.runs import manifest as manifests
from src.runs.atomic import point_to, sync
from src.runs.copying import remove
from src.runs.directory import LATEST
from src.runs.finding import newest_complete_run
from src.runs.sweep import LOCK


def remove_run(run: Path, outputs: Path) -> None:
    """Remove a run directory, its manifest first, and directories that this leaves empty."""
    try:
        # Killed in the midst, what is left is no run.
        (run / manifests.NAME).unlink(missing_ok=True)
        sync(run)
        remove(run)
    except OSError as error:
        raise OutputsError(run, f"cannot be removed: {error.strerror}") from error
    for folder in run.parents:
        if folder == outputs or outputs not in folder.parents:
            break
        try:
            folder.rmdir()
        except OSError:
            break


def size_of(run: Path) -> int:
    """Sum the sizes of its files, in bytes."""
    size = 0
    for path in run.rglob("*"):
        with suppress(OSError):
            found = path.lstat()
            size += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return size


def is_swept(sweep: Path) -> bool:
    """Tell whether a process is running the sweep of this directory."""
    with suppress(OSError), (sweep / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def mark_newest(outputs: Path) -> None:
    """Let `outputs/latest` point at a run again, where what it pointed at is gone."""
    link = outputs / LATEST
    with suppress(OSError):
        if not link.is_symlink() or link.exists():
            return
        newest = newest_complete_run(outputs)
        if newest is None:
            link.unlink()
        else:
            point_to(link, newest)
