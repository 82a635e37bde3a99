"""A run's labels are decided on training rows out of folds, and by everybody in the same way."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import f1_score
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

from tabproof import data
from tabproof.config import TrainConfig
from tabproof.data.errors import FewGroupsError, RareClassError
from tabproof.errors import OutOfReachError, UserError
from tabproof.evaluation.metrics import predicted_codes
from tabproof.experiment import load_rows, make_plan
from tabproof.scorer import read_scorer
from tabproof.scorer.export import check_parity, export_pipeline
from tabproof.scorer.export.parity import columns_of
from tabproof.steps import decide as deciding
from tabproof.steps.errors import CostShapeError, FoldLacksClassError, LabelsToDecideError
from tests.conftest import composed

QUICK = ("search=none", "model=logistic_regression", "preprocess=onehot")


def frame(n_rows: int = 200, n_classes: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    age, job = rng.normal(40, 10, n_rows), rng.choice(["clerk", "農家"], n_rows)
    score = age + 10 * (job == "農家") + rng.normal(0, 6, n_rows)
    # The last label is the rarest.
    shares = np.cumsum([0.7, 0.3]) if n_classes == 2 else np.cumsum([0.5, 0.3, 0.2])
    label = np.searchsorted(np.quantile(score, shares[:-1]), score)
    made = pd.DataFrame({"age": age, "job": job, "who": np.arange(n_rows) // 8})
    made["label"] = [f"c{code}" for code in label]
    return made


class Case:
    """A configuration for a table, its rows, and the pipeline that a search might have found."""

    def __init__(self, directory: Path, table: pd.DataFrame, *overrides: str) -> None:
        path = directory / "table.csv"
        table.to_csv(path, index=False)
        start = ["dataset=file", f"dataset.path={path}", "dataset.target=label", *QUICK]
        if not any(o.startswith("cv=grouped") for o in overrides):
            start.append("dataset.drop_columns=[who]")
        self.config: TrainConfig = composed(*start, *overrides)
        self.plan = make_plan(self.config)
        self.rows: data.Rows = self.plan.rows
        self.division = load_rows(self.config, self.plan)

    def check(self) -> None:
        deciding.check(self.config, self.division, self.rows)

    def fitted(self) -> Pipeline:
        return self.plan.search.pipelines[""].fit(self.division.X_train, self.division.y_train)

    def decide(self) -> deciding.Decided:
        return deciding.decide(self.config, self.division, self.rows, self.fitted())

    def refusal(self) -> UserError:
        with pytest.raises(UserError) as raised:
            self.check()
        assert "\n" not in str(raised.value)
        return raised.value


def test_where_nothing_was_asked_for_the_pipeline_stays_as_it_is(tmp_path: Path) -> None:
    case = Case(tmp_path, frame())
    pipeline = case.fitted()
    decided = deciding.decide(case.config, case.division, case.rows, pipeline)
    assert decided.pipeline is pipeline
    assert decided.estimator is pipeline
    assert (decided.decision.objective, decided.decision.threshold) == ("default", 0.5)
    assert (decided.calibration, decided.decision.score) == ("none", None)


METHODS = ("none", "sigmoid", "isotonic", "temperature")
OBJECTIVES = ("default", "max_f1", "cost", "min_recall")


@pytest.mark.parametrize(
    ("model", "calibration", "threshold"),
    [
        *product(["logistic_regression"], METHODS, OBJECTIVES),
        *product(["hist_gradient_boosting"], ["isotonic"], OBJECTIVES),
    ],
)
def test_everybody_decides_in_the_same_way(
    tmp_path: Path, model: str, calibration: str, threshold: str
) -> None:
    case = Case(
        tmp_path,
        frame(120),
        f"model={model}",
        f"calibration={calibration}",
        f"threshold={threshold}",
        "calibration.n_splits=3",
        "threshold.n_splits=3",
    )
    case.check()
    decided = case.decide()
    X, labels = case.division.X_test, case.division.table.labels
    at = decided.decision.threshold
    files = export_pipeline(decided.pipeline, case.division.X_train, labels, threshold=at)
    check_parity(decided.pipeline, files, X, seed=0)
    scorer = read_scorer(files)
    assert scorer.threshold == at
    proba = decided.pipeline.predict_proba(X)
    codes = scorer.codes_of(scorer.predict_proba(columns_of(scorer, X)))
    assert_array_equal(codes, decided.estimator.predict(X))
    assert_array_equal(codes, predicted_codes(proba, at))
    assert isinstance(decided.pipeline, CalibratedClassifierCV) == (calibration != "none")
    assert isinstance(decided.estimator, FixedThresholdClassifier) == (threshold != "default")


@pytest.mark.parametrize("calibration", METHODS)
def test_three_labels_are_calibrated_and_the_likeliest_is_taken(
    tmp_path: Path, calibration: str
) -> None:
    decided = Case(tmp_path, frame(n_classes=3), f"calibration={calibration}").decide()
    assert decided.decision.threshold is None
    assert decided.estimator is decided.pipeline


def test_the_threshold_is_the_best_on_calibrated_rows_out_of_folds(tmp_path: Path) -> None:
    # The folds of the calibration are used where they are as many, else others are made.
    for n_splits in (5, 4):
        case = Case(
            tmp_path,
            frame(),
            "calibration=sigmoid",
            "threshold=max_f1",
            f"threshold.n_splits={n_splits}",
        )
        decided = case.decide()
        division = case.division
        y, sums = division.y_train, np.empty(len(division.train))
        for train, test in case.rows.folds(n_splits).split(division.X_train, y):
            model = case.plan.search.pipelines[""]
            model = model.fit(division.X_train.iloc[train], y[train])
            sums[test] = model.decision_function(division.X_train.iloc[test])
        (sigmoid,) = decided.pipeline.calibrated_classifiers_[0].calibrators
        proba = sigmoid.predict(sums)
        best = max(f1_score(y, proba >= t) for t in proba)
        assert decided.decision.score == pytest.approx(best)
        assert f1_score(y, proba > decided.decision.threshold) == pytest.approx(best)


@pytest.mark.parametrize(("method", "warns"), [("isotonic", True), ("sigmoid", False)])
def test_a_staircase_on_few_rows_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str, warns: bool
) -> None:
    Case(tmp_path, frame(), f"calibration={method}").decide()
    assert ("isotonic on 160 rows may overfit" in caplog.text) == warns


def test_workers_change_no_number(tmp_path: Path) -> None:
    case = Case(tmp_path, frame(), "calibration=isotonic", "threshold=max_f1")
    alone = case.decide()
    with parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
        together = case.decide()
    assert together.decision == alone.decision
    X = case.division.X_test
    assert_array_equal(together.pipeline.predict_proba(X), alone.pipeline.predict_proba(X))


def test_a_recall_out_of_reach_is_told_with_what_can_be_reached(tmp_path: Path) -> None:
    case = Case(tmp_path, frame(), "threshold=min_recall", "threshold.min_recall=0.95")
    case.config.threshold.min_precision = 0.999
    with pytest.raises(OutOfReachError, match=r"best recall is 0\.\d+, and with that recall"):
        case.decide()


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["calibration=sigmoid", "calibration.n_splits=9"], "calibration.n_splits"),
        (["threshold=max_f1", "threshold.n_splits=9"], "threshold.n_splits"),
    ],
)
def test_every_fold_needs_a_row_of_each_class(
    tmp_path: Path, overrides: list[str], key: str
) -> None:
    table = frame(60)
    table["label"] = ["rare"] * 10 + ["common"] * 50
    error = Case(tmp_path, table, *overrides).refusal()
    assert isinstance(error, RareClassError)
    assert f"class 'rare' has 8 row(s), but {key}=9 needs 9" in str(error)
    assert f"take fewer folds ({key})" in str(error)


def grouped(tmp_path: Path, table: pd.DataFrame, *overrides: str) -> Case:
    return Case(tmp_path, table, "cv=grouped", "cv.group_column=who", *overrides)


def test_groups_are_kept_together(tmp_path: Path) -> None:
    case = grouped(tmp_path, frame(), "calibration=sigmoid", "threshold=max_f1")
    case.check()
    assert case.decide().decision.score is not None
    for train, test in deciding._splits(case.division, case.rows, 5):
        groups = case.division.groups
        assert not set(groups[train]) & set(groups[test])


def test_there_are_as_many_groups_as_folds(tmp_path: Path) -> None:
    table = frame()
    table["who"] = np.arange(len(table)) % 4
    error = grouped(tmp_path, table, "calibration=sigmoid").refusal()
    assert isinstance(error, FewGroupsError)
    assert "calibration.n_splits=5: the training rows hold 3 group(s)" in str(error)


def test_a_class_that_lies_in_one_group_is_told(tmp_path: Path) -> None:
    division = grouped(tmp_path, frame(400)).division
    who = division.table.aside["who"].to_numpy()
    # One group to learn from, and one to hold out.
    chosen = [who[division.train[0]], who[division.test[0]]]
    table = frame(400)
    table["label"] = np.where(np.isin(table["who"], chosen), "rare", "common")
    error = grouped(tmp_path, table, "threshold=max_f1", "threshold.n_splits=2").refusal()
    assert isinstance(error, FoldLacksClassError)
    assert "threshold.n_splits=2: all rows of class 'rare' lie in one fold" in str(error)


@pytest.mark.parametrize(
    ("overrides", "kind", "words"),
    [
        (["threshold=max_f1"], LabelsToDecideError, "the target has 3: 'c0', 'c1', 'c2'"),
        (["threshold=cost"], CostShapeError, "2 row(s) of 2, and the target has 3 labels"),
        (
            ["threshold=cost", "threshold.costs=[[0,1,1],[1,0,1],[1,1,0]]"],
            LabelsToDecideError,
            "threshold=default takes the likeliest",
        ),
    ],
)
def test_more_labels_than_two_have_no_threshold(
    tmp_path: Path, overrides: list[str], kind: type[UserError], words: str
) -> None:
    error: Any = Case(tmp_path, frame(n_classes=3), *overrides).refusal()
    assert isinstance(error, kind)
    assert words in str(error)


def test_costs_of_three_labels_do_not_fit_two(tmp_path: Path) -> None:
    costs = "threshold.costs=[[0,1,1],[1,0,1],[1,1,0]]"
    error = Case(tmp_path, frame(), "threshold=cost", costs).refusal()
    assert "it takes 2 rows (true labels) of 2 numbers" in str(error)


def test_who_would_rather_miss_all_than_be_alarmed_once_predicts_nobody(tmp_path: Path) -> None:
    case = Case(tmp_path, frame(), "threshold=cost", "threshold.costs=[[0,1e6],[1,0]]")
    table = case.division.table
    # Nothing to learn, so the surest row is an alarm.
    table.y[case.division.train] = np.arange(len(case.division.train)) % 2
    decided = case.decide()
    at = decided.decision.threshold
    assert at is not None
    assert decided.decision.score == pytest.approx(0.5)
    assert predicted_codes(np.array([[1 - at, at]]), at).tolist() == [0]


def test_what_is_fitted_anew_is_calibrated_by_the_runs_rule(tmp_path: Path) -> None:
    options = ("cv=grouped", "cv.group_column=who", "calibration=sigmoid", "calibration.n_splits=3")
    case = Case(tmp_path, frame(), *options)
    decided = case.decide()
    positions = np.arange(len(case.division.train))[::2]
    made = deciding.unfitted(case.config, case.division, case.rows, decided, positions)
    groups, y = case.division.groups[positions], case.division.y_train[positions]
    assert len(made.cv) == 3
    assert all(not set(groups[train]) & set(groups[test]) for train, test in made.cv)
    fitted = made.fit(case.division.X_train.iloc[positions], y)
    expected = CalibratedClassifierCV(case.fitted(), method="sigmoid", ensemble=False, cv=made.cv)
    expected.fit(case.division.X_train.iloc[positions], y)
    X_test = case.division.X_test
    assert_array_equal(fitted.predict_proba(X_test), expected.predict_proba(X_test))


def test_what_cannot_be_calibrated_anew_is_not_made(tmp_path: Path) -> None:
    case = Case(tmp_path, frame(), "calibration=sigmoid", "calibration.n_splits=5")
    decided = case.decide()
    positive = np.flatnonzero(case.division.y_train == 1)[:4]
    positions = np.append(np.flatnonzero(case.division.y_train == 0), positive)
    assert deciding.unfitted(case.config, case.division, case.rows, decided, positions) is None
