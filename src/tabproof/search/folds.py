"""Folds: rows to fit on and rows to score on, after the steps that candidates share."""

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


@dataclass(frozen=True)
class Fold:
    """What a candidate's last step is fitted and scored on; error: why there is nothing."""

    X_train: Any
    y_train: Any
    X_test: Any
    y_test: Any
    error: str | None = None


def make_fold(
    before: Any | None, X: Any, y: Any, train: Positions, test: Positions, *, raises: bool
) -> Fold:
    """Fit the shared steps on the training rows and let both parts through.

    raises: what fails is raised, instead of being kept for the candidates.
    """
    X_train, X_test = _rows(X, train), _rows(X, test)
    y_train, y_test = _rows(y, train), _rows(y, test)
    if before is None:
        return Fold(X_train, y_train, X_test, y_test)
    before = clone(before)
    try:
        # Steps such as target encoders transform what they are fitted on in another way.
        X_train = before.fit_transform(X_train, y_train)
        X_test = before.transform(X_test)
    except Exception:  # whatever a step raises is the result of its candidates
        if raises:
            raise
        return Fold(None, None, None, None, traceback.format_exc())
    return Fold(X_train, y_train, X_test, y_test)


def _rows(values: Any, positions: Positions) -> Any:
    if values is None:
        return None
    if hasattr(values, "iloc"):
        return values.iloc[positions]
    if hasattr(values, "shape"):
        return values[positions]
    return [values[position] for position in positions]


def some_rows(y: Any, n_rows: int, seed: int, *, stratified: bool) -> Positions:
    """Draw training rows of a fold, in their order; classes keep their proportion."""
    everything = np.arange(len(y))
    if n_rows >= len(y):
        return everything
    drawn, _ = train_test_split(
        everything, train_size=n_rows, stratify=y if stratified else None, random_state=seed
    )
    return np.sort(drawn)


def part_of(fold: Fold, rows: Positions | None) -> tuple[Any, Any]:
    """Give the training rows, or some of them."""
    if rows is None:
        return fold.X_train, fold.y_train
    return _rows(fold.X_train, rows), _rows(fold.y_train, rows)


# --- What candidates are tried on: rows, folds, a scorer; and how many rows a rung has.

# Fewer rows of a class than this, and what is learned of it is chance.
MIN_ROWS_PER_CLASS = 10
# Up to so many rows a fit takes as long as its iterations: fewer rows would save nothing.
FEW_ROWS = 5_000
AUTO = "auto"


@dataclass(frozen=True)
class Problem:
    """splits holds the positions of each fold's training and test rows.

    classes are the codes of y, None where y is not for classification. min_resources is the
    least number of training rows in a rung, or `auto`.
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
        """The training rows of the largest fold."""
        return max((len(train) for train, _ in self.splits), default=0)

    def n_rows(self, rung: Rung, fold: int) -> int:
        """Count the training rows of a fold in a rung."""
        n_train = len(self.splits[fold][0])
        counts = self._class_counts(fold)
        # Both parts must hold every class, or scikit-learn cannot stratify.
        least = max(self._least_rows(fold), len(counts))
        n_rows = min(max(ceil(n_train * rung.rows), least), n_train)
        cannot_divide = n_train - n_rows < len(counts) or min(counts, default=2) < 2
        return n_train if cannot_divide else n_rows

    def _class_counts(self, fold: int) -> list[int]:
        if self.classes is None:
            return []
        found = np.unique(self.classes[self.splits[fold][0]], return_counts=True)[1]
        return [int(n) for n in found]

    def rows(self, rung: Rung, fold: int) -> Positions | None:
        """Draw the training rows of a fold in a rung; None for all of them."""
        n_rows, train = self.n_rows(rung, fold), self.splits[fold][0]
        if n_rows == len(train):
            return None
        y = np.zeros(len(train)) if self.classes is None else self.classes[train]
        return some_rows(y, n_rows, self.seed, stratified=self.classes is not None)

    def smallest_sufficient(self, fold: int) -> int:
        """Find how many training rows hold every class at least once."""
        train = self.splits[fold][0]
        if self.classes is None:
            return 1
        y = self.classes[train]
        counts = self._class_counts(fold)
        n_classes, rarest = len(counts), min(counts)
        if rarest < 2:
            return len(y)
        # Rows left over go to the classes with the largest remainders: with less than its k-th
        # part of a row, of k classes, the rarest gets none.
        for n_rows in range(max(n_classes, len(y) // (n_classes * rarest)), len(y) - n_classes):
            drawn = some_rows(y, n_rows, self.seed, stratified=True)
            if len(np.unique(y[drawn])) == n_classes:
                return n_rows
        return len(y)

    def _least_rows(self, fold: int) -> int:
        if isinstance(self.min_resources, int):
            return self.min_resources
        if self.classes is None:
            return FEW_ROWS
        n_train, rarest = len(self.splits[fold][0]), min(self._class_counts(fold))
        return max(FEW_ROWS, ceil(MIN_ROWS_PER_CLASS * n_train / rarest))


# --- Rows of folds as files in memory: workers map them, and nobody has a copy of its own.

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
