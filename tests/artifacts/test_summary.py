"""A summary survives writing and reading, and its result line has a fixed form."""

import json
from typing import Any

import numpy as np
import pytest

from tabproof.artifacts import DataFingerprint, EstimatorFacts, MemberFacts, Summary
from tabproof.errors import NewerFormatError


def summary(**changes: Any) -> Summary:
    standard: dict[str, Any] = {
        "run_id": "0" * 16,
        "dataset": "openml_adult",
        "mode": "full",
        "labels": ("<=50K", ">50K"),
        "n_train": 39073,
        "n_test": 9769,
        "n_rows_without_target": 0,
        "metrics": {"roc_auc": 0.92534, "accuracy": 0.87178},
        "intervals": {"roc_auc": (0.92, 0.93), "accuracy": (0.86, 0.88)},
        "calibration": "none",
        "decision": {"objective": "default", "threshold": 0.5},
        "findings": [],
        "scoring": "roc_auc",
        "best_score": 0.93,
        "best_params": {
            "clf__learning_rate": 0.1,
            "clf__max_depth": 4,
            "clf__max_leaf_nodes": 31,
        },
        "n_candidates": 27,
        "parity": None,
        "rungs": [1447],
        "not_scored": [],
        "stopped": None,
        "n_not_tried": 0,
        "ensemble_score": None,
        "data": DataFingerprint("f" * 64),
        "code": "",
        "versions": {},
        "platform": {},
        "git": {},
        "workers": 2,
        "seconds": {"total": 18.6},
    }
    return Summary(**{**standard, **changes})


def test_the_result_line_keeps_its_form() -> None:
    assert summary().result_line() == (
        "[RESULT] ds=openml_adult mode=full AUC=0.9253 ACC=0.8718 best={'clf__learning_rate':"
        " 0.1, 'clf__max_depth': 4, 'clf__max_leaf_nodes': 31} elapsed_sec=19"
    )


def test_the_result_line_names_an_ensemble_in_brief() -> None:
    parts = [{"weight": 0.5, "model": "linear", "clf__C": 0.1}, {"weight": 0.5, "model": "forest"}]
    line = summary(best_params={"ensemble": parts}).result_line()
    assert line.endswith(" best={'ensemble': '2 models (soft vote)'} elapsed_sec=19")
    # A parameter of an estimator may have this name.
    assert " best={'ensemble': False} " in summary(best_params={"ensemble": False}).result_line()


def test_a_summary_survives_writing_and_reading() -> None:
    member = MemberFacts(name="a", kind="LogisticRegression", params={"C": 0.5}, weight=1.0)
    written = summary(
        best_params={"clf__C": np.float64(0.5), "clf__n": np.int64(3)},
        estimator=EstimatorFacts(combined="soft_vote", candidate=3, members=[member]),
    )
    text = written.to_json()
    assert json.loads(text)["best_params"] == {"clf__C": 0.5, "clf__n": 3}
    assert Summary.from_json(text.encode()).to_json() == text


def test_a_summary_of_an_earlier_version_has_defaults() -> None:
    content = json.loads(summary().to_json())
    names = ("estimator", "intervals", "calibration", "decision", "findings", "parity", "stopped")
    for name in names:
        del content[name]
    found = Summary.from_json(json.dumps(content).encode())
    assert (found.intervals, found.calibration, found.stopped) == ({}, "none", None)
    assert (found.estimator.title, found.estimator.is_ensemble) == ("", False)


def test_a_damaged_or_newer_summary_is_refused() -> None:
    content = json.loads(summary().to_json())
    for changes in ({"metrics": {"roc_auc": "high"}}, {"data": {}}, {"labels": 3}, {"format": 0}):
        with pytest.raises(ValueError, match="has "):
            Summary.from_json(json.dumps({**content, **changes}).encode())
    with pytest.raises(NewerFormatError):
        Summary.from_json(json.dumps({**content, "format": 2}).encode())
