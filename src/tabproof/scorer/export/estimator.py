"""What an exporter of one kind of estimator implements, and trees as libraries store them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.scorer.encoding import FLOAT32_MAX, CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.format import Arrays, Bools, Floats, Ints, Operation, SingleSpec
from tabproof.scorer.trees import N_CODES, Trees, subtree_ends

Encodings = Sequence[Encoding]
# For each feature of the estimator, its index among the features of the encodings.
Positions = NDArray[np.intp]
RefusedOptions = Mapping[str, Callable[[Any], bool]]
# A pipeline as data: its model, arrays and encodings.
Exported = tuple[SingleSpec, Arrays, Encodings]


class EstimatorExporter:
    """Exports one kind of estimator; subclasses override what differs."""

    # Options, and whether a value of theirs has no data-only form.
    refused_options: ClassVar[RefusedOptions] = {}

    def obstacle(self, estimator: Any, *, passthrough: bool) -> str | None:  # noqa: ARG002
        """Return the option that has no data-only form, if there is one; needs no fit.

        With `passthrough`, columns reach the estimator unchanged, categories too.
        """
        for option, value in estimator.get_params(deep=False).items():
            is_refused = self.refused_options.get(option)
            if value is not None and is_refused is not None and is_refused(value):
                shown = str(value).lower() if isinstance(value, bool) else value
                return f"model.estimator: {type(estimator).__name__} with {option}={shown}"
        return None

    def encode(self, estimator: Any, X: pd.DataFrame) -> tuple[Encodings, Positions]:  # noqa: ARG002
        """Encode columns that reach the estimator unchanged; here it takes numbers only."""
        return [NumberEncoding(str(name), ()) for name in X.columns], np.arange(X.shape[1])

    def export(self, estimator: Any, encodings: Encodings, positions: Positions) -> Exported:
        """Return the model, its arrays, and the encodings with what it does to features."""
        raise NotImplementedError


def other_than(*valid: Any) -> Callable[[Any], bool]:
    """Refuse all values of an option but these."""
    return lambda value: value not in valid


# 32 bits hold no larger numbers, and no threshold separates them from the largest.
ROUND: tuple[tuple[Operation, float], ...] = (("clip_float32", 0.0), ("float32", 0.0))


def round_to_float32(encodings: Encodings) -> list[Encoding]:
    """Round each feature as the last step, for estimators that compare 32-bit floats."""
    rounded: list[Encoding] = []
    for encoding in encodings:
        if isinstance(encoding, NumberEncoding):
            rounded.append(replace(encoding, steps=(*encoding.steps, *ROUND)))
        else:
            codes = np.clip(encoding.codes, -FLOAT32_MAX, FLOAT32_MAX)
            codes = codes.astype(np.float32).astype(np.float64)
            rounded.append(CategoryEncoding(encoding.name, encoding.categories, codes))
    return rounded


def find_categories(column: pd.Series) -> list[str]:
    """Return the categories that occur, sorted, as the schema lists them."""
    return sorted(map(str, column.dropna().unique()))


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
    """Join trees to an ensemble in preorder; `positions` maps features to those of encodings."""
    orders = [_preorder(tree.left, tree.right) for tree in trees]

    def joined(arrays: Iterable[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([array[order] for array, order in zip(arrays, orders, strict=True)])

    n_nodes = np.array([len(order) for order in orders])
    n_sets = np.array([len(tree.left_codes) for tree in trees])
    roots = np.cumsum(n_nodes) - n_nodes
    is_leaf = joined(tree.left for tree in trees) < 0
    right = []
    for tree, order in zip(trees, orders, strict=True):
        new_index = np.zeros(len(tree.left), dtype=np.int64)
        new_index[order] = np.arange(len(order))
        right.append(new_index[tree.right])
    no_sets = (np.full(len(tree.left), -1) for tree in trees)
    own_sets = joined(
        none if tree.category_set is None else tree.category_set
        for tree, none in zip(trees, no_sets, strict=True)
    )
    is_set = (own_sets >= 0) & ~is_leaf
    feature = joined(tree.feature for tree in trees)
    return Trees(
        roots=roots,
        feature=np.where(is_leaf, -1, positions[np.where(is_leaf, 0, feature)]),
        threshold=np.where(is_leaf | is_set, 0.0, joined(tree.threshold for tree in trees)),
        right=np.where(is_leaf, 0, joined(right)) + np.repeat(roots, n_nodes),
        missing_left=joined(tree.missing_left for tree in trees) & ~is_leaf,
        category_set=np.where(
            is_set, own_sets + np.repeat(np.cumsum(n_sets) - n_sets, n_nodes), -1
        ),
        left_codes=np.concatenate([tree.left_codes for tree in trees]),
        values=joined(tree.values for tree in trees)[is_leaf],
        covers=joined(tree.covers for tree in trees),
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
