"""XGBoost as data has the pipeline's bits: 32-bit comparisons, sums and links included."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from xgboost import XGBClassifier

from tabproof.scorer import read_scorer
from tabproof.scorer.errors import NotExportableError, ScorerDamagedError, ScorerDiffersError
from tabproof.scorer.export import check_exportable, check_parity
from tests.scorer.fitted import (
    arrays_of,
    assert_equals_pipeline,
    boosting,
    changed_spec,
    exported,
    pipeline_of,
    table,
    vote_of,
    with_arrays,
)


def estimator(**parameters: Any) -> XGBClassifier:
    return XGBClassifier(**{"n_jobs": 1, "n_estimators": 12, "max_depth": 4, **parameters})


@pytest.mark.parametrize("n_classes", [2, 3, 9])
@pytest.mark.parametrize("missing", [True, False], ids=["missing", "complete"])
@pytest.mark.parametrize("preprocess", ["onehot", "ordinal"])
def test_equals_the_pipeline(preprocess: str, missing: bool, n_classes: int) -> None:
    case = exported(
        pipeline_of(preprocess, estimator()), *table(n_classes=n_classes, missing=missing)
    )
    assert_equals_pipeline(case)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "parameters",
    [
        {"n_estimators": 1, "max_depth": 1},
        {"n_estimators": 200, "learning_rate": 0.03},
        {"max_depth": 9, "min_child_weight": 0, "n_estimators": 3},
        {"base_score": 0.123456789},
        {"num_parallel_tree": 3, "subsample": 0.5},
        {"tree_method": "exact", "gamma": 5.0},
        {"tree_method": "approx", "grow_policy": "lossguide", "max_leaves": 7},
        {"reg_alpha": 100.0},
        {"learning_rate": 30.0},
        {"scale_pos_weight": 3.0},
        {"colsample_bytree": 0.5, "max_bin": 5},
    ],
    ids=str,
)
def test_equals_the_pipeline_whatever_the_options(
    parameters: dict[str, Any], n_classes: int
) -> None:
    if n_classes == 3 and {"base_score", "scale_pos_weight"} & parameters.keys():
        return  # of two labels only
    case = exported(pipeline_of("ordinal", estimator(**parameters)), *table(n_classes=n_classes))
    assert_equals_pipeline(case)


@pytest.mark.parametrize("n_positive", range(5, 100, 7))
def test_sums_begin_where_xgboost_begins(n_positive: int) -> None:
    X = pd.DataFrame({"n": np.arange(150.0)})
    y = (np.arange(150) < n_positive).astype(int)
    assert_equals_pipeline(exported(pipeline_of("ordinal", estimator(n_estimators=2)), X, y))


def test_thresholds_that_only_32_bits_tell_apart() -> None:
    values = 1 + np.arange(64) * np.finfo(np.float32).eps / 4
    X = pd.DataFrame({"n": np.tile(values, 6)})
    y = np.tile(np.arange(64) // 3 % 2, 6)
    free = {"tree_method": "exact", "min_child_weight": 0}
    assert_equals_pipeline(exported(pipeline_of("ordinal", estimator(**free)), X, y))


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
def test_options_that_change_the_form_are_refused_unfitted(parameters: dict[str, Any]) -> None:
    (option,) = parameters
    with pytest.raises(NotExportableError, match=f"XGBClassifier with {option}="):
        check_exportable(pipeline_of("ordinal", estimator(**parameters)))


@pytest.mark.parametrize("towards", [-np.inf, np.inf])
def test_thresholds_one_32_bit_float_off_are_found(towards: float) -> None:
    case = exported(pipeline_of("ordinal", estimator()), *table())
    thresholds = arrays_of(case.files)["trees.threshold"].astype(np.float32)
    wrong = np.nextafter(thresholds, np.float32(towards)).astype(np.float64)
    files = with_arrays(case.files, trees__threshold=wrong)
    check_parity(case.pipeline, case.files, case.X_test, seed=0)
    # Above, numbers of training stand on the thresholds; below, only those made for it do.
    with pytest.raises(ScorerDiffersError, match="thresholds" if towards < 0 else "rows"):
        check_parity(case.pipeline, files, case.X_test, seed=0)


def test_a_vote_averages_in_64_bits_or_is_refused() -> None:
    members = {"a": pipeline_of("ordinal", estimator()), "b": pipeline_of("onehot", estimator())}
    with pytest.raises(NotExportableError, match="weights=null for members that are all XGB"):
        check_exportable(vote_of(members))
    assert_equals_pipeline(exported(vote_of(members, weights=[1, 1]), *table()))
    members["b"] = pipeline_of("native", boosting(max_iter=3))
    assert_equals_pipeline(exported(vote_of(members), *table()))


def test_values_that_32_bits_do_not_hold_are_damage() -> None:
    case = exported(pipeline_of("ordinal", estimator()), *table())
    for value in (0.1, 1e300):
        values = arrays_of(case.files)["trees.values"]
        values[0] = value
        with pytest.raises(ScorerDamagedError, match="values of 32 bits"):
            read_scorer(with_arrays(case.files, trees__values=values))
    files = changed_spec(case.files, lambda content: content["model"].update(baseline=[0.1]))
    with pytest.raises(ScorerDamagedError, match="values of 32 bits"):
        read_scorer(files)
