"""One fit: a candidate on a fold, with a share of its iterations and rows."""

import pickle
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Integral
from time import perf_counter
from typing import Any

import numpy as np
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import ThreadpoolController

from tabproof.search.folds import Fold, Positions, part_of

# --- Which parameter of a model counts its iterations, and which models can continue.

BOOSTING = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
FORESTS = (
    RandomForestClassifier,
    RandomForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
)
# `max_iter` counts iterations of boosting alone: elsewhere it limits a solver that converges.
COUNTERS = ("n_estimators", "iterations")


def iteration_params(estimator: Any) -> dict[str, int]:
    """Give the parameters, nested ones too, that count iterations, with their values."""
    params = estimator.get_params(deep=True)
    found = _own_params("", estimator)
    for name, part in params.items():
        if hasattr(part, "get_params") and not isinstance(part, type):
            found |= _own_params(f"{name}__", part)
    return found


def _own_params(prefix: str, estimator: Any) -> dict[str, int]:
    names = _counters(estimator)
    params = estimator.get_params(deep=False)
    return {
        f"{prefix}{name}": params[name]
        for name in names
        if isinstance(params.get(name), Integral) and params[name] > 1
    }


def _counters(estimator: Any) -> tuple[str, ...]:
    return ("max_iter",) if isinstance(estimator, BOOSTING) else COUNTERS


def can_go_on(estimator: Any) -> bool:
    """Tell whether a warm start ends with the very bits of a fit from scratch."""
    if isinstance(estimator, BOOSTING):
        # Columns drawn at random are drawn anew from the seed when a fit goes on.
        return bool(estimator.max_features == 1.0) and _is_seeded(estimator)
    if isinstance(estimator, FORESTS):
        # These weights are of all rows, and scikit-learn warns of them in warm starts.
        return not _weighs(estimator) and _is_seeded(estimator)
    return False


def _weighs(estimator: Any) -> bool:
    return getattr(estimator, "class_weight", None) is not None


def _is_seeded(estimator: Any) -> bool:
    return isinstance(estimator.random_state, int)


def has_stopped(estimator: Any) -> bool:
    """Tell whether a fitted model found by itself that more iterations do not help."""
    if not isinstance(estimator, BOOSTING) or not estimator.do_early_stopping_:
        return False
    # The last iteration that was asked for may be the very one that it would have stopped at.
    scores = estimator.validation_score_ if len(estimator.validation_score_) else None
    return bool(
        estimator.n_iter_ < estimator.max_iter
        or estimator._should_stop(estimator.train_score_ if scores is None else scores)
    )


def go_on(estimator: Any, fitted: Any, X: Any, y: Any) -> Any:
    """Fit up to the iterations of `estimator`, from where `fitted` of the same kind stopped."""
    (name,) = (name for name in _counters(estimator) if hasattr(estimator, name))
    wanted = getattr(estimator, name)
    is_there = wanted == getattr(fitted, name) or has_stopped(fitted)
    fitted.set_params(**{name: wanted})
    if is_there:
        return fitted
    fitted.set_params(warm_start=True).fit(X, y)
    return fitted.set_params(warm_start=estimator.warm_start)


# --- Columns that no tree of a boosting can split on: its fits are as well without them.

Columns = NDArray[np.intp]
# The rows are copied without them: for fewer it would not pay.
LEAST_SHARE = 0.05


def splittable(estimator: Any, X: Any) -> Columns | None:
    """Find the columns that may be split on; None where that is all or cannot be told."""
    if not _splits_any_column_alike(estimator) or type(X) not in (np.ndarray, np.memmap):
        return None
    if X.ndim != 2 or not len(X) or X.dtype.kind not in "fiub":
        return None
    # A split that parts the rows of one value from others has no more than these beside them.
    # (The first row stands for the commonest value: where it does not, the column is kept.)
    n_others = np.count_nonzero(X[0] != X, axis=0)
    columns = np.flatnonzero(n_others >= estimator.min_samples_leaf)
    is_worth_it = len(columns) and len(columns) <= (1 - LEAST_SHARE) * X.shape[1]
    return columns if is_worth_it else None


def _splits_any_column_alike(estimator: Any) -> bool:
    if not isinstance(estimator, BOOSTING):
        return False
    features = estimator.categorical_features
    return (
        # Drawn at random, other columns would be drawn.
        estimator.max_features == 1.0
        # These name columns by their positions.
        and estimator.monotonic_cst is None
        and estimator.interaction_cst is None
        and (features is None or (isinstance(features, str) and features == "from_dtype"))
    )


def taking_all_columns(fitted: Any, columns: Columns) -> Any:
    """Make a model of some columns one that is given all of them."""
    return make_pipeline(FunctionTransformer(_chosen, kw_args={"columns": columns}), fitted)


def _chosen(X: Any, columns: Columns) -> Any:
    return X[:, columns]


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
