"""Copying a run so that what was hashed is what was copied, and it survives a power cut."""

import os
import shutil
from pathlib import Path

from src.runs import manifest as manifests
from src.runs.atomic import sync
from src.runs.verified import OpenRun


def copy_run(run: OpenRun, target: Path) -> None:
    """Copy a run into a directory that is not there yet; what fails leaves no directory."""
    target.mkdir()
    try:
        for name, chunks in run.contents():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())
        (target / manifests.NAME).write_bytes(run.sealed)
        sync(target / manifests.NAME)
        for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
            sync(folder)
    except BaseException:
        remove(target)
        raise


def remove(path: Path) -> None:
    """Remove a directory, a file or a link, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
