"""What an exporter of one kind of estimator implements, and exporters of scikit-learn's models.

The nodes of HistGradientBoostingClassifier are private; the parity check of each run covers it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from tabproof.scorer import format as specs
from tabproof.scorer.encoding import FLOAT32_MAX, CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.format import Arrays, Bools, Floats, Ints
from tabproof.scorer.trees import N_CODES, Trees, as_arrays, subtree_ends

Encodings = Sequence[Encoding]
# For each feature of the estimator, its index among the features of the encodings.
Positions = NDArray[np.intp]
# A pipeline as data: its model, arrays and encodings.
Exported = tuple[specs.SingleSpec, Arrays, Encodings]


class EstimatorExporter(ABC):
    """Exports one kind of estimator; subclasses override what differs."""

    # Values of options that have a data-only form; None and NaN always have one.
    valid_options: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    # Whether a number can be several features. Trees need no splines, and take one.
    takes_splines = False

    def obstacle(self, estimator: Any, *, passthrough: bool) -> str | None:  # noqa: ARG002
        """Return the option that has no data-only form, if there is one; needs no fit.

        With `passthrough`, columns reach the estimator unchanged, categories too.
        """
        for option, value in estimator.get_params(deep=False).items():
            is_empty = value is None or (isinstance(value, float) and isnan(value))
            valid = self.valid_options.get(option)
            if valid is not None and not is_empty and value not in valid:
                shown = str(value).lower() if isinstance(value, bool) else value
                return f"model.estimator: {type(estimator).__name__} with {option}={shown}"
        return None

    def encode(self, estimator: Any, X: pd.DataFrame) -> tuple[Encodings, Positions]:  # noqa: ARG002
        """Encode columns that reach the estimator unchanged; here it takes numbers only."""
        return [NumberEncoding(str(name), ()) for name in X.columns], np.arange(X.shape[1])

    @abstractmethod
    def export(self, estimator: Any, encodings: Encodings, positions: Positions) -> Exported:
        """Return the model, its arrays, and the encodings with what it does to features."""


# 32 bits hold no larger numbers, and no threshold separates them from the largest.
ROUND: tuple[tuple[specs.Operation, float], ...] = (("clip_float32", 0.0), ("float32", 0.0))


def round_to_float32(encodings: Encodings) -> list[Encoding]:
    """Round each feature as the last step, for estimators that compare 32-bit floats."""
    rounded: list[Encoding] = []
    for encoding in encodings:
        if not encoding.width:
            rounded.append(encoding)
        elif isinstance(encoding, NumberEncoding):
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
    pairs = list(zip(trees, orders, strict=True))

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(tree, name)[order] for tree, order in pairs])

    n_nodes = np.array([len(order) for order in orders])
    n_sets = np.array([len(tree.left_codes) for tree in trees])
    roots, is_leaf, feature = np.cumsum(n_nodes) - n_nodes, joined("left") < 0, joined("feature")
    right, sets = [], []
    for tree, order in pairs:
        new_index = np.zeros(len(tree.left), dtype=np.int64)
        new_index[order] = np.arange(len(order))
        right.append(new_index[tree.right[order]])
        own = np.full(len(order), -1) if tree.category_set is None else tree.category_set[order]
        sets.append(own)
    category_set, first_set = np.concatenate(sets), np.cumsum(n_sets) - n_sets
    is_set = (category_set >= 0) & ~is_leaf
    return Trees(
        roots=roots,
        feature=np.where(is_leaf, -1, positions[np.where(is_leaf, 0, feature)]),
        threshold=np.where(is_leaf | is_set, 0.0, joined("threshold")),
        right=np.where(is_leaf, 0, np.concatenate(right)) + np.repeat(roots, n_nodes),
        missing_left=joined("missing_left") & ~is_leaf,
        category_set=np.where(is_set, category_set + np.repeat(first_set, n_nodes), -1),
        left_codes=np.concatenate([tree.left_codes for tree in trees]),
        values=joined("values")[is_leaf],
        covers=joined("covers"),
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


class HistGradientBoostingExporter(EstimatorExporter):
    """Exports trees round by round, and in each round class by class."""

    def obstacle(self, estimator: Any, *, passthrough: bool) -> str | None:
        """Refuse categories that are not marked by the column's type."""
        chosen = estimator.categorical_features
        is_from_dtype = isinstance(chosen, str) and chosen == "from_dtype"
        # With None, unchanged categories such as '1' would be read as numbers.
        if is_from_dtype or (chosen is None and not passthrough):
            return None
        return "model.estimator.categorical_features other than from_dtype"

    def encode(self, estimator: Any, X: pd.DataFrame) -> tuple[Encodings, Positions]:
        """Encode columns as the estimator does: ordinal categories, moved to the front."""
        is_category = np.array([isinstance(dtype, pd.CategoricalDtype) for dtype in X.dtypes])
        order = np.concatenate([np.flatnonzero(is_category), np.flatnonzero(~is_category)])
        found: dict[str, Encoding] = {}
        if is_category.any():
            encoder = estimator._preprocessor.named_transformers_["encoder"]
            for name, values in zip(X.columns[is_category], encoder.categories_, strict=True):
                categories = tuple(str(value) for value in values if not pd.isna(value))
                # An unseen category is treated as a missing one.
                codes = np.append(np.arange(len(categories), dtype=np.float64), [np.nan, np.nan])
                found[str(name)] = CategoryEncoding(str(name), categories, codes[:, np.newaxis])
        encodings = [found.get(str(name), NumberEncoding(str(name), ())) for name in X.columns]
        return encodings, order.astype(np.intp)

    def export(self, estimator: Any, encodings: Encodings, positions: Positions) -> Exported:
        """Return the model, its arrays and the encodings."""
        nodes = [_boosting_nodes(tree) for trees in estimator._predictors for tree in trees]
        n_groups = estimator.n_trees_per_iteration_
        baseline = np.ravel(estimator._baseline_prediction).tolist()
        spec = specs.TreesSpec("logistic" if n_groups == 1 else "softmax", baseline, n_groups)
        return spec, as_arrays(join_trees(nodes, positions)), encodings


