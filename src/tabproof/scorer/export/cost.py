"""Estimate from a fitted estimator what the scorer takes to predict a row.

The estimate depends on the number of trees, leaves and features alone, so that it is the same on
every machine: a search that limits it gives the same model everywhere. The figures are those of a
core of 2025, of single rows and without the request around them.
"""

from typing import Any

import numpy as np

from tabproof.scorer.trees import MAX_LEAVES

# Microseconds: of any model, of a tree by bit vectors, and of a tree and a feature together.
ANY, TREE, TREE_AND_FEATURE = 8.0, 0.008, 0.0004
# Of a tree of more leaves than bit vectors have, by walking down; of a feature of a linear model.
WALKED_ANY, WALKED_TREE, LINEAR_FEATURE = 200.0, 0.5, 0.5
# Bit vectors need this many bytes per tree and threshold; libraries bin numbers into 256 values.
BYTES, MAX_BINS = 8, 256
# With larger tables the scorer walks down the trees.
MAX_TABLE_BYTES = 64 * 2**20


def row_microseconds(estimator: Any) -> float:
    """Return an estimate for the last step of a pipeline; 0 for an unknown estimator."""
    n_features = int(getattr(estimator, "n_features_in_", 1))
    if hasattr(estimator, "coef_"):
        return ANY + LINEAR_FEATURE * n_features * len(estimator.coef_)
    found = _trees_and_leaves(estimator)
    if found is None:
        return 0.0
    n_trees, n_leaves, most_leaves = found
    n_thresholds = min(n_leaves, MAX_BINS * n_features)
    if most_leaves > MAX_LEAVES or BYTES * n_trees * n_thresholds > MAX_TABLE_BYTES:
        return WALKED_ANY + WALKED_TREE * n_trees
    return ANY + n_trees * (TREE + TREE_AND_FEATURE * n_features)


def _trees_and_leaves(estimator: Any) -> tuple[int, int, int] | None:
    """Return the number of trees, of all leaves, and of the leaves of the largest tree."""
    name = type(estimator).__name__
    if name == "HistGradientBoostingClassifier":
        sizes = [len(tree.nodes) // 2 + 1 for trees in estimator._predictors for tree in trees]
    elif hasattr(estimator, "estimators_"):
        sizes = [tree.get_n_leaves() for tree in np.ravel(estimator.estimators_)]
    elif name == "CatBoostClassifier":
        sizes = estimator.get_tree_leaf_counts().tolist()
    elif name == "LGBMClassifier":
        n_iterations = estimator.best_iteration_ or estimator.booster_.current_iteration()
        n_trees = n_iterations * estimator.booster_.num_model_per_iteration()
        sizes = [estimator.num_leaves] * n_trees
    elif name == "XGBClassifier":
        # Trees as deep as allowed.
        n_rounds = estimator.get_booster().num_boosted_rounds()
        n_trees = n_rounds * (1 if estimator.n_classes_ == 2 else estimator.n_classes_)
        sizes = [2 ** (estimator.max_depth or 6)] * n_trees
    else:
        return None
    return (len(sizes), sum(sizes), max(sizes)) if sizes else None
