"""What candidates are tried on: rows, folds, a scorer; and how many rows a rung has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.search.folds import Positions, some_rows
from src.search.schedule import Rung

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
