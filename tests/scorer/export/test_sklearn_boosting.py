"""Boosting as data has the pipeline's bits, on whatever row."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from tests.scorer.fitted import (
    PREPROCESS,
    arrays_of,
    as_category,
    assert_equals_pipeline,
    boosting,
    exported,
    pipeline_of,
    scorers_of,
    table,
)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("missing", [True, False], ids=["missing", "complete"])
@pytest.mark.parametrize("preprocess", PREPROCESS)
def test_equals_the_pipeline(preprocess: str, missing: bool, n_classes: int) -> None:
    case = exported(
        pipeline_of(preprocess, boosting()), *table(n_classes=n_classes, missing=missing)
    )
    assert_equals_pipeline(case)


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_iter": 1},
        {"max_iter": 1, "max_leaf_nodes": 2},
        {"max_leaf_nodes": 2},
        {"max_leaf_nodes": 33, "min_samples_leaf": 1, "max_iter": 3},
        {"max_leaf_nodes": 64, "min_samples_leaf": 1, "max_iter": 3},
        {"class_weight": "balanced"},
        {"monotonic_cst": {"age": 1, "income": -1}},
        {"interaction_cst": "no_interactions"},
        {"early_stopping": True, "n_iter_no_change": 2},
        {"max_bins": 7},
        {"l2_regularization": 3.0, "max_features": 0.5},
        {"learning_rate": 1e-300},
        {"categorical_features": "from_dtype", "warm_start": True},
    ],
    ids=str,
)
def test_equals_the_pipeline_whatever_the_options(parameters: dict[str, Any]) -> None:
    case = exported(pipeline_of("native", boosting(**parameters)), *table())
    assert_equals_pipeline(case)


@pytest.mark.parametrize("max_leaf_nodes", [31, 32, 33, 63, 64, 65])
def test_trees_at_the_bounds_of_a_word_of_bits(max_leaf_nodes: int) -> None:
    X, y = table(n_rows=600)
    noisy = y ^ (np.random.default_rng(1).random(len(y)) < 0.3)  # so that leaves are all used
    estimator = boosting(max_leaf_nodes=max_leaf_nodes, min_samples_leaf=1, max_iter=2)
    case = exported(pipeline_of("native", estimator), X, noisy)
    arrays = arrays_of(case.files)
    assert (arrays["trees.n_nodes"] + 1).max() // 2 == max_leaf_nodes
    assert_equals_pipeline(case)


def test_trees_that_are_a_single_leaf() -> None:
    estimator = boosting(min_samples_leaf=1000)
    for n_classes in (2, 3):
        case = exported(pipeline_of("native", estimator), *table(n_classes=n_classes))
        assert (arrays_of(case.files)["trees.n_nodes"] == 1).all()
        assert_equals_pipeline(case)


@pytest.mark.parametrize("n_classes", [9, 17])
def test_many_classes_are_added_up_the_same_way_alone_and_in_a_batch(n_classes: int) -> None:
    # From eight sums on, numpy adds in an order that depends on how they lie in memory.
    case = exported(
        pipeline_of("native", boosting(max_iter=3)), *table(n_rows=600, n_classes=n_classes)
    )
    assert_equals_pipeline(case, allowed=1e-15)


def test_255_categories() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(255), 3)  # each in training too: every third row is held out
    X = pd.DataFrame({"c": as_category([f"{code:03}" for code in codes]), "n": rng.random(765)})
    y = (rng.random(255) < 0.5)[codes].astype(int)
    case = exported(pipeline_of("native", boosting(min_samples_leaf=1)), X, y)
    assert len(case.scorer.category_columns[0].categories) == 255
    assert_equals_pipeline(case)


@pytest.mark.parametrize("preprocess", PREPROCESS)
def test_columns_that_no_tree_looks_at(preprocess: str) -> None:
    X, y = table()
    X = X.assign(noise=0.0, other=as_category(["only"] * len(X)))
    case = exported(pipeline_of(preprocess, boosting(max_iter=1, max_leaf_nodes=2)), X, y)
    assert len(np.unique(arrays_of(case.files)["trees.feature"])) == 2
    assert_equals_pipeline(case)


def test_a_split_of_missing_from_all_else_has_an_infinite_threshold() -> None:
    values = np.tile([1.0, 2.0, np.nan, np.nan, 3.0], 60)
    X = pd.DataFrame({"n": values})
    case = exported(pipeline_of("native", boosting()), X, np.isnan(values).astype(int))
    assert np.isinf(arrays_of(case.files)["trees.threshold"]).any()
    assert_equals_pipeline(case)
    strange = pd.DataFrame({"n": [np.inf, -np.inf, 1.7e308, -1.7e308, np.nan]})
    expected = case.pipeline.predict_proba(strange)
    for scorer in scorers_of(case.files).values():
        assert_array_equal(scorer.predict_proba([strange["n"].to_numpy()]), expected)


def test_subnormal_numbers_and_both_zeros() -> None:
    tiny = np.array([-1e-310, -5e-324, -0.0, 0.0, 5e-324, 1e-323, 1e-310, 2.3e-308])
    X = pd.DataFrame({"n": np.tile(tiny, 30)})
    case = exported(
        pipeline_of("native", boosting(min_samples_leaf=1)),
        X,
        np.tile([0, 1, 0, 0, 1, 0, 1, 0], 30),
    )
    assert_equals_pipeline(case)
    for scorer in scorers_of(case.files).values():
        assert scorer.predict_row([0.0]) == scorer.predict_row([-0.0])


def test_a_table_of_categories_alone() -> None:
    X, y = table()
    assert_equals_pipeline(exported(pipeline_of("native", boosting()), X[["都市", "job"]], y))


def test_categories_are_found_though_the_estimator_moves_them_to_the_front() -> None:
    X, y = table()
    case = exported(pipeline_of("native", boosting()), X, y)
    assert [column.name for column in case.scorer.columns] == list(X.columns)
    arrays = arrays_of(case.files)
    of_sets = set(arrays["trees.feature"][arrays["trees.category_set"] >= 0].tolist())
    assert of_sets <= {1, 4}
    assert 1 in of_sets


def test_categories_of_training_are_those_that_occurred() -> None:
    X, y = table()
    known = pd.CategoricalDtype(pd.Index([*X["job"].cat.categories, "promised"], dtype="object"))
    case = exported(pipeline_of("native", boosting()), X.assign(job=X["job"].astype(known)), y)
    assert case.scorer.category_columns[1].categories == ("a", "b")
    assert_equals_pipeline(case)
