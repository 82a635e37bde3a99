"""What the model of a run is, and what it was compared with: candidates and simple models."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from tabproof.artifacts import EstimatorFacts
from tabproof.evaluation_result import Estimate, Evidence
from tabproof.report import format as fmt
from tabproof.report.format import Texts
from tabproof.report.search_table import read_search
from tabproof.text import format_microseconds, format_params

Row = dict[str, Any]
MAX_CANDIDATES = 50
EMPTY: Mapping[str, float] = MappingProxyType({})
# Equal probabilities order no two rows, whatever the data.
CHANCE = Estimate(0.5)


def model_title(estimator: EstimatorFacts, t: Texts) -> str:
    """Name the model: the class of a single one, or how many there are and how they answer."""
    if not estimator.is_ensemble:
        return fmt.shown(estimator.title)
    how = t(f"model.{estimator.combined}", combiner=fmt.shown(estimator.combiner))
    return t("model.ensemble", n_models=len(estimator.members), how=how)


def member_rows(estimator: EstimatorFacts) -> list[Row]:
    """Return a row per model of the estimator; a single one has no name and no weight."""
    return [
        {
            "name": fmt.shown(member.name),
            "kind": fmt.shown(member.kind),
            "parameters": fmt.shown(format_params(member.params)),
            "weight": fmt.decimal(member.weight),
            "score": fmt.decimal(member.score, 4),
        }
        for member in estimator.members
    ]


def best_candidates(
    cv_results: pd.DataFrame | None,
    estimator: EstimatorFacts,
    evidence: Evidence | None = None,
    times: Mapping[str, float] = EMPTY,
) -> Row | None:
    """Return the best candidates, by last rung and then score; None without a search.

    The one that is the estimator comes first. Members of an ensemble have their weights, and none
    of them is chosen alone. Those that were fitted on all training rows have a ROC-AUC on the
    hold-out. times : microseconds per predicted row, by what predicts.
    """
    if cv_results is None or cv_results.empty or "mean_test_score" not in cv_results:
        return None
    table = read_search(cv_results)
    is_scored = np.isfinite(table.scores)
    scored = np.flatnonzero(is_scored.any(axis=1)).tolist()
    last = table.scores.shape[1] - 1 - np.argmax(is_scored[:, ::-1], axis=1)
    score = table.scores[np.arange(len(last)), last]
    served, is_joined = table.in_model(estimator), estimator.is_joined
    order = sorted(scored, key=lambda n: (is_joined or n not in served, -last[n], -score[n], n))
    aucs: dict[int, Estimate | None] = {}
    row_times = {n: times.get(f"candidate {table.number_of(n)}") for n in order[:MAX_CANDIDATES]}
    if evidence is not None:
        measured = {each.candidate: each.auc for each in evidence.finalists}
        aucs = {n: measured.get(table.number_of(n)) for n in row_times}
        if not is_joined:
            aucs |= dict.fromkeys(served, evidence.metrics.get("roc_auc"))
            row_times |= dict.fromkeys(served, times.get("model"))
    best = [
        {
            "words": table.in_words(n),
            "auc": aucs.get(n),
            "row_time": micro(row_times[n]),
            "score": float(score[n]),
            "rung": int(last[n]) + 1,
            "fit_seconds": float(table.fit_seconds[n, last[n]]),
            "is_chosen": n in served and not is_joined,
            "weight": served.get(n),
        }
        for n in order[:MAX_CANDIDATES]
    ]
    n_all, n_rungs = len(table.params), len(table.rungs)
    return {
        "best": best,
        "n_all": n_all,
        "n_failed": n_all - len(scored),
        "n_rungs": n_rungs,
        "is_measured": any(each["auc"] is not None for each in best),
    }


def micro(value: float | None) -> str:
    """Write microseconds; a dash where they were not measured."""
    return fmt.NOTHING if value is None else format_microseconds(value)


def baseline_rows(evidence: Evidence, t: Texts) -> list[Row]:
    """Return a row per baseline, the best first."""
    best = sorted(evidence.baselines, key=lambda each: -(each.auc.value or 0.0))
    return [
        {
            "key": each.name,
            "name": t.get(f"baselines.{each.name}", fmt.shown(each.name)),
            "auc": each.auc,
            "difference": each.difference,
            "p_value": f"{each.p_value:.2g}",
            "is_higher": (each.difference.value or 0.0) > 0,
        }
        for each in best
    ]


def held_out_rows(
    evidence: Evidence, estimator: EstimatorFacts, t: Texts, times: Mapping[str, float] = EMPTY
) -> list[Row]:
    """Return the AUC on the held-out rows of the model, of each baseline, and of no model.

    Nothing where there are no baselines. times : as for best_candidates.
    """
    auc = evidence.metrics.get("roc_auc")
    if not evidence.baselines or auc is None:
        return []
    row_time = micro(times.get("model"))
    rows = [{"name": model_title(estimator, t), "auc": auc, "row_time": row_time, "is_model": True}]
    rows += [
        {**row, "row_time": micro(times.get(row["key"])), "is_model": False}
        for row in baseline_rows(evidence, t)
    ]
    label = evidence.labels[int(np.argmax(evidence.n_by_label))]
    name = t("candidates.always", label=fmt.in_a_sentence(label))
    return [*rows, {"name": name, "auc": CHANCE, "row_time": fmt.NOTHING, "is_model": False}]
