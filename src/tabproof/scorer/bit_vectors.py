"""Small trees as bit vectors: one AND per column instead of a walk per tree.

What a column holds rules out leaves, whatever the other columns hold. So each of a column's
cells (an interval between thresholds, a category, nothing) has a mask of the leaves that it
leaves open, of all trees at once; ANDed over the columns one leaf per tree is left. The idea
is QuickScorer's (Lucchese et al., 2015), with masks per cell instead of per node.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.trees import Floats, Ints, Trees, subtree_ends

MOST_LEAVES = 64
# Larger tables leave the processor's caches, and walking the trees is as fast.
MOST_BYTES = 64 * 2**20
BLOCK_ROWS = 2048
# Cells of which masks are made at once, so that making them stays small too.
BLOCK_CELLS = 512

# uint32 or uint64, as the largest tree needs.
Words = NDArray[Any]


def n_leaves(trees: Trees) -> Ints:
    """Count the leaves of each tree."""
    return np.add.reduceat(trees.is_leaf.astype(np.int64), trees.roots)


class BitVectors:
    """Evaluates an ensemble whose trees have at most MOST_LEAVES leaves each."""

    def __init__(self, trees: Trees, encodings: Sequence[Encoding]) -> None:
        self._word: Any = np.uint32 if n_leaves(trees).max() <= 32 else np.uint64
        self._trees = trees
        leaves = np.flatnonzero(trees.is_leaf)
        # Leaves are numbered from 0 within their tree; these are the numbers of the first.
        self._first_leaf = np.searchsorted(leaves, trees.roots)
        # To take from a flat array is four times as fast.
        self._values = trees.values[:, 0] if trees.values.shape[1] == 1 else trees.values
        self._masks = _Masks(trees, self._word)
        self._columns: list[_Column] = []
        first_feature = 0
        for place, encoding in enumerate(encodings):
            if self._masks.tests(first_feature, encoding.width):
                self._columns.append(_Column(place, encoding, first_feature, self._masks))
            first_feature += encoding.width
        self._row_form = [column.row_form() for column in self._columns]
        n_bits = 8 * np.dtype(self._word).itemsize
        unused: Words = (n_bits - n_leaves(trees)).astype(self._word)
        self._all_open: Words = ~np.zeros_like(unused) >> unused
        self._all_open_of_row = int.from_bytes(self._all_open.tobytes(), "little")

    @staticmethod
    def suits(trees: Trees, encodings: Sequence[Encoding]) -> bool:
        """Tell whether the tables stay small enough."""
        if n_leaves(trees).max() > MOST_LEAVES:
            return False
        inner = np.flatnonzero(~trees.is_leaf)
        # Nodes with the same question share a cell: CatBoost's all over a depth.
        questions = np.stack([trees.feature[inner], trees.threshold[inner]], axis=1)
        n_cells = len(np.unique(questions, axis=0)) + sum(
            len(e.codes) for e in encodings if isinstance(e, CategoryEncoding)
        )
        return bool(n_cells * trees.n_trees * 8 <= MOST_BYTES)

    def leaf_values(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give each tree's value, of shape (n_trees, n_rows, width), for at most BLOCK_ROWS."""
        n_rows = len(columns[0])
        open_leaves = np.tile(self._all_open, (n_rows, 1))
        mask = np.empty_like(open_leaves)
        for column in self._columns:
            cells = column.cells_of(columns[column.place])
            column.masks.take(cells, axis=0, out=mask, mode="clip")
            np.bitwise_and(open_leaves, mask, out=open_leaves)
        return self._values_of(open_leaves)

    def leaf_values_of_row(self, row: Sequence[float]) -> Floats:
        """Give each tree's value, of shape (n_trees, 1, width)."""
        open_leaves = self._all_open_of_row
        for place, encoding, thresholds, missing, masks in self._row_form:
            value = row[place]
            if thresholds is None:
                open_leaves &= masks[int(value)]
                continue
            if encoding is not None:
                value = encoding.apply(value)
            # A missing value is the only one that differs from itself.
            open_leaves &= masks[bisect_left(thresholds, value) if value == value else missing]
        words = np.frombuffer(open_leaves.to_bytes(self._all_open.nbytes, "little"), self._word)
        return self._values_of(words[np.newaxis])

    def _values_of(self, open_leaves: Words) -> Floats:
        # One bit is set per tree: as a float, its place is the exponent.
        if self._word is np.uint32:
            exponent = (open_leaves.astype(np.float32).view(np.int32) >> 23) - 127
        else:
            exponent = (open_leaves.astype(np.float64).view(np.int64) >> 52) - 1023
        values: Floats = self._values.take((exponent + self._first_leaf).T, axis=0)
        return values.reshape(*values.shape[:2], -1)


