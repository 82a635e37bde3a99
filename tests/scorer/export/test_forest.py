"""Forests as data have the pipeline's bits: 32-bit comparisons and nodes in any order included."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from tabproof.scorer.encoding import FLOAT32_MAX
from tests.scorer.fitted import (
    arrays_of,
    assert_equals_pipeline,
    exported,
    pipeline_of,
    scorers_of,
    table,
)

KINDS = {
    "forest": (RandomForestClassifier, {"n_estimators": 7}),
    "extra": (ExtraTreesClassifier, {"n_estimators": 7}),
    "tree": (DecisionTreeClassifier, {}),
}


def estimator(kind: str, **parameters: Any) -> Any:
    make, defaults = KINDS[kind]
    return make(**{**defaults, **parameters})


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("missing", [True, False], ids=["missing", "complete"])
@pytest.mark.parametrize("preprocess", ["onehot", "ordinal"])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_pipeline(
    kind: str,
    preprocess: str,
    missing: bool,
    n_classes: int,
) -> None:
    case = exported(
        pipeline_of(preprocess, estimator(kind, max_leaf_nodes=60)),
        *table(n_rows=150, n_classes=n_classes, missing=missing),
    )
    assert_equals_pipeline(case)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("forest", {"n_estimators": 1}),
        ("forest", {"max_depth": 1}),
        ("forest", {"max_leaf_nodes": 2}),
        ("forest", {"max_leaf_nodes": 33}),
        ("forest", {"class_weight": "balanced_subsample"}),
        ("forest", {"bootstrap": False, "max_features": None}),
        ("forest", {"criterion": "log_loss", "ccp_alpha": 0.01}),
        ("forest", {"monotonic_cst": [1, 0, -1, 0, 0]}),
        ("extra", {"class_weight": {0: 1, 1: 5}}),
        ("extra", {"max_leaf_nodes": 20}),
        ("tree", {"splitter": "random"}),
        ("tree", {"min_samples_leaf": 1000}),
        ("tree", {"max_leaf_nodes": 64}),
    ],
    ids=str,
)
def test_equals_the_pipeline_whatever_the_options(kind: str, parameters: dict[str, Any]) -> None:
    missing = "monotonic_cst" not in parameters  # together they are refused
    case = exported(pipeline_of("ordinal", estimator(kind, **parameters)), *table(missing=missing))
    assert_equals_pipeline(case)


def test_nodes_built_best_first_are_written_in_preorder() -> None:
    case = exported(
        pipeline_of("ordinal", estimator("tree", max_leaf_nodes=40)), *table(n_rows=600)
    )
    tree = case.pipeline["clf"].tree_
    inner = np.flatnonzero(tree.children_left >= 0)
    assert (tree.children_left[inner] != inner + 1).any()
    assert_equals_pipeline(case)


def test_deep_trees_are_walked_without_being_asked() -> None:
    X, y = table(n_rows=900)
    noisy = y ^ (np.random.default_rng(1).random(len(y)) < 0.3)
    case = exported(pipeline_of("ordinal", estimator("forest", n_estimators=3)), X, noisy)
    assert arrays_of(case.files)["trees.n_nodes"].max() > 2 * 64
    assert_equals_pipeline(case)


def test_numbers_that_32_bits_cannot_tell_apart() -> None:
    # Neighbours as doubles; half of them fall together as singles.
    values = 1 + np.arange(64) * np.finfo(np.float32).eps / 4
    X = pd.DataFrame({"n": np.tile(values, 4)})
    y = np.tile(np.arange(64) // 3 % 2, 4)
    case = exported(pipeline_of("ordinal", estimator("tree")), X, y)
    assert_equals_pipeline(case)


def test_numbers_beyond_32_bits_count_as_the_nearest() -> None:
    case = exported(pipeline_of("ordinal", estimator("forest")), *table())
    rest = [0, 20.0, 1.0, 0]
    for scorer in scorers_of(case.files).values():
        for beyond, nearest in ((1e300, FLOAT32_MAX), (-np.inf, -FLOAT32_MAX), (5e-324, 0.0)):
            expected = scorer.predict_row([nearest, *rest])
            assert scorer.predict_row([beyond, *rest]) == expected
            columns = [np.array([value]) for value in [beyond, *rest]]
            assert scorer.predict_proba(columns).tolist() == [expected]


def test_splits_of_missing_from_all_else() -> None:
    values = np.tile([1.0, 2.0, np.nan, np.nan, 3.0], 30)
    y = np.isnan(values).astype(int)
    case = exported(pipeline_of("ordinal", estimator("tree")), pd.DataFrame({"n": values}), y)
    assert_equals_pipeline(case)
    for scorer in scorers_of(case.files).values():
        assert scorer.predict_row([np.nan]) == [0.0, 1.0]
        assert scorer.predict_row([3e38]) == [1.0, 0.0]
