"""Export decision trees and forests of them: probabilities averaged over trees."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from tabproof.scorer.encoding import Encoding
from tabproof.scorer.export.columns import numbers_as_they_are, rounded
from tabproof.scorer.export.nodes import Nodes, Places, joined
from tabproof.scorer.form import Arrays, TreesSpec
from tabproof.scorer.trees import as_arrays


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
    parts = [estimator] if is_tree else estimator.estimators_
    trees = joined([_nodes(part.tree_) for part in parts], places)
    spec = TreesSpec(link="mean", baseline=[0.0] * trees.values.shape[1], n_groups=1)
    # scikit-learn's trees compare 32-bit floats, and refuse numbers beyond them.
    return spec, as_arrays(trees), rounded(encodings)


def _nodes(tree: Any) -> Nodes:
    return Nodes(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=tree.threshold,
        missing_left=tree.missing_go_to_left.astype(np.bool_),
        values=tree.value[:, 0, :],
        covers=tree.weighted_n_node_samples,
    )
