"""Folds: the rows that a fit learns from and is scored on, and how many of them a rung uses."""

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from joblib.externals.loky.backend import resource_tracker
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing

from tabproof.search.schedule import Rung

Positions = NDArray[np.intp]

# With fewer rows of a class, what a model learns about it is chance.
MIN_ROWS_PER_CLASS = 10
# Up to this many rows the time of a fit depends on its iterations; fewer rows would save nothing.
FEW_ROWS = 5_000
AUTO = "auto"
# Smaller arrays are sent as quickly as the names of files.
MIN_SPILL_BYTES = 2**20
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where systems keep files in memory


@dataclass(frozen=True)
class Fold:
    """What the last step of a candidate is fitted and scored on, or why that failed."""

    X_train: Any
    y_train: Any
    X_test: Any
    y_test: Any
    error: str | None = None


def make_fold(
    before: Any | None, X: Any, y: Any, train: Positions, test: Positions, *, raises: bool
) -> Fold:
    """Fit the steps before the last on the training rows, and transform all rows of the fold.

    raises: raise an error of a step, instead of keeping it for the candidates.
    """
    X_train, y_train = rows_of(X, y, train)
    X_test, y_test = rows_of(X, y, test)
    if before is None:
        return Fold(X_train, y_train, X_test, y_test)
    before = clone(before)
    try:
        # Not fit().transform(): target encoders transform their training rows differently.
        X_train = before.fit_transform(X_train, y_train)
        X_test = before.transform(X_test)
    except Exception:  # any error of a step is the result of its candidates
        if raises:
            raise
        return Fold(None, None, None, None, traceback.format_exc())
    return Fold(X_train, y_train, X_test, y_test)


def rows_of(X: Any, y: Any, positions: Positions) -> tuple[Any, Any]:
    """Return the rows at these positions, of tables and lists; y may be None."""
    return _safe_indexing(X, positions), None if y is None else _safe_indexing(y, positions)


@dataclass(frozen=True)
class Problem:
    """What candidates are compared on.

    splits holds the positions of the training and test rows of each fold. classes are the codes
    of y, None if this is no classification. min_resources is the least number of training rows in
    a rung, or `auto`.
    """

    X: Any
    y: Any
    splits: Sequence[tuple[Positions, Positions]]
    scorer: Callable[[Any, Any, Any], float]
    classes: NDArray[np.intp] | None
    min_resources: int | str
    seed: int

    @property
    def n_train(self) -> int:
        """The number of training rows of the largest fold."""
        return max((len(train) for train, _ in self.splits), default=0)

    def n_rows(self, rung: Rung, fold: int) -> int:
        """Return how many training rows of a fold a rung uses."""
        n_train, counts = len(self.splits[fold][0]), self._class_counts(fold)
        if isinstance(self.min_resources, int):
            least = self.min_resources
        elif self.classes is None:
            least = FEW_ROWS
        else:
            least = max(FEW_ROWS, ceil(MIN_ROWS_PER_CLASS * n_train / min(counts)))
        # Both parts must hold every class, or scikit-learn cannot stratify.
        n_rows = min(max(ceil(n_train * rung.rows), least, len(counts)), n_train)
        cannot_divide = n_train - n_rows < len(counts) or min(counts, default=2) < 2
        return n_train if cannot_divide else n_rows

    def rows(self, rung: Rung, fold: int) -> Positions | None:
        """Draw the training rows of a fold that a rung uses; None for all of them."""
        n_rows = self.n_rows(rung, fold)
        return None if n_rows == len(self.splits[fold][0]) else self._draw(n_rows, fold)

    def _draw(self, n_rows: int, fold: int) -> Positions:
        """Draw training rows, sorted; classes keep their proportion."""
        train = self.splits[fold][0]
        drawn, _ = train_test_split(
            np.arange(len(train)),
            train_size=n_rows,
            stratify=None if self.classes is None else self.classes[train],
            random_state=self.seed,
        )
        return np.sort(drawn)

    def smallest_sufficient(self, fold: int) -> int:
        """Return how many training rows are needed to hold every class at least once."""
        if self.classes is None:
            return 1
        y, counts = self.classes[self.splits[fold][0]], self._class_counts(fold)
        n_classes, rarest = len(counts), min(counts)
        if rarest < 2:
            return len(y)
        # Rows left over go to the classes with the largest remainders: of k classes the rarest
        # gets none if its share is less than a k-th of a row.
        for n_rows in range(max(n_classes, len(y) // (n_classes * rarest)), len(y) - n_classes):
            if len(np.unique(y[self._draw(n_rows, fold)])) == n_classes:
                return n_rows
        return len(y)

    def _class_counts(self, fold: int) -> list[int]:
        if self.classes is None:
            return []
        found = np.unique(self.classes[self.splits[fold][0]], return_counts=True)[1]
        return [int(n) for n in found]


# --- Folds as files in shared memory, which all workers map -------------------------------


def spill(fold: Fold, directory: Path, name: str) -> Fold:
    """Write large arrays into files of a directory; return the fold with the arrays mapped."""
    mapped = {}
    for part in ("X_train", "X_test"):
        values, path = getattr(fold, part), directory / f"{name}_{part}.npy"
        is_plain = type(values) is np.ndarray and not values.dtype.hasobject
        if not is_plain or values.nbytes < MIN_SPILL_BYTES:
            continue
        try:
            np.save(path, values)
            mapped[part] = np.load(path, mmap_mode="r")
        except OSError:
            # No space left: joblib sends a copy to each worker.
            path.unlink(missing_ok=True)
    return replace(fold, **mapped)


@contextmanager
def spill_directory() -> Iterator[Callable[[], Path | None]]:
    """Yield a function that returns a directory for spilled folds; None where it cannot be made.

    It is made at the first call, in memory where the system supports it, and removed after the
    search, even if this process is killed.
    """

    @cache
    def path() -> Path | None:
        in_memory = str(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK) else None
        place = os.environ.get("JOBLIB_TEMP_FOLDER") or in_memory
        try:
            made = tempfile.mkdtemp(prefix="search_", dir=place)
        except OSError:
            return None
        # The process that cleans up after joblib's workers removes it if this one is killed.
        resource_tracker.register(made, "folder")
        return Path(made)

    try:
        yield path
    finally:
        if path.cache_info().currsize and (made := path()) is not None:
            shutil.rmtree(made, ignore_errors=True)
            resource_tracker.unregister(str(made), "folder")
