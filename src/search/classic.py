"""Find the best parameters: one function, behind which the engine can be replaced.

For now the engine is scikit-learn's successive halving over rows. It is silent when
folds or whole rungs cannot be scored; here that is reported, or an error.
"""

import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the import below work
from sklearn.model_selection import HalvingGridSearchCV, ParameterGrid
from sklearn.pipeline import Pipeline

from src.errors import InvalidValueError, RungNotScoredError
from src.modeling.rungs import as_test_parts, describe_rungs, first_rung

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchSettings:
    """param_grid None: fit the pipeline as it is. min_resources as in conf/search."""

    param_grid: Mapping[str, Sequence[Any]] | None
    scoring: str
    factor: float
    min_resources: int | str
    seed: int

    @property
    def n_candidates(self) -> int:
        """Count the combinations of the grid."""
        return 1 if self.param_grid is None else len(ParameterGrid(self.param_grid))


@dataclass(frozen=True)
class SearchResult:
    """pipeline is fitted on all training rows; cv_results has a row per candidate and rung."""

    pipeline: Pipeline
    best_params: dict[str, Any]
    best_score: float | None
    scoring: str
    cv_results: pd.DataFrame
    n_candidates: int
    rungs: list[int] = field(default_factory=list)
    not_scored: list[str] = field(default_factory=list)


def fit_search(
    pipeline: Pipeline,
    settings: SearchSettings,
    X: pd.DataFrame,
    y: NDArray[np.int64],
    *,
    cv: Any,
    groups: Any = None,
    callbacks: Sequence[Any] = (),
) -> SearchResult:
    """Search, then fit the best candidate on all rows."""
    if settings.param_grid is None:
        results = pd.DataFrame({"iter": [0], "n_resources": [len(y)], "params": [{}]})
        return SearchResult(pipeline.fit(X, y), {}, None, settings.scoring, results, 1, [len(y)])
    search = HalvingGridSearchCV(
        pipeline,
        dict(settings.param_grid),
        scoring=settings.scoring,
        cv=cv,
        factor=settings.factor,
        min_resources=_min_resources(settings, y, as_test_parts(cv, X, y, groups)),
        random_state=settings.seed,
        return_train_score=False,
    )
    search.set_callbacks(*callbacks)
    _fit_and_report(search, X, y, groups)
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


def _min_resources(
    settings: SearchSettings, y: NDArray[np.int64], test_parts: list[NDArray[np.int64]]
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
    first = first_rung(
        y,
        test_parts,
        n_candidates=settings.n_candidates,
        factor=settings.factor,
        seed=settings.seed,
    )
    rungs = describe_rungs(first, n_rows, settings.n_candidates, settings.factor)
    log.info("rungs of %s rows", ", ".join(map(str, rungs)))
    return first


def _fit_and_report(search: Any, X: pd.DataFrame, y: NDArray[np.int64], groups: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            search.fit(X, y, groups=groups)
        except ValueError as error:
            # scikit-learn raises by itself where every single fit of a rung failed.
            if "fits failed" not in str(error):
                raise
            rung = len(search.n_resources_) - 1
            raise _rung_not_scored(search, rung, _first_exception(str(error))) from error
    causes = list(dict.fromkeys(str(warning.message).strip() for warning in caught))
    for cause in causes:
        log.warning("while searching: %s", cause)
    _refuse_unscored_rungs(search, causes)
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


def _refuse_unscored_rungs(search: Any, causes: Sequence[str]) -> None:
    results = search.cv_results_
    for rung in range(len(search.n_resources_)):
        scores = results["mean_test_score"][np.asarray(results["iter"]) == rung]
        if np.isnan(scores).all():
            # The warning on non-finite scores only repeats what is known by now.
            known = [cause for cause in causes if "non-finite" not in cause]
            cause = known[0] if known else "every score is NaN (train.log says what workers met)"
            raise _rung_not_scored(search, rung, _first_exception(cause))


def _rung_not_scored(search: Any, rung: int, reason: str) -> RungNotScoredError:
    n_rows = search.n_resources_[rung]
    has_all_rows = n_rows * search.factor > search.max_resources_
    return RungNotScoredError(rung + 1, n_rows, reason, has_all_rows=has_all_rows)


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


def in_words(settings: SearchSettings, n_splits: int, n_workers: int) -> str:
    """Say what is about to be searched."""
    if settings.param_grid is None:
        return "no search: the estimator as it is"
    return (
        f"{settings.n_candidates} candidates, {n_splits} folds, scored by {settings.scoring},"
        f" {n_workers} worker(s)"
    )