def _boosting_nodes(tree: Any) -> Nodes:
    nodes = tree.nodes
    is_leaf = nodes["is_leaf"].astype(bool)
    is_set = nodes["is_categorical"].astype(bool)
    return Nodes(
        left=np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(is_leaf, -1, nodes["right"].astype(np.int64)),
        feature=nodes["feature_idx"],
        threshold=nodes["num_threshold"],
        missing_left=nodes["missing_go_to_left"].astype(bool),
        values=nodes["value"][:, np.newaxis],
        covers=nodes["count"].astype(np.float64),
        category_set=np.where(is_set, nodes["bitset_idx"].astype(np.int64), -1),
        left_codes=unpack_sets(tree.raw_left_cat_bitsets),
    )


class ForestExporter(EstimatorExporter):
    """Exports a tree or a forest, whose leaves have a share per class."""

    def export(self, estimator: Any, encodings: Encodings, positions: Positions) -> Exported:
        """Return the model, its arrays and the encodings."""
        is_tree = isinstance(estimator, DecisionTreeClassifier)
        members = [estimator] if is_tree else estimator.estimators_
        nodes = [
            Nodes(
                left=tree.children_left,
                right=tree.children_right,
                feature=tree.feature,
                threshold=tree.threshold,
                missing_left=tree.missing_go_to_left.astype(np.bool_),
                values=tree.value[:, 0, :],
                covers=tree.weighted_n_node_samples,
            )
            for tree in (member.tree_ for member in members)
        ]
        trees = join_trees(nodes, positions)
        spec = specs.TreesSpec(link="mean", baseline=[0.0] * trees.values.shape[1], n_groups=1)
        # scikit-learn's trees compare 32-bit floats, and refuse larger numbers.
        return spec, as_arrays(trees), round_to_float32(encodings)


class LinearExporter(EstimatorExporter):
    """Exports one weighted sum for two labels, else one per label."""

    takes_splines = True

    def export(self, estimator: Any, encodings: Encodings, positions: Positions) -> Exported:
        """Return the model, its arrays and the encodings."""
        weights = np.empty_like(estimator.coef_, dtype=np.float64)
        weights[:, positions] = estimator.coef_
        spec = specs.LinearSpec(link="logistic" if len(weights) == 1 else "softmax")
        intercepts = np.broadcast_to(estimator.intercept_, len(weights)).astype(np.float64)
        return spec, {"coefficients": weights, "intercepts": intercepts}, encodings
