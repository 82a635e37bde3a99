"""Export the classifiers of LightGBM, XGBoost and CatBoost, from the files they write.

None of the libraries is imported here: they are optional.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from tabproof.errors import TooManyCategoriesError
from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.export.estimators import (
    Encodings,
    EstimatorExporter,
    Exported,
    Nodes,
    Positions,
    find_categories,
    join_trees,
    round_to_float32,
    unpack_sets,
)
from tabproof.scorer.format import Floats, Ints, Link, TreesSpec
from tabproof.scorer.trees import N_CODES, as_arrays


class LightGBMExporter(EstimatorExporter):
    """Exports trees round by round, and in each round class by class, from LightGBM's text."""

    # Under every name that LightGBM accepts. Random forests average.
    valid_options: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **dict.fromkeys(("boosting_type", "boosting", "boost"), ("gbdt", "gbrt", "dart")),
        **dict.fromkeys(
            ("objective", "objective_type", "app", "application", "loss"),
            ("binary", "multiclass", "softmax"),
        ),
        **dict.fromkeys(("linear_tree", "linear_trees", "zero_as_missing"), (False,)),
        **dict.fromkeys(
            ("categorical_feature", "categorical_features", "categorical_column"), ("auto",)
        ),
        **dict.fromkeys(("cat_feature", "cat_column"), ("auto",)),
        "pred_early_stop": (False,),
        "sigmoid": (1,),
    }

    def encode(self, estimator: Any, X: pd.DataFrame) -> tuple[Encodings, Positions]:
        """Encode categories as LightGBM does: by their index in the column's type."""
        known = iter(estimator.booster_.pandas_categorical)
        encodings: list[Encoding] = []
        for name in map(str, X.columns):
            if not isinstance(X[name].dtype, pd.CategoricalDtype):
                encodings.append(NumberEncoding(name, ()))
                continue
            code_of = {str(value): code for code, value in enumerate(next(known))}
            if len(code_of) > N_CODES:
                raise TooManyCategoriesError(name, len(code_of), N_CODES)
            categories = find_categories(X[name])
            # An unseen category is treated as a missing one.
            codes = np.array([*map(code_of.__getitem__, categories), np.nan, np.nan])
            encodings.append(CategoryEncoding(name, tuple(categories), codes[:, np.newaxis]))
        return encodings, np.arange(X.shape[1])

    def export(self, estimator: Any, encodings: Encodings, positions: Positions) -> Exported:
        """Return the model, its arrays and the encodings."""
        header, *trees = estimator.booster_.model_to_string().split("\nTree=")
        n_groups = int(_lightgbm_fields(header)["num_tree_per_iteration"])
        # The first trees contain the baseline.
        spec = TreesSpec("logistic" if n_groups == 1 else "softmax", [0.0] * n_groups, n_groups)
        # A blank line ends a tree.
        nodes = [_lightgbm_nodes(_lightgbm_fields(t.partition("\n\n")[0])) for t in trees]
        return spec, as_arrays(join_trees(nodes, positions)), encodings


def _lightgbm_fields(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition("=") for line in text.splitlines())}


