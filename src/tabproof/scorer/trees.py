"""An ensemble of trees as arrays, checked; the evaluators build on it.

Nodes of a tree stand in preorder: the left child follows its parent, `right` says how far
after the root the right one stands. So every step leads onward, and a walk ends.
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

N_CODES = 256  # how many codes a set of categories can hold


@dataclass(frozen=True)
class Trees:
    """feature : -1 in leaves. category_set : -1 where a node compares with its threshold.

    roots, right and all else are counted in nodes of the whole ensemble. A missing value, and
    in a split of categories a code that is none, goes where missing_left says.
    left_codes : shape (n_sets, N_CODES), the codes that go left.
    values : shape (n_leaves, width), leaves in the order of nodes.
    covers : how many training rows came by each node, or what they weigh; None: not known.
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
        """How many trees."""
        return len(self.roots)

    @property
    def is_leaf(self) -> Bools:
        """Which nodes are leaves."""
        return self.feature < 0

    @property
    def tree_of_node(self) -> Ints:
        """The tree of each node."""
        ends = np.append(self.roots[1:], len(self.feature))
        return np.repeat(np.arange(self.n_trees), ends - self.roots)

    def goes_left(self, nodes: Ints, values: Floats) -> Bools:
        """Decide for values of shape (n_values, len(nodes)), each node's own column."""
        missing = np.isnan(values)
        left = values <= self.threshold[nodes]
        is_set = self.category_set[nodes] >= 0
        if is_set.any():
            codes = values[:, is_set]
            known = (codes >= 0) & (codes < N_CODES)
            places = np.where(known, codes, 0).astype(np.intp)
            left[:, is_set] = self.left_codes[self.category_set[nodes[is_set]], places]
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
# Contributions need it, predictions do not: older files are without.
COVERS = "trees.covers"


def as_arrays(trees: Trees) -> dict[str, NDArray[Any]]:
    """Give what arrays.safetensors holds of an ensemble; sets of codes as bits."""
    n_nodes = np.diff(np.append(trees.roots, len(trees.feature)))
    of_root = trees.roots[trees.tree_of_node]
    content = {
        "trees.n_nodes": n_nodes,
        "trees.feature": trees.feature,
        "trees.threshold": trees.threshold,
        "trees.right": np.where(trees.is_leaf, 0, trees.right - of_root),
        "trees.missing_left": trees.missing_left,
        "trees.category_set": trees.category_set,
        "trees.left_codes": np.packbits(trees.left_codes, axis=1, bitorder="little"),
        "trees.values": trees.values,
    }
    arrays = {name: content[name].astype(dtype) for name, dtype in ARRAYS.items()}
    return arrays if trees.covers is None else {**arrays, COVERS: trees.covers.astype(np.float64)}


def read_trees(arrays: Mapping[str, NDArray[Any]], n_features: int) -> Trees:
    """Check the arrays and join them; raises ScorerDamagedError."""
    for name, dtype in ARRAYS.items():
        found = arrays.get(name)
        if found is None or found.dtype != dtype:
            raise ScorerDamagedError(f"'{name}' is missing, or not of {np.dtype(dtype)}")
    n_nodes = arrays["trees.n_nodes"].astype(np.int64)
    if n_nodes.ndim != 1 or len(n_nodes) == 0 or (n_nodes < 1).any():
        raise ScorerDamagedError("'trees.n_nodes' counts no trees")
    roots = np.cumsum(n_nodes) - n_nodes
    feature = arrays["trees.feature"].astype(np.int64)
    total = int(n_nodes.sum())
    for name in ARRAYS:
        per_node = name not in ("trees.n_nodes", "trees.left_codes", "trees.values")
        if per_node and arrays[name].shape != (total,):
            raise ScorerDamagedError(f"'{name}' is not as long as there are nodes, {total}")
    packed, values = arrays["trees.left_codes"], arrays["trees.values"]
    if packed.ndim != 2 or packed.shape[1] != N_CODES // 8:
        raise ScorerDamagedError("'trees.left_codes' holds no sets of codes")
    if values.ndim != 2 or len(values) != (feature < 0).sum() or not np.isfinite(values).all():
        raise ScorerDamagedError("'trees.values' does not hold a finite value per leaf")
    trees = Trees(
        roots=roots,
        feature=feature,
        threshold=arrays["trees.threshold"],
        right=arrays["trees.right"] + np.repeat(roots, n_nodes),
        missing_left=arrays["trees.missing_left"].astype(bool),
        category_set=arrays["trees.category_set"].astype(np.int64),
        left_codes=np.unpackbits(packed, axis=1, bitorder="little").astype(bool),
        values=values,
        covers=_read_covers(arrays, total),
    )
    _check_structure(trees, n_nodes, n_features)
    return trees


def _read_covers(arrays: Mapping[str, NDArray[Any]], n_nodes: int) -> Floats | None:
    covers = arrays.get(COVERS)
    if covers is None:
        return None
    if covers.dtype != np.float64 or covers.shape != (n_nodes,):
        raise ScorerDamagedError(
            f"'{COVERS}' is not a number of 64 bits for each of {n_nodes} nodes"
        )
    # More than all rows there are would leave no sum of two.
    if not ((covers >= 0) & (covers < 2**100)).all():
        raise ScorerDamagedError(f"'{COVERS}' holds what is no number of rows")
    return covers


def _check_structure(trees: Trees, n_nodes: Ints, n_features: int) -> None:
    inner = np.flatnonzero(~trees.is_leaf)
    ends = np.repeat(trees.roots + n_nodes, n_nodes)
    problems = {
        "a feature that is not there": trees.feature >= n_features,
        "a threshold that is no number": np.isnan(trees.threshold),
        "a set that is not there": trees.category_set >= len(trees.left_codes),
        "a last node with children": (~trees.is_leaf) & (np.arange(len(trees.feature)) + 1 >= ends),
    }
    right = trees.right[inner]
    wrong_child = np.zeros(len(trees.feature), dtype=bool)
    wrong_child[inner] = (right <= inner + 1) | (right >= ends[inner])
    problems["a child outside of its tree"] = wrong_child
    for problem, found in problems.items():
        if found.any():
            raise ScorerDamagedError(f"node {int(found.argmax())} names {problem}")
    ends = subtree_ends(trees.is_leaf)
    expected = np.append(trees.roots[1:], len(trees.feature))
    if (ends[inner + 1] != right).any() or (ends[trees.roots] != expected).any():
        raise ScorerDamagedError("nodes do not stand in preorder")


def subtree_ends(is_leaf: Bools) -> Ints:
    """Give the node behind each subtree's last, for nodes in preorder.

    Counting an inner node as one more open end and a leaf as one less, a subtree ends
    where the count is first one lower than before it began.
    """
    n_nodes = len(is_leaf)
    open_ends = np.append(0, np.cumsum(np.where(is_leaf, -1, 1)))
    by_count = np.argsort(open_ends, kind="stable")
    keys = open_ends[by_count] * (n_nodes + 1) + by_count
    wanted = (open_ends[:-1] - 1) * (n_nodes + 1) + np.arange(n_nodes)
    found = np.minimum(np.searchsorted(keys, wanted), n_nodes)
    return by_count[found]
