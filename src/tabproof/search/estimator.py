"""The search as a scikit-learn estimator, and its results.

cv_results_ has a row per candidate and rung, in the form of scikit-learn's halving searches.
`iter`, `n_resources` (training rows), `n_iterations_share` and `n_folds` are what the rung asked
for; `same_as` is the equivalent candidate that was fitted in place of this one; `error` holds the
tracebacks of failed fits. Times depend on the machine; everything else is the same for any number
of workers.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from copy import copy, deepcopy
from dataclasses import KW_ONLY, dataclass, field
from time import perf_counter
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from joblib import cpu_count, parallel_config
from sklearn.base import clone, is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import Tags, check_random_state, get_tags, indexable
from sklearn.utils.multiclass import type_of_target

from tabproof.runtime.progress import Progress
from tabproof.search.candidates import Candidate, CandidatePool
from tabproof.search.fitting import Fit, Problem, spill_directory
from tabproof.search.rungs import Clock, RungScores, RungSearch, best_of, fit_name
from tabproof.search.runner import POOL_SECONDS, Runner
from tabproof.search.schedule import DEFAULT, Rung
from tabproof.search.spaces import Proposer

# Among the names of fits where an ensemble was tried.
ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class RecordedFits:
    """The fits of a search that was stopped, by `fit_name`, and why it was stopped.

    ENSEMBLE is among them where there was time for one.
    """

    reason: str
    names: frozenset[str]


@dataclass(eq=False, repr=False)
class RungSearchCV(BaseSearchCV):
    """Find the best of many candidates; most of them get only a part of the work.

    Parameters
    ----------
    estimator : an estimator; of a Pipeline the steps before the last are fitted once per fold
        for all candidates that agree in them.
    param_grid : as in GridSearchCV, or a Proposer.
    scoring, cv, n_jobs : as in GridSearchCV; processes are started only where they pay off.
    min_resources : the least number of training rows in a rung, or `auto`.
    random_state : the seed by which the rows of a rung are drawn.
    error_score : NaN: a candidate whose fit fails ranks last, with its traceback; or `raise`.
    time_budget : seconds for the search and the last fit; None for no limit.
    should_stop : asked before each fit; a text stops the search and is the reason.
    finished : fits by key, such as those of a search that was killed; new fits are added.
    pool_seconds : what it costs to start workers.
    recorded : the fits of a search that was stopped; this one has the same and stops there.

    Attributes
    ----------
    As in GridSearchCV; and `rungs_` (the scores of each rung), `pool_` (all candidates),
    `stopped_` (why the search ended early, or None), `n_candidates_` (proposals and defaults),
    `n_not_tried_` (candidates that no rung has scored). Of candidates with the same score the
    simplest wins, then the first. The defaults of `estimator` are always among the finalists.

    Examples
    --------
    It takes the place of GridSearchCV, for any estimator of scikit-learn:

    >>> from sklearn.datasets import load_wine
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> import tabproof as tp
    >>> search = tp.RungSearchCV(
    ...     HistGradientBoostingClassifier(max_iter=20),
    ...     {"max_depth": [2, 4], "learning_rate": [0.1, 0.3]},
    ...     scoring="accuracy",
    ...     n_jobs=1,
    ... )
    >>> X, y = load_wine(return_X_y=True)
    >>> search = search.fit(X, y)
    >>> search.best_score_ > 0.9, search.n_candidates_
    (True, 5)
    >>> search.predict(X[:2]).tolist()
    [0, 0]

    A regressor, and a budget: the best so far is kept when the time is up.

    >>> from sklearn.linear_model import Ridge
    >>> search = tp.RungSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0]}, time_budget=60, n_jobs=1)
    >>> search.fit(X, X[:, 0] + y).stopped_ is None
    True
    """

    # BaseSearchCV predicts by the best estimator only if it was fitted on all rows.
    refit = True
    # Whether the predictions of the finalists on the test rows of each fold are kept.
    _keep_proba = False
    # An estimate of the time between the last score and the last fit.
    _seconds_to_choose = 0.0
    # More fields of RungSearch.
    _fit_options: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    estimator: Any
    param_grid: Any
    _: KW_ONLY
    schedule: Sequence[Rung] = DEFAULT
    scoring: Any = None
    cv: Any = None
    n_jobs: int | None = None
    min_resources: int | str = "auto"
    random_state: int | None = 0
    error_score: Any = np.nan
    time_budget: float | None = None
    should_stop: Callable[[], str | None] | None = None
    finished: MutableMapping[str, Fit] | None = None
    on_progress: Callable[[Progress], None] | None = None
    pool_seconds: float = POOL_SECONDS
    recorded: RecordedFits | None = None

    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> "RungSearchCV":
        """Search, then fit the best candidate on all rows."""
        if y is None and get_tags(self.estimator).target_tags.required:
            raise ValueError("this search requires y to be passed, but the target y is None")
        X, y, groups = indexable(X, y, groups)
        problem = self._make_problem(X, y, groups)
        self._search(problem)
        start = perf_counter()
        # Models that fit their parts in parallel use threads: one fit needs no processes.
        with parallel_config("threading", n_jobs=min(self._n_workers, cpu_count())):
            self.best_estimator_ = self._refit(problem)
        self.refit_time_ = perf_counter() - start
        # It holds the workers.
        del self._rungs
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
        return self

    def _refit(self, problem: Problem) -> Any:
        best = clone(self._best.estimator)
        return best.fit(problem.X) if problem.y is None else best.fit(problem.X, problem.y)

    def _make_problem(self, X: Any, y: Any, groups: Any) -> Problem:
        classifies = is_classifier(self.estimator)
        splits = list(check_cv(self.cv, y, classifier=classifies).split(X, y, groups))
        self.n_splits_ = len(splits)
        self.scorer_ = check_scoring(self.estimator, scoring=self.scoring)
        self.multimetric_ = False
        is_classes = classifies and type_of_target(y) in ("binary", "multiclass")
        classes = np.unique(np.asarray(y), return_inverse=True)[1] if is_classes else None
        seed = self.random_state
        if seed is None:
            # Drawn once: a warm start must see the rows that it began with.
            seed = int(check_random_state(None).randint(2**31 - 1))
        return Problem(X, y, splits, self.scorer_, classes, self.min_resources, seed)

    @property
    def n_candidates(self) -> int:
        """The number of settings that are proposed."""
        return self._proposer().n_candidates

    def _proposer(self) -> Proposer:
        if isinstance(self.param_grid, (Mapping, list)):
            return Proposer(list(ParameterGrid(self.param_grid)))
        # A copy, so that the next fit can ask for all proposals again.
        proposer: Proposer = copy(self.param_grid)
        return proposer

    def _families(self) -> dict[str, Any]:
        return {"": self.estimator}

    def _search(self, problem: Problem) -> None:
        """Run the schedule, and set the attributes that describe its results."""
        proposer = self._proposer()
        self.pool_ = pool = CandidatePool(self._families(), problem.n_train)
        schedule = self._make_schedule(problem)
        self._clock = clock = Clock(problem, schedule, max(proposer.n_candidates, 1))
        reason: str | None = None

        def should_stop() -> str | None:
            nonlocal reason
            # Once stopped it stays stopped: later fits could not be compared.
            reason = reason or self._reason_to_stop()
            return reason

        # The directory is left last, as workers have mapped its files.
        with (
            spill_directory() as directory,
            # Fits in threads change the warning filters at the same time, and would leave them so.
            warnings.catch_warnings(),
            Runner(self.n_jobs, should_stop, self.pool_seconds) as runner,
        ):
            rungs = RungSearch(
                problem,
                schedule,
                runner,
                clock,
                {} if self.finished is None else self.finished,
                self.on_progress,
                directory,
                keep_proba=self._keep_proba,
                raises=self.error_score == "raise",
                only=None if self.recorded is None else self.recorded.names,
                **self._fit_options,
            )
            self._rungs = rungs
            self._n_workers = runner.n_jobs
            n_asked = self._run(rungs, proposer, should_stop)
        self.rungs_ = rungs.scores
        n_not_proposed = max(proposer.n_candidates - n_asked, 0) if reason else 0
        is_whole = len(self.rungs_) == len(schedule) and self.rungs_[-1].is_complete
        self.stopped_ = None if is_whole and not n_not_proposed else reason
        if rungs.n_not_begun and self.stopped_ is None:
            self.stopped_ = "the time budget is too small for some of the models"
        if self.recorded is not None:
            self.stopped_ = self.recorded.reason

        self._best, self.best_score_ = best_of(self.rungs_, pool.defaults[0])
        self.best_params_ = dict(self._best.params)
        self.cv_results_ = make_cv_results(
            self.rungs_, pool.candidates, pool.first_of, self.n_splits_
        )
        is_last = self.cv_results_["iter"] == self.rungs_[-1].number
        is_best = self.cv_results_["candidate"] == self._best.place
        self.best_index_ = int(np.flatnonzero(is_best & is_last)[0])
        first = self.rungs_[0]
        self.n_candidates_ = len(pool.candidates) + n_not_proposed
        self.n_not_tried_ = n_not_proposed + sum(
            all(first.fit_of(pool.candidates[place], f) is None for f in range(first.n_folds))
            for place in pool.first_of.values()
        )

        # Repeat the warnings of fits, and warn about fits that failed, once each.
        fits = self.fits_
        for text, n in Counter(text for fit in fits for text in fit.warned).items():
            warnings.warn(f"{text} ({n} of {len(fits)} fits)", UserWarning, stacklevel=3)
        failed = [fit.error.strip() for fit in fits if fit.error]
        if failed:
            warnings.warn(
                f"{len(failed)} of {len(fits)} fits failed, the first with"
                f" {failed[0].splitlines()[-1]}; cv_results_['error'] has the tracebacks",
                FitFailedWarning,
                stacklevel=3,
            )

    def _make_schedule(self, _problem: Problem) -> Sequence[Rung]:
        return self.schedule

    def _run(
        self, rungs: RungSearch, proposer: Proposer, should_stop: Callable[[], str | None]
    ) -> int:
        """Run the rungs; return how many proposals were asked for."""
        pool, n_asked = self.pool_, 0
        while batch := proposer.ask():
            n_known = len(pool.candidates)
            n_asked += len(batch)
            first = rungs.run(0, pool.add(batch))
            if should_stop():
                break
            searched = [pool.candidates[pool.first_of[n_known + i]] for i in range(len(batch))]
            proposer.tell([first.score(c, range(first.n_folds)) for c in searched])
        if not pool.candidates:
            rungs.run(0, pool.add([]))
        rungs.run_others(pool.defaults)
        return n_asked

    def _reason_to_stop(self) -> str | None:
        if self.recorded is not None:
            left = self.recorded.names - {ENSEMBLE} - self._rungs.done
            return None if left else self.recorded.reason
        asked = self.should_stop() if self.should_stop is not None else None
        if asked is not None or self.time_budget is None:
            return asked
        # The last fits, of the best candidates on all rows, are part of the budget.
        end = self._clock.seconds + self._seconds_to_choose + self._clock.seconds_of_last_fits
        return "the time budget is used up" if end > self.time_budget else None

    @property
    def fits_(self) -> list[Fit]:
        """The fits of all rungs; a fit that the next rung took over counts once."""
        fits = [fit for scores in self.rungs_ for fit in scores.fits.values()]
        return list({id(fit): fit for fit in fits}.values())

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags = deepcopy(get_tags(self.estimator).target_tags)
        tags.input_tags.pairwise = False
        tags.array_api_support = False
        return tags


@dataclass(frozen=True)
class SearchResult:
    """The result of a search by any engine.

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


def result_of(search: RungSearchCV, scoring: str) -> SearchResult:
    """Return the result of a fitted search."""
    keys, not_scored = [], []
    for scores in search.rungs_:
        for (place, fold), fit in sorted(scores.fits.items()):
            if not fit.was_killed:
                keys.append(fit_name(scores.number, place, fold))
            if np.isnan(fit.score):
                params = dict(search.pool_.candidates[place].params)
                not_scored.append(f"rung {scores.number + 1}, fold {fold}, {params}")
    any_killed = len(keys) < sum(len(scores.fits) for scores in search.rungs_)
    finished = sorted(keys) if search.stopped_ or any_killed else []
    ensemble_score = getattr(search, "ensemble_score_", np.nan)
    if finished and not np.isnan(ensemble_score):
        finished.append(ENSEMBLE)  # with the same fits there may have been no time for it
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
