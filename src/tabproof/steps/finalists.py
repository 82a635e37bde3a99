"""Score the finalists of the search on the hold-out, and measure their times per row.

The hold-out is used once, after the choice: no candidate is chosen by it. Members of an
ensemble are fitted on all training rows already; other finalists are fitted on request only.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from tabproof import data, evaluation
from tabproof.config import TrainConfig
from tabproof.evaluation_result import Finalist
from tabproof.search import FAMILY, SearchResult
from tabproof.steps.describe import describe_estimator
from tabproof.steps.for_people import ForPeople
from tabproof.steps.search import Plan

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Predict = Callable[[pd.DataFrame], Floats]

# A quick prediction is repeated, and the least time counts: others were interrupted.
MAX_ROWS, N_TIMES, ENOUGH_SECONDS = 10_000, 5, 0.05


@dataclass
class RowTimes:
    """Microseconds per predicted row, by what predicts; no two measurements are equal."""

    microseconds: dict[str, float] = field(default_factory=dict)

    def predict(self, name: str, predict: Predict, X: pd.DataFrame) -> Floats:
        """Predict all rows at once, and note the time."""
        start = perf_counter()
        proba = predict(X)
        self.note(name, perf_counter() - start, len(X))
        return proba

    def repeat(self, name: str, predict: Predict, X: pd.DataFrame) -> None:
        """Predict the first rows a few times, and note the least time."""
        some, begin = X.iloc[:MAX_ROWS], perf_counter()
        for _ in range(N_TIMES):
            self.predict(name, predict, some)
            if perf_counter() - begin > ENOUGH_SECONDS:
                break

    def note(self, name: str, seconds: float, n_rows: int) -> None:
        """Keep the least time of a name, with as many digits as mean anything."""
        found = float(f"{seconds / n_rows * 1e6:.3g}")
        self.microseconds[name] = min(found, self.microseconds.get(name, found))


def fit_finalists(
    config: TrainConfig,
    plan: Plan,
    division: data.Division,
    found: SearchResult,
    on_fit: Callable[[str, int], None],
    people: ForPeople,
) -> dict[int, Any]:
    """Fit the best other finalists on all training rows, by candidate, if that is configured.

    on_fit : called with the name of the part, and the number of fits, each time that a fit begins.
    """
    fitted: dict[int, Any] = {}
    if not config.evaluation.finalists or "mean_test_score" not in found.cv_results:
        return fitted
    with people.part("other finalists"):
        others = _other_finalists(found)[: config.evaluation.finalists]
        log.info("other finalists: %d fits on all training rows", len(others))
        for number, chosen in others:
            on_fit("finalist", len(others))
            params = dict(chosen)
            family = "" if "" in plan.pipelines else str(params.pop(FAMILY))
            pipeline = clone(plan.pipelines[family]).set_params(**params)
            fitted[number] = pipeline.fit(division.X_train, division.y_train)
    return fitted


def _other_finalists(found: SearchResult) -> list[tuple[int, Mapping[str, Any]]]:
    """Return number and parameters of distinct candidates of the last rung, the best first.

    Without those in the model.
    """
    table, facts = found.cv_results, describe_estimator(found)
    # The usual method numbers no candidates: by their places.
    numbers = pd.factorize(table["params"].map(repr))[0]
    table = table.assign(number=table.get("candidate", pd.Series(numbers, table.index)))
    served = {facts.candidate, *(member.candidate for member in facts.members)}
    is_served = table["number"].isin(served)
    if served == {None}:
        is_served = table["params"].map(repr) == repr(found.best_params)
    last = table.assign(is_other=~is_served)[table["iter"] == table["iter"].max()]
    last = last[np.isfinite(last["mean_test_score"].astype(float))]
    last = last.sort_values(["is_other", "rank_test_score"], kind="stable")
    if "same_as" in last:
        last = last.drop_duplicates("same_as")
    others = last[last["is_other"]]
    return list(zip(others["number"].astype(int), others["params"], strict=True))


def evaluate_finalists(
    config: TrainConfig,
    division: data.Division,
    found: SearchResult,
    others: Mapping[int, Any],
    times: RowTimes,
) -> list[Finalist]:
    """Return the hold-out scores of the members of an ensemble and of other fitted finalists."""
    X, y = division.X_test, division.y_test
    fitted = {number: pipeline.predict_proba for number, pipeline in others.items()}
    finalists = []
    for number, predict in {**dict(_members(found)), **fitted}.items():
        proba = times.predict(f"candidate {number}", predict, X)
        measured = evaluation.measure(y, proba, names=["roc_auc"], n_bootstrap=0, seed=config.seed)
        finalists.append(Finalist(number, measured["roc_auc"]))
    return finalists


def _members(found: SearchResult) -> Iterator[tuple[int, Predict]]:
    """Yield the members of an ensemble that the search has made, each with the steps before it."""
    facts = describe_estimator(found)
    if not facts.is_joined:
        return
    before, vote = found.pipeline[:-1], found.pipeline[-1]
    for member, fitted in zip(facts.members, vote.estimators_, strict=True):
        if member.candidate is not None:
            yield member.candidate, _after(before, fitted)


def _after(before: Any, fitted: Any) -> Predict:
    return lambda X: np.asarray(fitted.predict_proba(before.transform(X)))
