"""Errors that a user may meet here."""

from collections.abc import Sequence
from typing import Any

from tabproof.errors import UserError, listed, suggested


class InvalidParameterError(UserError):
    """A parameter's value that the estimator refuses."""

    def __init__(self, parameter: str, value: Any, reason: str) -> None:
        super().__init__(f"{parameter}={value!r} is refused by the estimator: {reason}")


class NotAClassifierError(UserError):
    """An estimator that gives no probabilities of classes."""

    def __init__(self, estimator: str) -> None:
        super().__init__(
            f"model.estimator: {estimator} is no classifier with predict_proba; wrap it in"
            " sklearn.calibration.CalibratedClassifierCV, or choose another"
        )


class BinaryScorerError(UserError):
    """A scorer for two classes, asked for more."""

    def __init__(self, scoring: str, n_classes: int) -> None:
        super().__init__(
            f"search.scoring={scoring} is for two classes, and the target has {n_classes};"
            f" choose {scoring}_macro or {scoring}_weighted"
        )


class UnknownScorerError(UserError):
    """A scorer that scikit-learn does not know."""

    def __init__(self, scoring: str, nearest: Sequence[str]) -> None:
        super().__init__(
            f"search.scoring={scoring} is no scorer of classifiers{suggested(nearest)}"
        )


class UnknownParameterError(UserError):
    """A grid over a parameter that the pipeline has not."""

    def __init__(self, parameter: str, nearest: Sequence[str], valid: Sequence[str]) -> None:
        super().__init__(
            f"the grid's '{parameter}' is not a parameter of the pipeline"
            f"{suggested(nearest)} It has {listed(valid, 40)}"
        )
