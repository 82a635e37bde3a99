"""The parity check finds every change of the files."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from tabproof.experiment import load_rows, run_experiment
from tabproof.scorer import export, read_scorer
from tabproof.scorer.export import check_parity, export_pipeline
from tabproof.scorer.export.parity import ScorerDiffersError, columns_of
from tabproof.steps.search import make_pipeline, make_plan
from tests.conftest import OPENML_HOME, composed, needs_openml_home
from tests.scorer.fitted import (
    Exported,
    arrays_of,
    boosting,
    changed_spec,
    exported,
    one_by_one,
    pipeline_of,
    small_boosting,
    table,
    with_arrays,
)


@cache
def forest() -> Exported:
    estimator = RandomForestClassifier(3, max_depth=2, random_state=0)
    return exported(pipeline_of("ordinal", estimator), *table())


@cache
def linear() -> Exported:
    return exported(pipeline_of("onehot", LogisticRegression()), *table())


@cache
def stumps() -> Exported:
    return exported(pipeline_of("native", boosting(max_iter=6, max_leaf_nodes=2)), *table())


def parity(case: Exported, files: dict[str, bytes], **options: Any) -> Any:
    return check_parity(case.pipeline, files, case.X_test, seed=0, **options)


@pytest.mark.parametrize(
    ("make", "allowed", "whole"),
    [
        (small_boosting, 0.0, True),
        (lambda: small_boosting(3), 0.0, False),
        (forest, 0.0, True),
        (linear, 1e-15, False),
    ],
    ids=["boosting", "three", "forest", "linear"],
)
def test_an_exported_pipeline_passes(
    make: Callable[[], Exported], allowed: float, whole: bool
) -> None:
    case = make()
    found = parity(case, case.files, whole=whole)
    assert found.max_difference <= allowed
    assert found.n_rows >= 4 * len(case.X_test)
    assert found.allowed == 1e-12


def test_the_same_seed_compares_the_same_rows() -> None:
    case, (X, _) = linear(), table(n_rows=400)
    once, again, whole = (
        check_parity(case.pipeline, case.files, X, seed=0, whole=whole)
        for whole in (False, False, True)
    )
    assert once == again
    assert once.n_rows < whole.n_rows


def test_a_single_row_is_enough() -> None:
    case = small_boosting()
    assert check_parity(case.pipeline, case.files, case.X_test.iloc[:1], seed=0).n_rows > 5


def splits(case: Exported, *, of_sets: bool) -> np.ndarray:
    arrays = arrays_of(case.files)
    return np.flatnonzero(
        (arrays["trees.feature"] >= 0) & ((arrays["trees.category_set"] >= 0) == of_sets)
    )


def tampered(case: Exported, name: str, change: Callable[[np.ndarray], None]) -> dict[str, bytes]:
    array = arrays_of(case.files)[name]
    change(array)
    return with_arrays(case.files, **{name.replace(".", "__"): array})


def assert_found(case: Exported, files: dict[str, bytes], **options: Any) -> None:
    with pytest.raises(ScorerDiffersError) as caught:
        parity(case, files, **options)
    assert "must not be served" in str(caught.value)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("direction", [-np.inf, np.inf])
def test_a_threshold_moved_by_one_ulp_is_found(direction: float) -> None:
    for place in splits(stumps(), of_sets=False):

        def move(thresholds: np.ndarray, place: int = place) -> None:
            thresholds[place] = np.nextafter(thresholds[place], direction)

        assert_found(stumps(), tampered(stumps(), "trees.threshold", move))


def test_a_threshold_rounded_to_32_bits_is_found() -> None:
    case = small_boosting()
    files = tampered(
        case, "trees.threshold", lambda array: np.copyto(array, array.astype(np.float32))
    )
    assert_found(case, files)


def test_a_changed_leaf_is_found() -> None:
    for place in range(len(arrays_of(stumps().files)["trees.values"])):

        def change(values: np.ndarray, place: int = place) -> None:
            values[place] += 1e-9

        assert_found(stumps(), tampered(stumps(), "trees.values", change))


def test_a_changed_direction_of_missing_values_is_found() -> None:
    for place in np.flatnonzero(arrays_of(stumps().files)["trees.feature"] >= 0):

        def flip(missing_left: np.ndarray, place: int = place) -> None:
            missing_left[place] ^= 1

        assert_found(stumps(), tampered(stumps(), "trees.missing_left", flip))


def test_swapped_children_are_found() -> None:
    root = splits(stumps(), of_sets=False)[0]

    def swap(values: np.ndarray) -> None:
        leaf = root * 2 // 3  # of stumps, two nodes in three are leaves
        values[[leaf, leaf + 1]] = values[[leaf + 1, leaf]]

    assert_found(stumps(), tampered(stumps(), "trees.values", swap))


def test_changed_sets_of_categories_are_found() -> None:
    case = small_boosting()
    assert len(splits(case, of_sets=True))
    assert_found(
        case, tampered(case, "trees.left_codes", lambda array: np.copyto(array, array ^ 0b11111))
    )


def test_a_changed_code_of_a_category_is_found() -> None:
    for index in range(7):
        for case, code in ((small_boosting(), 0.0 if index else 3.0), (linear(), 0.25)):

            def change(codes: np.ndarray, index: int = index, code: float = code) -> None:
                codes[index] = code

            assert_found(case, tampered(case, "codes.1", change))


def test_swapped_names_of_categories_are_found() -> None:
    case = small_boosting()

    def swap(content: Any) -> None:
        content["columns"][1]["categories"][3:] = ["東京", "nan"]

    assert_found(case, changed_spec(case.files, swap))


def test_changed_weights_are_found() -> None:
    for array in ("coefficients", "intercepts"):
        files = tampered(linear(), array, lambda found: np.copyto(found, found + 1e-9))
        assert_found(linear(), files)


def test_changed_steps_are_found() -> None:
    changes: list[Callable[[Any], Any]] = [
        lambda content: content["columns"][0]["steps"].reverse(),
        *(lambda content, i=i: content["columns"][0]["steps"].pop(i) for i in range(3)),
    ]
    for change in changes:
        assert_found(linear(), changed_spec(linear().files, change))


def test_labels_in_another_order_are_not_found() -> None:
    # The table decides the name of a class; the check compares numbers.
    swapped = changed_spec(forest().files, lambda content: content["labels"].reverse())
    assert parity(forest(), swapped) == parity(forest(), forest().files)


def test_a_wrong_prediction_of_a_single_row_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    case = small_boosting()
    right = type(case.scorer).predict_row
    monkeypatch.setattr(
        "tabproof.scorer.scorer.Scorer.predict_row",
        lambda self, row: [p + 1e-9 for p in right(self, row)],
    )
    assert_found(case, case.files)


def test_a_pipeline_that_predicts_nan_is_found() -> None:
    class NoNumbers:
        """Predicts NaN."""

        def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
            return np.full((len(X), 2), np.nan)

    case = small_boosting()
    with pytest.raises(ScorerDiffersError):
        check_parity(NoNumbers(), case.files, case.X_test, seed=0)  # type: ignore[arg-type]


def test_a_run_whose_scorer_differs_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: Any, **options: Any) -> dict[str, bytes]:
        files = export_pipeline(*arguments, **options)
        return with_arrays(files, intercepts=arrays_of(files)["intercepts"] * 1.001)

    monkeypatch.setattr(export, "export_pipeline", wrong)
    config = composed("dataset=wine", "model=logistic_regression", "search=none")
    with pytest.raises(ScorerDiffersError, match="the exported scorer differs from the pipeline"):
        run_experiment(config, tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.json").exists()
    assert not (tmp_path / "run" / "scorer").exists()
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "failed"


@pytest.mark.slow
@needs_openml_home
@pytest.mark.parametrize(
    ("dataset", "model"),
    [
        ("adult", "hist_gradient_boosting"),
        ("adult", "logistic_regression"),
        ("adult", "lightgbm"),
        ("adult", "xgboost"),
        ("adult", "catboost"),
        ("credit-g", "hist_gradient_boosting"),
        ("credit-g", "random_forest"),
        ("credit-g", "logistic_regression"),
        ("credit-g", "vote"),
    ],
)
def test_the_scorer_equals_the_pipeline_on_real_tables(dataset: str, model: str) -> None:
    config = composed(
        f"dataset={dataset}", f"model={model}", "search=none", f"dataset.data_home={OPENML_HOME}"
    )
    division = load_rows(config, make_plan(config))
    pipeline = make_pipeline(config).fit(division.X_train, division.y_train)
    files = export_pipeline(pipeline, division.X_train, division.table.labels)
    found = check_parity(pipeline, files, division.X_test, seed=0, whole=True)
    assert found.max_difference <= (1e-12 if model in ("logistic_regression", "vote") else 0.0)
    scorer = read_scorer(files)
    columns = [column[:200] for column in columns_of(scorer, division.X_test)]
    np.testing.assert_array_equal(one_by_one(scorer, columns), scorer.predict_proba(columns))
