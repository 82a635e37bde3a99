"""CatBoost as data has the pipeline's bits, but for numpy's exp with three labels or more."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier

from tabproof.scorer.bit_vectors import BitVectors
from tabproof.scorer.errors import NotExportableError
from tabproof.scorer.export import check_exportable
from tests.scorer.fitted import (
    arrays_of,
    assert_equals_pipeline,
    exported,
    pipeline_of,
    scorers_of,
    table,
)


def estimator(**parameters: Any) -> CatBoostClassifier:
    quiet = {"thread_count": 1, "allow_writing_files": False, "logging_level": "Silent"}
    return CatBoostClassifier(**{**quiet, "iterations": 12, "depth": 4, **parameters})


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("missing", [True, False], ids=["missing", "complete"])
@pytest.mark.parametrize("preprocess", ["onehot", "ordinal"])
def test_equals_the_pipeline(preprocess: str, missing: bool, n_classes: int) -> None:
    case = exported(
        pipeline_of(preprocess, estimator()), *table(n_classes=n_classes, missing=missing)
    )
    assert_equals_pipeline(case, allowed=0.0 if n_classes == 2 else 1e-15)


@pytest.mark.parametrize(
    "parameters",
    [
        {"iterations": 1, "depth": 1},
        {"depth": 6, "iterations": 100},
        {"depth": 7},
        {"nan_mode": "Max"},
        {"boosting_type": "Ordered"},
        {"langevin": True},
        {"model_shrink_rate": 0.1},
        {"border_count": 3},
        {"ignored_features": [0]},
        {"auto_class_weights": "Balanced"},
        {"loss_function": "Logloss"},
    ],
    ids=str,
)
def test_equals_the_pipeline_whatever_the_options(parameters: dict[str, Any]) -> None:
    assert_equals_pipeline(exported(pipeline_of("ordinal", estimator(**parameters)), *table()))


def test_a_sum_that_begins_elsewhere_agrees_to_the_last_bits() -> None:
    # CatBoost adds that at the end.
    case = exported(pipeline_of("ordinal", estimator(boost_from_average=True)), *table())
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
def test_options_that_change_the_form_are_refused_unfitted(parameters: dict[str, Any]) -> None:
    (option,) = parameters
    with pytest.raises(NotExportableError, match=f"CatBoostClassifier with {option}="):
        check_exportable(pipeline_of("ordinal", estimator(**parameters)))


@pytest.mark.parametrize("nan_mode", ["Min", "Max"])
def test_splits_of_missing_from_all_else(nan_mode: str) -> None:
    values = np.tile([1.0, 2.0, np.nan, np.nan, 3.0], 30)
    y = np.isnan(values).astype(int)
    X = pd.DataFrame({"n": values})
    case = exported(pipeline_of("ordinal", estimator(nan_mode=nan_mode)), X, y)
    assert_equals_pipeline(case)
    for scorer in scorers_of(case.files).values():
        assert scorer.predict_row([np.nan])[1] > 0.5 > scorer.predict_row([2.0])[1]


def test_trees_that_ask_the_same_all_over_a_depth_stay_small_as_bits() -> None:
    case = exported(pipeline_of("ordinal", estimator(depth=6, iterations=500)), *table())
    assert (arrays_of(case.files)["trees.n_nodes"] == 127).mean() > 0.8
    assert isinstance(case.scorer._model._evaluator, BitVectors)  # type: ignore[attr-defined]


def test_nothing_is_written_where_it_runs(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exported(pipeline_of("ordinal", estimator()), *table())
    assert list(tmp_path.iterdir()) == []