def _lightgbm_nodes(fields: Mapping[str, str]) -> Nodes:
    def integers(name: str) -> Ints:
        # A tree of one leaf does not have these lines.
        return np.array(fields.get(name, "").split(), dtype=np.int64)

    n_leaves = int(fields["num_leaves"])
    n_inner = n_leaves - 1
    of_leaves = np.full(n_leaves, -1)
    decision = integers("decision_type")
    is_set, default_left, missing_is_nan = (decision & bit != 0 for bit in (1, 2, 8))
    threshold = np.array(fields.get("threshold", "").split(), dtype=np.float64)
    # If training had no missing number, LightGBM takes one for zero; no set contains one.
    missing_left = np.where(missing_is_nan, default_left, threshold >= 0) & ~is_set
    # LightGBM takes what is no further from zero for zero: it must go where zero goes.
    zero = float(np.float32(1e-35))
    edge = np.where(threshold < 0, np.nextafter(-zero, -np.inf), zero)
    beside_zero = np.where(np.abs(threshold) <= zero, edge, threshold)
    # Leaves have numbers of their own: -1 is the first, -2 the second, …
    left, right = (
        np.where(found < 0, n_inner - 1 - found, found)
        for found in map(integers, ("left_child", "right_child"))
    )
    # Each set has as many words of 32 bits as it needs.
    bounds, words = integers("cat_boundaries"), integers("cat_threshold")
    sets = np.zeros((max(len(bounds) - 1, 0), N_CODES // 32), dtype=np.int64)
    for row, begin, end in zip(sets, bounds[:-1], bounds[1:], strict=True):
        row[: end - begin] = words[begin:end]
    # A tree of one leaf has no counts, and no row is separated from another in it.
    leaf_counts = integers("leaf_count") if n_leaves > 1 else np.ones(1)
    return Nodes(
        left=np.append(left, of_leaves),
        right=np.append(right, of_leaves),
        feature=np.append(integers("split_feature"), of_leaves),
        threshold=np.append(beside_zero, np.zeros(n_leaves)),
        missing_left=np.append(missing_left, np.zeros(n_leaves, dtype=bool)),
        values=np.append(np.zeros(n_inner), np.array(fields["leaf_value"].split(), float))[:, None],
        covers=np.append(integers("internal_count"), leaf_counts).astype(np.float64),
        category_set=np.append(np.where(is_set, threshold, -1).astype(np.int64), of_leaves),
        left_codes=unpack_sets(sets),
    )


class XGBoostExporter(EstimatorExporter):
    """Exports trees round by round, and in each round class by class, from XGBoost's JSON.

    XGBoost compares and adds 32-bit floats and takes their exp, so the links end in float32.
    """

    valid_options: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        # dart weighs its trees, gblinear has none.
        "booster": ("gbtree",),
        "objective": ("binary:logistic", "multi:softprob"),
        "multi_strategy": ("one_output_per_tree",),
        "device": ("cpu",),
        # Its own categories refuse unseen ones.
        "enable_categorical": (False,),
        "feature_types": (),
        # Only NaN.
        "missing": (),
    }

    def export(self, estimator: Any, encodings: Encodings, positions: Positions) -> Exported:
        """Return the model, its arrays and the encodings."""
        booster = estimator.get_booster()
        content = json.loads(booster.save_raw("json"))
        model = content["learner"]["gradient_booster"]["model"]
        group = np.array(model["tree_info"])
        n_groups = int(group.max()) + 1
        # With several trees per round and class, the trees of a class are stored together.
        in_turns = np.stack([np.flatnonzero(group == g) for g in range(n_groups)], axis=1).ravel()
        trees = join_trees([_xgboost_nodes(model["trees"][i]) for i in in_turns], positions)
        # XGBoost itself computes the logit of base_score, because its logarithm has 32 bits: the
        # model without its trees predicts it.
        model.update(trees=[], tree_info=[], iteration_indptr=[0])
        model["gbtree_model_param"]["num_trees"] = "0"
        parameters = content["learner"]["learner_model_param"]
        # Otherwise it would wait for labels to average.
        parameters["boost_from_average"] = "0"
        empty = type(booster)()
        empty.load_model(bytearray(json.dumps(content), "utf-8"))
        row = np.zeros((1, int(parameters["num_feature"])))
        baseline = np.ravel(empty.inplace_predict(row, predict_type="margin")).tolist()
        link: Link = "logistic_float32" if n_groups == 1 else "softmax_float32"
        return TreesSpec(link, baseline, n_groups), as_arrays(trees), round_to_float32(encodings)


def _xgboost_nodes(tree: Mapping[str, Any]) -> Nodes:
    # In leaves this is the value, in other nodes the threshold.
    conditions = np.array(tree["split_conditions"], dtype=np.float32)
    return Nodes(
        left=np.array(tree["left_children"]),
        right=np.array(tree["right_children"]),
        feature=np.array(tree["split_indices"]),
        # x < c is x <= the float before c.
        threshold=np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64),
        missing_left=np.array(tree["default_left"], dtype=bool),
        values=conditions.astype(np.float64)[:, np.newaxis],
        # XGBoost's own contributions weigh rows by the second derivative of the loss.
        covers=np.array(tree["sum_hessian"], dtype=np.float64),
    )


