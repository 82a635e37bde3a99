"""Export XGBoost's classifier, from the JSON in which XGBoost itself keeps a model.

It compares and adds up 32-bit floats, and takes their exp: so do links that end in float32.
"""

import json
from collections.abc import Sequence
from math import isnan
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
from tabproof.scorer.trees import as_arrays

OBSTACLES: Obstacles = {
    # dart weighs its trees, gblinear has none.
    "booster": other_than("gbtree"),
    "objective": other_than("binary:logistic", "multi:softprob"),
    "multi_strategy": other_than("one_output_per_tree"),
    "device": other_than("cpu"),
    # Its own categories refuse those that training never saw.
    "enable_categorical": bool,
    "feature_types": lambda _: True,
    "missing": lambda value: not isnan(value),
}


def obstacle(estimator: Any, *, passes: bool) -> str | None:  # noqa: ARG001 - of the protocol
    """Refuse other sums, other links, and categories as such."""
    return refused_option(estimator, OBSTACLES)


def encode(_estimator: Any, X: pd.DataFrame) -> tuple[list[Encoding], Places]:
    """Pass numbers on; its categories are refused."""
    return numbers_as_they_are(X)


def export(
    estimator: Any, encodings: Sequence[Encoding], places: Places
) -> tuple[TreesSpec, Arrays, Sequence[Encoding]]:
    """Give its trees, round by round, and in each round class by class."""
    booster = estimator.get_booster()
    content = json.loads(booster.save_raw("json"))
    model = content["learner"]["gradient_booster"]["model"]
    group = np.array(model["tree_info"])
    n_groups = int(group.max()) + 1
    # With several trees per round and class, a class's trees stand side by side.
    in_turns = np.stack([np.flatnonzero(group == g) for g in range(n_groups)], axis=1).ravel()
    trees = joined([_nodes(model["trees"][i]) for i in in_turns], places)
    spec = TreesSpec(
        link="logistic_float32" if n_groups == 1 else "softmax_float32",
        baseline=_baseline(type(booster)(), content),
        n_groups=n_groups,
    )
    return spec, as_arrays(trees), rounded(encodings)


def _nodes(tree: dict[str, Any]) -> Nodes:
    left = np.array(tree["left_children"])
    # Leaves keep their value where others keep the number that they compare with.
    conditions = np.array(tree["split_conditions"], dtype=np.float32)
    # x < c is x <= the float before c.
    threshold = np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64)
    return Nodes(
        left=left,
        right=np.array(tree["right_children"]),
        feature=np.array(tree["split_indices"]),
        threshold=threshold,
        missing_left=np.array(tree["default_left"], dtype=bool),
        values=conditions.astype(np.float64)[:, np.newaxis],
        # Its own contributions weigh rows so: by the second derivative of the loss.
        covers=np.array(tree["sum_hessian"], dtype=np.float64),
    )


def _baseline(empty: Any, content: dict[str, Any]) -> list[float]:
    """Ask XGBoost itself what it makes of base_score: its logarithm is of 32 bits.

    empty : a booster to load the model into, its trees taken out; content is changed.
    """
    model = content["learner"]["gradient_booster"]["model"]
    model.update(trees=[], tree_info=[], iteration_indptr=[0])
    model["gbtree_model_param"]["num_trees"] = "0"
    parameters = content["learner"]["learner_model_param"]
    # Or it would wait for labels to average.
    parameters["boost_from_average"] = "0"
    empty.load_model(bytearray(json.dumps(content), "utf-8"))
    row = np.zeros((1, int(parameters["num_feature"])))
    margins: list[float] = np.ravel(empty.inplace_predict(row, predict_type="margin")).tolist()
    return margins
