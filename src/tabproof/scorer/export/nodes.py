"""Trees as libraries keep them, nodes in any order, joined to an ensemble in preorder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.trees import N_CODES, Bools, Floats, Ints, Trees, subtree_ends

# --- Options of estimators that change what the data-only form would have to say.

Obstacles = Mapping[str, Callable[[Any], bool]]


def refused_option(estimator: Any, obstacles: Obstacles) -> str | None:
    """Name the first option whose value is an obstacle, as it stands in the configuration."""
    for option, value in estimator.get_params(deep=False).items():
        if value is not None and option in obstacles and obstacles[option](value):
            shown = str(value).lower() if isinstance(value, bool) else value
            return f"model.estimator: {type(estimator).__name__} with {option}={shown}"
    return None


def other_than(*valid: Any) -> Callable[[Any], bool]:
    """Refuse all values but these."""
    return lambda value: value not in valid


Places = NDArray[np.intp]


def _no_sets() -> Bools:
    return np.empty((0, N_CODES), dtype=bool)


@dataclass(frozen=True)
class Nodes:
    """One tree, its root first; what stands in a leaf is passed over, but for its values.

    left, right : the children, counted from the root, negative in leaves.
    values : shape (n_nodes, width), of leaves alone.
    covers : how many training rows came by each node, or what they weigh.
    category_set : a row of left_codes, or negative; None: no node asks for categories.
    """

    left: NDArray[np.integer]
    right: NDArray[np.integer]
    feature: NDArray[np.integer]
    threshold: Floats
    missing_left: Bools
    values: Floats
    covers: Floats
    category_set: Ints | None = None
    left_codes: Bools = field(default_factory=_no_sets)


def joined(trees: Sequence[Nodes], places: Places) -> Trees:
    """Join trees; places says where each feature of theirs stands among the encodings'."""
    parts = [_Part(tree) for tree in trees]
    n_nodes = np.array([len(part.feature) for part in parts])
    n_sets = np.array([len(tree.left_codes) for tree in trees])
    roots = np.cumsum(n_nodes) - n_nodes
    feature = np.concatenate([part.feature for part in parts])
    category_set = np.concatenate([part.category_set for part in parts])
    first_set = np.repeat(np.cumsum(n_sets) - n_sets, n_nodes)
    is_leaf = feature < 0
    return Trees(
        roots=roots,
        feature=np.where(is_leaf, -1, places[np.where(is_leaf, 0, feature)]),
        threshold=np.concatenate([part.threshold for part in parts]),
        right=np.concatenate([part.right for part in parts]) + np.repeat(roots, n_nodes),
        missing_left=np.concatenate([part.missing_left for part in parts]),
        category_set=np.where(category_set < 0, -1, category_set + first_set),
        left_codes=np.concatenate([tree.left_codes for tree in trees]),
        values=np.concatenate([part.values for part in parts]),
        covers=np.concatenate([part.covers for part in parts]),
    )


class _Part:
    """One tree, its nodes in preorder."""

    def __init__(self, tree: Nodes) -> None:
        order = _preorder(tree.left, tree.right)
        place_of = np.zeros(len(tree.left), dtype=np.int64)
        place_of[order] = np.arange(len(order))
        is_leaf = tree.left[order] < 0
        self.feature = np.where(is_leaf, -1, tree.feature[order]).astype(np.int64)
        sets = tree.category_set
        no_set = np.full(len(order), -1) if sets is None else sets[order]
        self.category_set = np.where(is_leaf, -1, no_set)
        compares = ~is_leaf & (self.category_set < 0)
        self.threshold = np.where(compares, tree.threshold[order], 0.0)
        self.right = np.where(is_leaf, 0, place_of[tree.right[order]])
        self.missing_left = tree.missing_left[order] & ~is_leaf
        self.values = tree.values[order][is_leaf]
        self.covers = tree.covers[order]


def _preorder(left: NDArray[np.integer], right: NDArray[np.integer]) -> Places:
    """Order nodes so that each is followed by its left subtree, then its right one.

    Nodes that no way leads to, such as pruned ones, are left out.
    """
    inner = np.flatnonzero(left >= 0)
    if (left[inner] == inner + 1).all() and len(left) == 2 * len(inner) + 1:
        # scikit-learn builds trees in this order, if max_leaf_nodes is not given.
        ends = subtree_ends(left < 0)
        if (ends[left[inner]] == right[inner]).all():
            return np.arange(len(left))
    order, waiting = [], [0]
    lefts, rights = left.tolist(), right.tolist()
    while waiting:
        node = waiting.pop()
        order.append(node)
        if lefts[node] >= 0:
            waiting += [rights[node], lefts[node]]
    return np.array(order, dtype=np.intp)
