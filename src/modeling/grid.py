"""Check a grid against a pipeline before any data is read."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline

from src.errors import (
    InvalidParameterError,
    InvalidValueError,
    NotAClassifierError,
    UnknownParameterError,
)

# What scikit-learn, LightGBM, XGBoost and CatBoost call their threads.
THREADS = ("n_jobs", "num_threads", "nthread", "thread_count")


def check_grid(pipeline: Pipeline, param_grid: Mapping[str, Sequence[Any]]) -> None:
    """Raise if a parameter is not the pipeline's, or a value is refused by what takes it.

    Values are tried one at a time: which pairs go together only a fit can tell.
    """
    if not is_classifier(pipeline) or not hasattr(pipeline, "predict_proba"):
        raise NotAClassifierError(type(pipeline.named_steps["clf"]).__name__)
    refuse_threads(pipeline.get_params())
    _check_values(pipeline, {})
    valid = sorted(name for name in pipeline.get_params() if "__" in name)
    for parameter, values in param_grid.items():
        if parameter not in valid:
            nearest = get_close_matches(parameter, valid, n=2)
            raise UnknownParameterError(
                parameter, nearest, [name for name in valid if name.startswith("clf__")]
            )
        for value in values:
            if value is None and parameter.endswith("__random_state"):
                raise InvalidValueError(parameter, "null", "numbers: without one no run repeats")
            refuse_threads({parameter: value})
            _check_values(pipeline, {parameter: value})


def refuse_threads(parameters: Mapping[str, Any]) -> None:
    """Refuse threads of an estimator's own: forests add up their trees as threads finish."""
    for name, value in parameters.items():
        if name.rpartition("__")[2] in THREADS and value is not None:
            raise InvalidValueError(name, value, "null here: runtime.workers says how many work")


def _check_values(pipeline: Pipeline, parameters: Mapping[str, Any]) -> None:
    changed = clone(pipeline).set_params(**parameters)
    for part in changed.get_params().values():
        # scikit-learn checks values when it fits, through this method; it needs no data.
        # Estimators of other libraries need not have it, and are checked by their first fit.
        validate = getattr(part, "_validate_params", None)
        if validate is None or isinstance(part, type):
            continue
        try:
            validate()
        except ValueError as error:
            parameter, value = next(iter(parameters.items()), (type(part).__name__, part))
            raise InvalidParameterError(parameter, value, str(error).splitlines()[0]) from error
