"""Checks of a grid and of a scorer, before any data is read."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from sklearn.base import clone, is_classifier
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import get_scorer_names
from sklearn.pipeline import Pipeline

from tabproof.errors import InvalidValueError, listed, suggested
from tabproof.modeling.errors import (
    BinaryScorerError,
    InvalidParameterError,
    NotAClassifierError,
    UnknownParameterError,
    UnknownScorerError,
)
from tabproof.modeling.pipeline import draws_its_folds

# Beginnings of the names of scorers for classifiers; scikit-learn lists all scorers together.
CLASSIFICATION = (
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "d2_brier",
    "d2_log_loss",
    "f1",
    "jaccard",
    "matthews",
    "neg_brier",
    "neg_log_loss",
    "neg_negative_likelihood",
    "positive_likelihood",
    "precision",
    "recall",
    "roc_auc",
    "top_k",
)
BINARY_ONLY = ("f1", "jaccard", "precision", "recall")


def scorer_for(scoring: str, n_classes: int) -> str:
    """Return scikit-learn's name of a scorer for n_classes.

    With more than two classes `roc_auc` means one-vs-rest, macro average.
    """
    if n_classes > 2 and scoring in BINARY_ONLY:
        raise BinaryScorerError(scoring=scoring, n_classes=n_classes)
    return "roc_auc_ovr" if scoring == "roc_auc" and n_classes > 2 else scoring


def check_scoring_name(scoring: str) -> None:
    """Refuse a name that is not a scorer of classifiers in scikit-learn."""
    names = [name for name in get_scorer_names() if name.startswith(CLASSIFICATION)]
    if scoring not in names:
        suggestion = suggested(get_close_matches(scoring, names, n=3))
        raise UnknownScorerError(scoring=scoring, suggestion=suggestion)


# The parameters of scikit-learn, LightGBM, XGBoost and CatBoost for threads.
THREADS = ("n_jobs", "num_threads", "nthread", "thread_count")
# Values with which results do not depend on threads, and threads obey the limits of a run. For
# LightGBM 0 means OpenMP's limit. XGBoost may sum in another order with threads, and CatBoost
# ignores limits.
VALID_THREADS: dict[str, tuple[int | None, ...]] = {
    "lightgbm": (0, 1),
    "xgboost": (1,),
    "catboost": (1,),
}


def check_grid(pipeline: Pipeline, param_grid: Mapping[str, Sequence[Any]]) -> None:
    """Refuse parameters that the pipeline does not have, and values that a step does not accept.

    Values are tried one at a time: only a fit can find combinations that do not work.
    """
    if not is_classifier(pipeline) or not hasattr(pipeline, "predict_proba"):
        raise NotAClassifierError(estimator=type(pipeline.named_steps["clf"]).__name__)
    refuse_threads(pipeline, pipeline.get_params())
    _check_values(pipeline, {})
    valid = sorted(name for name in pipeline.get_params() if "__" in name)
    for parameter, values in param_grid.items():
        if parameter not in valid:
            raise UnknownParameterError(
                parameter=parameter,
                valid=listed([name for name in valid if name.startswith("clf__")], 40),
                suggestion=suggested(get_close_matches(parameter, valid, n=2)),
            )
        for value in values:
            if value is None and parameter.endswith("__random_state"):
                raise InvalidValueError(parameter, "null", "numbers: without one no run repeats")
            refuse_threads(pipeline, {parameter: value})
            _check_values(pipeline, {parameter: value})


def refuse_threads(pipeline: Pipeline, parameters: Mapping[str, Any]) -> None:
    """Refuse threads of an estimator: forests sum their trees in the order in which threads end."""
    parts = pipeline.get_params()
    for name, value in parameters.items():
        owner, _, parameter = name.rpartition("__")
        library = type(parts.get(owner)).__module__.partition(".")[0]
        valid = VALID_THREADS.get(library, (None,))
        if parameter in THREADS and value not in valid:
            shown = " or ".join("null" if one is None else str(one) for one in valid)
            raise InvalidValueError(
                name, value, f"{shown} here: runtime.workers says how many work"
            )


def _check_values(pipeline: Pipeline, parameters: Mapping[str, Any]) -> None:
    changed = clone(pipeline).set_params(**parameters)
    for part in changed.get_params().values():
        if draws_its_folds(part):
            parameter, value = next(iter(parameters.items()))
            raise InvalidValueError(parameter, value, "no numbers here: no run repeats")
        if isinstance(part, VotingClassifier) and part.weights is not None:
            n_weights, n_members = len(part.weights), len(part.estimators)
            if n_weights != n_members:
                reason = f"{n_weights} weights for {n_members} members"
                raise InvalidParameterError(
                    parameter="clf__weights", value=repr(part.weights), reason=reason
                )
        # fit() checks values by this method, which needs no data. Estimators of other libraries
        # may be without it; their first fit checks them.
        if isinstance(part, type) or not hasattr(part, "_parameter_constraints"):
            continue
        try:
            part._validate_params()
        except ValueError as error:
            parameter, value = next(iter(parameters.items()), (type(part).__name__, part))
            reason = str(error).splitlines()[0]
            raise InvalidParameterError(
                parameter=parameter, value=repr(value), reason=reason
            ) from error
