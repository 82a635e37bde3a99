"""Join trees as libraries store them, with nodes in any order, to an ensemble in preorder."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.export.estimator import Positions
from tabproof.scorer.trees import N_CODES, Bools, Floats, Ints, Trees, subtree_ends


@dataclass(frozen=True)
class Nodes:
    """One tree, its root first. In leaves only `left`, `values` and `covers` are read.

    Attributes
    ----------
    left, right : the children, counted from the root; negative in leaves
    values : shape (n_nodes, width)
    covers : number or weight of the training rows that reached each node
    category_set : a row of `left_codes`, or negative; None if no node tests categories
    """

    left: NDArray[np.integer]
    right: NDArray[np.integer]
    feature: NDArray[np.integer]
    threshold: Floats
    missing_left: Bools
    values: Floats
    covers: Floats
    category_set: Ints | None = None
    left_codes: Bools = field(default_factory=lambda: np.empty((0, N_CODES), dtype=bool))


def join_trees(trees: Sequence[Nodes], positions: Positions) -> Trees:
    """Join trees; `positions` maps their features to those of the encodings."""
    parts = [_in_preorder(tree) for tree in trees]
    n_nodes = np.array([len(part.feature) for part in parts])
    n_sets = np.array([len(tree.left_codes) for tree in trees])
    roots = np.cumsum(n_nodes) - n_nodes
    feature = np.concatenate([part.feature for part in parts])
    category_set = np.concatenate([part.category_set for part in parts])
    first_set = np.repeat(np.cumsum(n_sets) - n_sets, n_nodes)
    is_leaf = feature < 0
    return Trees(
        roots=roots,
        feature=np.where(is_leaf, -1, positions[np.where(is_leaf, 0, feature)]),
        threshold=np.concatenate([part.threshold for part in parts]),
        right=np.concatenate([part.right for part in parts]) + np.repeat(roots, n_nodes),
        missing_left=np.concatenate([part.missing_left for part in parts]),
        category_set=np.where(category_set < 0, -1, category_set + first_set),
        left_codes=np.concatenate([tree.left_codes for tree in trees]),
        values=np.concatenate([part.values for part in parts]),
        covers=np.concatenate([part.covers for part in parts if part.covers is not None]),
    )


def _in_preorder(tree: Nodes) -> Trees:
    order = _preorder(tree.left, tree.right)
    new_index = np.zeros(len(tree.left), dtype=np.int64)
    new_index[order] = np.arange(len(order))
    is_leaf = tree.left[order] < 0
    sets = np.full(len(order), -1) if tree.category_set is None else tree.category_set[order]
    category_set = np.where(is_leaf, -1, sets)
    return Trees(
        roots=np.zeros(1, dtype=np.int64),
        feature=np.where(is_leaf, -1, tree.feature[order]).astype(np.int64),
        threshold=np.where(is_leaf | (category_set >= 0), 0.0, tree.threshold[order]),
        right=np.where(is_leaf, 0, new_index[tree.right[order]]),
        missing_left=tree.missing_left[order] & ~is_leaf,
        category_set=category_set,
        left_codes=tree.left_codes,
        values=tree.values[order][is_leaf],
        covers=tree.covers[order],
    )


def _preorder(left: NDArray[np.integer], right: NDArray[np.integer]) -> Positions:
    """Order nodes so that each is followed by its left subtree, then its right one.

    Nodes that cannot be reached, such as pruned ones, are left out.
    """
    inner = np.flatnonzero(left >= 0)
    if (left[inner] == inner + 1).all() and len(left) == 2 * len(inner) + 1:
        # scikit-learn builds trees in this order, unless max_leaf_nodes is given.
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


def unpack_sets(words: NDArray[np.integer]) -> Bools:
    """Return sets of codes from words of 32 bits, in rows of N_CODES bits."""
    rows = words.astype("<u4").reshape(-1, N_CODES // 32)
    return np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little").astype(bool)
