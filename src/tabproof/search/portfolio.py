"""A search over several models that ends in the best of them or in a weighted mean of some."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from tabproof.modeling.calibration import Floats, GivenProba
from tabproof.search.candidates import FAMILY, Candidate
from tabproof.search.estimator import ENSEMBLE, RungSearchCV
from tabproof.search.fitting import Problem
from tabproof.search.spaces import Proposer

# Scores predictions of the test rows of a fold.
FoldScorer = Callable[[int, Floats], float]
# Joins fitted estimators by name and their weights into one that averages their probabilities.
Join = Callable[[Mapping[str, Any], Mapping[str, float]], Any]

# A round adds one member to the ensemble; it ends after PATIENCE rounds without a better score.
MAX_ROUNDS, PATIENCE = 30, 3
# Rounds that adult and credit-g take, for an estimate of the time.
USUAL_ROUNDS = 11


class OutOfTime(Exception):  # noqa: N818 - no error: it ends a selection
    """The time budget ends; raised by a scorer."""


@dataclass(eq=False, repr=False)
class PortfolioSearchCV(RungSearchCV):
    """Find the best of several estimators, each with a grid of its own, or an ensemble of them.

    Parameters that are not named here are those of RungSearchCV.

    Parameters
    ----------
    members : estimators by name.
    param_grids : a grid for each name; the parameter `model` of a candidate names its estimator.
    join : makes one estimator of fitted ones and weights, both by name, such as
        `tabproof.modeling.join_fitted`; None for the best estimator alone.

    Attributes
    ----------
    As in RungSearchCV; and `weights_`, the weight of each candidate (by its place) in the final
    estimator, and `ensemble_score_`, the score of the ensemble on folds that it was not selected
    on, NaN where none was tried.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> import tabproof as tp
    >>> search = tp.PortfolioSearchCV(
    ...     {"linear": LogisticRegression(max_iter=1000), "tree": DecisionTreeClassifier()},
    ...     {"linear": {"C": [0.1, 1.0]}, "tree": {"max_depth": [1, 2]}},
    ...     n_jobs=1,
    ... )
    >>> search = search.fit(*load_iris(return_X_y=True))
    >>> search.best_params_["model"]
    'linear'
    """

    _keep_proba = True

    estimator: Any = field(init=False)
    param_grid: Any = field(init=False)
    members: Mapping[str, Any]
    param_grids: Mapping[str, Mapping[str, Sequence[Any]]]
    _: KW_ONLY
    join: Join | None = None

    def __post_init__(self) -> None:
        self.estimator, self.param_grid = next(iter(self.members.values())), {}

    def _proposer(self) -> Proposer:
        grids = [(name, ParameterGrid(grid)) for name, grid in self.param_grids.items()]
        return Proposer([{FAMILY: name, **params} for name, grid in grids for params in grid])

    def _families(self) -> dict[str, Any]:
        return dict(self.members)

    def _make_problem(self, X: Any, y: Any, groups: Any) -> Problem:
        problem = super()._make_problem(X, y, groups)
        self._seconds_to_choose = 0.0
        if self.join is not None and self.time_budget is not None:
            truth, n_folds = np.asarray(problem.y), len(problem.splits)
            classes = np.unique(truth)
            proba = np.random.default_rng(0).dirichlet(np.ones(len(classes)), len(truth))
            start = perf_counter()
            self.scorer_(GivenProba().fit(None, classes), proba, truth)
            # A score is of the test rows of one fold.
            seconds = (perf_counter() - start) / n_folds
            last = self.schedule[-1]
            n_finalists = last.n_candidates(self.n_candidates) + len(self.members)
            # Of select_members on all folds and expected_score together.
            n_scores = USUAL_ROUNDS * n_finalists * last.n_folds(n_folds) ** 2
            self._seconds_to_choose = seconds * n_scores
        return problem

    def _refit(self, problem: Problem) -> Any:
        self.weights_ = {self._best.place: 1.0}
        self.ensemble_score_ = float("nan")
        last, y = self.rungs_[-1], np.asarray(problem.y)
        classes, folds = np.unique(y), last.common_folds
        finalists, probas = [], []
        for candidate in sorted(last.succeeded(), key=lambda c: c.place):
            fits = {fold: last.fit_of(candidate, fold) for fold in folds}
            found = {fold: fit.proba for fold, fit in fits.items() if fit is not None}
            # None where it was not kept; fewer classes where the training rows lack one.
            if all(p is not None and p.shape[1] == len(classes) for p in found.values()):
                finalists.append(candidate)
                probas.append(found)
        # A search that is repeated had no time for an ensemble.
        had_none = self.recorded is not None and ENSEMBLE not in self.recorded.names
        if self.join is None or len(finalists) < 2 or len(folds) < 2 or had_none:
            return super()._refit(problem)

        def score(fold: int, proba: Floats) -> float:
            # Where the search was stopped, time for this was reserved.
            if not self.stopped_ and self.recorded is None and (reason := self._reason_to_stop()):
                raise OutOfTime(reason)
            return float(self.scorer_(given, proba, truth[fold]))

        given = GivenProba().fit(None, classes)
        truth = {fold: y[problem.splits[fold][1]] for fold in folds}
        self._seconds_to_choose = 0.0
        try:
            expected = expected_score(probas, folds, score)
            counts = select_members(probas, folds, score)
        except OutOfTime as reason:
            self.stopped_ = str(reason)
            return super()._refit(problem)
        self.ensemble_score_ = expected
        if not expected > self.best_score_ or len(counts) < 2:
            return super()._refit(problem)

        chosen = [(finalists[i], n / counts.total()) for i, n in sorted(counts.items())]
        self.weights_ = {candidate.place: weight for candidate, weight in chosen}
        self.best_score_ = expected
        self.best_params_ = {
            "ensemble": [{"weight": weight, **candidate.params} for candidate, weight in chosen]
        }
        names = member_names([candidate for candidate, _ in chosen])
        fitted, weights = {}, {}
        for name, (candidate, weight) in zip(names, chosen, strict=True):
            fitted[name] = clone(candidate.estimator).fit(problem.X, problem.y)
            weights[name] = weight
        return self.join(fitted, weights)


def member_names(candidates: Sequence[Candidate]) -> list[str]:
    """Name the members of an ensemble: by their family, and by their place where it has several."""
    n_of = Counter(candidate.family for candidate in candidates)
    return [c.family if n_of[c.family] == 1 else f"{c.family}_{c.place}" for c in candidates]


# --- Greedy selection of an ensemble, from predictions out of folds (Caruana et al., 2004) --


def select_members(probas: Sequence[Any], folds: Sequence[int], score: FoldScorer) -> Counter[int]:
    """Count how often each candidate is taken, with replacement, to score best on the folds.

    probas : by candidate and fold, of shape (n_rows_of_fold, n_classes). Of additions with the
    same score the first candidate is taken, and of rounds with the same score the earliest.
    """
    sums = {fold: np.zeros_like(probas[0][fold]) for fold in folds}
    taken: list[int] = []
    best_score, best_length = -np.inf, 0
    while len(taken) < MAX_ROUNDS and len(taken) - best_length < PATIENCE:
        n = len(taken) + 1
        scores = [
            np.mean([score(fold, (total + proba[fold]) / n) for fold, total in sums.items()])
            for proba in probas
        ]
        taken.append(int(np.argmax(scores)))
        for fold, total in sums.items():
            total += probas[taken[-1]][fold]
        if scores[taken[-1]] > best_score:
            best_score, best_length = float(scores[taken[-1]]), n
    return Counter(taken[:best_length])


def expected_score(probas: Sequence[Any], folds: Sequence[int], score: FoldScorer) -> float:
    """Return the mean score over folds, of ensembles that were selected on the other folds.

    The score on the folds of the selection itself would be too good.
    """
    scores = []
    for held_out in folds:
        counts = select_members(probas, [fold for fold in folds if fold != held_out], score)
        parts = [n * probas[place][held_out] for place, n in sorted(counts.items())]
        scores.append(score(held_out, np.sum(parts, axis=0) / counts.total()))
    return float(np.mean(scores))
