"""Large trees, walked level by level: all rows and all trees take each step together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.encoding import Encoding
from tabproof.scorer.trees import Floats, Ints, Trees

# Pairs of a row and a tree that walk together: their state fits into the caches.
BLOCK_PAIRS = 2**16


class Walks:
    """Evaluates an ensemble of trees of any size."""

    def __init__(self, trees: Trees, encodings: Sequence[Encoding]) -> None:
        self._trees = trees
        self._encodings = encodings
        n_nodes = len(trees.feature)
        is_leaf = trees.is_leaf
        # Each feature stands there twice: with nothing as less than all numbers, for nodes that
        # send it left, and as NaN, which is not `<=` anything. So a step is one comparison.
        self._column = 2 * np.maximum(trees.feature, 0) + ~trees.missing_left
        self._next = np.stack([np.arange(n_nodes) + 1, trees.right], axis=1).astype(np.int32)
        self._is_leaf = is_leaf
        self._leaf = np.cumsum(is_leaf) - 1
        self._has_sets = bool((trees.category_set >= 0).any())

    def leaf_values(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give each tree's value, of shape (n_trees, n_rows, width)."""
        features = np.concatenate(
            [e.features(c) for e, c in zip(self._encodings, columns, strict=True)],  # type: ignore[arg-type]
            axis=1,
        )
        n_rows, n_trees = len(features), self._trees.n_trees
        leaves = np.empty((n_rows, n_trees), dtype=np.int64)
        step = max(1, BLOCK_PAIRS // n_trees)
        for start in range(0, n_rows, step):
            leaves[start : start + step] = self._walk(features[start : start + step])
        return self._trees.values.take(leaves.T, axis=0)

    def leaf_values_of_row(self, row: Sequence[float]) -> Floats:
        """Give each tree's value, of shape (n_trees, 1, width)."""
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
                self._decide_sets(here, values, goes_right)
            node[walking] = self._next[here, goes_right.view(np.int8)]

    def _decide_sets(self, nodes: Ints, values: Floats, goes_right: NDArray[np.bool_]) -> None:
        is_set = self._trees.category_set[nodes] >= 0
        left = self._trees.goes_left(nodes[is_set], values[np.newaxis, is_set])[0]
        goes_right[is_set] = ~left
