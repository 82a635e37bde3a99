"""What an evaluation fits anew follows the run's rules, and what it cannot do is refused before."""

from pathlib import Path

import numpy as np
import pandas as pd

from tabproof.evaluation import repeated_scores
from tabproof.steps import check, evaluate
from tabproof.steps.for_people import ForPeople
from tests.steps.cases import Case

REPEATED = ("evaluation=repeated", "evaluation.n_repeats=1", "calibration=sigmoid")


def table_with(n_positive: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    # A tenth is held out: of the positive rows as well.
    label = np.arange(200) < n_positive
    return pd.DataFrame(
        {"age": rng.normal(label, 1.0), "who": 0, "label": np.where(label, "yes", "no")}
    )


def test_just_enough_rows_for_the_calibration_are_enough(tmp_path: Path) -> None:
    case = Case(tmp_path, table_with(9), *REPEATED, "cv.test_size=0.25")
    check.check(case.config, case.division)
    found = evaluate.refit(case.config, case.division, case.decide(), lambda *_: None, ForPeople())
    assert found.repeated is not None
    assert found.repeated.metrics["roc_auc"].value is not None


def test_folds_are_calibrated_with_as_many_folds_as_the_run(tmp_path: Path) -> None:
    few = ("calibration.n_splits=2", "evaluation.n_splits=3", "cv.test_size=0.25")
    case = Case(tmp_path, table_with(5), *REPEATED, *few)
    check.check(case.config, case.division)
    found = evaluate.refit(case.config, case.division, case.decide(), lambda *_: None, ForPeople())
    assert found.repeated is not None
    assert found.repeated.metrics["brier"].value is not None


def test_a_fold_whose_model_cannot_be_made_is_left_out_and_reported() -> None:
    X, y = table_with(40)[["age"]], (np.arange(200) < 40).astype(np.int64)
    splits = [(np.arange(0, 200, 2), np.arange(1, 200, 2))]
    found, findings = repeated_scores(
        lambda _: None, X, y, splits, names=["roc_auc"], labels=["no", "yes"],
        n_splits=1, n_repeats=1,
    )  # fmt: skip
    assert found.metrics["roc_auc"].value is None
    assert [finding.check for finding in findings] == ["undefined_folds"]
