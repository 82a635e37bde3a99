"""Pipelines of preprocessing and estimator, so that no fold leaks into another."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder, TargetEncoder
from sklearn.utils import Bunch


def make_pipeline(
    numeric: Mapping[str, Any], categorical: Mapping[str, Any], estimator: Any, *, seed: int
) -> Pipeline:
    """Return a pipeline of steps for numbers, steps for categories, and the estimator (`clf`).

    Columns are selected by type when the pipeline is fitted, so it can be made before data is
    read. Without steps the estimator gets the frame as it is, categories included. Every
    random_state that is None becomes the seed, in nested members too.
    """
    preprocess: Any = "passthrough"
    if numeric or categorical:
        numeric_steps, categorical_steps = (
            Pipeline([*steps.items()]) if steps else "passthrough"
            for steps in (numeric, categorical)
        )
        preprocess = ColumnTransformer(
            [
                ("numeric", numeric_steps, make_column_selector(dtype_include="number")),
                ("categorical", categorical_steps, make_column_selector(dtype_include="category")),
            ],
            verbose_feature_names_out=False,
        )
    pipeline = Pipeline([("preprocess", preprocess), ("clf", estimator)])
    chosen: dict[str, Any] = {}
    for name, value in pipeline.get_params().items():
        if name.endswith("__random_state") and value is None:
            chosen[name] = seed
        elif draws_its_folds(value):
            chosen[f"{name}__cv"] = StratifiedKFold(value.cv, shuffle=True, random_state=seed)
    return pipeline.set_params(**chosen)


def draws_its_folds(part: Any) -> bool:
    """Return whether a step is a TargetEncoder with a number of folds, shuffled without a seed."""
    # Not by its random_state, which is deprecated in scikit-learn 1.9 and no longer None.
    return isinstance(part, TargetEncoder) and isinstance(part.cv, int)


def join_fitted(members: Mapping[str, Pipeline], weights: Mapping[str, float]) -> Pipeline:
    """Join fitted pipelines without fitting them again; those without a weight are left out.

    All must have been fitted on the same columns and on the same classes 0, 1, …. The result is
    the one that `fit` would give: a clone can be fitted, and it is exported like any vote.
    """
    voters = {name: member for name, member in members.items() if weights.get(name, 0) > 0}
    if not voters:
        raise ValueError("no member has a weight above 0")
    classes = next(iter(voters.values())).classes_
    for name, member in voters.items():
        if not np.array_equal(member.classes_, classes):
            raise ValueError(f"{name} was fitted on {member.classes_}, not on {classes}")
    shares = [float(weights[name]) for name in voters]
    vote = VotingClassifier([*voters.items()], voting="soft", weights=shares)
    vote.estimators_ = [*voters.values()]
    vote.named_estimators_ = Bunch(**voters)
    vote.le_ = LabelEncoder().fit(classes)
    vote.classes_ = vote.le_.classes_
    return Pipeline([("preprocess", "passthrough"), ("clf", vote)])
