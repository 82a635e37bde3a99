"""An ensemble of trees as validated arrays.

The nodes of a tree are stored in preorder: the left child follows its parent, and `right` is the
index of the right child. So every step goes forward, and walking down a tree always ends.
"""

from dataclasses import dataclass

import numpy as np

from tabproof.scorer.format import Arrays, Bools, Floats, Ints, ScorerDamagedError

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
