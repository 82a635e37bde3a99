"""scikit-learn's successive halving over rows, the usual method, for comparison.

scikit-learn does not report folds or rungs without a score; here they are warnings or errors.
"""

import logging
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the import below work
from sklearn.model_selection import HalvingGridSearchCV, ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.utils import resample

from tabproof.errors import InvalidValueError, RungNotScoredError
from tabproof.search.estimator import SearchResult
from tabproof.search.fitting import MIN_ROWS_PER_CLASS

log = logging.getLogger(__name__)


def fit_halving(
    pipeline: Pipeline,
    param_grid: Mapping[str, Sequence[Any]],
    X: pd.DataFrame,
    y: NDArray[np.int64],
    *,
    cv: Any,
    scoring: str,
    factor: float,
    min_resources: int | str,
    seed: int,
    groups: Any = None,
    callbacks: Sequence[Any] = (),
) -> SearchResult:
    """Search, then fit the best on all rows; min_resources as in conf/search/classic.yaml."""
    n_rows, n_candidates = len(y), len(ParameterGrid(param_grid))
    test_parts = [test for _, test in cv.split(X, y, groups)]
    log.info("%d candidates, %d folds, scored by %s", n_candidates, len(test_parts), scoring)
    sufficient = first_rung(y, test_parts, n_candidates=n_candidates, factor=factor, seed=seed)
    if isinstance(min_resources, int):
        # Each fold needs at least one row to test.
        least = max(-(-n_rows // len(test)) for test in test_parts)
        if not least <= min_resources <= n_rows:
            valid = f"auto, exhaust, or {least} to {n_rows} (the training rows)"
            raise InvalidValueError("search.min_resources", min_resources, valid)
    elif min_resources == "auto":
        min_resources = sufficient
        sizes = describe_rungs(sufficient, n_rows, n_candidates, factor)
        log.info("rungs of %s rows", ", ".join(map(str, sizes)))
    search = HalvingGridSearchCV(
        pipeline,
        dict(param_grid),
        scoring=scoring,
        cv=cv,
        factor=factor,
        min_resources=min_resources,
        random_state=seed,
        return_train_score=False,
    )
    search.set_callbacks(*callbacks)

    def not_scored(rung: int, reason: str) -> RungNotScoredError:
        n_used = search.n_resources_[rung]
        # The first exception in a message that quotes tracebacks.
        raised = re.search(r"^[\w.]+(?:Error|Exception): .*$", reason, flags=re.MULTILINE)
        cause = raised[0] if raised else reason.splitlines()[0]
        more = sufficient if sufficient > n_used else None
        return RungNotScoredError(rung + 1, n_used, cause, sufficient=more)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            search.fit(X, y, groups=groups)
        except ValueError as error:
            # scikit-learn raises by itself if every fit of a rung failed.
            if "fits failed" not in str(error):
                raise
            raise not_scored(len(search.n_resources_) - 1, str(error)) from error
    causes = list(dict.fromkeys(str(warning.message).strip() for warning in caught))
    for cause in causes:
        log.warning("while searching: %s", cause)
    results = search.cv_results_
    rungs, means = np.asarray(results["iter"]), results["mean_test_score"]
    for rung in range(len(search.n_resources_)):
        if np.isnan(means[rungs == rung]).all():
            # The warning about non-finite scores names no cause.
            known = [cause for cause in causes if "non-finite" not in cause]
            unknown = "every score is NaN (train.log has the warnings of the workers)"
            raise not_scored(rung, known[0] if known else unknown)
    keys = sorted(key for key in results if re.fullmatch(r"split\d+_test_score", key))
    folds = [
        f"rung {rungs[i] + 1}, fold {key.removeprefix('split').split('_')[0]}, {params}"
        for key in keys
        for i, params in enumerate(results["params"])
        if np.isnan(results[key][i])
    ]
    for fold in folds:
        log.warning("not scored: %s", fold)
    last = means[rungs == search.n_iterations_ - 1]
    if len(last) > 1 and np.ptp(last) == 0:
        log.warning("all candidates of the last rung have the same score: the choice is arbitrary")
    return SearchResult(
        pipeline=search.best_estimator_,
        best_params=search.best_params_,
        best_score=float(search.best_score_),
        scoring=scoring,
        cv_results=pd.DataFrame(results),
        n_candidates=n_candidates,
        rungs=list(search.n_resources_),
        not_scored=folds,
    )


def first_rung(
    y: NDArray[np.int64],
    folds: Sequence[NDArray[np.int64]],
    *,
    n_candidates: int,
    factor: float,
    seed: int,
) -> int:
    """Return the number of rows of the first rung.

    It is as small as the number of candidates allows, but large enough that the test part of
    every fold holds MIN_ROWS_PER_CLASS rows of every class; and such that the last rung has
    (almost) all rows: n_rows // factor**k for an integer k. If there is no such size, all rows.

    folds : the positions of the test rows of each fold.
    """
    n_rows, needed = len(y), 0
    for test in folds:
        # Successive halving takes the first rows of exactly this permutation
        # (sklearn.utils.resample without replacement, seeded), more in each rung.
        drawn = y[resample(test, replace=False, random_state=seed)]
        for label in np.unique(y):
            positions = np.flatnonzero(drawn == label)
            if len(positions) < MIN_ROWS_PER_CLASS:
                return n_rows
            share = (positions[MIN_ROWS_PER_CLASS - 1] + 1) / len(test)
            needed = max(needed, int(np.ceil(share * n_rows)) + 1)
    for k in reversed(range(_n_rungs(n_candidates, factor))):
        size = int(n_rows // factor**k)
        if size < needed:
            continue
        # scikit-learn counts rungs by an integer quotient of rows: with a factor such as 1.5 it
        # may stop at two thirds of them.
        rungs = describe_rungs(size, n_rows, n_candidates, factor)
        if rungs[-1] + factor ** len(rungs) > n_rows:
            return size
    return n_rows


def describe_rungs(first: int, n_rows: int, n_candidates: int, factor: float) -> list[int]:
    """Return the number of rows of each rung, given the first."""
    possible = 1 + math.floor(math.log(max(n_rows // first, 1), factor))
    return [int(first * factor**k) for k in range(min(possible, _n_rungs(n_candidates, factor)))]


def _n_rungs(n_candidates: int, factor: float) -> int:
    # After these fewer than `factor` candidates are left.
    return 1 + math.floor(math.log(n_candidates, factor))
