"""A run's labels are decided on training rows out of folds, and by everybody in the same way."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import f1_score, precision_recall_curve

from tabproof import data
from tabproof.batch.estimator import RunClassifier
from tabproof.errors import NoThresholdError
from tabproof.evaluation.metrics import predicted_codes
from tabproof.experiment import run_experiment
from tabproof.scorer import read_scorer
from tabproof.scorer.export import check_parity, export_pipeline
from tabproof.scorer.export.parity import columns_of
from tabproof.service.served_model import load_model
from tabproof.steps import decide as deciding
from tests.batch.scoring import read, score
from tests.conftest import composed
from tests.steps.cases import Case, frame, grouped


def test_without_calibration_and_threshold_the_pipeline_is_unchanged(tmp_path: Path) -> None:
    case = Case(tmp_path, frame())
    pipeline = case.fitted()
    decided = deciding.decide(case.config, case.division, pipeline)
    assert decided.pipeline is pipeline
    assert (decided.decision.objective, decided.decision.threshold) == ("default", 0.5)
    assert decided.decision.score is None


METHODS = ("none", "sigmoid", "isotonic", "temperature")
OBJECTIVES = ("default", "max_f1", "cost", "min_recall")
# Each method and each objective; the other pairs are slow.
PAIRS = {*zip(METHODS, OBJECTIVES, strict=True), *zip(METHODS, reversed(OBJECTIVES), strict=True)}
OTHERS = sorted({*product(METHODS, OBJECTIVES)} - PAIRS)


@pytest.mark.parametrize(
    ("model", "calibration", "threshold"),
    [
        *(("logistic_regression", *pair) for pair in sorted(PAIRS)),
        ("hist_gradient_boosting", "isotonic", "cost"),
        *(pytest.param("logistic_regression", *pair, marks=pytest.mark.slow) for pair in OTHERS),
    ],
)
def test_pipeline_scorer_and_estimator_predict_the_same_labels(
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
    assert_array_equal(codes, predicted_codes(proba, at))
    assert isinstance(decided.pipeline, CalibratedClassifierCV) == (calibration != "none")
    estimator = RunClassifier(
        decided.pipeline, data.describe(case.division.table, case.division.X_train), at
    )
    assert_array_equal(estimator.predict_proba(X), proba)
    assert_array_equal(estimator.predict(X), np.array(labels)[codes])


@pytest.mark.parametrize(
    "calibration", [METHODS[0], *(pytest.param(m, marks=pytest.mark.slow) for m in METHODS[1:])]
)
def test_three_labels_are_calibrated_and_the_most_probable_is_predicted(
    tmp_path: Path, calibration: str
) -> None:
    decided = Case(tmp_path, frame(n_classes=3), f"calibration={calibration}").decide()
    assert decided.decision.threshold is None


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
            model = case.plan.pipelines[""]
            model = model.fit(division.X_train.iloc[train], y[train])
            sums[test] = model.decision_function(division.X_train.iloc[test])
        (sigmoid,) = decided.pipeline.calibrated_classifiers_[0].calibrators
        proba = sigmoid.predict(sums)
        precision, recall, _ = precision_recall_curve(y, proba)
        best = (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max()
        assert decided.decision.score == pytest.approx(best)
        assert f1_score(y, proba > decided.decision.threshold) == pytest.approx(best)


@pytest.mark.parametrize(("method", "warns"), [("isotonic", True), ("sigmoid", False)])
def test_isotonic_calibration_on_few_rows_gives_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str, warns: bool
) -> None:
    Case(tmp_path, frame(), f"calibration={method}").decide()
    assert ("isotonic on 160 rows may overfit" in caplog.text) == warns


@pytest.mark.slow  # tests/modeling/test_calibration.py tests the same of predictions out of folds
def test_workers_change_no_number(tmp_path: Path) -> None:
    case = Case(tmp_path, frame(), "calibration=isotonic", "threshold=max_f1")
    alone = case.decide()
    with parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
        together = case.decide()
    assert together.decision == alone.decision
    X = case.division.X_test
    assert_array_equal(together.pipeline.predict_proba(X), alone.pipeline.predict_proba(X))


def test_a_recall_out_of_reach_is_refused_with_the_best_possible(tmp_path: Path) -> None:
    case = Case(tmp_path, frame(), "threshold=min_recall", "threshold.min_recall=0.95")
    case.config.threshold.min_precision = 0.999
    with pytest.raises(NoThresholdError, match=r"best recall is 0\.\d+, and with that recall"):
        case.decide()


def test_groups_are_kept_together(tmp_path: Path) -> None:
    case = grouped(tmp_path, frame(), "calibration=sigmoid", "threshold=max_f1")
    case.check()
    assert case.decide().decision.score is not None
    for train, test in case.division.splits(5):
        groups = case.division.groups
        assert not set(groups[train]) & set(groups[test])


def test_if_false_alarms_cost_far_more_no_row_is_predicted_positive(tmp_path: Path) -> None:
    case = Case(tmp_path, frame(), "threshold=cost", "threshold.costs=[[0,1e6],[1,0]]")
    table = case.division.table
    # Nothing to learn, so the surest row is an alarm.
    table.y[case.division.train] = np.arange(len(case.division.train)) % 2
    decided = case.decide()
    at = decided.decision.threshold
    assert at is not None
    assert decided.decision.score == pytest.approx(0.5)
    assert predicted_codes(np.array([[1 - at, at]]), at).tolist() == [0]


def test_refits_are_calibrated_by_the_rule_of_the_run(tmp_path: Path) -> None:
    options = ("cv=grouped", "cv.group_column=who", "calibration=sigmoid", "calibration.n_splits=3")
    case = Case(tmp_path, frame(), *options)
    decided = case.decide()
    positions = np.arange(len(case.division.train))[::2]
    made = deciding.make_unfitted(case.config, case.division, decided, positions)
    groups, y = case.division.groups[positions], case.division.y_train[positions]
    assert len(made.cv) == 3
    assert all(not set(groups[train]) & set(groups[test]) for train, test in made.cv)
    fitted = made.fit(case.division.X_train.iloc[positions], y)
    expected = CalibratedClassifierCV(case.fitted(), method="sigmoid", ensemble=False, cv=made.cv)
    expected.fit(case.division.X_train.iloc[positions], y)
    X_test = case.division.X_test
    assert_array_equal(fitted.predict_proba(X_test), expected.predict_proba(X_test))


def test_a_refit_that_cannot_be_calibrated_is_not_made(tmp_path: Path) -> None:
    case = Case(tmp_path, frame(), "calibration=sigmoid", "calibration.n_splits=5")
    decided = case.decide()
    positive = np.flatnonzero(case.division.y_train == 1)[:4]
    positions = np.append(np.flatnonzero(case.division.y_train == 0), positive)
    assert deciding.make_unfitted(case.config, case.division, decided, positions) is None


# Its threshold is far from 0.5: to miss costs nine times as much as to be alarmed.
COSTS = "threshold.costs=[[0,1],[9,0]]"


@pytest.fixture(scope="module", params=[pytest.param("none", marks=pytest.mark.slow), "isotonic"])
def run(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    make_csv: Callable[..., Path],
) -> Path:
    path = tmp_path_factory.mktemp("decided") / "run"
    config = composed(
        "dataset=file",
        f"dataset.path={make_csv(200)}",
        "dataset.target=label",
        "search=none",
        "runtime=serial",
        "threshold=cost",
        COSTS,
        f"calibration={request.param}",
    )
    run_experiment(config, path, is_latest=False)
    return path


@pytest.fixture(scope="module")
def rows(run: Path) -> pd.DataFrame:
    config = json.loads((run / "schema.json").read_text())
    assert [column["name"] for column in config["columns"]] == ["age", "income", "job"]
    n = 300
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "age": rng.normal(40, 10, n),
            "income": rng.lognormal(3, 1, n),
            "job": rng.choice(["clerk", "farmer", "smith"], n),
        }
    )


@pytest.fixture(scope="module")
def expected(run: Path, rows: pd.DataFrame) -> np.ndarray:
    """Predict as people do who work in Python."""
    labels: np.ndarray = joblib.load(run / "estimator.joblib").predict(rows)
    return labels


def test_the_service_predicts_these_labels(
    run: Path, rows: pd.DataFrame, expected: np.ndarray
) -> None:
    model = load_model(run, name="decided", source="outputs/run")
    sent = rows.to_dict("records")
    batch = model.predict_rows(sent, strict=True)
    assert_array_equal(batch.label, expected)
    assert_array_equal([model.predict_row(row, strict=True).label for row in sent], expected)
    decision = json.loads((run / "evaluation.json").read_text())["evidence"]["decision"]
    assert batch.threshold == decision["threshold"]
    # Some rows have a label that is not their likelier one.
    likelier = np.where(np.array(batch.pred_proba) > 0.5, "c1", "c0")
    assert (likelier != expected).any()


def test_batch_scoring_predicts_these_labels(
    run: Path, rows: pd.DataFrame, expected: np.ndarray, tmp_path: Path
) -> None:
    rows.to_parquet(tmp_path / "in.parquet")
    score(f"run={run}", f"input={tmp_path}/in.parquet", f"output={tmp_path}/out.parquet")
    assert_array_equal(read(tmp_path / "out.parquet")["label"], expected)


def test_the_decision_is_in_the_evidence(run: Path) -> None:
    evidence = json.loads((run / "evaluation.json").read_text())["evidence"]
    decision = evidence["decision"]
    assert decision["objective"] == "cost"
    assert decision["costs"] == [[0.0, 1.0], [9.0, 0.0]]
    assert decision["score"] > 0
    scorer = json.loads((run / "scorer" / "scorer.json").read_text())
    assert scorer["threshold"] == decision["threshold"]
    assert (scorer["calibration"] or {"kind": "none"})["kind"] == evidence["calibration"]
