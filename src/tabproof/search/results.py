"""Results of a search: the table cv_results_, and what a run needs to know of any engine.

cv_results_ has a row per candidate and rung, in the form of scikit-learn's halving searches.
`iter`, `n_resources` (training rows), `n_iterations_share` and `n_folds` are what the rung asked
for; `same_as` is the equivalent candidate that was fitted in place of this one; `error` holds the
tracebacks of failed fits. Times depend on the machine; everything else is the same for any number
of workers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tabproof.search.candidates import Candidate
from tabproof.search.rungs import RungScores

if TYPE_CHECKING:
    from tabproof.search.estimator import RungSearchCV


@dataclass(frozen=True)
class SearchResult:
    """The result of a search, whatever its engine.

    pipeline is fitted on all training rows; cv_results has a row per candidate and rung; rungs
    are numbers of training rows. stopped is the reason why the search ended early, or None.
    finished names the fits that the choice is based on, where these are not all: the search was
    stopped, or processes were killed. ensemble_score is the score of a weighted mean of finalists,
    or None where none was tried.
    """

    pipeline: Any
    best_params: dict[str, Any]
    best_score: float | None
    scoring: str
    cv_results: pd.DataFrame
    n_candidates: int
    rungs: list[int] = field(default_factory=list)
    not_scored: list[str] = field(default_factory=list)
    stopped: str | None = None
    n_not_tried: int = 0
    n_fits: int = 0
    ensemble_score: float | None = None
    finished: tuple[str, ...] = ()


def unsearched(pipeline: Any, scoring: str, n_rows: int) -> SearchResult:
    """Return the result for a fitted pipeline that was used as it is."""
    results = pd.DataFrame({"iter": [0], "n_resources": [n_rows], "params": [{}]})
    return SearchResult(pipeline, {}, None, scoring, results, 1, [n_rows])


def result_of(search: "RungSearchCV", scoring: str) -> SearchResult:
    """Return the result of a fitted search."""
    keys, not_scored = [], []
    for scores in search.rungs_:
        for (place, fold), fit in sorted(scores.fits.items()):
            if not fit.was_killed:
                keys.append(f"{scores.number}/{place}/{fold}")
            if np.isnan(fit.score):
                params = dict(search.pool_.candidates[place].params)
                not_scored.append(f"rung {scores.number + 1}, fold {fold}, {params}")
    any_killed = len(keys) < sum(len(scores.fits) for scores in search.rungs_)
    finished = sorted(keys) if search.stopped_ or any_killed else []
    ensemble_score = getattr(search, "ensemble_score_", np.nan)
    if finished and not np.isnan(ensemble_score):
        finished.append("ensemble")  # with the same fits there may have been no time for it
    return SearchResult(
        pipeline=search.best_estimator_,
        best_params=search.best_params_,
        best_score=None if np.isnan(search.best_score_) else float(search.best_score_),
        scoring=scoring,
        cv_results=pd.DataFrame(search.cv_results_),
        n_candidates=search.n_candidates_,
        rungs=[scores.n_rows for scores in search.rungs_],
        not_scored=not_scored,
        stopped=search.stopped_,
        n_not_tried=search.n_not_tried_,
        n_fits=len(search.fits_),
        ensemble_score=None if np.isnan(ensemble_score) else float(ensemble_score),
        finished=tuple(finished),
    )


def make_cv_results(
    rungs: Sequence[RungScores],
    candidates: Sequence[Candidate],
    first_of: Mapping[int, int],
    n_splits: int,
) -> dict[str, Any]:
    """Return cv_results_; first_of maps each candidate to the one searched in its place."""
    rows, order = [], []
    for scores in rungs:
        entrants = {candidate.place: candidate for candidate in scores.entrants}
        ranks = {candidate.place: rank for rank, candidate in enumerate(scores.ranking())}
        for place in range(len(candidates)):
            entrant = entrants.get(first_of[place])
            if entrant is None:
                continue
            fits = [scores.fit_of(entrant, fold) for fold in range(scores.n_folds)]
            done = [fit for fit in fits if fit is not None]
            found = [np.nan if fit is None else fit.score for fit in fits]
            splits = [*found, *[np.nan] * (n_splits - len(found))]
            fit_seconds = [fit.fit_seconds for fit in done] or [np.nan]
            score_seconds = [fit.score_seconds for fit in done] or [np.nan]
            row = {
                "iter": scores.number,
                "n_resources": scores.n_rows,
                "n_folds": scores.n_folds,
                "candidate": place,
                "same_as": scores.same_as[entrant.place],
                "n_iterations_share": float(scores.rung.iterations),
                "mean_fit_time": np.mean(fit_seconds),
                "std_fit_time": np.std(fit_seconds),
                "mean_score_time": np.mean(score_seconds),
                "std_score_time": np.std(score_seconds),
                **{f"split{fold}_test_score": score for fold, score in enumerate(splits)},
                "mean_test_score": np.mean(found),
                # As scikit-learn has it: the deviation over folds, not the one of their mean.
                "std_test_score": np.std(found),
                "error": "\n".join(dict.fromkeys(fit.error for fit in done if fit.error)),
            }
            rows.append(row)
            # Later rungs rank before earlier ones; in a rung equivalent candidates share a rank,
            # and those without a fit come last.
            order.append((-scores.number, ranks.get(entrant.place, len(candidates))))
    table: dict[str, Any] = {
        key: np.array([row[key] for row in rows], dtype=object if key == "error" else None)
        for key in rows[0]
    }
    for name in dict.fromkeys(name for c in candidates for name in c.params):
        values: Any = np.ma.MaskedArray(np.empty(len(rows), dtype=object), mask=True)
        for i, place in enumerate(table["candidate"]):
            if name in candidates[place].params:
                values[i] = candidates[place].params[name]
        table[f"param_{name}"] = values
    table["params"] = [dict(candidates[place].params) for place in table["candidate"]]
    rank_of = {key: rank for rank, key in enumerate(sorted(set(order)), start=1)}
    table["rank_test_score"] = np.array([rank_of[key] for key in order], dtype=np.int32)
    return table
