"""The facts of the estimator that a run ends in, read off the fitted estimator itself."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import compress
from math import isfinite, nan
from typing import Any

import numpy as np
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.pipeline import Pipeline

from tabproof.artifacts import EstimatorFacts, MemberFacts
from tabproof.artifacts.estimator_facts import Combined
from tabproof.search import SearchResult
from tabproof.text import format_value

# Every model of a run has the seed of the run, and these change no answer.
NOT_SAID = {"random_state", "n_jobs", "verbose"}
# Deeper values are texts.
MAX_DEPTH = 4


def describe_estimator(found: SearchResult) -> EstimatorFacts:
    """Return what the pipeline of a search is; a calibrator around it leaves it as it is.

    Scores and numbers of candidates are those of the search.
    """
    model, best = _last_step(found.pipeline), found.best_params
    whole = _candidate_of(found, best)
    if not isinstance(model, VotingClassifier | StackingClassifier):
        return EstimatorFacts(candidate=whole, members=[_member_of(model)])
    is_kept = [not (isinstance(part, str) and part == "drop") for _, part in model.estimators]
    names = [name for name, _ in compress(model.estimators, is_kept)]
    weights: list[float | None] = [None] * len(names)
    combined: Combined = "stacking"
    if isinstance(model, VotingClassifier):
        combined = "soft_vote" if model.voting == "soft" else "hard_vote"
        asked = [1.0] * len(is_kept) if model.weights is None else model.weights
        kept = [float(weight) for weight in compress(asked, is_kept)]
        weights = [weight / sum(kept) for weight in kept]
    # A portfolio has tried each of its members; those that are configured were tried together.
    candidates: list[int | None] = [None] * len(names)
    if isinstance(parts := best.get("ensemble"), list):
        without = [{k: v for k, v in part.items() if k != "weight"} for part in parts]
        candidates = [_candidate_of(found, params) for params in without]
    scores = _scores_of(found, candidates)
    members = [
        replace(_member_of(fitted), name=name, weight=weight, candidate=number, score=score)
        for name, fitted, weight, number, score in zip(
            names, model.estimators_, weights, candidates, scores, strict=True
        )
    ]
    combiner = type(model.final_estimator_).__name__ if combined == "stacking" else ""
    return EstimatorFacts(combined=combined, combiner=combiner, candidate=whole, members=members)


def _member_of(fitted: Any) -> MemberFacts:
    last = _last_step(fitted)
    return MemberFacts(kind=type(last).__name__, params=dict(_params_of(last)))


def _last_step(model: Any) -> Any:
    return _last_step(model.steps[-1][1]) if isinstance(model, Pipeline) else model


def _params_of(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parameters that are not the defaults of the class, as JSON has them."""
    try:
        defaults = type(model)().get_params(deep=False)
    except Exception:  # a user's class may need any parameter; the run is right without defaults
        defaults = {}
    for name, value in model.get_params(deep=False).items():
        # NaN equals itself as text, and an array is no truth value.
        is_default = repr(value) == repr(defaults.get(name))
        if name not in NOT_SAID and not is_default:
            yield name, _as_plain(value)


def _as_plain(value: Any, depth: int = 0) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    if depth < MAX_DEPTH and isinstance(value, list | tuple):
        return [_as_plain(each, depth + 1) for each in value]
    if depth < MAX_DEPTH and isinstance(value, dict):
        return {str(name): _as_plain(each, depth + 1) for name, each in value.items()}
    return format_value(value)


def _candidate_of(found: SearchResult, params: dict[str, Any]) -> int | None:
    table = found.cv_results
    if "candidate" not in table:
        return None
    wanted = repr(sorted(params.items(), key=str))
    for candidate, each in zip(table["candidate"], table["params"], strict=True):
        if repr(sorted(each.items(), key=str)) == wanted:
            return int(candidate)
    return None


def _scores_of(found: SearchResult, candidates: Sequence[int | None]) -> list[float | None]:
    """Return the scores of finalists, on the folds that all of them have."""
    if all(number is None for number in candidates):
        return [None] * len(candidates)
    table = found.cv_results
    last = table[(table["iter"] == table["iter"].max()) & table["candidate"].isin(candidates)]
    folds = last.set_index("candidate").filter(regex=r"^split\d+_test_score$")
    means = folds.dropna(axis="columns").mean(axis="columns")
    scores = [float(means.get(number, nan)) for number in candidates]
    return [score if isfinite(score) else None for score in scores]
