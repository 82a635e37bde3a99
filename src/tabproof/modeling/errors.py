"""Errors of this package that a user may meet."""

from tabproof.errors import UserError


class InvalidParameterError(UserError):
    """A value of a parameter that the estimator does not accept."""

    template = "{parameter}={value} is refused by the estimator: {reason}"


class NotAClassifierError(UserError):
    """An estimator without predict_proba."""

    template = (
        "model.estimator: {estimator} is not a classifier with predict_proba; wrap it in"
        " sklearn.calibration.CalibratedClassifierCV, or choose another"
    )


class BinaryScorerError(UserError):
    """A scorer for two classes, used with more."""

    template = (
        "search.scoring={scoring} is for two classes, and the target has {n_classes};"
        " choose {scoring}_macro or {scoring}_weighted"
    )


class UnknownScorerError(UserError):
    """A name that is not a scorer of classifiers in scikit-learn."""

    template = "search.scoring={scoring} is not a scorer of classifiers{suggestion}"


class UnknownParameterError(UserError):
    """A grid over a parameter that the pipeline does not have."""

    template = (
        "the grid's '{parameter}' is not a parameter of the pipeline, which has {valid}{suggestion}"
    )
