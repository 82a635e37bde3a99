"""Export scikit-learn's gradient boosting, trees, forests and logistic regression.

The nodes of HistGradientBoostingClassifier are private; the parity check of each run covers it.
"""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.export.estimator import (
    Encodings,
    EstimatorExporter,
    Exported,
    Nodes,
    Positions,
    join_trees,
    round_to_float32,
    unpack_sets,
)
from tabproof.scorer.format import LinearSpec, TreesSpec
from tabproof.scorer.trees import as_arrays


class HistGradientBoostingExporter(EstimatorExporter):
    """Exports trees round by round, and in each round class by class."""

    def obstacle(self, estimator: Any, *, passthrough: bool) -> str | None:
        """Refuse categories that are not marked by the column's type."""
        chosen = estimator.categorical_features
        if isinstance(chosen, str) and chosen == "from_dtype":
            return None
        # Unchanged categories such as '1' would be read as numbers.
        if chosen is None and not passthrough:
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
        spec = TreesSpec(
            link="logistic" if n_groups == 1 else "softmax",
            baseline=np.ravel(estimator._baseline_prediction).tolist(),
            n_groups=n_groups,
        )
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
        spec = TreesSpec(link="mean", baseline=[0.0] * trees.values.shape[1], n_groups=1)
        # scikit-learn's trees compare 32-bit floats, and refuse larger numbers.
        return spec, as_arrays(trees), round_to_float32(encodings)


class LinearExporter(EstimatorExporter):
    """Exports one weighted sum for two labels, else one per label."""

    def export(self, estimator: Any, encodings: Encodings, positions: Positions) -> Exported:
        """Return the model, its arrays and the encodings."""
        weights = np.empty_like(estimator.coef_, dtype=np.float64)
        weights[:, positions] = estimator.coef_
        spec = LinearSpec(link="logistic" if len(weights) == 1 else "softmax")
        intercepts = np.broadcast_to(estimator.intercept_, len(weights)).astype(np.float64)
        return spec, {"coefficients": weights, "intercepts": intercepts}, encodings
