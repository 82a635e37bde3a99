"""Facts of a run, made up: the pages are read, no model is fitted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabproof.artifacts import EstimatorFacts, MemberFacts
from tabproof.evaluation_result import (
    Baseline,
    Decision,
    Dependence,
    Estimate,
    Evidence,
    Finding,
    Group,
    Importance,
    LearningPoint,
    RepeatedScores,
    Slice,
)
from tabproof.forms import DateForm
from tabproof.report import ReportFacts
from tabproof.schema import (
    CategoryColumn,
    Column,
    DateColumn,
    NumberColumn,
    Schema,
    TextColumn,
    make_treatment,
)

METRICS = {
    "roc_auc": Estimate(0.7889, 0.7093, 0.8513),
    "average_precision": Estimate(0.6449, 0.5411, 0.7391),
    "accuracy": Estimate(0.78, 0.7176, 0.8318),
    "balanced_accuracy": Estimate(0.7, 0.6381, 0.7619),
    "f1": Estimate(0.5769, 0.4706, 0.6725),
    "mcc": Estimate(0.4447, 0.3131, 0.5631),
    "brier": Estimate(0.1653, 0.1352, 0.1981),
    "log_loss": Estimate(0.5519, 0.4302, 0.6891),
    "ece": Estimate(0.0914, 0.0702, 0.1461),
}
# What somebody may call a column or a group, whether or not they mean well.
ODD_NAMES = (
    "<script>alert(1)</script>",
    "\"quoted\" & 'quoted'</style>",
    "\u202egnirts",
    "👩‍👧 family",
    "w" * 200,
    "a|b *c* `d` [e](f) ${g}",
    "{0} {name}",
    "שלום",
    "顧客の区分",
    "line\nbreak\n---\n# title",
)


def evidence_of(labels: tuple[str, ...] = ("good", "bad"), **changes: Any) -> Evidence:
    """Make evidence in which nothing is missing."""
    n_labels = len(labels)
    content: dict[str, Any] = {
        "labels": labels,
        "n_train": 800,
        "n_test": 200,
        "n_by_label": [140, 60] if n_labels == 2 else [200 // n_labels] * n_labels,
        "metrics": METRICS,
        "calibration": "isotonic",
        "decision": _decision() if n_labels == 2 else Decision("default", None),
        "findings": (
            Finding("duplicates", "2 rows stand in both parts", ("age",), {"n_rows": 2}),
            Finding("id_like", "column 'number' looks like an id", ("number",)),
        ),
        "slices": (slice_of("sex", n_labels), slice_of("purpose", n_labels)),
        "importances": [
            Importance(f"column {n}", Estimate(0.1 / n, 0.08 / n - 0.005, 0.12 / n + 0.005))
            for n in range(1, 31)
        ],
        "dependences": (Dependence("age", labels[-1], [20.0, 60.0], [0.2, 0.4], [0.5, 0.5]),),
        "learning_curve": [
            LearningPoint(n, Estimate(0.95), Estimate(score, score - 0.02, score + 0.02))
            for n, score in ((100, 0.70), (400, 0.75), (800, 0.79))
        ],
        "repeated": RepeatedScores(5, 5, METRICS, dict.fromkeys(METRICS, 0.0123)),
        "baselines": [
            Baseline("boosting", Estimate(0.78, 0.7, 0.85), 800, Estimate(-0.01, -0.03, 0.01), 0.3)
        ],
    }
    return Evidence(**(content | changes))


def _decision() -> Decision:
    return Decision("cost", 0.1667, score=0.52, costs=[[0, 1], [5, 0]])


def slice_of(column: str, n_labels: int = 2, names: tuple[str, ...] = ("a", "b", "c")) -> Slice:
    """Make groups, the last of which is too small and has an undefined metric."""
    groups = []
    for number, name in enumerate(names):
        is_small = number == len(names) - 1
        center = 0.78 - 0.03 * number
        known = {"roc_auc": Estimate(center, center - 0.06, center + 0.06)}
        unknown = {"roc_auc": Estimate(None)}
        groups.append(
            Group(
                name=name,
                n_rows=3 if is_small else 100,
                n_by_label=[1] * n_labels,
                metrics={
                    **(unknown if is_small else known),
                    "accuracy": Estimate(0.7, 0.6, 0.8),
                },
                shares=[Estimate(0.3, 0.2, 0.4)] * n_labels,
                is_small=is_small,
            )
        )
    return Slice(column, groups, [0.6, None][:n_labels] + [0.5] * (n_labels - 2))


def summary_of(**changes: Any) -> dict[str, Any]:
    """Make the content of summary.json."""
    return {
        "run_id": "12eba8b5a1c120ad",
        "dataset": "credit-g",
        "mode": "full",
        "n_candidates": 60,
        "n_rows_without_target": 0,
        "parity": {"n_rows": 3201, "max_difference": 2.2e-16, "allowed": 1e-12},
        "scoring": "roc_auc",
        "best_score": 0.8012,
        "best_params": {"clf__learning_rate": 0.1, "clf__max_leaf_nodes": 31},
        "stopped": None,
        "n_not_tried": 0,
        "data": {"sha256": "79" * 32, "columns": {"age": "0", "number": "1", "class": "2"}},
        "code": "9e" * 32,
        "versions": {"numpy": "2.4.6", "python": "3.11.7", "scikit-learn": "1.9.1"},
        "platform": {"system": "Linux", "machine": "x86_64", "level": "x86-64-v3"},
        "git": {"commit": "53" * 20, "clean": False},
        "seconds": {"searching": 1.7, "total": 4.3},
        **changes,
    }


ALONE = EstimatorFacts(
    members=[MemberFacts(kind="RandomForestClassifier", params={"max_leaf_nodes": 64})]
)


def ensemble_of(*candidates: int | None, names: Sequence[str] = ODD_NAMES) -> EstimatorFacts:
    """Make a vote of candidates of a search, or of models that were configured (None)."""
    members = [
        MemberFacts(
            name=name,
            kind="LogisticRegression",
            params={"C": 0.1, "solver": name},
            weight=1 / len(candidates),
            candidate=number,
            score=None if number is None else 0.7654,
        )
        for number, name in zip(candidates, names, strict=False)
    ]
    return EstimatorFacts(combined="soft_vote", members=members)


def candidates_of(n_candidates: int = 60) -> pd.DataFrame:
    """Make the results of a search in one rung, without a fit."""
    scores = np.random.default_rng(0).normal(0.75, 0.02, n_candidates)
    return pd.DataFrame(
        {
            "iter": 0,
            "n_resources": 800,
            "n_folds": 3,
            "candidate": range(n_candidates),
            "mean_test_score": scores,
            "mean_fit_time": np.linspace(0.1, 2.0, n_candidates),
            "rank_test_score": (-scores).argsort().argsort() + 1,
            "error": "",
            "params": [{"clf__max_leaf_nodes": n + 2} for n in range(n_candidates)],
        }
    )


CONFIG = """\
seed: 42
model:
  estimator:
    _target_: sklearn.ensemble.HistGradientBoostingClassifier
