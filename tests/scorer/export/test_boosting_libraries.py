"""Exported boosting libraries have the bits of the pipeline, but for NumPy's exp in softmax."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from xgboost import XGBClassifier

from tabproof.errors import TooManyCategoriesError
from tabproof.scorer import read_scorer, trees
from tabproof.scorer.export import check_exportable, check_parity
from tabproof.scorer.export.exporters import NotExportableError
from tabproof.scorer.export.parity import ScorerDiffersError
from tabproof.scorer.format import ScorerDamagedError
from tabproof.scorer.trees import BitVectors
from tests.scorer.fitted import (
    PAIRS,
    Exported,
    arrays_of,
    as_category,
    assert_equals_pipeline,
    boosting,
    changed_spec,
    exported,
    in_breadth,
    pipeline_of,
    scorers_of,
    table,
    vote_of,
    with_arrays,
)


def lightgbm(**parameters: Any) -> LGBMClassifier:
    quiet = {"n_jobs": 0, "deterministic": True, "force_col_wise": True, "verbosity": -1}
    return LGBMClassifier(**{**quiet, "n_estimators": 12, "min_child_samples": 3, **parameters})


@pytest.mark.parametrize(("preprocess", "missing", "n_classes"), PAIRS)
def test_lightgbm_equals_the_pipeline(preprocess: str, missing: bool, n_classes: int) -> None:
    case = exported(
        pipeline_of(preprocess, lightgbm()), *table(n_classes=n_classes, missing=missing)
    )
    assert_equals_pipeline(case, allowed=0.0 if n_classes == 2 else 1e-15)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_estimators": 1, "num_leaves": 2},
        {"num_leaves": 90, "min_child_samples": 1, "n_estimators": 3},
        {"min_child_samples": 1000},
        {"boosting_type": "dart"},
        {"use_missing": False},
        {"max_cat_to_onehot": 1, "cat_smooth": 0.0, "min_data_per_group": 1},
        *in_breadth(
            {"num_leaves": 64, "min_child_samples": 1},
            {"data_sample_strategy": "goss"},
            {"boost_from_average": False},
            {"extra_trees": True, "path_smooth": 1.0},
            {"max_cat_to_onehot": 100},
            {"subsample": 0.5, "subsample_freq": 1, "colsample_bytree": 0.5},
            {"class_weight": "balanced", "reg_lambda": 3.0},
            {"max_bin": 7},
            {"n_jobs": 1},
        ),
    ],
    ids=str,
)
def test_lightgbm_equals_the_pipeline_whatever_the_options(parameters: dict[str, Any]) -> None:
    assert_equals_pipeline(exported(pipeline_of("native", lightgbm(**parameters)), *table()))


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
def test_lightgbm_options_that_change_the_form_are_refused_unfitted(
    parameters: dict[str, Any],
) -> None:
    (option,) = parameters
    with pytest.raises(NotExportableError, match=f"LGBMClassifier with {option}="):
        check_exportable(pipeline_of("native", lightgbm(**parameters)))


def test_lightgbm_numbers_that_count_as_zero_go_where_zero_goes() -> None:
    zero = float(np.float32(1e-35))
    near = [zero, np.nextafter(zero, 1), np.nextafter(zero, 0), 1e-36, 5e-324, 0.0]
    values = np.array([*near, *(-x for x in near), 1e-30, -1e-30, 1.0, -1.0])
    X = pd.DataFrame({"n": np.tile(values, 15)})
    y = (X["n"] >= 0).to_numpy().astype(int)
    for labels in (y, 1 - y, (np.abs(X["n"]) < 1e-31).to_numpy().astype(int)):
        assert_equals_pipeline(exported(pipeline_of("native", lightgbm()), X, labels))


def test_lightgbm_where_training_met_nothing_missing_a_missing_number_counts_as_zero() -> None:
    X = pd.DataFrame({"n": np.tile([-2.0, -1.0, 1.0, 2.0], 60)})
    y = (X["n"] > 1).to_numpy().astype(int)
    case = exported(pipeline_of("native", lightgbm()), X, y)
    for scorer in scorers_of(case.files).values():
        assert scorer.predict_row([np.nan]) == scorer.predict_row([0.0])
    assert_equals_pipeline(case)


def test_lightgbm_255_categories_and_no_more_than_256_of_a_type() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(255), 12)
    names = as_category([f"{code:03}" for code in codes])
    y = (rng.random(255) < 0.5)[codes].astype(int)
    pipeline = pipeline_of("native", lightgbm(min_data_per_group=1, cat_smooth=0.0))
    case = exported(pipeline, pd.DataFrame({"c": names, "n": rng.random(len(codes))}), y)
    # Codes beyond the first word of bits.
    assert arrays_of(case.files)["trees.left_codes"][:, 4:].any()
    assert_equals_pipeline(case)
    more = pd.Index([*names.cat.categories, "x", "y"], dtype="object")
    wide = pd.DataFrame({"c": names.cat.set_categories(more)})
    with pytest.raises(TooManyCategoriesError, match="257"):
        exported(pipeline, wide, y)


def test_lightgbm_categories_of_training_are_those_that_occurred() -> None:
    X, y = table()
    known = pd.Index(["_", *X["job"].cat.categories, "promised"], dtype="object")
    X = X.assign(job=X["job"].cat.set_categories(known))
    case = exported(pipeline_of("native", lightgbm()), X, y)
    assert case.scorer.category_columns[1].categories == ("a", "b")
    assert_equals_pipeline(case)


def xgboost(**parameters: Any) -> XGBClassifier:
    return XGBClassifier(**{"n_jobs": 1, "n_estimators": 12, "max_depth": 4, **parameters})


@cache
def small_xgboost() -> Exported:
    """Return a model of two labels; shared: tests must not change it."""
    return exported(pipeline_of("ordinal", xgboost(n_estimators=5)), *table())


@pytest.mark.parametrize(("preprocess", "missing", "n_classes"), [*PAIRS[3:5], ("onehot", True, 9)])
def test_xgboost_equals_the_pipeline(preprocess: str, missing: bool, n_classes: int) -> None:
    case = exported(
        pipeline_of(preprocess, xgboost()), *table(n_classes=n_classes, missing=missing)
    )
    assert_equals_pipeline(case)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_estimators": 1, "max_depth": 1},
        {"max_depth": 9, "min_child_weight": 0, "n_estimators": 3},
        {"base_score": 0.123456789},
        {"num_parallel_tree": 3, "subsample": 0.5, "n_estimators": 3},
        {"reg_alpha": 100.0},
        {"learning_rate": 30.0},
        *in_breadth(
            {"n_estimators": 80, "learning_rate": 0.03},
            {"tree_method": "exact", "gamma": 5.0},
            {"tree_method": "approx", "grow_policy": "lossguide", "max_leaves": 7},
            {"scale_pos_weight": 3.0},
            {"colsample_bytree": 0.5, "max_bin": 5},
        ),
    ],
    ids=str,
)
def test_xgboost_equals_the_pipeline_whatever_the_options(parameters: dict[str, Any]) -> None:
    # These options are for two labels only; the others take the longer way of three.
    n_classes = 2 if {"base_score", "scale_pos_weight", "reg_alpha"} & parameters.keys() else 3
    case = exported(pipeline_of("ordinal", xgboost(**parameters)), *table(n_classes=n_classes))
    assert_equals_pipeline(case)


def test_xgboost_sums_begin_where_xgboost_begins() -> None:
    X = pd.DataFrame({"n": np.arange(150.0)})
    for n_positive in (5, 31, 75, 96):
        y = (np.arange(150) < n_positive).astype(int)
        assert_equals_pipeline(exported(pipeline_of("ordinal", xgboost(n_estimators=2)), X, y))


def test_xgboost_thresholds_that_only_32_bits_tell_apart() -> None:
    values = 1 + np.arange(64) * np.finfo(np.float32).eps / 4
    X = pd.DataFrame({"n": np.tile(values, 6)})
    y = np.tile(np.arange(64) // 3 % 2, 6)
    free = {"tree_method": "exact", "min_child_weight": 0}
    assert_equals_pipeline(exported(pipeline_of("ordinal", xgboost(**free)), X, y))


@pytest.mark.parametrize(
    "parameters",
    [
        {"booster": "dart"},
        {"booster": "gblinear"},
        {"objective": "binary:hinge"},
        {"objective": "multi:softmax"},
        {"multi_strategy": "multi_output_tree"},
        {"device": "cuda"},
        {"enable_categorical": True},
        {"feature_types": ["q", "c"]},
        {"missing": -1.0},
    ],
    ids=str,
)
def test_xgboost_options_that_change_the_form_are_refused_unfitted(
    parameters: dict[str, Any],
) -> None:
    (option,) = parameters
    with pytest.raises(NotExportableError, match=f"XGBClassifier with {option}="):
        check_exportable(pipeline_of("ordinal", xgboost(**parameters)))


@pytest.mark.parametrize("towards", [-np.inf, np.inf])
def test_xgboost_thresholds_one_32_bit_float_off_are_found(towards: float) -> None:
    case = small_xgboost()
    thresholds = arrays_of(case.files)["trees.threshold"].astype(np.float32)
    wrong = np.nextafter(thresholds, np.float32(towards)).astype(np.float64)
    files = with_arrays(case.files, trees__threshold=wrong)
    check_parity(case.pipeline, case.files, case.X_test, seed=0)
    # Above, numbers of training stand on the thresholds; below, only those made for it do.
    with pytest.raises(ScorerDiffersError, match="thresholds" if towards < 0 else "rows"):
        check_parity(case.pipeline, files, case.X_test, seed=0)


def test_xgboost_a_vote_averages_in_64_bits_or_is_refused() -> None:
    members = {"a": pipeline_of("ordinal", xgboost()), "b": pipeline_of("onehot", xgboost())}
    with pytest.raises(NotExportableError, match="weights=null for members that are all XGB"):
        check_exportable(vote_of(members))
    assert_equals_pipeline(exported(vote_of(members, weights=[1, 1]), *table(150)))
    members["b"] = pipeline_of("native", boosting(max_iter=3))
    assert_equals_pipeline(exported(vote_of(members), *table(150)))


def test_xgboost_values_that_32_bits_do_not_hold_are_damage() -> None:
    case = small_xgboost()
    for value in (0.1, 1e300):
        values = arrays_of(case.files)["trees.values"]
        values[0] = value
        with pytest.raises(ScorerDamagedError, match="values of 32 bits"):
            read_scorer(with_arrays(case.files, trees__values=values))
    files = changed_spec(case.files, lambda content: content["model"].update(baseline=[0.1]))
    with pytest.raises(ScorerDamagedError, match="values of 32 bits"):
        read_scorer(files)


def catboost(**parameters: Any) -> CatBoostClassifier:
    quiet = {"thread_count": 1, "allow_writing_files": False, "logging_level": "Silent"}
    return CatBoostClassifier(**{**quiet, "iterations": 12, "depth": 4, **parameters})


@pytest.mark.parametrize(("preprocess", "missing", "n_classes"), PAIRS[2:6])
def test_catboost_equals_the_pipeline(preprocess: str, missing: bool, n_classes: int) -> None:
    case = exported(
        pipeline_of(preprocess, catboost()), *table(n_classes=n_classes, missing=missing)
    )
    assert_equals_pipeline(case, allowed=0.0 if n_classes == 2 else 1e-15)


@pytest.mark.parametrize(
    "parameters",
    [
        {"iterations": 1, "depth": 1},
        {"depth": 7, "iterations": 3},
        {"model_shrink_rate": 0.1},
        {"ignored_features": [0]},
        *in_breadth(
            {"depth": 6, "iterations": 40},
            {"nan_mode": "Max"},
            {"boosting_type": "Ordered"},
            {"langevin": True},
            {"border_count": 3},
            {"auto_class_weights": "Balanced"},
            {"loss_function": "Logloss"},
        ),
    ],
    ids=str,
)
def test_catboost_equals_the_pipeline_whatever_the_options(parameters: dict[str, Any]) -> None:
    assert_equals_pipeline(exported(pipeline_of("ordinal", catboost(**parameters)), *table()))


def test_catboost_trees_without_a_split(tmp_path: Path) -> None:
    # Of two columns one is constant, and most trees get that one alone.
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"constant": np.ones(200), "number": rng.normal(size=200)})
    y = (X["number"] + rng.normal(size=200) > 0).astype(int)
    model = catboost(rsm=0.1, iterations=20, random_state=0)
    case = exported(pipeline_of("ordinal", model), X, y)
    case.pipeline["clf"].save_model(str(tmp_path / "model.json"), format="json")
    trees = json.loads((tmp_path / "model.json").read_text())["oblivious_trees"]
    assert {bool(tree["splits"]) for tree in trees} == {True, False}, "no example any more"
    assert_equals_pipeline(case)


def test_catboost_a_sum_that_begins_elsewhere_agrees_to_the_last_bits() -> None:
    # CatBoost adds that at the end.
    case = exported(pipeline_of("ordinal", catboost(boost_from_average=True)), *table())
    assert_equals_pipeline(case, allowed=1e-15)


@pytest.mark.parametrize(
    "parameters",
    [
        {"grow_policy": "Lossguide"},
        {"grow_policy": "Depthwise"},
        {"loss_function": "MultiClassOneVsAll"},
        {"objective": "CrossEntropy"},
        {"cat_features": [0]},
        {"text_features": [0]},
        {"embedding_features": [0]},
    ],
    ids=str,
)
def test_catboost_options_that_change_the_form_are_refused_unfitted(
    parameters: dict[str, Any],
) -> None:
    (option,) = parameters
    with pytest.raises(NotExportableError, match=f"CatBoostClassifier with {option}="):
        check_exportable(pipeline_of("ordinal", catboost(**parameters)))


@pytest.mark.parametrize("nan_mode", ["Min", "Max"])
def test_catboost_splits_of_missing_from_all_else(nan_mode: str) -> None:
    values = np.tile([1.0, 2.0, np.nan, np.nan, 3.0], 30)
    y = np.isnan(values).astype(int)
    X = pd.DataFrame({"n": values})
    case = exported(pipeline_of("ordinal", catboost(nan_mode=nan_mode)), X, y)
    assert_equals_pipeline(case)
    for scorer in scorers_of(case.files).values():
        assert scorer.predict_row([np.nan])[1] > 0.5 > scorer.predict_row([2.0])[1]


def test_catboost_trees_that_ask_the_same_all_over_a_depth_stay_small_as_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = exported(pipeline_of("ordinal", catboost(depth=6, iterations=60)), *table())
    n_nodes = arrays_of(case.files)["trees.n_nodes"]
    assert (n_nodes == 127).mean() > 0.8
    monkeypatch.setattr(trees, "MAX_TABLE_BYTES", 2**20)
    assert (n_nodes // 2).sum() * len(n_nodes) * 8 > 2**20
    assert isinstance(case.scorer.model._evaluator, BitVectors)  # type: ignore[attr-defined]


def test_catboost_nothing_is_written_where_it_runs(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exported(pipeline_of("ordinal", catboost(iterations=2)), *table(60))
    assert list(tmp_path.iterdir()) == []
