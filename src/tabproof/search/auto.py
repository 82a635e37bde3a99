"""A search for the best model in a given time: a list of good settings, and an ensemble of them.

The settings are tried in their order, a few at a time: first those of the list, then some that are
drawn near them. A setting whose first fold is worse than the
worst fold of the best setting so far, with some slack, is dropped ("forgiving" early stopping of
cross-validation, Bergman et al., 2024). Boosting ends where the rows of its test fold are predicted
best. The ensemble is selected by its log loss, which rewards calibrated probabilities, from
predictions out of folds (Caruana et al., 2004), and its members are fitted on all rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from itertools import zip_longest
from math import ceil, isnan
from statistics import median
from typing import Any

import numpy as np
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tabproof.modeling.calibration import GivenProba
from tabproof.search.candidates import FAMILY, Candidate, signature
from tabproof.search.early_stopping import counter_of, with_iterations
from tabproof.search.fitting import Problem
from tabproof.search.portfolio import PortfolioSearchCV, member_names
from tabproof.search.rungs import RungScores, RungSearch
from tabproof.search.runner import Runner
from tabproof.search.schedule import Rung
from tabproof.search.spaces import Params, Proposer, Space, sample

Floats = NDArray[np.float64]

# Settings that are tried together, so that workers have enough to do: at first fewer, so that there
# is a model soon. Not the number of workers, which decides no number.
FIRST_GROUP, GROUP = 2, 4
# Scores on more rows hardly say more, so that large tables are scored on fewer folds.
ENOUGH_ROWS, MIN_FOLDS = 10_000, 2
# A greedy selection adds a member a round, and ends after PATIENCE rounds without a better loss.
MAX_ROUNDS, PATIENCE = 50, 5
# How many draws of rows members are selected on, of which share of the rows, and of how many rows
# at least. Members of less weight are left out.
N_BAGS, SHARE_OF_BAG, MIN_BAG, MIN_WEIGHT = 20, 0.3, 100, 0.03
# For an estimate of the score.
FEW_BAGS = 5
# Settings that are scored on the folds of further repeats.
N_REPEATED = 8
# How much worse than the worst fold of the best a first fold may be, besides two standard errors of
# its loss: on small tables a fold says little, and fits cost little.
SLACK, N_ERRORS = 1.05, 2.0
# No probability is taken for smaller, so that a single row cannot decide.
LEAST_PROBA = 1e-6
# The part of the time that is left that a setting may take.
LARGEST_SHARE = 1 / 3
# A fit on all rows takes longer than one on the rows of a fold, and estimates err.
SAFETY = 1.3


@dataclass(eq=False, repr=False)
class AutoSearchCV(PortfolioSearchCV):
    """Find the best ensemble of several settings within a time budget.

    Parameters that are not named here are those of PortfolioSearchCV; `schedule` is not used.

    Parameters
    ----------
    members : estimators by name, in the order in which they are tried. The first is the one that
        is kept where there is no time for others.
    spaces : by name of a member, what further settings of it are drawn from.
    n_drawn : by name, how many. They are tried after all members, each name in turn.
    n_folds : the number of folds of a division of the rows; `cv` may have several divisions, one
        after the other, of which the later ones are for the best settings.
    patience : boosting ends after this number of iterations without a lower log loss of the test
        rows.
    row_cost : returns what a fitted estimator takes to predict a row, None for nothing.
    max_row_cost : what the ensemble may take to predict a row, in the same unit; None for any.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> import tabproof as tp
    >>> search = tp.AutoSearchCV(
    ...     {
    ...         "boosting": HistGradientBoostingClassifier(max_iter=50),
    ...         "linear": LogisticRegression(max_iter=1000),
    ...     },
    ...     n_jobs=1,
    ... )
    >>> search = search.fit(*load_iris(return_X_y=True))
    >>> search.best_params_
    {'model': 'linear'}
    """

    param_grids: Any = field(init=False)
    _: KW_ONLY
    spaces: Mapping[str, Space] = field(default_factory=dict)
    n_drawn: Mapping[str, int] = field(default_factory=dict)
    n_folds: int = 5
    patience: int = 50
    row_cost: Callable[[Any], float] | None = None
    max_row_cost: float | None = None

    @property
    def _fit_options(self) -> Mapping[str, Any]:  # type: ignore[override]  # set by parameters
        return {"patience": self.patience, "row_cost": self.row_cost}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.param_grids = {name: {} for name in self.members}

    def _proposer(self) -> Proposer:
        drawn = [self._draw(name, place) for place, name in enumerate(self.n_drawn)]
        further = [each for in_turn in zip_longest(*drawn) for each in in_turn if each is not None]
        return Proposer([*({FAMILY: name} for name in self.members), *further])

    def _draw(self, name: str, place: int) -> list[Params]:
        """Draw settings of a member; not its iterations, which early stopping finds."""
        estimator = self.members[name]
        last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
        counter = counter_of(last)
        space = {k: v for k, v in self.spaces[name].items() if k.rpartition("__")[2] != counter}
        # With the same seed, equal spaces of two members would give equal settings.
        seed = (self.random_state or 0) + place
        return [{FAMILY: name, **params} for params in sample(space, self.n_drawn[name], seed)]

    def _make_problem(self, X: Any, y: Any, groups: Any) -> Problem:
        # Not PortfolioSearchCV's, which measures how long it takes to choose by scores.
        problem = super(PortfolioSearchCV, self)._make_problem(X, y, groups)
        self._seconds_to_choose = 0.0
        return problem

    def _make_schedule(self, problem: Problem) -> Sequence[Rung]:
        """Return rungs of whole fits: on one fold, on the folds of a division, and on all folds."""
        n_splits = len(problem.splits)
        rows_of_fold = max(len(test) for _, test in problem.splits)
        n_folds = min(self.n_folds, n_splits, max(ceil(ENOUGH_ROWS / rows_of_fold), MIN_FOLDS))
        n_used = {1: 1, n_folds: n_folds}
        if n_folds == self.n_folds:
            n_used[n_splits] = n_splits
        return [Rung(None, 1.0, 1.0, n) for n in n_used]

    def _run(
        self, rungs: RungSearch, proposer: Proposer, should_stop: Callable[[], str | None]
    ) -> int:
        """Try the settings in their order, then score the best of them on further folds."""
        batch = proposer.ask()
        candidates = self.pool_.add(batch)
        starts = [0, *range(FIRST_GROUP, len(candidates), GROUP)]
        groups = [candidates[i:j] for i, j in zip(starts, [*starts[1:], None], strict=True)]
        for group, next_group in zip(groups, [*groups[1:], []], strict=True):
            before = list(rungs.scores[1].entrants) if len(rungs.scores) > 1 else []
            rungs.max_seconds = self._max_seconds_of_fit(rungs)
            rungs.run(0, group)
            if should_stop():
                break
            if len(rungs.schedule) > 1:
                promising = [
                    c for c in group if is_promising(c, before, rungs.scores, rungs.problem)
                ]
                # Workers that have nothing left to do begin with the next settings.
                keep_whole(rungs.run(1, promising, ahead=next_group))
                if should_stop():
                    break
        if len(rungs.scores) > 1 and not rungs.scores[1].entrants:
            rungs.scores.pop()
        rungs.check_scored()
        if len(rungs.scores) == 2 < len(rungs.schedule) and not should_stop():
            rungs.run(2, self._choose_repeated(rungs.scores))
        return len(batch)

    def _choose_repeated(self, rungs: Sequence[RungScores]) -> list[Candidate]:
        """Return the candidates for further folds: an ensemble of them, then the best ones.

        Not the best ones alone, which may all be of one kind.
        """
        finalists = find_finalists(rungs, self._rungs.problem)
        weights = self._select(finalists) if finalists else {}
        members = [
            finalists[place].candidate for place in sorted(weights, key=lambda p: -weights[p])
        ]
        others = [c for c in rungs[-1].succeeded() if c not in members]
        return sorted([*members, *others][:N_REPEATED], key=lambda c: c.place)

    def _reason_to_stop(self) -> str | None:
        if self.recorded is not None or self.time_budget is None:
            return super()._reason_to_stop()
        if self.should_stop is not None and (asked := self.should_stop()) is not None:
            return asked
        # One more fit, and the last fits of the ensemble.
        fits = [fit for scores in self._rungs.scores for fit in scores.fits.values()]
        if not fits:
            return None
        one = median(fit.fit_seconds + fit.score_seconds for fit in fits)
        end = self._clock.seconds + one + self._seconds_of_last_fits()
        return "the time budget is used up" if end > self.time_budget else None

    def _max_seconds_of_fit(self, rungs: RungSearch) -> float | None:
        """Return what a fit on a fold may take, so that there is time for the other folds."""
        if self.time_budget is None or self.recorded is not None:
            return None
        left = self.time_budget - self._clock.seconds - self._seconds_of_last_fits()
        n_folds = rungs.schedule[min(1, len(rungs.schedule) - 1)].n_folds(len(rungs.problem.splits))
        # One more for the fit on all rows.
        return LARGEST_SHARE * left * rungs.runner.n_jobs / (n_folds + 1)

    def _seconds_of_last_fits(self) -> float:
        """Estimate the time that fitting the members on all rows takes."""
        finalists = find_finalists(self._rungs.scores, self._rungs.problem)
        if not finalists:
            fits = [fit for scores in self._rungs.scores for fit in scores.fits.values()]
            return SAFETY * max((fit.fit_seconds for fit in fits), default=0.0)
        seconds = [finalists[place].fit_seconds for place in self._select(finalists, n_bags=1)]
        n_workers = self._rungs.runner.n_jobs
        return SAFETY * max(sum(seconds) / n_workers, *seconds)

    def _select(
        self, finalists: Sequence["Finalist"], without: int | None = None, n_bags: int = N_BAGS
    ) -> dict[int, float]:
        """Return the weights of the members, chosen on all folds or without one of them."""
        known = [
            np.concatenate([p for fold, p in each.true_proba.items() if fold != without])
            for each in finalists
        ]
        costs = [each.row_cost for each in finalists]
        seed = self._rungs.problem.seed
        return select_members(known, costs, self.max_row_cost, seed=seed, n_bags=n_bags)

    def _refit(self, problem: Problem) -> Any:
        """Select the members, and fit them on all rows."""
        self.ensemble_score_ = float("nan")
        self.weights_ = {self._best.place: 1.0}
        finalists = find_finalists(self.rungs_, problem)
        if not finalists:
            return super(PortfolioSearchCV, self)._refit(problem)
        # With a single fold nothing would tell how good an ensemble is.
        if self.join is not None and len(finalists[0].proba) > 1:
            weights = self._select(finalists)
        else:
            is_best = [each.candidate is self._best for each in finalists]
            weights = {is_best.index(True) if any(is_best) else 0: 1.0}
        chosen = [(finalists[place], weight) for place, weight in weights.items()]
        self.weights_ = {each.candidate.place: weight for each, weight in chosen}
        if len(chosen) == 1:
            (alone, _), last = chosen[0], self.rungs_[-1]
            self.best_params_ = dict(alone.candidate.params)
            self.best_score_ = last.score(alone.candidate, last.compared_folds)
            return self._fit_all(problem, [alone])[0]
        self.best_score_ = self.ensemble_score_ = self._expected_score(problem, finalists)
        self.best_params_ = {
            "ensemble": [{"weight": w, **each.candidate.params} for each, w in chosen]
        }
        fitted = self._fit_all(problem, [each for each, _ in chosen])
        assert self.join is not None  # noqa: S101 - for mypy: without it there is one member
        names = member_names([each.candidate for each, _ in chosen])
        by_name = dict(zip(names, [weight for _, weight in chosen], strict=True))
        return self.join(dict(zip(names, fitted, strict=True)), by_name)

    def _expected_score(self, problem: Problem, finalists: Sequence["Finalist"]) -> float:
        """Return the mean score of ensembles on folds that they were not selected on."""
        y, scores = np.asarray(problem.y), []
        given = GivenProba().fit(None, np.unique(y))
        for fold in finalists[0].proba:
            weights = self._select(finalists, fold, FEW_BAGS)
            proba = np.sum([w * finalists[i].proba[fold] for i, w in weights.items()], axis=0)
            scores.append(float(self.scorer_(given, proba, y[problem.splits[fold][1]])))
        return float(np.mean(scores))

    def _fit_all(self, problem: Problem, members: Sequence["Finalist"]) -> list[Any]:
        """Fit the members on all rows, in parallel; a first step that all have is fitted once."""
        estimators = [each.unfitted() for each in members]
        X, y = problem.X, problem.y
        first: tuple[str, Any] | None = None
        steps = [each.steps[0] for each in estimators if isinstance(each, Pipeline)]
        steps = [(name, step) for name, step in steps if hasattr(step, "fit_transform")]
        signatures = {signature(step, None) for _, step in steps}
        if len(steps) == len(estimators) and len(signatures) == 1:
            first = steps[0]
            # Not fit().transform(): target encoders transform their training rows differently.
            X = first[1].fit_transform(X, y)
            estimators = [each[1:] for each in estimators]
        # What takes long first, for workers to end at about the same time.
        jobs = sorted(enumerate(estimators), key=lambda job: -members[job[0]].fit_seconds)
        fitted: dict[int, Any] = {}
        # Where workers run, starting them costs nothing.
        with Runner(self.n_jobs, lambda: None, self.pool_seconds) as runner:
            fit = partial(_fit_member, X, y)
            seconds = self._seconds_of_last_fits()
            for job, model in runner.run(fit, jobs, lambda: seconds, None):
                # None: its worker was killed.
                fitted[job[0]] = fit(job, None) if model is None else model
        if first is None:
            return [fitted[place] for place in range(len(jobs))]
        return [Pipeline([first, *fitted[place].steps]) for place in range(len(jobs))]


def _fit_member(X: Any, y: Any, job: tuple[int, Any], n_threads: int | None) -> Any:
    with threadpool_limits(n_threads, "openmp"), parallel_config("sequential"):
        return job[1].fit(X, y)


# --- What the members are chosen by.


@dataclass(frozen=True)
class Finalist:
    """A candidate that can be a member of the ensemble.

    proba : by fold, of shape (n_rows_of_fold, n_classes). true_proba : by fold, of the true class
    of each row. fit_seconds : an estimate of a fit on all rows. n_iterations : the best, by fold.
    """

    candidate: Candidate
    proba: Mapping[int, Floats]
    true_proba: Mapping[int, Floats]
    row_cost: float
    fit_seconds: float
    n_iterations: list[int]

    @property
    def losses(self) -> list[float]:
        """The log loss of each fold."""
        return [
            float(-np.log(np.maximum(proba, LEAST_PROBA)).mean())
            for proba in self.true_proba.values()
        ]

    def unfitted(self) -> Any:
        """Return the estimator for a fit on all rows, with the mean of the iterations."""
        estimator = clone(self.candidate.estimator)
        if not isinstance(estimator, Pipeline):
            return with_iterations(estimator, self.n_iterations)
        name, last = estimator.steps[-1]
        return estimator.set_params(**{name: with_iterations(last, self.n_iterations)})


def find_finalists(rungs: Sequence[RungScores], problem: Problem) -> list[Finalist]:
    """Return the candidates that can be members, from the last rung that compares some of them."""
    for scores in reversed(rungs):
        folds = scores.common_folds
        candidates = sorted(scores.succeeded() if folds else [], key=lambda c: c.place)
        made = [make_finalist(candidate, scores, folds, problem) for candidate in candidates]
        if found := [each for each in made if each is not None]:
            return found
    return []


def make_finalist(
    candidate: Candidate, scores: RungScores, folds: Sequence[int], problem: Problem
) -> Finalist | None:
    """Return a candidate with its predictions of these folds; None where some are missing."""
    y = np.asarray(problem.y)
    classes, codes = np.unique(y, return_inverse=True)
    fits = {fold: scores.fit_of(candidate, fold) for fold in folds}
    done = {fold: fit for fold, fit in fits.items() if fit is not None}
    proba = {fold: fit.proba for fold, fit in done.items() if fit.proba is not None}
    # Fewer classes where the training rows lack one.
    if len(proba) < len(folds) or any(p.shape[1] < len(classes) for p in proba.values()):
        return None
    true_proba = {
        fold: np.take_along_axis(p, codes[problem.splits[fold][1]][:, None], 1)[:, 0]
        for fold, p in proba.items()
    }
    n_iterations = [fit.n_iterations for fit in done.values() if fit.n_iterations is not None]
    cost = float(np.mean([fit.row_cost for fit in done.values()]))
    seconds = len(y) / problem.n_train * median(fit.fit_seconds for fit in done.values())
    return Finalist(candidate, proba, true_proba, cost, seconds, n_iterations)


def select_members(
    true_proba: Sequence[Floats],
    costs: Sequence[float],
    max_cost: float | None,
    *,
    seed: int,
    n_bags: int = N_BAGS,
) -> dict[int, float]:
    """Return the weights of an ensemble with a low log loss, by the place of the finalist.

    The mean of greedy selections on draws of the rows, which overfits less than one selection on
    all of them; members of little weight are left out. No member is taken whose cost, with those
    of members of more weight, is above max_cost; the cheapest may be alone above it.

    Parameters
    ----------
    true_proba : by finalist, the probability of the true class of each row.
    """
    matrix = np.stack(true_proba)
    limit = np.inf if max_cost is None else max(max_cost, min(costs))
    allowed = np.flatnonzero(np.asarray(costs) <= limit)
    n_drawn = max(ceil(SHARE_OF_BAG * matrix.shape[1]), min(MIN_BAG, matrix.shape[1]))
    rng = np.random.default_rng(seed)
    total = np.zeros(len(matrix))
    for _ in range(n_bags):
        rows = rng.permutation(matrix.shape[1])[:n_drawn]
        taken = greedy_selection(matrix[np.ix_(allowed, rows)])
        total[allowed] += np.bincount(taken, minlength=len(allowed)) / len(taken) / n_bags
    chosen: dict[int, float] = {}
    for place in sorted(range(len(total)), key=lambda place: -total[place]):
        spent = costs[place] + sum(costs[other] for other in chosen)
        if total[place] >= MIN_WEIGHT and spent <= limit:
            chosen[place] = float(total[place])
    whole = sum(chosen.values())
    return {place: weight / whole for place, weight in sorted(chosen.items())}


def greedy_selection(true_proba: Floats) -> list[int]:
    """Return the members that are taken, with replacement, for the lowest log loss.

    true_proba : of shape (n_finalists, n_rows). Of additions with the same loss the first is taken,
    and of rounds with the same loss the earliest.
    """
    total = np.zeros(true_proba.shape[1])
    taken: list[int] = []
    best_loss, best_length = np.inf, 0
    while len(taken) < MAX_ROUNDS and len(taken) - best_length < PATIENCE:
        mixed = np.maximum((true_proba + total) / (len(taken) + 1), LEAST_PROBA)
        losses = -np.log(mixed).mean(axis=1)
        taken.append(int(np.argmin(losses)))
        total += true_proba[taken[-1]]
        if losses[taken[-1]] < best_loss:
            best_loss, best_length = float(losses[taken[-1]]), len(taken)
    return taken[:best_length]


# --- Which candidates go on.


def is_promising(
    candidate: Candidate, before: Sequence[Candidate], rungs: Sequence[RungScores], problem: Problem
) -> bool:
    """Return whether its first fold is about as good as the worst fold of the best before.

    By log loss, as members are selected by it, and with some slack: a member that is a little
    worse alone may be of use to the others.
    """
    own = make_finalist(candidate, rungs[0], [0], problem)
    if own is None or isnan(rungs[0].score(candidate, [0])):
        return False
    folds = range(rungs[-1].n_folds)
    made = [make_finalist(each, rungs[-1], folds, problem) for each in before]
    losses = [each.losses for each in made if each is not None]
    if not losses:
        return True
    best = min(losses, key=lambda of_folds: float(np.mean(of_folds)))
    of_rows = -np.log(np.maximum(own.true_proba[0], LEAST_PROBA))
    error = float(of_rows.std()) / len(of_rows) ** 0.5
    return bool(own.losses[0] - N_ERRORS * error <= SLACK * max(best))


def keep_whole(scores: RungScores) -> None:
    """Remove the candidates that were not scored on every fold, and their fits."""
    folds = range(scores.n_folds)
    scores.entrants = [c for c in scores.entrants if all(scores.fit_of(c, f) for f in folds)]
    kept = {scores.same_as[c.place] for c in scores.entrants}
    scores.fits = {key: fit for key, fit in scores.fits.items() if key[0] in kept}