class _Masks:
    """Makes masks: the leaves that stay open at each node, going left or right."""

    def __init__(self, trees: Trees, word: Any) -> None:
        self.trees, self.word = trees, word
        inner = np.flatnonzero(~trees.is_leaf)
        self._inner = inner[np.argsort(trees.feature[inner], kind="stable")]
        self._features = trees.feature[self._inner]
        self._tree_of_node = trees.tree_of_node
        self._leaf_number = np.append(0, np.cumsum(trees.is_leaf))
        self._ends = subtree_ends(trees.is_leaf)

    def tests(self, first_feature: int, width: int) -> bool:
        """Tell whether any node looks at these features."""
        return len(self.nodes_of(first_feature, width)) > 0

    def nodes_of(self, first_feature: int, width: int) -> Ints:
        """Give the nodes that look at these features, by tree."""
        bounds = np.searchsorted(self._features, [first_feature, first_feature + width])
        return np.sort(self._inner[slice(*bounds)])

    def make(self, features: Floats, first_feature: int) -> Words:
        """Make masks of shape (n_cells, n_trees) for cells of shape (n_cells, width)."""
        trees = self.trees
        nodes = self.nodes_of(first_feature, features.shape[1])
        tree = self._tree_of_node[nodes]
        starts = np.flatnonzero(np.append(True, tree[1:] != tree[:-1]))
        left = self._bits(nodes + 1, trees.right[nodes], tree)
        right = self._bits(trees.right[nodes], self._ends[nodes], tree)
        masks = np.full((len(features), trees.n_trees), ~self.word(0))
        for start in range(0, len(features), BLOCK_CELLS):
            cells = slice(start, start + BLOCK_CELLS)
            values = features[cells][:, trees.feature[nodes] - first_feature]
            # Going left closes the leaves on the right, and no others.
            open_leaves = np.where(trees.goes_left(nodes, values), ~right, ~left)
            masks[cells, tree[starts]] = np.bitwise_and.reduceat(open_leaves, starts, axis=1)
        return masks

    def _bits(self, first: Ints, end: Ints, tree: Ints) -> Words:
        """Give words in which the leaves of nodes first to end are set."""
        of_root = self._leaf_number[self.trees.roots[tree]]
        low, high = self._leaf_number[first] - of_root, self._leaf_number[end] - of_root
        ones = ~self.word(0)
        n_bits = 8 * np.dtype(self.word).itemsize
        # At least one leaf is set, so no shift is by the whole width of a word.
        below = ones >> (n_bits - high).astype(self.word)
        bits: Words = (below >> low.astype(self.word)) << low.astype(self.word)
        return bits


_RowForm = tuple[int, NumberEncoding | None, list[float] | None, int, list[int]]


class _Column:
    """A column's cells and their masks. The last cell of a number is that of a missing one."""

    def __init__(self, place: int, encoding: Encoding, first_feature: int, masks: _Masks) -> None:
        self.place = place
        self._encoding = encoding
        if isinstance(encoding, CategoryEncoding):
            self._thresholds = np.empty(0)
            self.masks = masks.make(encoding.codes, first_feature)
            return
        nodes = masks.nodes_of(first_feature, 1)
        self._thresholds = np.unique(masks.trees.threshold[nodes])
        # Each threshold stands for the interval that ends with it.
        cells = np.concatenate([self._thresholds, [np.inf, np.nan]])
        self.masks = masks.make(cells[:, np.newaxis], first_feature)

    def cells_of(self, values: NDArray[np.generic]) -> NDArray[np.intp]:
        """Find the cell of each value."""
        if isinstance(self._encoding, CategoryEncoding):
            return values.astype(np.intp, copy=False)
        numbers = self._encoding.apply_to_all(values.astype(np.float64, copy=False))
        cells = np.searchsorted(self._thresholds, numbers)
        cells[np.isnan(numbers)] = len(self._thresholds) + 1
        return cells

    def row_form(self) -> _RowForm:
        """Give what one row needs, in Python's own types, which are faster one at a time."""
        masks = [int.from_bytes(mask.tobytes(), "little") for mask in self.masks]
        if isinstance(self._encoding, CategoryEncoding):
            return self.place, None, None, 0, masks
        thresholds = self._thresholds.tolist()
        encoding = self._encoding if self._encoding.steps else None
        return self.place, encoding, thresholds, len(thresholds) + 1, masks
