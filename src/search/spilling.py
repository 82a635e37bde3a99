"""Rows of folds as files in memory: workers map them, and nobody has a copy of its own."""

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib.externals.loky.backend import resource_tracker

from src.search.folds import Fold

# Smaller arrays travel as quickly as their names.
LEAST_BYTES = 2**20
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where systems keep files in memory


def spill(fold: Fold, directory: Path, name: str) -> Fold:
    """Put large arrays into files of a directory; gives the same rows, mapped from there."""
    parts = {"X_train": fold.X_train, "X_test": fold.X_test}
    return replace(
        fold,
        **{
            part: _mapped(values, directory / f"{name}_{part}.npy")
            for part, values in parts.items()
        },
    )


def _mapped(values: Any, path: Path) -> Any:
    if type(values) is not np.ndarray or values.nbytes < LEAST_BYTES or values.dtype.hasobject:
        return values
    try:
        np.save(path, values)
        return np.load(path, mmap_mode="r")
    except OSError:
        # No room: each worker has a copy then, as joblib sees fit.
        path.unlink(missing_ok=True)
        return values


def unspill(fold: Fold) -> None:
    """Remove the files of a fold that nobody needs any more; who has mapped them keeps them."""
    for values in (fold.X_train, fold.X_test):
        if isinstance(values, np.memmap):
            Path(str(values.filename)).unlink(missing_ok=True)


class SpillDirectory:
    """A directory that goes with the search, in memory where the system has that.

    It is made when the first worker may need it, and removed even if this process is killed.
    """

    def __init__(self) -> None:
        self._path: Path | None = None

    def __enter__(self) -> "SpillDirectory":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            resource_tracker.unregister(str(self._path), "folder")

    def path(self) -> Path | None:
        """Give it; None where there is no room for one."""
        if self._path is None:
            chosen = os.environ.get("JOBLIB_TEMP_FOLDER")
            place = chosen or (str(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK) else None)
            try:
                self._path = Path(tempfile.mkdtemp(prefix="search_", dir=place))
            except OSError:
                return None
            # The process that cleans up after joblib's workers would give back this memory too.
            resource_tracker.register(str(self._path), "folder")
        return self._path
