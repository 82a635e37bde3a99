"""The search with scikit-learn's face."""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from copy import copy, deepcopy
from time import perf_counter
from typing import Any

import numpy as np
from joblib import cpu_count, parallel_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import Tags, check_random_state, get_tags, indexable
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from tabproof.runtime.progress import Progress
from tabproof.search.candidates import Roster
from tabproof.search.fitting import Fit
from tabproof.search.folds import AUTO, Problem, SpillDirectory
from tabproof.search.race import Clock, Race, best_of
from tabproof.search.results import make_cv_results
from tabproof.search.runner import POOL_SECONDS, Runner
from tabproof.search.schedule import DEFAULT, Rung
from tabproof.search.spaces import AllAtOnce, Proposer


def _best_has(name: str) -> Callable[[Any], bool]:
    def check(search: Any) -> bool:
        # Raises AttributeError by itself, which says what is missing.
        getattr(getattr(search, "best_estimator_", search.estimator), name)
        return True

    return check


class RungSearchCV(MetaEstimatorMixin, BaseEstimator):
    """Find the best of many candidates, most of them by a part of the work.

    Parameters
    ----------
    estimator : an estimator; of a Pipeline the steps before the last are fitted once per fold
        for all candidates that agree in them.
    param_grid : as in GridSearchCV, or a Proposer.
    schedule : rungs, see tabproof.search.schedule.
    scoring, cv, n_jobs : as in GridSearchCV; processes are begun only where they pay off.
    min_resources : the least training rows in a rung, or `auto`.
    random_state : decides which rows a rung has.
    error_score : NaN, and a fit that fails comes last with its traceback; or `raise`.
    time_budget : seconds for search and last fit; None for as many as it takes.
    should_stop : asked before each fit; a text stops the search and says why.
    finished : fits by key, such as those of a search that was killed; filled by this one.
    on_progress : called with a Progress.
    pool_seconds : what it costs to start workers.

    Attributes
    ----------
    As in GridSearchCV; and `rungs_` (who met where), `stopped_` (why it ended early, or None),
    `n_candidates_` (proposals and defaults), `n_not_tried_` (those that no rung has scored). Of
    candidates that score the same the simplest wins, then the first. The defaults of `estimator`
    are always among the finalists.
    """

    # Whether the finalists' predictions of the rows that they are scored on are kept.
    _keep_proba = False

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        schedule: Sequence[Rung] = DEFAULT,
        scoring: Any = None,
        cv: Any = None,
        n_jobs: int | None = None,
        min_resources: int | str = AUTO,
        random_state: int | None = 0,
        error_score: Any = np.nan,
        time_budget: float | None = None,
        should_stop: Callable[[], str | None] | None = None,
        finished: MutableMapping[str, Fit] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        pool_seconds: float = POOL_SECONDS,
    ) -> None:
        self.estimator = estimator
        self.param_grid = param_grid
        self.schedule = schedule
        self.scoring = scoring
        self.cv = cv
        self.n_jobs = n_jobs
        self.min_resources = min_resources
        self.random_state = random_state
        self.error_score = error_score
        self.time_budget = time_budget
        self.should_stop = should_stop
        self.finished = finished
        self.on_progress = on_progress
        self.pool_seconds = pool_seconds

    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> "RungSearchCV":
        """Search, then fit the best candidate on all rows."""
        if y is None and get_tags(self.estimator).target_tags.required:
            raise ValueError("this search requires y to be passed, but the target y is None")
        X, y, groups = indexable(X, y, groups)
        problem = self._make_problem(X, y, groups)
        self._search(problem, self._proposer())
        start = perf_counter()
        # Threads: where a model fits its parts side by side, they need no processes.
        with parallel_config("threading", n_jobs=min(self._n_workers, cpu_count())):
            self.best_estimator_ = self._refit(problem)
        self.refit_time_ = perf_counter() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
        return self

    def _refit(self, problem: Problem) -> Any:
        """Fit the best candidate on all rows."""
        best = clone(self._best.estimator)
        return best.fit(problem.X) if problem.y is None else best.fit(problem.X, problem.y)

    def _make_problem(self, X: Any, y: Any, groups: Any) -> Problem:
        classifies = is_classifier(self.estimator)
        cv = check_cv(self.cv, y, classifier=classifies)
        splits = list(cv.split(X, y, groups))
        self.n_splits_ = len(splits)
        self.scorer_ = check_scoring(self.estimator, scoring=self.scoring)
        self.multimetric_ = False
        is_classes = classifies and type_of_target(y) in ("binary", "multiclass")
        classes = np.unique(np.asarray(y), return_inverse=True)[1] if is_classes else None
        seed = self.random_state
        if seed is None:
            # Once: a fit that goes on must meet the rows that it began with.
            seed = int(check_random_state(None).randint(2**31 - 1))
        return Problem(X, y, splits, self.scorer_, classes, self.min_resources, seed)

    @property
    def n_candidates(self) -> int:
        """How many settings are proposed."""
        return self._proposer().n_candidates

    def _proposer(self) -> Proposer:
        if isinstance(self.param_grid, (Mapping, list)):
            return AllAtOnce(list(ParameterGrid(self.param_grid)))
        # What is asked of a copy can be asked again by the next fit.
        proposer: Proposer = copy(self.param_grid)
        return proposer

    def _search(self, problem: Problem, proposer: Proposer) -> None:
        finished: MutableMapping[str, Fit] = {} if self.finished is None else self.finished
        self.roster_ = roster = Roster(self._families(), problem.n_train)
        reason: str | None = None

        def should_stop() -> str | None:
            nonlocal reason
            # Once stopped it stays so: what was begun later could not be compared.
            reserve = self._seconds_to_choose(problem)
            reason = reason or self._reason_to_stop(race.clock, reserve)
            return reason

        # The files outlive the workers that have mapped them.
        with (
            SpillDirectory() as directory,
            Runner(self.n_jobs, should_stop, self.pool_seconds) as runner,
        ):
            race = Race(
                problem,
                self.schedule,
                runner,
                finished,
                self.on_progress or _silent,
                directory,
                n_candidates=max(proposer.n_candidates, 1),
                keep_proba=self._keep_proba,
                raises=self.error_score == "raise",
            )
            self._n_workers = runner.n_jobs
            n_asked = self._run_first(race, proposer, should_stop)
            race.run_others(roster.defaults)
        self._clock = race.clock
        self.rungs_ = race.scores
        self._n_not_proposed = max(proposer.n_candidates - n_asked, 0) if reason else 0
        is_whole = len(self.rungs_) == len(self.schedule) and self.rungs_[-1].is_complete
        self.stopped_ = None if is_whole and not self._n_not_proposed else reason
        self._take_results()
        self._warn()

    def _families(self) -> dict[str, Any]:
        return {"": self.estimator}

    def _seconds_to_choose(self, _problem: Problem) -> float:
        """Foretell how long it takes from the last score to the last fit."""
        return 0.0

    def _reason_to_stop(self, clock: Clock, reserve: float) -> str | None:
        asked = self.should_stop() if self.should_stop is not None else None
        if asked is not None or self.time_budget is None:
            return asked
        # The last fits, of the best candidates on all rows, belong to the budget.
        ends = clock.seconds + reserve + clock.seconds_of_last_fits
        return "the time budget is used up" if ends > self.time_budget else None

    def _run_first(
        self, race: Race, proposer: Proposer, should_stop: Callable[[], str | None]
    ) -> int:
        """Let all proposals run the first rung, batch by batch; gives their number."""
        roster, n_asked = self.roster_, 0
        while batch := list(proposer.ask()):
            begin = len(roster.candidates)
            n_asked += len(batch)
            race.run_first(roster.add(batch))
            if should_stop():
                return n_asked
            first = race.scores[0]
            proposed = roster.candidates[begin : begin + len(batch)]
            equals = [roster.candidates[roster.first_of[c.place]] for c in proposed]
            proposer.tell([first.score(c, range(first.n_folds)) for c in equals])
        if not roster.candidates:
            race.run_first(roster.add([]))
        return n_asked

    def _take_results(self) -> None:
        roster = self.roster_
        best, score = best_of(self.rungs_, roster.defaults[0])
        self._best = best
        self.best_params_ = dict(best.params)
        self.best_score_ = score
        self.cv_results_ = make_cv_results(
            self.rungs_, roster.candidates, roster.first_of, self.n_splits_
        )
        last = self.cv_results_["iter"] == self.rungs_[-1].number
        places = self.cv_results_["candidate"]
        self.best_index_ = int(np.flatnonzero((places == best.place) & last)[0])
        first = self.rungs_[0]
        self.n_candidates_ = len(roster.candidates) + self._n_not_proposed
        self.n_not_tried_ = self._n_not_proposed + sum(
            all(first.fit_of(roster.candidates[equal], f) is None for f in range(first.n_folds))
            for equal in roster.first_of.values()
        )

    def _warn(self) -> None:
        """Tell what fits have warned of, and that some failed: once each."""
        fits = self.fits_
        for text, n in Counter(text for fit in fits for text in fit.warned).items():
            warnings.warn(f"{text} ({n} of {len(fits)} fits)", UserWarning, stacklevel=3)
        failed = [fit.error.strip() for fit in fits if fit.error]
        if failed:
            cause = failed[0].splitlines()[-1]
            warnings.warn(
                f"{len(failed)} of {len(fits)} fits failed, the first with {cause};"
                " cv_results_['error'] holds the tracebacks",
                FitFailedWarning,
                stacklevel=3,
            )

    @property
    def fits_(self) -> list[Fit]:
        """The fits of all rungs; one that a rung took over from that before counts once."""
        fits = [fit for scores in self.rungs_ for fit in scores.fits.values()]
        return list({id(fit): fit for fit in fits}.values())

    @property
    def classes_(self) -> Any:
        """The classes of the best estimator."""
        return self._fitted().classes_

    @property
    def n_features_in_(self) -> int:
        """How many columns were seen."""
        try:
            check_is_fitted(self)
        except NotFittedError as error:
            raise AttributeError("n_features_in_ is there after fit") from error
        return int(self.best_estimator_.n_features_in_)

    def _fitted(self) -> Any:
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_

    def score(self, X: Any, y: Any = None) -> float:
        """Score the best estimator by the scorer of the search."""
        return float(self.scorer_(self._fitted(), X, y))

    @available_if(_best_has("predict"))
    def predict(self, X: Any) -> Any:
        """Predict by the best estimator."""
        return self._fitted().predict(X)

    @available_if(_best_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """Predict by the best estimator."""
        return self._fitted().predict_proba(X)

    @available_if(_best_has("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> Any:
        """Predict by the best estimator."""
        return self._fitted().predict_log_proba(X)

    @available_if(_best_has("decision_function"))
    def decision_function(self, X: Any) -> Any:
        """Predict by the best estimator."""
        return self._fitted().decision_function(X)

    @available_if(_best_has("transform"))
    def transform(self, X: Any) -> Any:
        """Transform by the best estimator."""
        return self._fitted().transform(X)

    @available_if(_best_has("inverse_transform"))
    def inverse_transform(self, X: Any) -> Any:
        """Transform back by the best estimator."""
        return self._fitted().inverse_transform(X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = deepcopy(inner.classifier_tags)
        tags.regressor_tags = deepcopy(inner.regressor_tags)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.target_tags = deepcopy(inner.target_tags)
        tags.array_api_support = False
        return tags


def _silent(_progress: Progress) -> None:
    pass
