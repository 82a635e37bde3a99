"""Fits: a candidate on a fold, with a part of its iterations and rows."""

import os
import pickle
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from math import ceil
from numbers import Integral
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from joblib import parallel_config
from joblib.externals.loky.backend import resource_tracker
from numpy.typing import NDArray
from sklearn import ensemble
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import _safe_indexing
from threadpoolctl import ThreadpoolController

from tabproof.modeling.calibration import GivenProba
from tabproof.search.early_stopping import counter_of, fit_until_best
from tabproof.search.pilot import estimate_seconds
from tabproof.search.schedule import Rung

Positions = NDArray[np.intp]

# With fewer rows of a class, what a model learns about it, and its score on them, is chance.
MIN_ROWS_PER_CLASS = 10
# Up to this many rows the time of a fit depends on its iterations; fewer rows would save nothing.
FEW_ROWS = 5_000
# Smaller arrays are sent as quickly as the names of files.
MIN_SPILL_BYTES = 2**20
# Steps such as one-hot encoding make more columns, up to so many times as a rule.
EXPANSION = 8
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where systems keep files in memory


@dataclass(frozen=True)
class Fold:
    """What the last step of a candidate is fitted and scored on, or why that failed."""

    X_train: Any = None
    y_train: Any = None
    X_test: Any = None
    y_test: Any = None
    error: str | None = None


def make_fold(
    data: tuple[Any, Any, Sequence[tuple[Positions, Positions]]],
    directory: Path | None,
    raises: bool,
    job: tuple[tuple[str, int], Any],
    _n_threads: int | None,
) -> Fold:
    """Fit the steps before the last on the training rows, and transform all rows of the fold.

    data : X, y and the splits. directory : for large arrays. raises : raise an error of a step,
    instead of keeping it for the candidates. job : the signature of the steps and the number of
    the fold, and the steps, or None.
    """
    X, y, splits = data
    (key, number), before = job
    X_train, y_train = rows_of(X, y, splits[number][0])
    X_test, y_test = rows_of(X, y, splits[number][1])
    if before is not None:
        steps = clone(before)
        try:
            # A ColumnTransformer would start workers of its own.
            with parallel_config("sequential"):
                # Not fit().transform(): target encoders transform their training rows differently.
                X_train = steps.fit_transform(X_train, y_train)
                X_test = steps.transform(X_test)
        except Exception:  # any error of a step is the result of its candidates
            if raises:
                raise
            return Fold(error=traceback.format_exc())
    fold = Fold(X_train, y_train, X_test, y_test)
    if directory is None:
        return fold
    # Here, in the worker: a mapped array is sent back by the name of its file.
    return spill(fold, directory, f"{sha256(key.encode()).hexdigest()}_{number}")


def rows_of(X: Any, y: Any, positions: Positions) -> tuple[Any, Any]:
    """Return the rows at these positions, of tables and lists; y may be None."""
    return _safe_indexing(X, positions), None if y is None else _safe_indexing(y, positions)


