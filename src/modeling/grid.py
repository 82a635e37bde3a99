"""Check a grid against a pipeline before any data is read."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from src.errors import InvalidParameterError, UnknownParameterError


def check_grid(pipeline: Pipeline, param_grid: Mapping[str, Sequence[Any]]) -> None:
    """Raise if a parameter is not the pipeline's, or a value is refused by its estimator.

    Values are tried one at a time: which pairs go together only a fit can tell.
    """
    valid = sorted(name for name in pipeline.get_params() if "__" in name)
    _check_values(pipeline, {})
    for parameter, values in param_grid.items():
        if parameter not in valid:
            nearest = get_close_matches(parameter, valid, n=2)
            raise UnknownParameterError(
                parameter, nearest, [name for name in valid if name.startswith("clf__")]
            )
        for value in values:
            _check_values(pipeline, {parameter: value})


def _check_values(pipeline: Pipeline, parameters: Mapping[str, Any]) -> None:
    estimator = clone(pipeline).set_params(**parameters).named_steps["clf"]
    # scikit-learn checks values when it fits, through this method; it needs no data.
    # Estimators of other libraries need not have it, and are checked by their first fit.
    validate = getattr(estimator, "_validate_params", None)
    if validate is None:
        return
    try:
        validate()
    except ValueError as error:
        parameter, value = next(iter(parameters.items()), ("model.estimator", estimator))
        raise InvalidParameterError(parameter, value, str(error).splitlines()[0]) from error
