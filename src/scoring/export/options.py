"""Options of estimators that change what the data-only form would have to say."""

from collections.abc import Callable, Mapping
from typing import Any

Obstacles = Mapping[str, Callable[[Any], bool]]


def refused_option(estimator: Any, obstacles: Obstacles) -> str | None:
    """Name the first option whose value is an obstacle, as it stands in the configuration."""
    for option, value in estimator.get_params(deep=False).items():
        if value is not None and option in obstacles and obstacles[option](value):
            shown = str(value).lower() if isinstance(value, bool) else value
            return f"model.estimator: {type(estimator).__name__} with {option}={shown}"
    return None


def other_than(*valid: Any) -> Callable[[Any], bool]:
    """Refuse all values but these."""
    return lambda value: value not in valid
