"""scikit-learn's own successive halving over rows: what others use, to compare with.

It is silent when folds or whole rungs cannot be scored; here that is reported, or an error.
"""

import logging
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the import below work
from sklearn.model_selection import HalvingGridSearchCV, ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.utils import resample

from tabproof.errors import InvalidValueError, RungNotScoredError
from tabproof.search.result import SearchResult

# --- How many rows the first rung of successive halving needs, so that its scores mean something.

# Fewer rows of a class than this in a fold, and its score is noise.
MIN_ROWS_PER_CLASS = 10


def n_rungs(n_candidates: int, factor: float) -> int:
    """Count the rungs after which fewer than `factor` candidates are left."""
    return 1 + math.floor(math.log(n_candidates, factor))


def first_rung(
    y: NDArray[np.int64],
    folds: list[NDArray[np.int64]],
    *,
    n_candidates: int,
    factor: float,
    seed: int,
) -> int:
    """Size the first rung.

    As small as the number of candidates asks for, but large enough that the test part of
    every fold holds MIN_ROWS_PER_CLASS rows of every class; and such that the last rung
    has (almost) all rows: n_rows // factor**k for a whole k. Where there is no such size,
    all rows at once.

    folds : the positions of each fold's test rows.
    """
    needed = _smallest_scorable(y, folds, seed)
    n_rows = len(y)
    sizes = [int(n_rows // factor**k) for k in range(n_rungs(n_candidates, factor))]
    return min(
        (
            size
            for size in sizes
            if size >= needed and _reaches_all_rows(size, n_rows, n_candidates, factor)
        ),
        default=n_rows,
    )


def _reaches_all_rows(first: int, n_rows: int, n_candidates: int, factor: float) -> bool:
    # scikit-learn counts rungs by a whole quotient of rows: with a factor such as 1.5 it
    # may stop at two thirds of them.
    rungs = describe_rungs(first, n_rows, n_candidates, factor)
    return rungs[-1] + factor ** len(rungs) > n_rows


def _smallest_scorable(y: NDArray[np.int64], folds: list[NDArray[np.int64]], seed: int) -> int:
    n_rows, needed = len(y), 0
    for test in folds:
        # Successive halving takes the first rows of this very permutation
        # (sklearn.utils.resample without replacement, seeded), more in each rung.
        drawn = y[resample(test, replace=False, random_state=seed)]
        for label in np.unique(y):
            positions = np.flatnonzero(drawn == label)
            if len(positions) < MIN_ROWS_PER_CLASS:
                return n_rows
            share = (positions[MIN_ROWS_PER_CLASS - 1] + 1) / len(test)
            needed = max(needed, int(np.ceil(share * n_rows)) + 1)
    return needed


def describe_rungs(first: int, n_rows: int, n_candidates: int, factor: float) -> list[int]:
    """List the rows of each rung that follows from the first."""
    possible = 1 + math.floor(math.log(max(n_rows // first, 1), factor))
    return [int(first * factor**k) for k in range(min(possible, n_rungs(n_candidates, factor)))]


def as_test_parts(cv: Any, X: Any, y: Any, groups: Any) -> list[NDArray[np.int64]]:
    """List the test rows of each fold."""
    return [test for _, test in cv.split(X, y, groups)]


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HalvingSettings:
    """min_resources as in conf/search/classic.yaml."""

    param_grid: Mapping[str, Sequence[Any]]
    scoring: str
    factor: float
    min_resources: int | str
    seed: int

    @property
    def n_candidates(self) -> int:
        """Count the combinations of the grid."""
        return len(ParameterGrid(self.param_grid))


def fit_halving(
    pipeline: Pipeline,
    settings: HalvingSettings,
    X: pd.DataFrame,
    y: NDArray[np.int64],
    *,
    cv: Any,
    groups: Any = None,
    callbacks: Sequence[Any] = (),
) -> SearchResult:
    """Search, then fit the best candidate on all rows."""
    test_parts = as_test_parts(cv, X, y, groups)
    sufficient = _sufficient(settings, y, test_parts)
    search = HalvingGridSearchCV(
        pipeline,
        dict(settings.param_grid),
        scoring=settings.scoring,
        cv=cv,
        factor=settings.factor,
        min_resources=_min_resources(settings, y, test_parts, sufficient),
        random_state=settings.seed,
        return_train_score=False,
    )
    search.set_callbacks(*callbacks)
    _fit_and_report(search, X, y, groups, sufficient)
    return SearchResult(
        pipeline=search.best_estimator_,
        best_params=search.best_params_,
        best_score=float(search.best_score_),
        scoring=settings.scoring,
        cv_results=pd.DataFrame(search.cv_results_),
        n_candidates=settings.n_candidates,
        rungs=list(search.n_resources_),
        not_scored=_folds_not_scored(search.cv_results_),
    )


def _sufficient(
    settings: HalvingSettings, y: NDArray[np.int64], test_parts: list[NDArray[np.int64]]
) -> int:
    return first_rung(
        y,
        test_parts,
        n_candidates=settings.n_candidates,
        factor=settings.factor,
        seed=settings.seed,
    )


def _min_resources(
    settings: HalvingSettings,
    y: NDArray[np.int64],
    test_parts: list[NDArray[np.int64]],
    sufficient: int,
) -> int | str:
    n_rows, wish = len(y), settings.min_resources
    if isinstance(wish, int):
        # Each fold tests at least one row.
        least = max(-(-n_rows // len(test)) for test in test_parts)
        if not least <= wish <= n_rows:
            valid = f"auto, exhaust, or {least} to {n_rows} (the training rows)"
            raise InvalidValueError("search.min_resources", wish, valid)
    if wish != "auto":
        return wish
    rungs = describe_rungs(sufficient, n_rows, settings.n_candidates, settings.factor)
    log.info("rungs of %s rows", ", ".join(map(str, rungs)))
    return sufficient


def _fit_and_report(
    search: Any, X: pd.DataFrame, y: NDArray[np.int64], groups: Any, sufficient: int
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            search.fit(X, y, groups=groups)
        except ValueError as error:
            # scikit-learn raises by itself where every single fit of a rung failed.
            if "fits failed" not in str(error):
                raise
            rung = len(search.n_resources_) - 1
            reason = _first_exception(str(error))
            raise _rung_not_scored(search, rung, reason, sufficient) from error
    causes = list(dict.fromkeys(str(warning.message).strip() for warning in caught))
    for cause in causes:
        log.warning("while searching: %s", cause)
    _refuse_unscored_rungs(search, causes, sufficient)
    for fold in _folds_not_scored(search.cv_results_):
        log.warning("not scored: %s", fold)
    results = search.cv_results_
    last = results["mean_test_score"][np.asarray(results["iter"]) == search.n_iterations_ - 1]
    if len(last) > 1 and np.ptp(last) == 0:
        log.warning("all candidates of the last rung score the same: the choice is arbitrary")


def _first_exception(message: str) -> str:
    """Find what was raised in a text that quotes tracebacks."""
    raised = re.search(r"^[\w.]+(?:Error|Exception): .*$", message, flags=re.MULTILINE)
    return raised[0] if raised else message.splitlines()[0]


def _refuse_unscored_rungs(search: Any, causes: Sequence[str], sufficient: int) -> None:
    results = search.cv_results_
    for rung in range(len(search.n_resources_)):
        scores = results["mean_test_score"][np.asarray(results["iter"]) == rung]
        if np.isnan(scores).all():
            # The warning on non-finite scores only repeats what is known by now.
            known = [cause for cause in causes if "non-finite" not in cause]
            cause = known[0] if known else "every score is NaN (train.log says what workers met)"
            raise _rung_not_scored(search, rung, _first_exception(cause), sufficient)


def _rung_not_scored(search: Any, rung: int, reason: str, sufficient: int) -> RungNotScoredError:
    n_rows = search.n_resources_[rung]
    more = sufficient if sufficient > n_rows else None
    return RungNotScoredError(rung + 1, n_rows, reason, sufficient=more)


def _folds_not_scored(results: Mapping[str, Any]) -> list[str]:
    folds = sorted(
        key for key in results if key.startswith("split") and key.endswith("_test_score")
    )
    return [
        f"rung {results['iter'][i] + 1}, fold {fold.removeprefix('split').split('_')[0]}, {params}"
        for fold in folds
        for i, params in enumerate(results["params"])
        if np.isnan(results[fold][i])
    ]
