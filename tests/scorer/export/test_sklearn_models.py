"""Exported models of scikit-learn have the bits of the pipeline; linear ones up to BLAS's order."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

from tabproof.modeling import make_pipeline
from tabproof.scorer.encoding import FLOAT32_MAX
from tabproof.scorer.export.parity import columns_of
from tests.scorer.fitted import (
    PAIRS,
    PREPROCESS,
    arrays_of,
    as_category,
    assert_equals_pipeline,
    boosting,
    exported,
    in_breadth,
    one_by_one,
    pipeline_of,
    scorers_of,
    table,
)


@pytest.mark.parametrize(("preprocess", "missing", "n_classes"), PAIRS)
def test_boosting_equals_the_pipeline(preprocess: str, missing: bool, n_classes: int) -> None:
    case = exported(
        pipeline_of(preprocess, boosting()), *table(n_classes=n_classes, missing=missing)
    )
    assert_equals_pipeline(case)


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_iter": 1, "max_leaf_nodes": 2},
        {"early_stopping": True, "n_iter_no_change": 2},
        {"learning_rate": 1e-300},
        *in_breadth(
            {"max_iter": 1},
            {"max_leaf_nodes": 2},
            {"class_weight": "balanced"},
            {"monotonic_cst": {"age": 1, "income": -1}},
            {"interaction_cst": "no_interactions"},
            {"max_bins": 7},
            {"l2_regularization": 3.0, "max_features": 0.5},
            {"categorical_features": "from_dtype", "warm_start": True},
        ),
    ],
    ids=str,
)
def test_boosting_equals_the_pipeline_whatever_the_options(parameters: dict[str, Any]) -> None:
    case = exported(pipeline_of("native", boosting(**parameters)), *table())
    assert_equals_pipeline(case)


@pytest.mark.parametrize("max_leaf_nodes", [32, 33, 64, 65, *in_breadth(31, 63)])
def test_boosting_trees_at_the_bounds_of_a_word_of_bits(max_leaf_nodes: int) -> None:
    X, y = table(n_rows=400)
    noisy = y ^ (np.random.default_rng(1).random(len(y)) < 0.3)  # so that leaves are all used
    estimator = boosting(max_leaf_nodes=max_leaf_nodes, min_samples_leaf=1, max_iter=2)
    case = exported(pipeline_of("native", estimator), X, noisy)
    arrays = arrays_of(case.files)
    assert (arrays["trees.n_nodes"] + 1).max() // 2 == max_leaf_nodes
    assert_equals_pipeline(case)


def test_boosting_trees_that_are_a_single_leaf() -> None:
    estimator = boosting(min_samples_leaf=1000)
    for n_classes in (2, 3):
        case = exported(pipeline_of("native", estimator), *table(n_classes=n_classes))
        assert (arrays_of(case.files)["trees.n_nodes"] == 1).all()
        assert_equals_pipeline(case)


@pytest.mark.parametrize("n_classes", [9, *in_breadth(17)])
def test_boosting_many_classes_are_added_up_the_same_way_alone_and_in_a_batch(
    n_classes: int,
) -> None:
    # From eight sums on, numpy adds in an order that depends on how they lie in memory.
    case = exported(
        pipeline_of("native", boosting(max_iter=3)), *table(n_rows=300, n_classes=n_classes)
    )
    assert_equals_pipeline(case, allowed=1e-15)


def test_boosting_255_categories() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(255), 3)  # each in training too: every third row is held out
    X = pd.DataFrame({"c": as_category([f"{code:03}" for code in codes]), "n": rng.random(765)})
    y = (rng.random(255) < 0.5)[codes].astype(int)
    case = exported(pipeline_of("native", boosting(min_samples_leaf=1)), X, y)
    assert len(case.scorer.category_columns[0].categories) == 255
    assert_equals_pipeline(case)


@pytest.mark.parametrize("preprocess", ["native", "onehot", *in_breadth(*PREPROCESS[2:])])
def test_boosting_columns_that_no_tree_looks_at(preprocess: str) -> None:
    X, y = table()
    X = X.assign(noise=0.0, other=as_category(["only"] * len(X)))
    case = exported(pipeline_of(preprocess, boosting(max_iter=1, max_leaf_nodes=2)), X, y)
    assert len(np.unique(arrays_of(case.files)["trees.feature"])) == 2
    assert_equals_pipeline(case)


def test_boosting_a_split_of_missing_from_all_else_has_an_infinite_threshold() -> None:
    values = np.tile([1.0, 2.0, np.nan, np.nan, 3.0], 60)
    X = pd.DataFrame({"n": values})
    case = exported(pipeline_of("native", boosting()), X, np.isnan(values).astype(int))
    assert np.isinf(arrays_of(case.files)["trees.threshold"]).any()
    assert_equals_pipeline(case)
    strange = pd.DataFrame({"n": [np.inf, -np.inf, 1.7e308, -1.7e308, np.nan]})
    expected = case.pipeline.predict_proba(strange)
    for scorer in scorers_of(case.files).values():
        assert_array_equal(scorer.predict_proba([strange["n"].to_numpy()]), expected)


def test_boosting_subnormal_numbers_and_both_zeros() -> None:
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


def test_boosting_a_table_of_categories_alone() -> None:
    X, y = table()
    assert_equals_pipeline(exported(pipeline_of("native", boosting()), X[["都市", "job"]], y))


def test_boosting_categories_are_found_though_the_estimator_moves_them_to_the_front() -> None:
    X, y = table()
    case = exported(pipeline_of("native", boosting()), X, y)
    assert [column.name for column in case.scorer.columns] == list(X.columns)
    arrays = arrays_of(case.files)
    of_sets = set(arrays["trees.feature"][arrays["trees.category_set"] >= 0].tolist())
    assert of_sets <= {1, 4}
    assert 1 in of_sets


def test_boosting_categories_of_training_are_those_that_occurred() -> None:
    X, y = table()
    known = pd.CategoricalDtype(pd.Index([*X["job"].cat.categories, "promised"], dtype="object"))
    case = exported(pipeline_of("native", boosting()), X.assign(job=X["job"].astype(known)), y)
    assert case.scorer.category_columns[1].categories == ("a", "b")
    assert_equals_pipeline(case)


FORESTS = {
    "forest": (RandomForestClassifier, {"n_estimators": 7}),
    "extra": (ExtraTreesClassifier, {"n_estimators": 7}),
    "tree": (DecisionTreeClassifier, {}),
}


def forest(kind: str, **parameters: Any) -> Any:
    make, defaults = FORESTS[kind]
    return make(**{**defaults, **parameters})


@pytest.mark.parametrize(
    "chosen",
    [
        ("forest", "onehot", True, 2),
        ("extra", "ordinal", True, 3),
        ("tree", "onehot", False, 3),
        *in_breadth(
            ("forest", "ordinal", False, 2),
            ("extra", "onehot", False, 3),
            ("tree", "ordinal", True, 3),
        ),
    ],
    ids=str,
)
def test_forest_equals_the_pipeline(chosen: tuple[str, str, bool, int]) -> None:
    kind, preprocess, missing, n_classes = chosen
    case = exported(
        pipeline_of(preprocess, forest(kind, max_leaf_nodes=60)),
        *table(n_rows=150, n_classes=n_classes, missing=missing),
    )
    assert_equals_pipeline(case)


@pytest.mark.parametrize(
    "chosen",
    [
        ("forest", {"n_estimators": 1, "max_leaf_nodes": 2}),
        ("forest", {"class_weight": "balanced_subsample"}),
        ("forest", {"criterion": "log_loss", "ccp_alpha": 0.01}),
        ("forest", {"monotonic_cst": [1, 0, -1, 0, 0]}),
        ("tree", {"min_samples_leaf": 1000}),
        *in_breadth(
            ("forest", {"max_depth": 1}),
            ("forest", {"max_leaf_nodes": 33}),
            ("forest", {"bootstrap": False, "max_features": None}),
            ("extra", {"class_weight": {0: 1, 1: 5}}),
            ("extra", {"max_leaf_nodes": 20}),
            ("tree", {"splitter": "random"}),
            ("tree", {"max_leaf_nodes": 64}),
        ),
    ],
    ids=str,
)
def test_forest_equals_the_pipeline_whatever_the_options(
    chosen: tuple[str, dict[str, Any]],
) -> None:
    kind, parameters = chosen
    missing = "monotonic_cst" not in parameters  # together they are refused
    case = exported(pipeline_of("ordinal", forest(kind, **parameters)), *table(missing=missing))
    assert_equals_pipeline(case)


def test_forest_nodes_built_best_first_are_written_in_preorder() -> None:
    case = exported(pipeline_of("ordinal", forest("tree", max_leaf_nodes=40)), *table(n_rows=400))
    tree = case.pipeline["clf"].tree_
    inner = np.flatnonzero(tree.children_left >= 0)
    assert (tree.children_left[inner] != inner + 1).any()
    assert_equals_pipeline(case)


def test_forest_deep_trees_are_walked() -> None:
    X, y = table(n_rows=600)
    noisy = y ^ (np.random.default_rng(1).random(len(y)) < 0.3)
    case = exported(pipeline_of("ordinal", forest("forest", n_estimators=3)), X, noisy)
    assert arrays_of(case.files)["trees.n_nodes"].max() > 2 * 64
    assert_equals_pipeline(case)


def test_forest_numbers_that_are_equal_in_32_bits() -> None:
    # Neighbours as doubles; half of them fall together as singles.
    values = 1 + np.arange(64) * np.finfo(np.float32).eps / 4
    X = pd.DataFrame({"n": np.tile(values, 4)})
    y = np.tile(np.arange(64) // 3 % 2, 4)
    case = exported(pipeline_of("ordinal", forest("tree")), X, y)
    assert_equals_pipeline(case)


def test_forest_numbers_beyond_32_bits_count_as_the_nearest() -> None:
    case = exported(pipeline_of("ordinal", forest("forest")), *table())
    rest = [0, 20.0, 1.0, 0]
    for scorer in scorers_of(case.files).values():
        for beyond, nearest in ((1e300, FLOAT32_MAX), (-np.inf, -FLOAT32_MAX), (5e-324, 0.0)):
            expected = scorer.predict_row([nearest, *rest])
            assert scorer.predict_row([beyond, *rest]) == expected
            columns = [np.array([value]) for value in [beyond, *rest]]
            assert scorer.predict_proba(columns).tolist() == [expected]


def test_forest_splits_of_missing_from_all_else() -> None:
    values = np.tile([1.0, 2.0, np.nan, np.nan, 3.0], 30)
    y = np.isnan(values).astype(int)
    case = exported(pipeline_of("ordinal", forest("tree")), pd.DataFrame({"n": values}), y)
    assert_equals_pipeline(case)
    for scorer in scorers_of(case.files).values():
        assert scorer.predict_row([np.nan]) == [0.0, 1.0]
        assert scorer.predict_row([3e38]) == [1.0, 0.0]


ALLOWED = 1e-12


@pytest.mark.parametrize(("missing", "n_classes"), [(True, 2), (False, 3), (True, 9)])
def test_linear_model_equals_the_pipeline(missing: bool, n_classes: int) -> None:
    case = exported(
        pipeline_of("onehot", LogisticRegression()), *table(n_classes=n_classes, missing=missing)
    )
    assert_equals_pipeline(case, allowed=ALLOWED)


@pytest.mark.parametrize(
    "parameters",
    [
        {"fit_intercept": False},
        {"solver": "liblinear", "l1_ratio": 1.0, "C": 0.01},
        *in_breadth(
            {"C": 1e6, "max_iter": 5000},
            {"class_weight": "balanced"},
            {"solver": "liblinear"},
            {"solver": "newton-cholesky"},
        ),
    ],
    ids=str,
)
def test_linear_model_equals_the_pipeline_whatever_the_options(parameters: dict[str, Any]) -> None:
    case = exported(pipeline_of("onehot", LogisticRegression(**parameters)), *table())
    assert_equals_pipeline(case, allowed=ALLOWED)


def test_linear_model_equals_the_pipeline_that_chose_its_own_strength() -> None:
    estimator = LogisticRegressionCV(
        Cs=3, cv=2, scoring="neg_log_loss", l1_ratios=(0.0,), use_legacy_attributes=False
    )
    case = exported(pipeline_of("onehot", estimator), *table(n_classes=3))
    assert_equals_pipeline(case, allowed=ALLOWED)


@pytest.mark.parametrize(
    ("numeric", "categorical"),
    [
        ([SimpleImputer(strategy="median")], [OneHotEncoder(handle_unknown="ignore")]),
        (
            [MinMaxScaler((-3, 5)), SimpleImputer(strategy="constant", fill_value=-7)],
            [OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=50)],
        ),
        (
            [SimpleImputer()],
            [
                SimpleImputer(strategy="constant", fill_value="nothing"),
                OneHotEncoder(handle_unknown="ignore", max_categories=3),
            ],
        ),
        (
            [SimpleImputer()],
            [
                OrdinalEncoder(
                    handle_unknown="use_encoded_value", unknown_value=-5, encoded_missing_value=7
                )
            ],
        ),
    ],
    ids=["sparse", "infrequent", "filled", "ordinal"],
)
def test_linear_model_equals_the_pipeline_whatever_the_preprocessing(
    numeric: list[Any], categorical: list[Any]
) -> None:
    def named(steps: list[Any]) -> dict[str, Any]:
        return {f"step_{place}": step for place, step in enumerate(steps)}

    estimator = LogisticRegression(max_iter=5000)
    pipeline = make_pipeline(named(numeric), named(categorical), estimator, seed=0)
    assert_equals_pipeline(exported(pipeline, *table()), allowed=ALLOWED)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_linear_model_infinite_parts_that_cancel_out_are_nan_alone_and_in_a_batch(
    n_classes: int,
) -> None:
    X, y = table(n_classes=n_classes, missing=False)
    case = exported(pipeline_of("onehot", LogisticRegression()), X, y)
    scorer = case.scorer
    rows = case.X_test.iloc[:4].assign(
        age=[np.inf, -np.inf, 1e308, np.inf], income=[np.inf, np.inf, 1.0, 1.0]
    )
    columns = columns_of(scorer, rows)
    batch = scorer.predict_proba(columns)
    np.testing.assert_array_equal(one_by_one(scorer, columns), batch)
    assert np.isnan(batch[:2]).any()
    assert np.isfinite(batch[2]).all()


def test_linear_model_a_table_of_numbers_alone() -> None:
    X, y = table(missing=False)
    pipeline = make_pipeline({}, {}, LogisticRegression(max_iter=5000), seed=0)
    case = exported(pipeline, X[["age", "income"]], y)
    scorer = case.scorer
    expected = case.pipeline.predict_proba(case.X_test)
    found = scorer.predict_proba(columns_of(scorer, case.X_test))
    np.testing.assert_allclose(found, expected, rtol=0, atol=ALLOWED)


def test_linear_model_a_column_of_one_category() -> None:
    X, y = table()
    X = X.assign(same=as_category(["always"] * len(X)))
    case = exported(pipeline_of("onehot", LogisticRegression()), X, y)
    assert_equals_pipeline(case, allowed=ALLOWED)