class CatBoostExporter(EstimatorExporter):
    """Exports trees whose leaves have a value per sum, from CatBoost's JSON."""

    valid_options: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        # Other trees are written in another way.
        "grow_policy": ("SymmetricTree",),
        **dict.fromkeys(("loss_function", "objective"), ("Logloss", "MultiClass")),
        # These become numbers by hashes and counts of labels.
        **dict.fromkeys(("cat_features", "text_features", "embedding_features"), ()),
    }

    def export(self, estimator: Any, encodings: Encodings, positions: Positions) -> Exported:
        """Return the model, its arrays and the encodings; only borders are 32-bit floats."""
        # CatBoost writes JSON to files only.
        with TemporaryDirectory() as directory:
            path = Path(directory) / "model.json"
            estimator.save_model(str(path), format="json")
            content = json.loads(path.read_text(encoding="utf-8"))
        columns = {
            column["feature_index"]: column for column in content["features_info"]["float_features"]
        }
        scale, baseline = content["scale_and_bias"]
        nodes = [
            _catboost_nodes(tree, columns, scale, len(baseline))
            for tree in content["oblivious_trees"]
        ]
        spec = TreesSpec("logistic" if len(baseline) == 1 else "softmax", baseline, n_groups=1)
        return spec, as_arrays(join_trees(nodes, positions)), round_to_float32(encodings)


def _catboost_nodes(
    tree: Mapping[str, Any], columns: Mapping[int, Mapping[str, Any]], scale: float, width: int
) -> Nodes:
    """Unfold a symmetric tree, in which all nodes of one depth have the same test.

    The result of split i is bit i of the leaf's number, so the last split becomes the root.
    """
    # None where no column that was drawn for the tree (rsm) tells rows apart: it is one leaf.
    splits = (tree["splits"] or [])[::-1]
    n_inner = 2 ** len(splits) - 1
    # Level by level, node k has the children 2k + 1 and 2k + 2.
    node = np.arange(2 * n_inner + 1)
    is_leaf = node >= n_inner
    # Leaves test nothing, whatever they have here.
    depth = np.minimum(np.log2(node + 1).astype(np.int64), max(len(splits) - 1, 0))
    tested = [columns[split["float_feature_index"]] for split in splits]
    feature = np.array([column["flat_feature_index"] for column in tested] or [0])
    border = np.array([split["border"] for split in splits] or [0.0])
    # A missing number is below all others, or above; where training had none, below every border.
    missing_left = np.array([each["nan_value_treatment"] != "AsTrue" for each in tested] or [True])
    leaves = scale * np.array(tree["leaf_values"]).reshape(-1, width)
    # Covers are the sums of the weights of leaves, level by level.
    covers: list[Floats] = [np.array(tree["leaf_weights"], dtype=np.float64)]
    while len(covers[0]) > 1:
        covers.insert(0, covers[0].reshape(-1, 2).sum(axis=1))
    return Nodes(
        left=np.where(is_leaf, -1, 2 * node + 1),
        right=np.where(is_leaf, -1, 2 * node + 2),
        feature=feature[depth],
        threshold=border[depth],
        missing_left=missing_left[depth],
        values=np.concatenate([np.zeros((n_inner, width)), leaves]),
        covers=np.concatenate(covers),
    )
