"""The candidates of a search and their scores by rung, read from cv_results_.

The tables of RungSearchCV and of scikit-learn's halving searches, which identify a candidate by
its parameters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.artifacts import EstimatorFacts
from tabproof.text import format_params, format_value, short_names

NEARLY_ALL = 0.9
# Columns of rungs, beside rung (from 1), candidates and different, by those of cv_results_.
RUNGS = {"n_iterations_share": "iterations", "n_resources": "rows", "n_folds": "folds"}


@dataclass(frozen=True)
class SearchTable:
    """Candidates and rungs.

    failed, scores and fit_seconds have a row per candidate, a column per rung. numbers: of the
    candidates, where the results number them. rungs: a row per rung, without the columns that are
    not known. finalists: distinct candidates of the last rung, the best first. winner: one of
    them, or None where nothing was scored.
    """

    params: Sequence[Mapping[str, Any]]
    numbers: Sequence[int | None]
    rungs: pd.DataFrame
    failed: NDArray[np.bool_]
    scores: NDArray[np.float64]
    fit_seconds: NDArray[np.float64]
    finalists: Sequence[int]
    winner: int | None

    @cached_property
    def names(self) -> dict[str, str]:
        """Short names of all parameters."""
        return short_names(dict.fromkeys(name for params in self.params for name in params))

    @cached_property
    def varied(self) -> list[str]:
        """Parameters with more than one value, of the candidates that have them."""
        values: dict[str, set[str]] = {name: set() for name in self.names}
        for params in self.params:
            for name, value in params.items():
                values[name].add(format_value(value))
        return [name for name in self.names if len(values[name]) > 1]

    @property
    def broad_rung(self) -> int:
        """The last rung in which nearly all scored candidates have a score."""
        n_scored = np.isfinite(self.scores).sum(axis=0)
        return int(np.flatnonzero(n_scored >= NEARLY_ALL * n_scored.max())[-1])

    def in_model(self, estimator: EstimatorFacts) -> dict[int, float | None]:
        """Return the candidates that are in the model of the run, with their weights.

        The one that is the model has no weight. Members of an ensemble: the greatest weight first.
        """
        if estimator.is_joined:
            weights = {member.candidate: member.weight for member in estimator.members}
            places = [n for n, number in enumerate(self.numbers) if number in weights]
            found = {n: weights[self.numbers[n]] for n in places}
            return dict(sorted(found.items(), key=lambda item: -(item[1] or 0.0)))
        if estimator.candidate is not None:
            return {self.numbers.index(estimator.candidate): None}
        # The usual method numbers no candidates.
        return {} if self.winner is None else {self.winner: None}

    def number_of(self, candidate: int) -> int:
        """Return the number of a candidate in the results, or its place where they number none."""
        number = self.numbers[candidate]
        return candidate if number is None else number

    def in_words(self, candidate: int) -> str:
        """Return the parameters of a candidate in which candidates differ."""
        params = self.params[candidate]
        names = [name for name in self.varied or self.names if name in params]
        return format_params({name: params[name] for name in names}, self.names)


def read_search(cv_results: pd.DataFrame) -> SearchTable:
    """Read a frame with a row per candidate and rung."""
    frame = cv_results.reset_index(drop=True)
    params = [dict(row) for row in frame["params"]]
    known = {f"param_{name}" for row in params for name in row}
    # Choices that are no parameter of an estimator, such as the kind of model, have only a column.
    for column in frame.filter(regex="^param_"):
        if column not in known:
            for row, value in zip(params, frame[column], strict=True):
                row[str(column).removeprefix("param_")] = value
    ids = frame["candidate"] if "candidate" in frame else pd.Series(map(repr, params))
    candidates = pd.factorize(ids)[0]
    first_rows = np.unique(candidates, return_index=True)[1]
    shape = len(first_rows), frame["iter"].nunique()
    failed, scores = np.zeros(shape, bool), np.full(shape, np.nan)
    fit_seconds = np.full(shape, np.nan)
    winning: int | None = None
    for place, (_, part) in enumerate(frame.groupby("iter")):
        has_failed = part["mean_test_score"].isna()
        if "error" in part:
            has_failed = part["error"].fillna("") != ""
        # In a search that was stopped, the folds that all candidates of the rung have.
        splits = part.filter(regex=r"^split\d+_test_score$")
        splits = splits.loc[:, splits[~has_failed].notna().all()]
        means = part["mean_test_score"].astype(float)
        if not np.isfinite(means).any() and len(splits.columns):
            means = splits.mean(axis=1, skipna=False)
        failed[candidates[part.index], place] = has_failed
        scores[candidates[part.index], place] = means
        if "mean_fit_time" in part:
            fit_seconds[candidates[part.index], place] = part["mean_fit_time"].astype(float)
        ranked = part.sort_values("rank_test_score", kind="stable")
        # The last rung in which all can be compared decides.
        scored = ranked.index[np.isfinite(means[ranked.index])]
        if len(scored) and ("error" not in part or len(splits.columns) or place == 0):
            winning = int(scored[0])
    # By rank, one of those that are equal in the last rung.
    finalists = ranked
    if winning is not None and winning in ranked.index:
        finalists = ranked.loc[[winning, *ranked.index.drop([winning])]]
    if "same_as" in finalists:
        finalists = finalists.drop_duplicates("same_as")
    met = frame.groupby("iter")
    rungs = frame.drop_duplicates("iter").set_index("iter").sort_index().rename(columns=RUNGS)
    rungs = rungs.filter([*RUNGS.values()]).assign(rung=rungs.index + 1, candidates=met.size())
    rungs["different"] = met["same_as"].nunique() if "same_as" in frame else rungs["candidates"]
    return SearchTable(
        params=[params[row] for row in first_rows],
        numbers=[int(ids[row]) if "candidate" in frame else None for row in first_rows],
        rungs=rungs,
        failed=failed,
        scores=scores,
        fit_seconds=fit_seconds,
        finalists=candidates[finalists.index].tolist(),
        winner=None if winning is None else int(candidates[winning]),
    )
