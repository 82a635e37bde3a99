"""Which parameter of a model counts its iterations, and which models can go on where they stopped.

Going on must give the bits of a fit from scratch: `tests/search/test_iterations.py` proves it.
"""

from numbers import Integral
from typing import Any

from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

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
