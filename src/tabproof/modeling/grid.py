"""Checks of a grid and of a scorer, before any data is read."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from sklearn.base import clone, is_classifier
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.pipeline import Pipeline

from tabproof.errors import InvalidValueError, UserError, first_line, listed, suggested
from tabproof.modeling.pipeline import draws_its_folds

# The parameters of scikit-learn, LightGBM, XGBoost and CatBoost for threads.
THREADS = ("n_jobs", "num_threads", "nthread", "thread_count")
# Values with which results do not depend on threads, and threads obey the limits of a run. For
# LightGBM 0 means OpenMP's limit. XGBoost may sum in another order with threads, and CatBoost
# ignores limits.
VALID_THREADS = {"lightgbm": (0, 1), "xgboost": (1,), "catboost": (1,)}


class InvalidParameterError(UserError):
    """A value of a parameter that the estimator does not accept."""

    template = "{parameter}={value} is refused by the estimator: {reason}"


class UnknownParameterError(UserError):
    """A grid over a parameter that the pipeline does not have."""

    template = (
        "the grid's '{parameter}' is not a parameter of the pipeline, which has {valid}{suggestion}"
    )


def check_scoring_name(scoring: str) -> None:
    """Refuse a name that is not a scorer of classifiers in scikit-learn."""
    # scikit-learn lists the scorers of all tasks together.
    tasks = ("_classification", "_ranking", "_scorer")
    modules = {name: get_scorer(name)._score_func.__module__ for name in get_scorer_names()}
    names = [name for name, module in modules.items() if module.endswith(tasks)]
    if scoring not in names:
        suggestion = suggested(get_close_matches(scoring, names, n=3))
        valid = f"a scorer of classifiers of scikit-learn{suggestion}"
        raise InvalidValueError("search.scoring", scoring, valid)


def scorer_for(scoring: str, n_classes: int) -> str:
    """Return scikit-learn's name of a scorer for n_classes.

    With more than two classes `roc_auc` means one-vs-rest, macro average.
    """
    if n_classes > 2 and scoring in ("f1", "jaccard", "precision", "recall"):
        reason = f"{scoring} is for two classes, and the target has {n_classes}"
        valid = f"{scoring}_macro or {scoring}_weighted: {reason}"
        raise InvalidValueError("search.scoring", scoring, valid)
    return "roc_auc_ovr" if scoring == "roc_auc" and n_classes > 2 else scoring


def check_grid(pipeline: Pipeline, param_grid: Mapping[str, Sequence[Any]]) -> None:
    """Refuse parameters that the pipeline does not have, and values that a step does not accept.

    Values are tried one at a time: only a fit can find combinations that do not work.
    """
    if not is_classifier(pipeline) or not hasattr(pipeline, "predict_proba"):
        valid = "a classifier with predict_proba; wrap it in"
        valid += " sklearn.calibration.CalibratedClassifierCV, or choose another"
        name = type(pipeline.named_steps["clf"]).__name__
        raise InvalidValueError("model.estimator", name, valid)
    _check_values(pipeline, {})
    parameters = sorted(name for name in pipeline.get_params() if "__" in name)
    for parameter, values in param_grid.items():
        if parameter not in parameters:
            raise UnknownParameterError(
                parameter=parameter,
                valid=listed([name for name in parameters if name.startswith("clf__")], 40),
                suggestion=suggested(get_close_matches(parameter, parameters, n=2)),
            )
        for value in values:
            if value is None and parameter.endswith("__random_state"):
                raise InvalidValueError(parameter, "null", "numbers: without one no run repeats")
            _check_values(pipeline, {parameter: value})


def _check_values(pipeline: Pipeline, parameters: Mapping[str, Any]) -> None:
    """Check the pipeline with at most one changed parameter."""
    parts = pipeline.get_params()
    # Threads may change numbers: forests sum their trees in the order in which threads end.
    for name, value in (parameters or parts).items():
        owner, _, option = name.rpartition("__")
        library = type(parts.get(owner)).__module__.partition(".")[0]
        valid = VALID_THREADS.get(library)
        if option in THREADS and (value is not None if valid is None else value not in valid):
            shown = "null" if valid is None else " or ".join(map(str, valid))
            reason = f"{shown} here: runtime.workers sets the number of workers"
            raise InvalidValueError(name, value, reason)
    for part in clone(pipeline).set_params(**parameters).get_params().values():
        # Of an estimator itself there is nothing better to name than its class.
        parameter, value = next(iter(parameters.items()), (type(part).__name__, part))
        if draws_its_folds(part):
            raise InvalidValueError(parameter, value, "no numbers here: no run repeats")
        reason = ""
        weights = part.weights if isinstance(part, VotingClassifier) else None
        if weights is not None and len(weights) != len(part.estimators):
            parameter, value = "clf__weights", weights
            reason = f"{len(weights)} weights for {len(part.estimators)} members"
        # fit() checks values by this method, which needs no data. Estimators of other libraries
        # may be without it; their first fit checks them.
        elif not isinstance(part, type) and hasattr(part, "_parameter_constraints"):
            try:
                part._validate_params()
            except ValueError as error:
                reason = first_line(error)
        if reason:
            raise InvalidParameterError(parameter=parameter, value=repr(value), reason=reason)