@dataclass(frozen=True)
class Problem:
    """What candidates are compared on.

    splits holds the positions of the training and test rows of each fold. classes are the codes
    of y, None if this is no classification. min_resources: as in RungSearchCV.
    """

    X: Any
    y: Any
    splits: Sequence[tuple[Positions, Positions]]
    scorer: Callable[[Any, Any, Any], float]
    classes: NDArray[np.intp] | None
    min_resources: int | str
    seed: int

    @property
    def n_train(self) -> int:
        """The number of training rows of the largest fold."""
        return max((len(train) for train, _ in self.splits), default=0)

    @property
    def may_be_large(self) -> bool:
        """Whether folds may have arrays that are spilled; True where X does not tell its size."""
        n_cells = getattr(self.X, "size", None)
        return n_cells is None or n_cells * 8 * EXPANSION >= MIN_SPILL_BYTES

    def n_rows(self, rung: Rung, fold: int) -> int:
        """Return how many training rows of a fold a rung uses."""
        n_train, counts = len(self.splits[fold][0]), self._class_counts(fold)
        if isinstance(self.min_resources, int):
            least = self.min_resources
        elif self.classes is None:
            least = FEW_ROWS
        else:
            least = max(FEW_ROWS, ceil(MIN_ROWS_PER_CLASS * n_train / min(counts)))
        # Both parts must hold every class, or scikit-learn cannot stratify.
        n_rows = min(max(ceil(n_train * rung.rows), least, len(counts)), n_train)
        cannot_divide = n_train - n_rows < len(counts) or min(counts, default=2) < 2
        return n_train if cannot_divide else n_rows

    def rows(self, rung: Rung, fold: int) -> Positions | None:
        """Draw the training rows of a fold that a rung uses; None for all of them."""
        n_rows = self.n_rows(rung, fold)
        return None if n_rows == len(self.splits[fold][0]) else self._draw(n_rows, fold)

    def _draw(self, n_rows: int, fold: int) -> Positions:
        """Draw training rows, sorted; classes keep their proportion."""
        train = self.splits[fold][0]
        drawn, _ = train_test_split(
            np.arange(len(train)),
            train_size=n_rows,
            stratify=None if self.classes is None else self.classes[train],
            random_state=self.seed,
        )
        return np.sort(drawn)

    def smallest_sufficient(self, fold: int) -> int:
        """Return how many training rows are needed to hold every class at least once."""
        if self.classes is None:
            return 1
        y, counts = self.classes[self.splits[fold][0]], self._class_counts(fold)
        n_classes, rarest = len(counts), min(counts)
        if rarest < 2:
            return len(y)
        # Rows left over go to the classes with the largest remainders: of k classes the rarest
        # gets none if its share is less than a k-th of a row.
        for n_rows in range(max(n_classes, len(y) // (n_classes * rarest)), len(y) - n_classes):
            if len(np.unique(y[self._draw(n_rows, fold)])) == n_classes:
                return n_rows
        return len(y)

    def _class_counts(self, fold: int) -> list[int]:
        if self.classes is None:
            return []
        counts: list[int] = np.unique_counts(self.classes[self.splits[fold][0]]).counts.tolist()
        return counts


def spill(fold: Fold, directory: Path, name: str) -> Fold:
    """Write large arrays into files of a directory; return the fold with the arrays mapped."""
    mapped = {}
    for part in ("X_train", "X_test"):
        values, path = getattr(fold, part), directory / f"{name}_{part}.npy"
        is_plain = type(values) is np.ndarray and not values.dtype.hasobject
        if not is_plain or values.nbytes < MIN_SPILL_BYTES:
            continue
        try:
            np.save(path, values)
            mapped[part] = np.load(path, mmap_mode="r")
        except OSError:
            # No space left: joblib sends a copy to each worker.
            path.unlink(missing_ok=True)
    return replace(fold, **mapped)


@contextmanager
def spill_directory() -> Iterator[Callable[[], Path | None]]:
    """Yield a function that returns a directory for spilled folds; None where it cannot be made.

    It is made at the first call, in memory where the system supports it, and removed after the
    search, even if this process is killed.
    """

    @cache
    def path() -> Path | None:
        in_memory = str(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK) else None
        place = os.environ.get("JOBLIB_TEMP_FOLDER") or in_memory
        try:
            made = tempfile.mkdtemp(prefix="search_", dir=place)
        except OSError:
            return None
        # The process that cleans up after joblib's workers removes it if this one is killed.
        resource_tracker.register(made, "folder")
        return Path(made)

    try:
        yield path
    finally:
        if path.cache_info().currsize and (made := path()) is not None:
            shutil.rmtree(made, ignore_errors=True)
            resource_tracker.unregister(str(made), "folder")


BOOSTING = (ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor)
FORESTS = (
    ensemble.RandomForestClassifier,
    ensemble.RandomForestRegressor,
    ensemble.ExtraTreesClassifier,
    ensemble.ExtraTreesRegressor,
)
# A larger model takes longer to send and store than its iterations take to repeat.
MAX_STATE_BYTES = 16 * 2**20
# Leaving out columns copies the rows, which does not pay off for a smaller share of columns.
MIN_SHARE_LEFT_OUT = 0.05

TOO_LONG = "it was not begun, since it would take longer than there is time"
DIED = "the process that fitted it was killed: out of memory, most likely"


@dataclass(frozen=True)
class Task:
    """A fit to be done, of the candidate at a place.

    rows are the training rows of the fold to use, None for all. state is the same model after
    fewer iterations, pickled. keep_state and keep_proba: what to return besides the score.
    raises: raise errors of the fit instead of returning them. patience: end boosting after so
    many iterations without a lower log loss of the test rows; None: it has all of its iterations.
    row_cost: what a fitted model takes to predict a row. max_seconds: a fit that would take longer
    is not begun.
    """

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
    patience: int | None = None
    row_cost: Callable[[Any], float] | None = None
    max_seconds: float | None = None


@dataclass(frozen=True)
class Fit:
    """The result of a fit; if it failed, score is NaN and error is the traceback.

    n_iterations: how many were best, where the test rows decided. row_cost: as in Task.

    Fits are pickled into run directories, so this class and its fields keep their names.
    """

    score: float
    fit_seconds: float = 0.0
    score_seconds: float = 0.0
    state: bytes | None = None
    proba: NDArray[np.float64] | None = None
    error: str | None = None
    warned: tuple[str, ...] = ()
    n_iterations: int | None = None
    row_cost: float = 0.0

    @property
    def was_killed(self) -> bool:
        """Whether the process was killed."""
        return self.error == DIED


@cache
def _controller() -> ThreadpoolController:
    # Finding the libraries takes longer than a small fit: once per process.
    return ThreadpoolController()


def run_task(task: Task, n_threads: int | None) -> Fit:
    """Fit and score; n_threads limits OpenMP, None leaves it as it is."""
    fold, state = task.fold, None
    if fold.error is not None:
        return Fit(float("nan"), error=fold.error)
    start = perf_counter()
    with (
        warnings.catch_warnings(record=True) as caught,
        _controller().limit(limits=n_threads, user_api="openmp"),
        # Models that fit their parts in parallel would start workers of their own.
        parallel_config("sequential"),
    ):
        warnings.simplefilter("always")
        try:
            X, y = fold.X_train, fold.y_train
            if task.rows is not None:
                X, y = rows_of(X, y, task.rows)
            estimator = clone(task.estimator)
            if task.max_seconds is not None:
                seconds = estimate_seconds(estimator, X, y)
                if seconds > task.max_seconds:
                    return Fit(float("nan"), seconds, error=TOO_LONG)
            columns = None if task.patience is not None else splittable_columns(estimator, X)
            if columns is not None:
                X = X[:, columns]
            proba, n_iterations = None, None
            if task.patience is not None and counter_of(estimator) is not None:
                fitted, proba, n_iterations = fit_until_best(
                    estimator, X, y, fold.X_test, fold.y_test, task.patience
                )
            elif task.state is not None:
                earlier = pickle.loads(task.state)  # noqa: S301 - made by this search
                fitted = continue_fit(estimator, earlier, X, y)
            else:
                fitted = estimator.fit(X) if y is None else estimator.fit(X, y)
            model = fitted
            if columns is not None:
                # The scorer has all columns.
                choose = FunctionTransformer(np.take, kw_args={"indices": columns, "axis": 1})
                model = make_pipeline(choose, fitted)
            middle = perf_counter()
            if proba is None:
                score = float(task.scorer(model, fold.X_test, fold.y_test))
                proba = model.predict_proba(fold.X_test) if task.keep_proba else None
            else:
                given = GivenProba().fit(None, fold.y_train)
                score = float(task.scorer(given, proba, fold.y_test))
            end = perf_counter()
            cost = 0.0 if task.row_cost is None else task.row_cost(fitted)
            fit = Fit(score, middle - start, end - middle, proba=proba)
            fit = replace(fit, n_iterations=n_iterations, row_cost=cost)
        except Exception:  # any error of a model is the result of its candidate
            if task.raises:
                raise
            fit = Fit(float("nan"), perf_counter() - start, error=traceback.format_exc())
    if task.keep_state and fit.error is None and can_continue(task.estimator):
        state = pickle.dumps(fitted, protocol=pickle.HIGHEST_PROTOCOL)
        state = state if len(state) <= MAX_STATE_BYTES else None
    warned = tuple(dict.fromkeys(str(warning.message).strip() for warning in caught))
    return replace(fit, state=state, warned=warned)


def iteration_params(estimator: Any) -> dict[str, int]:
    """Return the parameters that count iterations, nested ones too, with their values."""
    params = estimator.get_params(deep=True)
    parts = {f"{name}__": part for name, part in params.items() if hasattr(part, "get_params")}
    counters = [
        prefix + name
        for prefix, part in {"": estimator, **parts}.items()
        if not isinstance(part, type)
        for name in _counters(part)
    ]
    return {k: params[k] for k in counters if isinstance(params.get(k), Integral) and params[k] > 1}


def _counters(estimator: Any) -> tuple[str, ...]:
    # Elsewhere `max_iter` limits a solver that converges.
    return ("max_iter",) if isinstance(estimator, BOOSTING) else ("n_estimators", "iterations")


def can_continue(estimator: Any) -> bool:
    """Return whether a warm start gives exactly the same model as a fit from scratch."""
    # A warm start draws columns from the beginning of the seed's sequence again.
    is_boosting = isinstance(estimator, BOOSTING) and estimator.max_features == 1.0
    # Class weights depend on all rows, and scikit-learn warns about them in warm starts.
    is_forest = isinstance(estimator, FORESTS) and getattr(estimator, "class_weight", None) is None
    return (is_boosting or is_forest) and isinstance(estimator.random_state, int)


def continue_fit(estimator: Any, fitted: Any, X: Any, y: Any) -> Any:
    """Continue `fitted`, which has fewer iterations, up to the iterations of `estimator`."""
    (name,) = (name for name in _counters(estimator) if hasattr(estimator, name))
    wanted = getattr(estimator, name)
    is_done = wanted == getattr(fitted, name)
    if isinstance(fitted, BOOSTING) and fitted.do_early_stopping_:
        # The last iteration that was asked for may be the one at which it would have stopped.
        scores = fitted.validation_score_ if len(fitted.validation_score_) else fitted.train_score_
        is_done |= bool(fitted.n_iter_ < fitted.max_iter or fitted._should_stop(scores))
    fitted.set_params(**{name: wanted})
    if is_done:
        return fitted
    fitted.set_params(warm_start=True).fit(X, y)
    return fitted.set_params(warm_start=estimator.warm_start)


def splittable_columns(estimator: Any, X: Any) -> NDArray[np.intp] | None:
    """Return the columns that boosting may split on; without the others the model is the same.

    None means all columns, also where it is unknown or does not pay off.
    """
    if (
        not isinstance(estimator, BOOSTING)
        # Columns drawn at random would be other ones.
        or estimator.max_features != 1.0
        # These refer to columns by their positions.
        or estimator.monotonic_cst is not None
        or estimator.interaction_cst is not None
        or str(estimator.categorical_features) not in ("None", "from_dtype")
        or type(X) not in (np.ndarray, np.memmap)
        or X.ndim != 2
        or not len(X)
        or X.dtype.kind not in "fiub"
    ):
        return None
    # Where nearly all rows have one value, one side of any split has too few rows. The first row
    # replaces the commonest value: where it is another one, the column is kept.
    n_others = np.count_nonzero(X[0] != X, axis=0)
    columns = np.flatnonzero(n_others >= estimator.min_samples_leaf)
    pays_off = len(columns) and len(columns) <= (1 - MIN_SHARE_LEFT_OUT) * X.shape[1]
    return columns if pays_off else None
