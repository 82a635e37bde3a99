"""What a search comes to, whatever its engine."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tabproof.search.estimator import RungSearchCV


@dataclass(frozen=True)
class SearchResult:
    """pipeline is fitted on all training rows; cv_results has a row per candidate and rung.

    rungs are training rows. stopped says why the search ended early, and is None where it did
    not; finished names the fits that the choice rests on where that are not all of the search:
    it was stopped, or processes were killed. ensemble_score: what a weighted
    mean of finalists was worth, None where none was tried.
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
    """Say of a fitted pipeline that it was taken as it is."""
    results = pd.DataFrame({"iter": [0], "n_resources": [n_rows], "params": [{}]})
    return SearchResult(pipeline, {}, None, scoring, results, 1, [n_rows])


def result_of(search: RungSearchCV, scoring: str) -> SearchResult:
    """Gather what a fitted search found."""
    fits = {
        f"{scores.number}/{place}/{fold}": fit
        for scores in search.rungs_
        for (place, fold), fit in scores.fits.items()
    }
    killed = [key for key, fit in fits.items() if fit.was_killed]
    keys = sorted(set(fits) - set(killed)) if search.stopped_ or killed else []
    ensemble_score = getattr(search, "ensemble_score_", np.nan)
    if keys and not np.isnan(ensemble_score):
        keys.append("ensemble")  # the same fits may have left no time for it
    return SearchResult(
        pipeline=search.best_estimator_,
        best_params=search.best_params_,
        best_score=None if np.isnan(search.best_score_) else float(search.best_score_),
        scoring=scoring,
        cv_results=pd.DataFrame(search.cv_results_),
        n_candidates=search.n_candidates_,
        rungs=[scores.n_rows for scores in search.rungs_],
        not_scored=_not_scored(search),
        stopped=search.stopped_,
        n_not_tried=search.n_not_tried_,
        n_fits=len(search.fits_),
        ensemble_score=None if np.isnan(ensemble_score) else float(ensemble_score),
        finished=tuple(keys),
    )


def _not_scored(search: RungSearchCV) -> list[str]:
    return [
        f"rung {scores.number + 1}, fold {fold}, {dict(search.roster_.candidates[place].params)}"
        for scores in search.rungs_
        for (place, fold), fit in sorted(scores.fits.items())
        if np.isnan(fit.score)
    ]
