"""An ensemble of trees as validated arrays.

The nodes of a tree are stored in preorder: the left child follows its parent, and `right` is the
index of the right child. So every step goes forward, and walking down a tree always ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.errors import ScorerDamagedError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

N_CODES = 256  # codes of categories are below this


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


ARRAYS = {
    "trees.n_nodes": np.int32,
    "trees.feature": np.int32,
    "trees.threshold": np.float64,
    "trees.right": np.int32,
    "trees.missing_left": np.uint8,
    "trees.category_set": np.int32,
    "trees.left_codes": np.uint8,
    "trees.values": np.float64,
}
# Only contributions need it; files of format 1 and 2 do not have it.
COVERS = "trees.covers"


def as_arrays(trees: Trees) -> dict[str, NDArray[Any]]:
    """Return the arrays of the file; sets of codes are packed as bits."""
    content = {
        "trees.n_nodes": np.diff(np.append(trees.roots, len(trees.feature))),
        "trees.feature": trees.feature,
        "trees.threshold": trees.threshold,
        "trees.right": np.where(trees.is_leaf, 0, trees.right - trees.roots[trees.tree_of_node]),
        "trees.missing_left": trees.missing_left,
        "trees.category_set": trees.category_set,
        "trees.left_codes": np.packbits(trees.left_codes, axis=1, bitorder="little"),
        "trees.values": trees.values,
    }
    arrays = {name: content[name].astype(dtype) for name, dtype in ARRAYS.items()}
    return arrays if trees.covers is None else {**arrays, COVERS: trees.covers.astype(np.float64)}


def read_trees(arrays: Mapping[str, NDArray[Any]], n_features: int) -> Trees:
    """Validate the arrays and return the trees; raise ScorerDamagedError."""
    for name, dtype in ARRAYS.items():
        found = arrays.get(name)
        if found is None or found.dtype != dtype:
            raise ScorerDamagedError(f"'{name}' is missing, or not of {np.dtype(dtype)}")
    n_nodes = arrays["trees.n_nodes"].astype(np.int64)
    if n_nodes.ndim != 1 or len(n_nodes) == 0 or (n_nodes < 1).any():
        raise ScorerDamagedError("'trees.n_nodes' is not a list of numbers above 0")
    roots = np.cumsum(n_nodes) - n_nodes
    feature = arrays["trees.feature"].astype(np.int64)
    total = int(n_nodes.sum())
    for name in ARRAYS.keys() - {"trees.n_nodes", "trees.left_codes", "trees.values"}:
        if arrays[name].shape != (total,):
            raise ScorerDamagedError(f"'{name}' does not have one value for each of {total} nodes")
    packed, values = arrays["trees.left_codes"], arrays["trees.values"]
    if packed.ndim != 2 or packed.shape[1] != N_CODES // 8:
        raise ScorerDamagedError(f"'trees.left_codes' does not have {N_CODES // 8} bytes per set")
    if values.ndim != 2 or len(values) != (feature < 0).sum() or not np.isfinite(values).all():
        raise ScorerDamagedError("'trees.values' does not have finite values for each leaf")
    covers = arrays.get(COVERS)
    if covers is not None:
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
    _check_structure(trees, n_nodes, n_features)
    return trees


def _check_structure(trees: Trees, n_nodes: Ints, n_features: int) -> None:
    inner = np.flatnonzero(~trees.is_leaf)
    ends = np.repeat(trees.roots + n_nodes, n_nodes)
    right = trees.right[inner]
    wrong_child = np.zeros(len(trees.feature), dtype=bool)
    wrong_child[inner] = (right <= inner + 1) | (right >= ends[inner])
    problems = {
        "a feature that does not exist": trees.feature >= n_features,
        "a threshold that is no number": np.isnan(trees.threshold),
        "a set that does not exist": trees.category_set >= len(trees.left_codes),
        "children, but is the last of its tree": (~trees.is_leaf)
        & (np.arange(len(trees.feature)) + 1 >= ends),
        "a child outside of its tree": wrong_child,
    }
    for problem, found in problems.items():
        if found.any():
            raise ScorerDamagedError(f"node {int(found.argmax())} has {problem}")
    subtrees = subtree_ends(trees.is_leaf)
    expected = np.append(trees.roots[1:], len(trees.feature))
    if (subtrees[inner + 1] != right).any() or (subtrees[trees.roots] != expected).any():
        raise ScorerDamagedError("nodes are not in preorder")


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
