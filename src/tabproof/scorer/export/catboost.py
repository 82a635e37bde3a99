"""Export CatBoost's classifier, from the JSON in which CatBoost itself keeps a model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from tabproof.scorer.encoding import Encoding
from tabproof.scorer.export.columns import numbers_as_they_are, rounded
from tabproof.scorer.export.nodes import (
    Nodes,
    Obstacles,
    Places,
    joined,
    other_than,
    refused_option,
)
from tabproof.scorer.form import Arrays, TreesSpec
from tabproof.scorer.trees import Floats, as_arrays

OBSTACLES: Obstacles = {
    # Other trees are written in another way.
    "grow_policy": other_than("SymmetricTree"),
    **dict.fromkeys(("loss_function", "objective"), other_than("Logloss", "MultiClass")),
    # Made into numbers by hashes and counts of labels.
    **dict.fromkeys(("cat_features", "text_features", "embedding_features"), lambda _: True),
}


def obstacle(estimator: Any, *, passes: bool) -> str | None:  # noqa: ARG001 - of the protocol
    """Refuse trees that grow otherwise, other links, and categories as such."""
    return refused_option(estimator, OBSTACLES)


def encode(_estimator: Any, X: pd.DataFrame) -> tuple[list[Encoding], Places]:
    """Pass numbers on; its categories are refused."""
    return numbers_as_they_are(X)


def export(
    estimator: Any, encodings: Sequence[Encoding], places: Places
) -> tuple[TreesSpec, Arrays, Sequence[Encoding]]:
    """Give its trees, whose leaves hold a value per sum; only borders are 32-bit floats."""
    content = _content(estimator)
    columns = {
        column["feature_index"]: column for column in content["features_info"]["float_features"]
    }
    scale, baseline = content["scale_and_bias"]
    parts = [_nodes(tree, columns, scale, len(baseline)) for tree in content["oblivious_trees"]]
    spec = TreesSpec(
        link="logistic" if len(baseline) == 1 else "softmax", baseline=baseline, n_groups=1
    )
    return spec, as_arrays(joined(parts, places)), rounded(encodings)


def _content(estimator: Any) -> dict[str, Any]:
    # It writes files only.
    with TemporaryDirectory() as directory:
        path = Path(directory) / "model.json"
        estimator.save_model(str(path), format="json")
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content


def _nodes(
    tree: Mapping[str, Any], columns: Mapping[int, Mapping[str, Any]], scale: float, width: int
) -> Nodes:
    """Unfold a tree whose nodes of one depth all ask the same.

    The answer to split i is bit i of the leaf's number, so the last split becomes the root.
    """
    splits = tree["splits"][::-1]
    n_inner = 2 ** len(splits) - 1
    # Level by level, node k has the children 2k + 1 and 2k + 2.
    node = np.arange(2 * n_inner + 1)
    is_leaf = node >= n_inner
    depth = np.minimum(np.log2(node + 1).astype(np.int64), len(splits) - 1)
    asked = [columns[split["float_feature_index"]] for split in splits]
    feature = np.array([column["flat_feature_index"] for column in asked])
    border = np.array([split["border"] for split in splits])
    # A missing number is less than all others, or greater; not foreseen, no border is below it.
    missing_left = np.array([column["nan_value_treatment"] != "AsTrue" for column in asked])
    leaves = scale * np.array(tree["leaf_values"]).reshape(-1, width)
    return Nodes(
        left=np.where(is_leaf, -1, 2 * node + 1),
        right=np.where(is_leaf, -1, 2 * node + 2),
        feature=feature[depth],
        threshold=border[depth],
        missing_left=missing_left[depth],
        values=np.concatenate([np.zeros((n_inner, width)), leaves]),
        covers=_covers(np.array(tree["leaf_weights"], dtype=np.float64)),
    )


def _covers(leaves: Floats) -> Floats:
    """Add up the weights of leaves, level by level."""
    levels = [leaves]
    while len(levels[0]) > 1:
        levels.insert(0, levels[0].reshape(-1, 2).sum(axis=1))
    return np.concatenate(levels)
