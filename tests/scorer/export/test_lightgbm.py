"""LightGBM as data has the pipeline's bits, but for numpy's exp with three labels or more."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier

from tabproof.errors import TooManyCategoriesError
from tabproof.scorer.errors import NotExportableError
from tabproof.scorer.export import check_exportable
from tests.scorer.fitted import (
    PREPROCESS,
    arrays_of,
    as_category,
    assert_equals_pipeline,
    exported,
    pipeline_of,
    scorers_of,
    table,
)


def estimator(**parameters: Any) -> LGBMClassifier:
    quiet = {"n_jobs": 0, "deterministic": True, "force_col_wise": True, "verbosity": -1}
    return LGBMClassifier(**{**quiet, "n_estimators": 12, "min_child_samples": 3, **parameters})


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("missing", [True, False], ids=["missing", "complete"])
@pytest.mark.parametrize("preprocess", PREPROCESS)
def test_equals_the_pipeline(preprocess: str, missing: bool, n_classes: int) -> None:
    case = exported(
        pipeline_of(preprocess, estimator()), *table(n_classes=n_classes, missing=missing)
    )
    assert_equals_pipeline(case, allowed=0.0 if n_classes == 2 else 1e-15)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_estimators": 1},
        {"num_leaves": 2},
        {"num_leaves": 64, "min_child_samples": 1},
        {"num_leaves": 90, "min_child_samples": 1, "n_estimators": 3},
        {"min_child_samples": 1000},
        {"boosting_type": "dart"},
        {"data_sample_strategy": "goss"},
        {"boost_from_average": False},
        {"use_missing": False},
        {"extra_trees": True, "path_smooth": 1.0},
        {"max_cat_to_onehot": 1, "cat_smooth": 0.0, "min_data_per_group": 1},
        {"max_cat_to_onehot": 100},
        {"subsample": 0.5, "subsample_freq": 1, "colsample_bytree": 0.5},
        {"class_weight": "balanced", "reg_lambda": 3.0},
        {"max_bin": 7},
        {"n_jobs": 1},
    ],
    ids=str,
)
def test_equals_the_pipeline_whatever_the_options(parameters: dict[str, Any]) -> None:
    assert_equals_pipeline(exported(pipeline_of("native", estimator(**parameters)), *table()))


@pytest.mark.parametrize(
    "parameters",
    [
        {"boosting_type": "rf"},
        {"boosting": "random_forest"},
        {"objective": "cross_entropy"},
        {"objective": np.subtract},
        {"objective": "multiclassova"},
        {"linear_tree": True},
        {"zero_as_missing": True},
        {"pred_early_stop": True},
        {"sigmoid": 0.5},
        {"categorical_feature": [0]},
    ],
    ids=str,
)
def test_options_that_change_the_form_are_refused_unfitted(parameters: dict[str, Any]) -> None:
    (option,) = parameters
    with pytest.raises(NotExportableError, match=f"LGBMClassifier with {option}="):
        check_exportable(pipeline_of("native", estimator(**parameters)))


def test_numbers_that_count_as_zero_go_where_zero_goes() -> None:
    zero = float(np.float32(1e-35))
    near = [zero, np.nextafter(zero, 1), np.nextafter(zero, 0), 1e-36, 5e-324, 0.0]
    values = np.array([*near, *(-x for x in near), 1e-30, -1e-30, 1.0, -1.0])
    X = pd.DataFrame({"n": np.tile(values, 15)})
    y = (X["n"] >= 0).to_numpy().astype(int)
    for labels in (y, 1 - y, (np.abs(X["n"]) < 1e-31).to_numpy().astype(int)):
        assert_equals_pipeline(exported(pipeline_of("native", estimator()), X, labels))


def test_where_training_met_nothing_missing_a_missing_number_counts_as_zero() -> None:
    X = pd.DataFrame({"n": np.tile([-2.0, -1.0, 1.0, 2.0], 60)})
    y = (X["n"] > 1).to_numpy().astype(int)
    case = exported(pipeline_of("native", estimator()), X, y)
    for scorer in scorers_of(case.files).values():
        assert scorer.predict_row([np.nan]) == scorer.predict_row([0.0])
    assert_equals_pipeline(case)


def test_255_categories_and_no_more_than_256_of_a_type() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(255), 12)
    names = as_category([f"{code:03}" for code in codes])
    y = (rng.random(255) < 0.5)[codes].astype(int)
    pipeline = pipeline_of("native", estimator(min_data_per_group=1, cat_smooth=0.0))
    case = exported(pipeline, pd.DataFrame({"c": names, "n": rng.random(len(codes))}), y)
    # Codes beyond the first word of bits.
    assert arrays_of(case.files)["trees.left_codes"][:, 4:].any()
    assert_equals_pipeline(case)
    more = pd.Index([*names.cat.categories, "x", "y"], dtype="object")
    wide = pd.DataFrame({"c": names.cat.set_categories(more)})
    with pytest.raises(TooManyCategoriesError, match="257"):
        exported(pipeline, wide, y)


def test_categories_of_training_are_those_that_occurred() -> None:
    X, y = table()
    known = pd.Index(["_", *X["job"].cat.categories, "promised"], dtype="object")
    X = X.assign(job=X["job"].cat.set_categories(known))
    case = exported(pipeline_of("native", estimator()), X, y)
    assert case.scorer.category_columns[1].categories == ("a", "b")
    assert_equals_pipeline(case)
