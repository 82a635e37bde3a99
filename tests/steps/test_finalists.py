"""Finalists are measured on the same rows as the model, and no number depends on a clock."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tabproof.evaluation_result import Evidence
from tabproof.experiment import make_run
from tabproof.steps.finalists import RowTimes
from tests.conftest import composed
from tests.test_conf import SMALL_PORTFOLIO

QUICK = ["report=default", "report.plots=false", "runtime=serial", "search.n_splits=2"]
# With this seed an ensemble scores better than its best member.
JOINED = ["search=portfolio", *SMALL_PORTFOLIO, "seed=4"]
ALONE = ["search=fast", "model=logistic_regression"]
# It numbers no candidates.
CLASSIC = ["search=classic", "search.param_grid=fast", "model=logistic_regression"]


def made(make_csv: Callable[..., Path], run: Path, *words: str) -> tuple[Evidence, dict[str, Any]]:
    table = ["dataset=file", f"dataset.path={make_csv()}", "dataset.target=label"]
    make_run(composed(*table, *QUICK, *words), run)
    evidence = Evidence.from_json((run / "evaluation.json").read_bytes())
    return evidence, json.loads((run / "summary.json").read_text())


def test_members_of_an_ensemble_are_measured_one_by_one(
    make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    evidence, summary = made(make_csv, tmp_path / "run", *JOINED)
    members = [each["candidate"] for each in summary["estimator"]["members"]]
    assert [each.candidate for each in evidence.finalists] == members
    # Each from the stored estimator, by scikit-learn.
    model = joblib.load(tmp_path / "run" / "estimator.joblib")
    rows = pd.read_csv(make_csv())
    held_out = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    X = model.read(rows.loc[held_out["row_id"]])
    X = model.pipeline[:-1].transform(X)
    for found, fitted in zip(evidence.finalists, model.pipeline[-1].estimators_, strict=True):
        truth = held_out["y_true"] == model.classes_[1]
        expected = roc_auc_score(truth, fitted.predict_proba(X)[:, 1])
        assert found.auc.value == pytest.approx(expected, abs=1e-12)
    times = summary["row_microseconds"]
    assert {"model", *(f"candidate {number}" for number in members)} <= times.keys()
    assert all(0 < each < 1e6 for each in times.values())
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "no candidate was chosen by its hold-out ROC-AUC" in page
    assert "In the exported form, which is served, it predicts a row in" in page
    assert "µs" in (tmp_path / "run" / "model_card.md").read_text(encoding="utf-8")


def measured_in(run: Path) -> list[bool]:
    """Return which candidates have a number of the hold-out in the report."""
    page = (run / "report.html").read_text(encoding="utf-8")
    table = page[page.index('id="candidates-table"') :].partition("</table>")[0]
    cells = re.findall(r'data-label="Hold-out ROC-AUC">(.*?)</td>', table)
    return [cell != "–" for cell in cells]


@pytest.mark.parametrize("search", [ALONE, CLASSIC], ids=["rungs", "classic"])
def test_other_finalists_are_fitted_only_on_request_and_change_nothing_else(
    search: list[str], make_csv: Callable[..., Path], tmp_path: Path
) -> None:
    evidence, summary = made(make_csv, tmp_path / "without", *search)
    assert evidence.finalists == []
    more, other = made(make_csv, tmp_path / "with", *search, "evaluation.finalists=1")
    assert len(more.finalists) == 1
    assert more.finalists[0].auc.value is not None
    assert more.metrics == evidence.metrics
    assert other["best_params"] == summary["best_params"]
    # The model's own, and that of the other one.
    assert measured_in(tmp_path / "without") == [True, False]
    assert measured_in(tmp_path / "with") == [True, True]
    again, _ = made(make_csv, tmp_path / "again", *search, "evaluation.finalists=1")
    assert again.finalists == more.finalists


def test_a_quick_prediction_is_repeated_and_the_least_time_counts() -> None:
    calls, times = [], RowTimes()
    times.repeat("model", lambda X: calls.append(len(X)), pd.DataFrame({"a": range(20_000)}))
    assert calls == [10_000] * 5
    times.note("slow", 1.0, 1000)
    times.note("slow", 0.5, 1000)
    times.note("slow", 2.0, 1000)
    assert times.microseconds["slow"] == 500