checks:
  enabled: true
"""
PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20" role="img" aria-label="a curve">'
    '<rect width="40" height="20" fill="#2f6fb5"/></svg>'
)


def schema_of() -> Schema:
    """Make a column of each kind, and something that was done to one."""
    columns: tuple[Column, ...] = (
        NumberColumn("age", 19.0, 75.0, 0.0),
        CategoryColumn("purpose", ("car", "radio", "education"), 0.125),
        DateColumn("since", 0.0, 1.7e9, 0.0, DateForm("%d/%m/%Y")),
        TextColumn("remark", 280, 0.5),
    )
    done = (make_treatment("left_out_constant", ["foreign"]),)
    return Schema(columns, "class", ("good", "bad"), 800, done)


def facts_of(evidence: Evidence | None = None, **changes: Any) -> ReportFacts:
    """Make facts in which nothing is missing."""
    content: dict[str, Any] = {
        "evidence": evidence or evidence_of(),
        "summary": summary_of(),
        "estimator": ALONE,
        "candidates": candidates_of(),
        "config_yaml": CONFIG,
        "pictures": dict.fromkeys(("roc", "calibration", "confusion", "importance"), PICTURE),
        "command": ["python", "-m", "src.train", "dataset=credit-g", "search=full"],
        "run_path": "outputs/2026-11-23/15-07-20_credit-g_full_12eba8b5",
        "target": "class",
        "files": ["evaluation.json", "summary.json", "plots/"],
        "schema": schema_of(),
    }
    return ReportFacts(**(content | changes))
