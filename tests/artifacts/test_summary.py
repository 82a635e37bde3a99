"""The last line of a run has a fixed form."""

import json
from typing import Any

import numpy as np

from tabproof.artifacts import Summary


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
        "data": {},
        "code": "",
        "versions": {},
        "platform": {},
        "git": {},
        "workers": 2,
        "seconds": {"total": 18.6},
    }
    return Summary(**{**standard, **changes})


def test_the_result_line_is_byte_for_byte_what_scripts_read() -> None:
    assert summary().result_line() == (
        "[RESULT] ds=openml_adult mode=full AUC=0.9253 ACC=0.8718 best={'clf__learning_rate':"
        " 0.1, 'clf__max_depth': 4, 'clf__max_leaf_nodes': 31} elapsed_sec=19"
    )


def test_numbers_of_numpy_are_plain_in_json() -> None:
    text = summary(best_params={"clf__C": np.float64(0.5)}).to_json()
    assert json.loads(text)["best_params"] == {"clf__C": 0.5}
