"""Export HistGradientBoostingClassifier. Its nodes are private; parity is checked in each run."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.form import Arrays, TreesSpec
from tabproof.scorer.trees import N_CODES, Trees, as_arrays

Places = NDArray[np.intp]


def obstacle(estimator: HistGradientBoostingClassifier, *, passes: bool) -> str | None:
    """Refuse categories by other signs than the column's type."""
    chosen = estimator.categorical_features
    if isinstance(chosen, str) and chosen == "from_dtype":
        return None
    # As they are, categories such as '1' would be taken for numbers.
    if chosen is None and not passes:
        return None
    return "model.estimator.categorical_features other than from_dtype"


def encode(
    estimator: HistGradientBoostingClassifier, X: pd.DataFrame
) -> tuple[list[Encoding], Places]:
    """Encode columns as it does inside: categories by their order, and moved to the front."""
    is_category = np.array([isinstance(dtype, pd.CategoricalDtype) for dtype in X.dtypes])
    order = np.concatenate([np.flatnonzero(is_category), np.flatnonzero(~is_category)])
    found: dict[str, Encoding] = {}
    if is_category.any():
        encoder = estimator._preprocessor.named_transformers_["encoder"]
        for name, values in zip(X.columns[is_category], encoder.categories_, strict=True):
            categories = [str(value) for value in values if not pd.isna(value)]
            # An unseen category is treated as a missing one.
            codes = np.append(np.arange(len(categories), dtype=np.float64), [np.nan, np.nan])
            found[str(name)] = CategoryEncoding(str(name), tuple(categories), codes[:, np.newaxis])
    encodings = [found.get(str(name), NumberEncoding(str(name), ())) for name in X.columns]
    return encodings, order.astype(np.intp)


def export(
    estimator: HistGradientBoostingClassifier, encodings: Sequence[Encoding], places: Places
) -> tuple[TreesSpec, Arrays, Sequence[Encoding]]:
    """Give its trees, round by round, and in each round class by class."""
    predictors = [tree for trees in estimator._predictors for tree in trees]
    nodes = np.concatenate([tree.nodes for tree in predictors])
    n_nodes = np.array([len(tree.nodes) for tree in predictors])
    n_sets = np.array([len(tree.raw_left_cat_bitsets) for tree in predictors])
    is_leaf = nodes["is_leaf"].astype(bool)
    roots = np.cumsum(n_nodes) - n_nodes
    first_set = np.repeat(np.cumsum(n_sets) - n_sets, n_nodes)
    is_set = nodes["is_categorical"].astype(bool) & ~is_leaf
    trees = Trees(
        roots=roots,
        feature=np.where(is_leaf, -1, places[np.where(is_leaf, 0, nodes["feature_idx"])]),
        threshold=np.where(is_leaf | is_set, 0.0, nodes["num_threshold"]),
        right=nodes["right"].astype(np.int64) + np.repeat(roots, n_nodes),
        missing_left=nodes["missing_go_to_left"].astype(bool) & ~is_leaf,
        category_set=np.where(is_set, nodes["bitset_idx"] + first_set, -1).astype(np.int64),
        left_codes=_left_codes([tree.raw_left_cat_bitsets for tree in predictors]),
        values=nodes["value"][is_leaf][:, np.newaxis],
        covers=nodes["count"].astype(np.float64),
    )
    n_groups = estimator.n_trees_per_iteration_
    spec = TreesSpec(
        link="logistic" if n_groups == 1 else "softmax",
        baseline=np.ravel(estimator._baseline_prediction).tolist(),
        n_groups=n_groups,
    )
    return spec, as_arrays(trees), encodings


def _left_codes(bitsets: Sequence[NDArray[np.uint32]]) -> NDArray[np.bool_]:
    words = np.concatenate(bitsets).astype("<u4").reshape(-1, N_CODES // 32)
    return np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").astype(bool)
