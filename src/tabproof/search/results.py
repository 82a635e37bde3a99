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
from numpy.typing import NDArray

from tabproof.search.candidates import Candidate
from tabproof.search.rungs import RungScores

if TYPE_CHECKING:
    from tabproof.search.estimator import RungSearchCV

Row = dict[str, Any]


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
    keys, not_scored, any_killed = [], [], False
    for scores in search.rungs_:
        for (place, fold), fit in sorted(scores.fits.items()):
            if fit.was_killed:
                any_killed = True
            else:
                keys.append(f"{scores.number}/{place}/{fold}")
            if np.isnan(fit.score):
                params = dict(search.pool_.candidates[place].params)
                not_scored.append(f"rung {scores.number + 1}, fold {fold}, {params}")
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
    rows = [
        _row(scores, place, entrant, n_splits)
        for scores in rungs
        for entrants in [{candidate.place: candidate for candidate in scores.entrants}]
        for place in range(len(candidates))
        if (entrant := entrants.get(first_of[place])) is not None
    ]
    table: dict[str, Any] = {
        key: np.array([row[key] for row in rows], dtype=dtype)
        for key, dtype in _columns(n_splits).items()
    }
    for name in dict.fromkeys(name for c in candidates for name in c.params):
        values: Any = np.ma.MaskedArray(np.empty(len(rows), dtype=object), mask=True)
        for i, row in enumerate(rows):
            params = candidates[row["candidate"]].params
            if name in params:
                values[i] = params[name]
        table[f"param_{name}"] = values
    table["params"] = [dict(candidates[row["candidate"]].params) for row in rows]
    table["rank_test_score"] = _ranks(rows, rungs)
    return table


def _columns(n_splits: int) -> dict[str, Any]:
    counts = ("iter", "n_resources", "n_folds", "candidate", "same_as")
    scores = [f"split{fold}_test_score" for fold in range(n_splits)]
    times = ["mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"]
    numbers = ["n_iterations_share", *times, *scores, "mean_test_score", "std_test_score"]
    return dict.fromkeys(counts, np.int64) | dict.fromkeys(numbers, np.float64) | {"error": object}


def _row(scores: RungScores, place: int, entrant: Candidate, n_splits: int) -> Row:
    fits = [scores.fit_of(entrant, fold) for fold in range(scores.n_folds)]
    done = [fit for fit in fits if fit is not None]
    found = [np.nan if fit is None else fit.score for fit in fits]
    splits = [*found, *[np.nan] * (n_splits - len(found))]
    return {
        "ranked_as": entrant.place,
        "candidate": place,
        "same_as": scores.same_as[entrant.place],
        "iter": scores.number,
        "n_resources": scores.n_rows,
        "n_folds": scores.n_folds,
        "n_iterations_share": scores.rung.iterations,
        **_times("fit", [fit.fit_seconds for fit in done]),
        **_times("score", [fit.score_seconds for fit in done]),
        **{f"split{fold}_test_score": score for fold, score in enumerate(splits)},
        "mean_test_score": np.mean(found),
        # As scikit-learn has it: the deviation over folds, not the one of their mean.
        "std_test_score": np.std(found),
        "error": "\n".join(dict.fromkeys(fit.error for fit in done if fit.error)),
    }


def _times(what: str, seconds: Sequence[float]) -> dict[str, float]:
    mean, deviation = (np.mean(seconds), np.std(seconds)) if seconds else (np.nan, np.nan)
    return {f"mean_{what}_time": float(mean), f"std_{what}_time": float(deviation)}


def _ranks(rows: Sequence[Row], rungs: Sequence[RungScores]) -> NDArray[np.int32]:
    """Rank rows: later rungs before earlier ones, and in a rung by its ranking.

    Equivalent candidates share a rank, and failed fits come last.
    """
    ranks = {
        (scores.number, candidate.place): rank
        for scores in rungs
        for rank, candidate in enumerate(scores.ranking())
    }
    keys = [(-row["iter"], ranks.get((row["iter"], row["ranked_as"]), len(ranks))) for row in rows]
    order = {key: number + 1 for number, key in enumerate(sorted(set(keys)))}
    return np.array([order[key] for key in keys], dtype=np.int32)
