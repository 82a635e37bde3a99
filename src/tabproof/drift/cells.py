"""Cells of (true label, predicted label): the bins of rows whose label is known."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Labels, or categories, with statistics of their own: the most frequent.
MAX_NAMED = 20


@dataclass(frozen=True)
class Cells:
    """The bins that rows with a known label are counted in.

    A bin is a pair of groups: a label of `named` is a group, and all other labels together are
    one more, whose number is len(named). A row of two different labels of that group is in a bin
    of its own, the last one: its prediction is wrong.

    labels : of the run, in its order. named : codes of those with statistics of their own.
    """

    labels: tuple[str, ...]
    named: tuple[int, ...]

    @property
    def n_groups(self) -> int:
        """Named labels, and the group of the others where there are others."""
        return len(self.named) + (len(self.named) < len(self.labels))

    @property
    def n_bins(self) -> int:
        """Pairs of groups, and wrong predictions within the group of the others."""
        return self.n_groups**2 + (len(self.named) < len(self.labels))

    @property
    def groups(self) -> NDArray[np.int64]:
        """The group of each label, (n_labels,)."""
        found = np.full(len(self.labels), len(self.named), np.int64)
        found[list(self.named)] = np.arange(len(self.named))
        return found

    def place(self, true: int, predicted: int, is_right: bool) -> int:
        """Return the bin of two groups."""
        if true == predicted and not is_right:
            return self.n_groups**2
        return true * self.n_groups + predicted

    def count(self, y: NDArray[np.int64], predicted: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows in each bin, (n_bins,); y, predicted : codes of labels, (n_rows,)."""
        groups, n_groups = self.groups, self.n_groups
        places = groups[y] * n_groups + groups[predicted]
        places[(groups[y] == groups[predicted]) & (y != predicted)] = n_groups**2
        return np.bincount(places, minlength=self.n_bins).astype(np.int64)


def make_cells(n_rows: Mapping[str, int]) -> Cells:
    """Return the cells of a run. n_rows : training rows by label, in the run's order."""
    labels = tuple(n_rows)
    by_count = sorted(range(len(labels)), key=lambda code: -n_rows[labels[code]])
    return Cells(labels, tuple(sorted(by_count[:MAX_NAMED])))
