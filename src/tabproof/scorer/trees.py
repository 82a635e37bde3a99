"""An ensemble of trees: its validated arrays, and the leaf that each row reaches in each tree.

The nodes of a tree are stored in preorder: the left child follows its parent, and `right` is the
index of the right child. So every step goes forward, and walking down a tree always ends.

Leaves are found by bit vectors, or level by level. Bit vectors (QuickScorer, Lucchese et al.,
2015) are for trees of up to 64 leaves. The value of one column rules out leaves whatever the other
columns are. So each cell of a column (an interval between thresholds, a category, a missing value)
has a mask of the leaves that it leaves open, for all trees at once. ANDed over the columns, one
leaf per tree remains.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.format import Arrays, Bools, Columns, Floats, Ints, ScorerDamagedError

MAX_LEAVES = 64
# Larger tables do not fit into the processor's caches, and walking the trees is as fast.
MAX_TABLE_BYTES = 64 * 2**20
BLOCK_ROWS = 2048
# Masks of this many cells are made at once, to bound the memory.
BLOCK_CELLS = 512
# Pairs of a row and a tree that TreeWalker moves together: their state fits into the caches.
BLOCK_PAIRS = 2**16

# uint32 or uint64, as the largest tree needs.
Words = NDArray[Any]
# Codes of categories are below this.
N_CODES = 256


@dataclass(frozen=True)
class Trees:
    """All trees; node indices are counted over the whole ensemble.

    Attributes
    ----------
    roots : the first node of each tree
    feature : the feature that a node tests; -1 in leaves
    category_set : the row of `left_codes` that a node uses; -1 if it compares with `threshold`
    missing_left : whether a missing value, or in a set a code out of range, goes left
    left_codes : shape (n_sets, N_CODES), the codes that go left
    values : shape (n_leaves, width), in the order of nodes
    covers : number or weight of the training rows that reached each node; None if unknown
    """

    roots: Ints
    feature: Ints
    threshold: Floats
    right: Ints
    missing_left: Bools
    category_set: Ints
    left_codes: Bools
    values: Floats
    covers: Floats | None = None

    @property
    def n_trees(self) -> int:
        """The number of trees."""
        return len(self.roots)

    @property
    def is_leaf(self) -> Bools:
        """Whether each node is a leaf."""
        return self.feature < 0

    @property
    def n_leaves(self) -> Ints:
        """The number of leaves of each tree."""
        return np.add.reduceat(self.is_leaf.astype(np.int64), self.roots)

    @property
    def tree_of_node(self) -> Ints:
        """The tree of each node."""
        ends = np.append(self.roots[1:], len(self.feature))
        return np.repeat(np.arange(self.n_trees), ends - self.roots)

    def goes_left(self, nodes: Ints, values: Floats) -> Bools:
        """Decide for values of shape (n_values, len(nodes)), a column per node."""
        missing = np.isnan(values)
        left = values <= self.threshold[nodes]
        is_set = self.category_set[nodes] >= 0
        if is_set.any():
            codes = values[:, is_set]
            known = (codes >= 0) & (codes < N_CODES)
            indices = np.where(known, codes, 0).astype(np.intp)
            left[:, is_set] = self.left_codes[self.category_set[nodes[is_set]], indices]
            missing[:, is_set] |= ~known
        return np.where(missing, self.missing_left[nodes], left)


DTYPES = {
    "n_nodes": np.int32,
    "feature": np.int32,
    "threshold": np.float64,
    "right": np.int32,
    "missing_left": np.uint8,
    "category_set": np.int32,
    "left_codes": np.uint8,
    "values": np.float64,
}
# Only contributions need it; files of format 1 and 2 do not have it.
COVERS = "trees.covers"


def as_arrays(trees: Trees) -> Arrays:
    """Return the arrays of the file; sets of codes are packed as bits."""
    content = {
        **vars(trees),
        "n_nodes": np.diff(np.append(trees.roots, len(trees.feature))),
        "right": np.where(trees.is_leaf, 0, trees.right - trees.roots[trees.tree_of_node]),
        "left_codes": np.packbits(trees.left_codes, axis=1, bitorder="little"),
    }
    arrays = {f"trees.{name}": content[name].astype(dtype) for name, dtype in DTYPES.items()}
    return arrays if trees.covers is None else {**arrays, COVERS: trees.covers.astype(np.float64)}


def read_trees(arrays: Arrays, n_features: int) -> Trees:
    """Validate the arrays and return the trees; raise ScorerDamagedError."""
    for name, dtype in DTYPES.items():
        found = arrays.get(f"trees.{name}")
        if found is None or found.dtype != dtype:
            raise ScorerDamagedError(f"'trees.{name}' is missing, or not of {np.dtype(dtype)}")
    n_nodes = arrays["trees.n_nodes"].astype(np.int64)
    if n_nodes.ndim != 1 or len(n_nodes) == 0 or (n_nodes < 1).any():
        raise ScorerDamagedError("'trees.n_nodes' is not a list of numbers above 0")
    total, roots = int(n_nodes.sum()), np.cumsum(n_nodes) - n_nodes
    for name in DTYPES.keys() - {"n_nodes", "left_codes", "values"}:
        if arrays[f"trees.{name}"].shape != (total,):
            message = f"'trees.{name}' does not have one value for each of {total} nodes"
            raise ScorerDamagedError(message)
    feature = arrays["trees.feature"].astype(np.int64)
    packed, values = arrays["trees.left_codes"], arrays["trees.values"]
    if packed.ndim != 2 or packed.shape[1] != N_CODES // 8:
        raise ScorerDamagedError(f"'trees.left_codes' does not have {N_CODES // 8} bytes per set")
    if values.ndim != 2 or len(values) != (feature < 0).sum() or not np.isfinite(values).all():
        raise ScorerDamagedError("'trees.values' does not have finite values for each leaf")
    if (covers := arrays.get(COVERS)) is not None:
        if covers.dtype != np.float64 or covers.shape != (total,):
            raise ScorerDamagedError(f"'{COVERS}' does not have a 64-bit float for each node")
        # The sum of two larger ones could overflow.
        if not ((covers >= 0) & (covers < 2**100)).all():
            raise ScorerDamagedError(f"'{COVERS}' has values that are no number of rows")
    trees = Trees(
        roots=roots,
        feature=feature,
        threshold=arrays["trees.threshold"],
        right=arrays["trees.right"] + np.repeat(roots, n_nodes),
        missing_left=arrays["trees.missing_left"].astype(bool),
        category_set=arrays["trees.category_set"].astype(np.int64),
        left_codes=np.unpackbits(packed, axis=1, bitorder="little").astype(bool),
        values=values,
        covers=covers,
    )
    is_inner, node, end = ~trees.is_leaf, np.arange(total), np.repeat(roots + n_nodes, n_nodes)
    problems = {
        "a feature that does not exist": feature >= n_features,
        "a threshold that is no number": np.isnan(trees.threshold),
        "a set that does not exist": trees.category_set >= len(trees.left_codes),
        "children, but is the last of its tree": is_inner & (node + 1 >= end),
        "a child outside of its tree": is_inner
        & ((trees.right <= node + 1) | (trees.right >= end)),
    }
    for problem, is_wrong in problems.items():
        if is_wrong.any():
            raise ScorerDamagedError(f"node {int(is_wrong.argmax())} has {problem}")
    inner, subtrees = np.flatnonzero(is_inner), subtree_ends(trees.is_leaf)
    if (subtrees[inner + 1] != trees.right[inner]).any() or (subtrees[roots] != end[roots]).any():
        raise ScorerDamagedError("nodes are not in preorder")
    return trees


def subtree_ends(is_leaf: Bools) -> Ints:
    """Return the index behind the last node of each node's subtree, for nodes in preorder.

    Count +1 for an inner node and -1 for a leaf: a subtree ends where the sum first falls below
    its value before the subtree.
    """
    n_nodes = len(is_leaf)
    open_ends = np.append(0, np.cumsum(np.where(is_leaf, -1, 1)))
    by_count = np.argsort(open_ends, kind="stable")
    keys = open_ends[by_count] * (n_nodes + 1) + by_count
    wanted = (open_ends[:-1] - 1) * (n_nodes + 1) + np.arange(n_nodes)
    found = np.minimum(np.searchsorted(keys, wanted), n_nodes)
    return by_count[found]


class BitVectors:
    """Evaluates an ensemble whose trees have at most MAX_LEAVES leaves each."""

    def __init__(self, trees: Trees, encodings: Sequence[Encoding]) -> None:
        n_leaves, tree_of_node = trees.n_leaves, trees.tree_of_node
        word: Any = np.uint32 if n_leaves.max() <= 32 else np.uint64
        n_bits, ones = 8 * np.dtype(word).itemsize, ~word(0)
        n_leaves_before = np.append(0, np.cumsum(trees.is_leaf))
        # Leaves are numbered from 0 within their tree; these are the numbers of the first.
        self._word, self._first_leaf = word, n_leaves_before[trees.roots]
        # A flat array is four times as fast to take from.
        self._values = trees.values[:, 0] if trees.values.shape[1] == 1 else trees.values
        self._all_open: Words = ones >> (n_bits - n_leaves).astype(word)
        self._all_open_of_row = int.from_bytes(self._all_open.tobytes(), "little")
        inner = np.flatnonzero(~trees.is_leaf)

        def without(first: Ints, end: Ints) -> Words:
            """Return words in which the leaves of the nodes from first to end are not set."""
            of_root = self._first_leaf[tree_of_node[inner]]
            low, high = n_leaves_before[first] - of_root, n_leaves_before[end] - of_root
            # At least one leaf is there, so no shift is by the whole width of a word.
            below = ones >> (n_bits - high).astype(word)
            bits: Words = (below >> low.astype(word)) << low.astype(word)
            return ~bits

        # Going left closes the leaves on the right, and no others.
        closed_right = without(trees.right[inner], subtree_ends(trees.is_leaf)[inner])
        closed_left = without(inner + 1, trees.right[inner])
        # For each column that is tested: its index, its encoding if that has anything to apply,
        # the thresholds between its cells if it has numbers, and the mask of each cell, of which
        # the last is that of a missing value. At the end thresholds and masks in Python's own
        # types, which are faster for a single row.
        self._columns: list[
            tuple[int, NumberEncoding | None, Floats | None, Words, list[float] | None, list[int]]
        ] = []
        first_feature = 0
        for index, encoding in enumerate(encodings):
            feature = trees.feature[inner] - first_feature
            first_feature += encoding.width
            tests = np.flatnonzero((feature >= 0) & (feature < encoding.width))
            if not len(tests):
                continue
            nodes, thresholds, own = inner[tests], None, None
            if isinstance(encoding, CategoryEncoding):
                features = encoding.codes
            else:
                thresholds, own = (
                    np.unique(trees.threshold[nodes]),
                    encoding if encoding.steps else None,
                )
                # Each threshold represents the interval that ends with it.
                features = np.concatenate([thresholds, [np.inf, np.nan]])[:, np.newaxis]
            tree = tree_of_node[nodes]
            starts = np.flatnonzero(np.append(True, tree[1:] != tree[:-1]))
            masks: Words = np.full((len(features), trees.n_trees), ones)
            for start in range(0, len(features), BLOCK_CELLS):
                cells = slice(start, start + BLOCK_CELLS)
                goes_left = trees.goes_left(nodes, features[cells][:, feature[tests]])
                open_leaves = np.where(goes_left, closed_right[tests], closed_left[tests])
                masks[cells, tree[starts]] = np.bitwise_and.reduceat(open_leaves, starts, axis=1)
            of_row = [int.from_bytes(mask.tobytes(), "little") for mask in masks]
            cuts = None if thresholds is None else thresholds.tolist()
            self._columns.append((index, own, thresholds, masks, cuts, of_row))

    @staticmethod
    def suits(trees: Trees, encodings: Sequence[Encoding]) -> bool:
        """Return whether the trees and the tables are small enough."""
        if trees.n_leaves.max() > MAX_LEAVES:
            return False
        inner = np.flatnonzero(~trees.is_leaf)
        # Nodes with the same test share a cell, such as all of one depth in CatBoost.
        tests = np.stack([trees.feature[inner], trees.threshold[inner]], axis=1)
        n_cells = len(np.unique(tests, axis=0)) + sum(
            len(e.codes) for e in encodings if isinstance(e, CategoryEncoding)
        )
        return bool(n_cells * trees.n_trees * 8 <= MAX_TABLE_BYTES)

    def leaf_values(self, columns: Columns) -> Floats:
        """Return values of shape (n_trees, n_rows, width), for at most BLOCK_ROWS rows."""
        open_leaves = np.tile(self._all_open, (len(columns[0]), 1))
        mask = np.empty_like(open_leaves)
        for index, encoding, thresholds, masks, *_ in self._columns:
            if thresholds is None:
                cells = columns[index].astype(np.intp, copy=False)
            else:
                numbers = columns[index].astype(np.float64, copy=False)
                if encoding is not None:
                    numbers = encoding.apply_to_all(numbers)
                cells = np.searchsorted(thresholds, numbers)
                cells[np.isnan(numbers)] = len(thresholds) + 1
            masks.take(cells, axis=0, out=mask, mode="clip")
            np.bitwise_and(open_leaves, mask, out=open_leaves)
        return self._values_of(open_leaves)

    def leaf_values_of_row(self, row: Sequence[float]) -> Floats:
        """Return values of shape (n_trees, 1, width)."""
        open_leaves = self._all_open_of_row
        for index, encoding, _, _, thresholds, masks in self._columns:
            value = row[index]
            if thresholds is None:
                open_leaves &= masks[int(value)]
                continue
            if encoding is not None:
                value = encoding.apply(value)
            # NaN is the only value that differs from itself.
            open_leaves &= masks[bisect_left(thresholds, value) if value == value else -1]
        words = np.frombuffer(open_leaves.to_bytes(self._all_open.nbytes, "little"), self._word)
        return self._values_of(words[np.newaxis])

    def _values_of(self, open_leaves: Words) -> Floats:
        # One bit per tree is set: converted to a float, its position is the exponent.
        if self._word is np.uint32:
            exponent = (open_leaves.astype(np.float32).view(np.int32) >> 23) - 127
        else:
            exponent = (open_leaves.astype(np.float64).view(np.int64) >> 52) - 1023
        values: Floats = self._values.take((exponent + self._first_leaf).T, axis=0)
        return values.reshape(*values.shape[:2], -1)


class TreeWalker:
    """Evaluates trees of any size; all rows take a step down all trees together."""

    def __init__(self, trees: Trees, encodings: Sequence[Encoding]) -> None:
        self._trees = trees
        self._encodings = encodings
        # Each feature is stored twice: once with -inf for a missing value, for nodes that send
        # it left, and once as NaN, for which `<=` is false. So a step is one comparison.
        self._column = 2 * np.maximum(trees.feature, 0) + ~trees.missing_left
        self._next = np.stack([np.arange(len(trees.feature)) + 1, trees.right], axis=1).astype(
            np.int32
        )
        self._is_leaf = trees.is_leaf
        self._leaf = np.cumsum(self._is_leaf) - 1
        self._has_sets = bool((trees.category_set >= 0).any())

    def leaf_values(self, columns: Columns) -> Floats:
        """Return values of shape (n_trees, n_rows, width)."""
        parts = [e.features(c) for e, c in zip(self._encodings, columns, strict=True)]
        features = np.concatenate(parts, axis=1)
        n_rows, n_trees = len(features), self._trees.n_trees
        leaves = np.empty((n_rows, n_trees), dtype=np.int64)
        step = max(1, BLOCK_PAIRS // n_trees)
        for start in range(0, n_rows, step):
            leaves[start : start + step] = self._walk(features[start : start + step])
        return self._trees.values.take(leaves.T, axis=0)

    def leaf_values_of_row(self, row: Sequence[float]) -> Floats:
        """Return values of shape (n_trees, 1, width)."""
        return self.leaf_values([np.array([value]) for value in row])

    def _walk(self, features: Floats) -> Ints:
        n_rows, n_features = features.shape
        doubled = np.repeat(features, 2, axis=1)
        doubled[:, 0::2][np.isnan(features)] = -np.inf
        flat = doubled.ravel()
        node = np.tile(self._trees.roots, n_rows)
        offset = np.repeat(np.arange(n_rows) * 2 * n_features, self._trees.n_trees)
        walking = np.arange(len(node))
        while True:
            walking = walking[~self._is_leaf[node[walking]]]
            if len(walking) == 0:
                return self._leaf[node].reshape(n_rows, -1)
            here = node[walking]
            values = flat[offset[walking] + self._column[here]]
            goes_right = ~(values <= self._trees.threshold[here])
            if self._has_sets:
                is_set = self._trees.category_set[here] >= 0
                goes_right[is_set] = ~self._trees.goes_left(here[is_set], values[None, is_set])[0]
            node[walking] = self._next[here, goes_right.view(np.int8)]
