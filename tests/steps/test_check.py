"""What cannot be trained or evaluated is refused in one line before anything is fitted."""

from pathlib import Path

import numpy as np
import pytest

from tabproof.data.checks import DataChecksFailedError
from tabproof.data.target import DataError
from tabproof.errors import InvalidValueError
from tabproof.steps import check
from tabproof.steps.search import make_pipeline
from tests.steps.cases import Case, frame, grouped
from tests.steps.test_evaluate import REPEATED, table_with


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["calibration=sigmoid", "calibration.n_splits=9"], "calibration.n_splits"),
        (["threshold=max_f1", "threshold.n_splits=9"], "threshold.n_splits"),
        (["evaluation.n_repeats=1", "evaluation.n_splits=9"], "evaluation.n_splits"),
    ],
)
def test_there_are_no_more_folds_than_rows_of_the_rarest_class(
    tmp_path: Path, overrides: list[str], key: str
) -> None:
    table = frame(60)
    table["label"] = ["rare"] * 10 + ["common"] * 50
    case = Case(tmp_path, table, *overrides)
    group, name = key.split(".")
    assert getattr(getattr(case.config, group), name) == 8
    said = [t for t in case.division.table.treatments if t.code == "fewer_folds"]
    assert [t.message for t in said] == [
        f"{key}=9 becomes 8: class 'rare' has 8 row(s) to learn from"
    ]
    case.check()


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["calibration=sigmoid"], "calibration.n_splits=5"),
        (["evaluation.n_repeats=1", "evaluation.n_splits=4"], "evaluation.n_splits=4"),
        (["evaluation.learning_curve=true"], "evaluation.n_splits=5"),
    ],
)
def test_there_are_as_many_groups_as_folds(tmp_path: Path, overrides: list[str], key: str) -> None:
    table = frame()
    table["who"] = np.arange(len(table)) % 4
    error = grouped(tmp_path, table, *overrides).refusal()
    assert isinstance(error, DataError)
    assert f"{key}: the training rows hold 3 group(s)" in str(error)


def test_a_class_in_a_single_group_is_refused(tmp_path: Path) -> None:
    division = grouped(tmp_path, frame(400)).division
    who = division.table.non_features["who"].to_numpy()
    # One group to learn from, and one to hold out.
    chosen = [who[division.train[0]], who[division.test[0]]]
    table = frame(400)
    table["label"] = np.where(np.isin(table["who"], chosen), "rare", "common")
    error = grouped(tmp_path, table, "threshold=max_f1", "threshold.n_splits=2").refusal()
    assert isinstance(error, DataError)
    assert "threshold.n_splits=2: all rows of class 'rare' are in one fold" in str(error)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["threshold=max_f1"], "two labels, and the target has 3: 'c0', 'c1', 'c2'"),
        (["threshold=cost"], "it takes 3 rows (true labels) of 3 numbers (predicted ones)"),
        (
            ["threshold=cost", "threshold.costs=[[0,1,1],[1,0,1],[1,1,0]]"],
            "threshold=default predicts the most probable",
        ),
    ],
)
def test_a_threshold_needs_two_labels(tmp_path: Path, overrides: list[str], words: str) -> None:
    error = Case(tmp_path, frame(n_classes=3), *overrides).refusal()
    assert isinstance(error, InvalidValueError)
    assert words in str(error)


def test_a_metric_of_two_labels_does_not_fit_three(tmp_path: Path) -> None:
    asked = "evaluation.metrics=[roc_auc,specificity]"
    Case(tmp_path, frame(), asked).check()
    error = Case(tmp_path, frame(n_classes=3), asked).refusal()
    assert "evaluation.metrics=specificity cannot work; it takes metrics of 3 labels" in str(error)
    assert "'c0', 'c1', 'c2'" in str(error)


def test_costs_of_three_labels_do_not_fit_two(tmp_path: Path) -> None:
    costs = "threshold.costs=[[0,1,1],[1,0,1],[1,1,0]]"
    error = Case(tmp_path, frame(), "threshold=cost", costs).refusal()
    assert "it takes 2 rows (true labels) of 2 numbers" in str(error)


def test_folds_leave_a_class_rows_for_the_calibration_within_each(tmp_path: Path) -> None:
    # Six rows are left to learn from; each fold of five takes two of them away.
    case = Case(tmp_path, table_with(8), *REPEATED, "cv.test_size=0.25")
    assert (case.config.evaluation.n_splits, case.config.calibration.n_splits) == (5, 4)
    check.check(case.config, case.division)


@pytest.mark.parametrize(
    ("choices", "limit"),
    [
        (("model=hist_gradient_boosting", "preprocess=native"), 255),
        (("preprocess=onehot",), 1_000),
        (("preprocess=hashing",), None),
    ],
)
def test_columns_with_more_categories_than_the_model_takes_are_noted(
    tmp_path: Path, choices: tuple[str, ...], limit: int | None
) -> None:
    table = frame(1_200)
    table["job"] = [f"j{i % 1_100}" for i in range(1_200)]
    case = Case(tmp_path, table, "+dataset.column_types.job=category", *choices)
    known, noted = case.division, check.note_many_categories(case.config, case.division)
    new = noted.table.treatments[len(known.table.treatments) :]
    if limit is None:
        assert new == ()
    else:
        assert [(note.code, note.columns) for note in new] == [("many_categories", ("job",))]
        assert f"more than {limit:,} categories" in new[0].message
        assert make_pipeline(case.config).get_params()["features__max_categories"] == limit
    case.check()


def test_findings_are_logged_and_refused_only_on_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = frame()
    table["copy"] = table["label"]
    (found,) = Case(tmp_path, table, "checks=default").check()
    assert found.check == "leak"
    assert found.message in caplog.messages
    assert Case(tmp_path, table, "checks=none").check() == []
    error = Case(tmp_path, table, "checks=strict").refusal()
    assert isinstance(error, DataChecksFailedError)
    assert "columns that reveal the target ('copy')" in str(error)
    assert "checks.fail=false" in str(error)


def test_a_small_hold_out_is_reported_with_its_labels(tmp_path: Path) -> None:
    (found,) = Case(tmp_path, table_with(30), "checks=none").check()
    assert found.check == "small_hold_out"
    assert found.facts == {"n_rows": 40, "n_by_label": {"yes": 6}}
    assert "(rows): yes (6);" in found.message
    assert Case(tmp_path, frame(), "checks=none").check() == []
