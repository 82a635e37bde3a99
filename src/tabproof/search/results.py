"""cv_results_: a row per candidate and rung, in the form of scikit-learn's halving searches.

`iter`, `n_resources` (training rows), `n_iterations_share` and `n_folds` say what was asked in
the rung; `same_as` is the candidate that was fitted in the place of one that cannot differ;
`error` holds the tracebacks of failed fits. Times are those of the machine; all else is the
same for any number of workers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.search.candidates import Candidate
from tabproof.search.fitting import Fit
from tabproof.search.race import RungScores

Row = dict[str, Any]


def make_cv_results(
    rungs: Sequence[RungScores],
    candidates: Sequence[Candidate],
    first_of: Mapping[int, int],
    n_splits: int,
) -> dict[str, Any]:
    """Gather the fits; first_of says in whose place each candidate's equal was searched."""
    rows = [row for scores in rungs for row in _rows(scores, candidates, first_of, n_splits)]
    names = list(dict.fromkeys(name for c in candidates for name in c.params))
    table: dict[str, Any] = {
        key: np.array([row[key] for row in rows], dtype=dtype)
        for key, dtype in _columns(n_splits).items()
    }
    for name in names:
        values = [candidates[row["place"]].params.get(name, _ABSENT) for row in rows]
        table[f"param_{name}"] = _masked(values)
    table["params"] = [dict(candidates[row["place"]].params) for row in rows]
    table["rank_test_score"] = _ranks(rows, rungs)
    return table


def _columns(n_splits: int) -> dict[str, Any]:
    counts = ("iter", "n_resources", "n_folds", "candidate", "same_as")
    scores = [f"split{fold}_test_score" for fold in range(n_splits)]
    times = ["mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"]
    numbers = ["n_iterations_share", *times, *scores, "mean_test_score", "std_test_score"]
    return dict.fromkeys(counts, np.int64) | dict.fromkeys(numbers, np.float64) | {"error": object}


def _rows(
    scores: RungScores,
    candidates: Sequence[Candidate],
    first_of: Mapping[int, int],
    n_splits: int,
) -> list[Row]:
    entrants = {candidate.place: candidate for candidate in scores.entrants}
    rows = []
    for place in range(len(candidates)):
        entrant = entrants.get(first_of[place])
        if entrant is None:
            continue
        fits = [scores.fit_of(entrant, fold) for fold in range(scores.n_folds)]
        fitted_as = scores.same_as[entrant.place]
        # Shown as scikit-learn does: the deviation over folds, not of their mean.
        found = [np.nan if fit is None else fit.score for fit in fits]
        done = [fit for fit in fits if fit is not None]
        splits = {f"split{fold}_test_score": np.nan for fold in range(n_splits)}
        splits |= {f"split{fold}_test_score": score for fold, score in enumerate(found)}
        rows.append(
            {
                "place": place,
                "ranked_as": entrant.place,
                "candidate": place,
                "same_as": fitted_as,
                "iter": scores.number,
                "n_resources": scores.n_rows,
                "n_folds": scores.n_folds,
                "n_iterations_share": scores.rung.iterations,
                **_times("fit", [fit.fit_seconds for fit in done]),
                **_times("score", [fit.score_seconds for fit in done]),
                **splits,
                "mean_test_score": np.mean(found),
                "std_test_score": np.std(found),
                "error": _errors(done),
            }
        )
    return rows


def _times(what: str, seconds: Sequence[float]) -> dict[str, float]:
    mean, deviation = (np.mean(seconds), np.std(seconds)) if seconds else (np.nan, np.nan)
    return {f"mean_{what}_time": float(mean), f"std_{what}_time": float(deviation)}


def _errors(fits: Sequence[Fit]) -> str:
    return "\n".join(dict.fromkeys(fit.error for fit in fits if fit.error))


class _Absent:
    pass


_ABSENT = _Absent()


def _masked(values: Sequence[Any]) -> np.ma.MaskedArray[Any, Any]:
    array: np.ma.MaskedArray[Any, Any] = np.ma.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        array[place] = np.ma.masked if value is _ABSENT else value
    return array


def _ranks(rows: Sequence[Row], rungs: Sequence[RungScores]) -> NDArray[np.int32]:
    """Rank rows: later rungs before earlier ones, in each as the race ranks its entrants.

    Equals share a rank, and failed fits come last.
    """
    standing = {
        (scores.number, candidate.place): number
        for scores in rungs
        for number, candidate in enumerate(scores.ranked())
    }
    keys = [(-row["iter"], _standing(row, standing)) for row in rows]
    order = {key: number + 1 for number, key in enumerate(sorted(set(keys)))}
    return np.array([order[key] for key in keys], dtype=np.int32)


def _standing(row: Row, standing: Mapping[tuple[int, int], int]) -> int:
    return standing.get((row["iter"], row["ranked_as"]), len(standing))
