"""Folds: the rows that a fit learns from and is scored on, and how many of them a rung uses."""

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from joblib.externals.loky.backend import resource_tracker
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import train_test_split

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
    X_train, X_test = _rows(X, train), _rows(X, test)
    y_train, y_test = _rows(y, train), _rows(y, test)
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


def training_rows(fold: Fold, rows: Positions | None) -> tuple[Any, Any]:
    """Return the training rows of a fold, or some of them."""
    if rows is None:
        return fold.X_train, fold.y_train
    return _rows(fold.X_train, rows), _rows(fold.y_train, rows)


def _rows(values: Any, positions: Positions) -> Any:
    if values is None:
        return None
    if hasattr(values, "iloc"):
        return values.iloc[positions]
    if hasattr(values, "shape"):
        return values[positions]
    return [values[position] for position in positions]


def draw_rows(y: Any, n_rows: int, seed: int, *, stratified: bool) -> Positions:
    """Draw training rows, sorted; stratified: classes keep their proportion."""
    everything = np.arange(len(y))
    if n_rows >= len(y):
        return everything
    drawn, _ = train_test_split(
        everything, train_size=n_rows, stratify=y if stratified else None, random_state=seed
    )
    return np.sort(drawn)


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
        n_rows, train = self.n_rows(rung, fold), self.splits[fold][0]
        if n_rows == len(train):
            return None
        y = np.zeros(len(train)) if self.classes is None else self.classes[train]
        return draw_rows(y, n_rows, self.seed, stratified=self.classes is not None)

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
            drawn = draw_rows(y, n_rows, self.seed, stratified=True)
            if len(np.unique(y[drawn])) == n_classes:
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
    parts = {"X_train": fold.X_train, "X_test": fold.X_test}
    return replace(
        fold,
        **{part: _map(values, directory / f"{name}_{part}.npy") for part, values in parts.items()},
    )


def _map(values: Any, path: Path) -> Any:
    if type(values) is not np.ndarray or values.nbytes < MIN_SPILL_BYTES or values.dtype.hasobject:
        return values
    try:
        np.save(path, values)
        return np.load(path, mmap_mode="r")
    except OSError:
        # No space left: joblib sends a copy to each worker.
        path.unlink(missing_ok=True)
        return values


def unspill(fold: Fold) -> None:
    """Remove the files of a fold; a process that has mapped them keeps the rows."""
    for values in (fold.X_train, fold.X_test):
        if isinstance(values, np.memmap):
            Path(str(values.filename)).unlink(missing_ok=True)


class SpillDirectory:
    """A directory for spilled folds, in memory where the system supports it.

    It is made when the first worker may need it, and removed after the search, even if this
    process is killed.
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
        """Return the directory; None where it cannot be made."""
        if self._path is None:
            in_memory = str(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK) else None
            place = os.environ.get("JOBLIB_TEMP_FOLDER") or in_memory
            try:
                self._path = Path(tempfile.mkdtemp(prefix="search_", dir=place))
            except OSError:
                return None
            # The process that cleans up after joblib's workers removes it if this one is killed.
            resource_tracker.register(str(self._path), "folder")
        return self._path
