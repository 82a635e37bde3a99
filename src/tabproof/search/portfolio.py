"""Several models in one race, ending in the best of them or in a weighted mean."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import ParameterGrid

from tabproof.search.candidates import FAMILY, Candidate
from tabproof.search.estimator import RungSearchCV
from tabproof.search.folds import Problem
from tabproof.search.spaces import AllAtOnce, Proposer

# --- Greedy selection of an ensemble from predictions of rows not fitted on (Caruana et al., 2004).

Floats = NDArray[np.float64]
# Scores predictions of the rows that a fold tests.
FoldScorer = Callable[[int, Floats], float]

# A round adds one member; after so many without a better score nothing more is expected.
MAX_ROUNDS, PATIENCE = 30, 3
# Seen on adult and credit-g.
USUAL_ROUNDS = 11


class OutOfTime(Exception):  # noqa: N818 - no error: a selection that a scorer has ended
    """Raised by a scorer that shall not be asked any more."""


def select(
    probas: Sequence[Sequence[Floats]], folds: Sequence[int], score: FoldScorer
) -> Counter[int]:
    """Count how often each candidate is taken, with replacement, to score best on the folds.

    probas : by candidate and fold, of shape (n_rows_of_fold, n_classes). Of additions that score
    the same the first candidate is taken, and of rounds the earliest.
    """
    sums = [np.zeros_like(probas[0][fold]) for fold in folds]
    taken: list[int] = []
    best_score, best_length = -np.inf, 0
    while len(taken) < MAX_ROUNDS and len(taken) - best_length < PATIENCE:
        n = len(taken) + 1
        scores = [
            np.mean(
                [
                    score(fold, (total + candidate[fold]) / n)
                    for fold, total in zip(folds, sums, strict=True)
                ]
            )
            for candidate in probas
        ]
        place = int(np.argmax(scores))
        taken.append(place)
        for total, fold in zip(sums, folds, strict=True):
            total += probas[place][fold]
        if scores[place] > best_score:
            best_score, best_length = float(scores[place]), n
    return Counter(taken[:best_length])


def expected_score(
    probas: Sequence[Sequence[Floats]], folds: Sequence[int], score: FoldScorer
) -> float:
    """Score the procedure on each fold with members selected on the others.

    The score on the folds of the selection itself would flatter it.
    """
    scores = []
    for held_out in folds:
        others = [fold for fold in folds if fold != held_out]
        counts = select(probas, others, score)
        scores.append(score(held_out, _mean(probas, counts, held_out)))
    return float(np.mean(scores))


def n_calls(n_candidates: int, n_folds: int) -> int:
    """Foretell how often `select` on all folds and `expected_score` ask the scorer together."""
    return USUAL_ROUNDS * n_candidates * n_folds**2


def _mean(probas: Sequence[Sequence[Floats]], counts: Counter[int], fold: int) -> Floats:
    parts = [n * probas[place][fold] for place, n in sorted(counts.items())]
    mean: Floats = np.sum(parts, axis=0) / sum(counts.values())
    return mean


# Takes fitted estimators by name, their weights and the classes; gives one that averages them.
Join = Callable[[Mapping[str, Any], Mapping[str, float]], Any]


class PortfolioSearchCV(RungSearchCV):
    """RungSearchCV over several estimators: `model` among a candidate's parameters names its own.

    members : estimators by name. param_grids : theirs, by name. join : makes one estimator of
    fitted ones and weights; None for the best alone. options : those of RungSearchCV.

    Attributes beside those of RungSearchCV: `weights_`, the share of each candidate (by its place)
    in the final estimator; `ensemble_score_`, what the ensemble is worth on folds that it was not
    selected on, NaN where there was none to try.
    """

    _keep_proba = True

    def __init__(
        self,
        members: Mapping[str, Any],
        param_grids: Mapping[str, Mapping[str, Sequence[Any]]],
        *,
        join: Join | None,
        **options: Any,
    ) -> None:
        super().__init__(next(iter(members.values())), {}, **options)
        self.members = members
        self.param_grids = param_grids
        self.join = join

    @classmethod
    def _get_param_names(cls) -> list[str]:
        # scikit-learn reads them from the signature, which passes most of them on.
        passed_on = set(RungSearchCV._get_param_names()) - {"estimator", "param_grid"}
        return sorted({"members", "param_grids", "join", *passed_on})

    def _proposer(self) -> Proposer:
        return AllAtOnce(
            [
                {FAMILY: name, **params}
                for name, grid in self.param_grids.items()
                for params in ParameterGrid(grid)
            ]
        )

    def _make_problem(self, X: Any, y: Any, groups: Any) -> Problem:
        problem = super()._make_problem(X, y, groups)
        needs_time = self.join is not None and self.time_budget is not None
        self._seconds_per_score = self._time_a_score(problem) if needs_time else 0.0
        return problem

    def _time_a_score(self, problem: Problem) -> float:
        y = np.asarray(problem.y)
        classes = np.unique(y)
        proba = np.random.default_rng(0).dirichlet(np.ones(len(classes)), len(y))
        start = perf_counter()
        self.scorer_(_Answers(classes, proba), proba, y)
        # Each is of the rows of a fold.
        return (perf_counter() - start) / len(problem.splits)

    def _seconds_to_choose(self, problem: Problem) -> float:
        last = self.schedule[-1]
        n_finalists = last.n_candidates(self.n_candidates) + len(self.members)
        n_folds = last.n_folds(len(problem.splits))
        return self._seconds_per_score * n_calls(n_finalists, n_folds)

    def _families(self) -> dict[str, Any]:
        return dict(self.members)

    def _refit(self, problem: Problem) -> Any:
        self.weights_ = {self._best.place: 1.0}
        self.ensemble_score_ = float("nan")
        finalists = self._finalists(len(np.unique(np.asarray(problem.y))))
        folds = self.rungs_[-1].common_folds
        if self.join is None or len(finalists) < 2 or len(folds) < 2:
            return super()._refit(problem)
        try:
            counts = self._select(problem, finalists, folds)
        except OutOfTime as reason:
            self.ensemble_score_ = float("nan")
            self.stopped_ = str(reason)
            return super()._refit(problem)
        if not self.ensemble_score_ > self.best_score_ or len(counts) < 2:
            return super()._refit(problem)
        total = sum(counts.values())
        chosen = [(finalists[i], n / total) for i, n in sorted(counts.items())]
        self.weights_ = {candidate.place: weight for candidate, weight in chosen}
        self.best_score_ = self.ensemble_score_
        self.best_params_ = {
            "ensemble": [{"weight": weight, **candidate.params} for candidate, weight in chosen]
        }
        named = _named([candidate for candidate, _ in chosen])
        fitted = {
            name: clone(candidate.estimator).fit(problem.X, problem.y)
            for name, candidate in named.items()
        }
        weights = {name: self.weights_[candidate.place] for name, candidate in named.items()}
        return self.join(fitted, weights)

    def _finalists(self, n_classes: int) -> list[Candidate]:
        """Give those who predict every class on every fold, in the order of their writing."""
        last = self.rungs_[-1]
        return sorted(
            (
                c
                for c in last.succeeded()
                if all(self._n_predicted(c, fold) == n_classes for fold in last.common_folds)
            ),
            key=lambda c: c.place,
        )

    def _n_predicted(self, candidate: Candidate, fold: int) -> int:
        # None at all where it was not kept; fewer where the training rows of the fold lack a class.
        proba = self._proba(candidate, fold)
        return 0 if proba is None else proba.shape[1]

    def _proba(self, candidate: Candidate, fold: int) -> NDArray[np.float64] | None:
        fit = self.rungs_[-1].fit_of(candidate, fold)
        return None if fit is None else fit.proba

    def _select(
        self, problem: Problem, finalists: Sequence[Candidate], folds: Sequence[int]
    ) -> Mapping[int, int]:
        probas: Any = [
            {fold: self._proba(candidate, fold) for fold in folds} for candidate in finalists
        ]
        y = np.asarray(problem.y)
        tested = {fold: y[problem.splits[fold][1]] for fold in folds}
        classes = np.unique(y)

        def score(fold: int, proba: NDArray[np.float64]) -> float:
            # Of a search that was stopped the time for this was reserved.
            if not self.stopped_ and (reason := self._reason_to_stop(self._clock, 0.0)):
                raise OutOfTime(reason)
            return float(self.scorer_(_Answers(classes, proba), proba, tested[fold]))

        self.ensemble_score_ = expected_score(probas, folds, score)
        return select(probas, folds, score)


def _named(candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """Name members by their family, and number those of one family."""
    families = [candidate.family for candidate in candidates]
    names: dict[str, Candidate] = {}
    for candidate in candidates:
        is_only = families.count(candidate.family) == 1
        name = candidate.family if is_only else f"{candidate.family}_{candidate.place}"
        names[name] = candidate
    return names


class _Answers(ClassifierMixin, BaseEstimator):
    """A classifier that has its answers already: what scorers need to score predictions."""

    def __init__(self, classes: NDArray[Any], proba: NDArray[np.float64]) -> None:
        self.classes_ = classes
        self.proba = proba

    def predict_proba(self, _X: Any) -> NDArray[np.float64]:
        return self.proba

    def predict(self, _X: Any) -> NDArray[Any]:
        predicted: NDArray[Any] = self.classes_[self.proba.argmax(axis=1)]
        return predicted
