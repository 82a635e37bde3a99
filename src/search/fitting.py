"""One fit: a candidate on a fold, with a share of its iterations and rows."""

import pickle
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn.base import clone
from threadpoolctl import ThreadpoolController

from src.search.columns import splittable, taking_all_columns
from src.search.folds import Fold, Positions, part_of
from src.search.iterations import can_go_on, go_on

# A fitted model larger than this travels and is stored longer than its iterations take.
LARGEST_STATE = 16 * 2**20

DIED = "the process that fitted it was killed: out of memory, most likely"

_controller: ThreadpoolController | None = None


@dataclass(frozen=True)
class Task:
    """A fit to be done; key names it among all of a search.

    rows: which training rows of the fold, None for all. state: the same model after fewer
    iterations, pickled. keep: what is wanted of the fitted model beside its score. raises: what
    fails is raised instead of kept.
    """

    key: str
    place: int
    fold_number: int
    fold: Fold
    estimator: Any
    scorer: Callable[[Any, Any, Any], float]
    rows: Positions | None
    state: bytes | None
    keep_state: bool
    keep_proba: bool
    raises: bool


@dataclass(frozen=True)
class Fit:
    """What came out: score is NaN where the fit failed, and error holds the traceback then."""

    score: float
    fit_seconds: float = 0.0
    score_seconds: float = 0.0
    state: bytes | None = None
    proba: NDArray[np.float64] | None = None
    error: str | None = None
    warned: tuple[str, ...] = ()

    @property
    def was_killed(self) -> bool:
        """Whether its process ended, instead of the fit."""
        return self.error == DIED


def run_task(task: Task, n_threads: int | None) -> Fit:
    """Fit and score; n_threads limits OpenMP, None leaves it as it is."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Models that fit parts side by side would begin workers of their own.
        with _limited(n_threads), parallel_config("sequential"):
            fit = _fit_and_score(task)
    return replace(fit, warned=tuple(dict.fromkeys(str(w.message).strip() for w in caught)))


def _fit_and_score(task: Task) -> Fit:
    if task.fold.error is not None:
        return Fit(float("nan"), error=task.fold.error)
    start = perf_counter()
    try:
        fitted, model = _fit(task)
        middle = perf_counter()
        score = float(task.scorer(model, task.fold.X_test, task.fold.y_test))
        end = perf_counter()
        proba = model.predict_proba(task.fold.X_test) if task.keep_proba else None
    except Exception:  # whatever a model raises is its candidate's result
        if task.raises:
            raise
        return Fit(float("nan"), perf_counter() - start, error=traceback.format_exc())
    state = _pickled(fitted) if task.keep_state and can_go_on(task.estimator) else None
    return Fit(score, middle - start, end - middle, state, proba)


def _fit(task: Task) -> tuple[Any, Any]:
    """Give the fitted estimator, and what takes the columns of the fold."""
    X, y = part_of(task.fold, task.rows)
    estimator = clone(task.estimator)
    columns = splittable(estimator, X)
    if columns is not None:
        X = X[:, columns]
    if task.state is not None:
        fitted = go_on(estimator, pickle.loads(task.state), X, y)  # noqa: S301 - our own, of this search
    else:
        fitted = estimator.fit(X) if y is None else estimator.fit(X, y)
    return fitted, fitted if columns is None else taking_all_columns(fitted, columns)


def _pickled(fitted: Any) -> bytes | None:
    state = pickle.dumps(fitted, protocol=pickle.HIGHEST_PROTOCOL)
    return state if len(state) <= LARGEST_STATE else None


def _limited(n_threads: int | None) -> Any:
    # Looking for the libraries takes longer than a small fit: once in a process.
    global _controller
    if _controller is None:
        _controller = ThreadpoolController()
    return _controller.limit(limits=n_threads, user_api="openmp")
