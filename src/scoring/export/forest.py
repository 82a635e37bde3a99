"""Export decision trees and forests of them: probabilities averaged over trees."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from src.scoring.encoding import FLOAT32_MAX, CategoryEncoding, Encoding, NumberEncoding
from src.scoring.export.columns import numbers_as_they_are
from src.scoring.form import Arrays, Operation, TreesSpec
from src.scoring.trees import N_CODES, Trees, as_arrays

Places = NDArray[np.intp]

# scikit-learn's trees compare 32-bit floats, and refuse numbers beyond them; we take the nearest.
ROUND: tuple[tuple[Operation, float], ...] = (("clip_float32", 0.0), ("float32", 0.0))


def obstacle(_estimator: Any, *, passes: bool) -> str | None:  # noqa: ARG001 - of the protocol
    """Export whatever the options are."""
    return None


def encode(_estimator: Any, X: pd.DataFrame) -> tuple[list[Encoding], Places]:
    """Pass numbers on; it takes no categories."""
    return numbers_as_they_are(X)


def export(
    estimator: Any, encodings: Sequence[Encoding], places: Places
) -> tuple[TreesSpec, Arrays, Sequence[Encoding]]:
    """Give its trees, whose leaves hold a share per class."""
    is_tree = isinstance(estimator, DecisionTreeClassifier)
    parts = [_Part(tree.tree_) for tree in ([estimator] if is_tree else estimator.estimators_)]
    n_nodes = np.array([len(part.feature) for part in parts])
    roots = np.cumsum(n_nodes) - n_nodes
    feature = np.concatenate([part.feature for part in parts])
    is_leaf = feature < 0
    trees = Trees(
        roots=roots,
        feature=np.where(is_leaf, -1, places[np.where(is_leaf, 0, feature)]),
        threshold=np.concatenate([part.threshold for part in parts]),
        right=np.concatenate([part.right for part in parts]) + np.repeat(roots, n_nodes),
        missing_left=np.concatenate([part.missing_left for part in parts]),
        category_set=np.full(len(feature), -1),
        left_codes=np.empty((0, N_CODES), dtype=bool),
        values=np.concatenate([part.values for part in parts]),
    )
    spec = TreesSpec(link="mean", baseline=[0.0] * trees.values.shape[1], n_groups=1)
    return spec, as_arrays(trees), [_rounded(encoding) for encoding in encodings]


def _rounded(encoding: Encoding) -> Encoding:
    if isinstance(encoding, NumberEncoding):
        return replace(encoding, steps=(*encoding.steps, *ROUND))
    codes = np.clip(encoding.codes, -FLOAT32_MAX, FLOAT32_MAX)
    rounded = codes.astype(np.float32).astype(np.float64)
    return CategoryEncoding(encoding.name, encoding.categories, rounded)


class _Part:
    """One tree, its nodes in preorder."""

    def __init__(self, tree: Any) -> None:
        order = _preorder(tree.children_left, tree.children_right)
        place_of = np.empty_like(order)
        place_of[order] = np.arange(len(order))
        is_leaf = tree.children_left[order] < 0
        self.feature = np.where(is_leaf, -1, tree.feature[order])
        self.threshold = np.where(is_leaf, 0.0, tree.threshold[order])
        self.right = np.where(is_leaf, 0, place_of[tree.children_right[order]])
        self.missing_left = tree.missing_go_to_left[order].astype(bool) & ~is_leaf
        self.values = tree.value[order, 0, :][is_leaf]


def _preorder(left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.intp]:
    """Order nodes so that each is followed by its left subtree, then its right one."""
    inner = np.flatnonzero(left >= 0)
    if (left[inner] == inner + 1).all() and (right[inner] > inner).all():
        return np.arange(len(left))  # as trees are built without max_leaf_nodes
    order, waiting = [], [0]
    while waiting:
        node = waiting.pop()
        order.append(node)
        if left[node] >= 0:
            waiting += [int(right[node]), int(left[node])]
    return np.array(order, dtype=np.intp)
