"""Rows of folds as files in memory: workers map them, and nobody has a copy of its own."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

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


@contextmanager
def spill_directory() -> Iterator[Path]:
    """Make a directory that goes with the search, in memory where the system has that."""
    chosen = os.environ.get("JOBLIB_TEMP_FOLDER")
    place = chosen or (str(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK) else None)
    with tempfile.TemporaryDirectory(
        prefix="search_", dir=place, ignore_cleanup_errors=True
    ) as directory:
        yield Path(directory)
