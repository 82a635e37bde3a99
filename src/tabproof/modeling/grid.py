"""Check a grid against a pipeline before any data is read."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from sklearn.base import clone, is_classifier
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import get_scorer_names
from sklearn.pipeline import Pipeline

from tabproof.errors import InvalidValueError
from tabproof.modeling.errors import (
    BinaryScorerError,
    InvalidParameterError,
    NotAClassifierError,
    UnknownParameterError,
    UnknownScorerError,
)
from tabproof.modeling.pipeline import draws_its_folds

# --- Scorers by scikit-learn's names.

# scikit-learn lists scorers of regression and clustering among them.
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
    """Give the name that scikit-learn has for a scoring on so many classes.

    `roc_auc` stands for one-vs-rest, macro, where there are more than two.
    """
    if n_classes > 2 and scoring in BINARY_ONLY:
        raise BinaryScorerError(scoring, n_classes)
    return "roc_auc_ovr" if scoring == "roc_auc" and n_classes > 2 else scoring


def check_scoring_name(scoring: str) -> None:
    """Refuse a name that is no scorer of classifiers in scikit-learn; needs no data."""
    names = [name for name in get_scorer_names() if name.startswith(CLASSIFICATION)]
    if scoring not in names:
        raise UnknownScorerError(scoring, get_close_matches(scoring, names, n=3))


# What scikit-learn, LightGBM, XGBoost and CatBoost call their threads.
THREADS = ("n_jobs", "num_threads", "nthread", "thread_count")
# With what a library's numbers depend on no threads, and its threads on our limits. LightGBM
# takes 0 for as many as OpenMP is told; XGBoost's threads may add up in other orders, and
# CatBoost's heed no limit.
VALID_THREADS: dict[str, tuple[int | None, ...]] = {
    "lightgbm": (0, 1),
    "xgboost": (1,),
    "catboost": (1,),
}


def check_grid(pipeline: Pipeline, param_grid: Mapping[str, Sequence[Any]]) -> None:
    """Raise if a parameter is not the pipeline's, or a value is refused by what takes it.

    Values are tried one at a time: which pairs go together only a fit can tell.
    """
    if not is_classifier(pipeline) or not hasattr(pipeline, "predict_proba"):
        raise NotAClassifierError(type(pipeline.named_steps["clf"]).__name__)
    refuse_threads(pipeline, pipeline.get_params())
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
            refuse_threads(pipeline, {parameter: value})
            _check_values(pipeline, {parameter: value})


def refuse_threads(pipeline: Pipeline, parameters: Mapping[str, Any]) -> None:
    """Refuse threads of an estimator's own: forests add up their trees as threads finish."""
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
                raise InvalidParameterError("clf__weights", part.weights, reason)
        # scikit-learn checks values when it fits, through this method; it needs no data.
        # Estimators of other libraries need not have it, and are checked by their first fit.
        if isinstance(part, type) or not hasattr(part, "_parameter_constraints"):
            continue
        try:
            part._validate_params()
        except ValueError as error:
            parameter, value = next(iter(parameters.items()), (type(part).__name__, part))
            raise InvalidParameterError(parameter, value, str(error).splitlines()[0]) from error
