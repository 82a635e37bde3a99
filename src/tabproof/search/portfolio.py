"""A search over several models that ends in the best of them or in a weighted mean of some."""

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

Floats = NDArray[np.float64]
# Scores predictions of the test rows of a fold.
FoldScorer = Callable[[int, Floats], float]
# Joins fitted estimators by name and their weights into one that averages their probabilities.
Join = Callable[[Mapping[str, Any], Mapping[str, float]], Any]

# A round adds one member to the ensemble; it ends after PATIENCE rounds without a better score.
MAX_ROUNDS, PATIENCE = 30, 3
# Rounds that adult and credit-g take, for an estimate of the time.
USUAL_ROUNDS = 11


class OutOfTime(Exception):  # noqa: N818 - no error: it ends a selection
    """Raised by a scorer to end the selection."""


class PortfolioSearchCV(RungSearchCV):
    """RungSearchCV over several estimators; the parameter `model` of a candidate names its own.

    Parameters
    ----------
    members : estimators by name.
    param_grids : their grids, by name.
    join : makes one estimator of fitted ones and weights; None for the best one alone.
    options : those of RungSearchCV.

    Attributes
    ----------
    As in RungSearchCV; and `weights_`, the weight of each candidate (by its place) in the final
    estimator; `ensemble_score_`, the score of the ensemble on folds that it was not selected on,
    NaN where none was tried.
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
        # scikit-learn reads them from the signature, where most are in **options.
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

    def _families(self) -> dict[str, Any]:
        return dict(self.members)

    def _make_problem(self, X: Any, y: Any, groups: Any) -> Problem:
        problem = super()._make_problem(X, y, groups)
        self._seconds_per_score = 0.0
        if self.join is not None and self.time_budget is not None:
            truth = np.asarray(problem.y)
            classes = np.unique(truth)
            proba = np.random.default_rng(0).dirichlet(np.ones(len(classes)), len(truth))
            start = perf_counter()
            self.scorer_(_FixedProba(classes, proba), proba, truth)
            # A score is of the test rows of one fold.
            self._seconds_per_score = (perf_counter() - start) / len(problem.splits)
        return problem

    def _seconds_to_choose(self, problem: Problem) -> float:
        last = self.schedule[-1]
        n_finalists = last.n_candidates(self.n_candidates) + len(self.members)
        n_folds = last.n_folds(len(problem.splits))
        # Of select_members on all folds and expected_score together.
        n_scores = USUAL_ROUNDS * n_finalists * n_folds**2
        return self._seconds_per_score * n_scores

    def _refit(self, problem: Problem) -> Any:
        self.weights_ = {self._best.place: 1.0}
        self.ensemble_score_ = float("nan")
        classes = np.unique(np.asarray(problem.y))
        finalists = self._finalists(len(classes))
        if self.join is None or len(finalists) < 2 or len(self.rungs_[-1].common_folds) < 2:
            return super()._refit(problem)
        try:
            score, counts = self._select(problem, classes, finalists)
        except OutOfTime as reason:
            self.stopped_ = str(reason)
            return super()._refit(problem)
        self.ensemble_score_ = score
        if not score > self.best_score_ or len(counts) < 2:
            return super()._refit(problem)

        total = sum(counts.values())
        chosen = [(finalists[i], n / total) for i, n in sorted(counts.items())]
        self.weights_ = {candidate.place: weight for candidate, weight in chosen}
        self.best_score_ = score
        self.best_params_ = {
            "ensemble": [{"weight": weight, **candidate.params} for candidate, weight in chosen]
        }
        families = Counter(candidate.family for candidate, _ in chosen)
        fitted, weights = {}, {}
        for candidate, weight in chosen:
            is_only = families[candidate.family] == 1
            name = candidate.family if is_only else f"{candidate.family}_{candidate.place}"
            fitted[name] = clone(candidate.estimator).fit(problem.X, problem.y)
            weights[name] = weight
        return self.join(fitted, weights)

    def _finalists(self, n_classes: int) -> list[Candidate]:
        """Return the candidates that predict every class on every fold, first proposed first."""
        last = self.rungs_[-1]

        def predicts_all(candidate: Candidate, fold: int) -> bool:
            # None where it was not kept; fewer classes where the training rows lack one.
            fit = last.fit_of(candidate, fold)
            return fit is not None and fit.proba is not None and fit.proba.shape[1] == n_classes

        found = [
            c for c in last.succeeded() if all(predicts_all(c, fold) for fold in last.common_folds)
        ]
        return sorted(found, key=lambda c: c.place)

    def _select(
        self, problem: Problem, classes: NDArray[Any], finalists: Sequence[Candidate]
    ) -> tuple[float, Counter[int]]:
        """Return the expected score of an ensemble, and how often each finalist is in it."""
        last = self.rungs_[-1]
        folds = last.common_folds
        probas: Any = [
            {fold: fit.proba for fold in folds if (fit := last.fit_of(c, fold)) is not None}
            for c in finalists
        ]
        y = np.asarray(problem.y)
        truth = {fold: y[problem.splits[fold][1]] for fold in folds}

        def score(fold: int, proba: Floats) -> float:
            # Where the search was stopped, time for this was reserved.
            if not self.stopped_ and (reason := self._reason_to_stop(self._clock, 0.0)):
                raise OutOfTime(reason)
            return float(self.scorer_(_FixedProba(classes, proba), proba, truth[fold]))

        return expected_score(probas, folds, score), select_members(probas, folds, score)


class _FixedProba(ClassifierMixin, BaseEstimator):
    """A classifier with given probabilities, so that scorers can score predictions."""

    def __init__(self, classes: NDArray[Any], proba: Floats) -> None:
        self.classes_ = classes
        self.proba = proba

    def predict_proba(self, _X: Any) -> Floats:
        return self.proba

    def predict(self, _X: Any) -> NDArray[Any]:
        predicted: NDArray[Any] = self.classes_[self.proba.argmax(axis=1)]
        return predicted


# --- Greedy selection of an ensemble, from predictions out of folds (Caruana et al., 2004) --


def select_members(
    probas: Sequence[Sequence[Floats]], folds: Sequence[int], score: FoldScorer
) -> Counter[int]:
    """Count how often each candidate is taken, with replacement, to score best on the folds.

    probas : by candidate and fold, of shape (n_rows_of_fold, n_classes). Of additions with the
    same score the first candidate is taken, and of rounds with the same score the earliest.
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
    """Return the mean score over folds, of ensembles that were selected on the other folds.

    The score on the folds of the selection itself would be too good.
    """
    scores = []
    for held_out in folds:
        counts = select_members(probas, [fold for fold in folds if fold != held_out], score)
        parts = [n * probas[place][held_out] for place, n in sorted(counts.items())]
        scores.append(score(held_out, np.sum(parts, axis=0) / sum(counts.values())))
    return float(np.mean(scores))
