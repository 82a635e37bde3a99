"""Preprocessing and estimator in one pipeline, so that no fold leaks into another."""

from collections.abc import Mapping
from typing import Any

from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder


def make_pipeline(
    numeric: Mapping[str, Any], categorical: Mapping[str, Any], estimator: Any, *, seed: int
) -> Pipeline:
    """Return a pipeline of steps for numbers, steps for categories, and the estimator (`clf`).

    Columns are selected by type when the pipeline is fitted, so it can be made before data is
    read. Without steps the estimator gets the frame as it is, categories included. Every
    random_state that is None becomes the seed, in nested members too.
    """
    preprocess = _preprocess(numeric, categorical) if numeric or categorical else "passthrough"
    pipeline = Pipeline([("preprocess", preprocess), ("clf", estimator)])
    parameters = pipeline.get_params()
    left_open = [
        name
        for name, value in parameters.items()
        if name.endswith("__random_state") and value is None
    ]
    folds = {
        f"{name}__cv": StratifiedKFold(part.cv, shuffle=True, random_state=seed)
        for name, part in parameters.items()
        if draws_its_folds(part)
    }
    return pipeline.set_params(**dict.fromkeys(left_open, seed), **folds)


def draws_its_folds(part: Any) -> bool:
    """Return whether a step is a TargetEncoder with a number of folds, shuffled without a seed."""
    # Not by its random_state, which is deprecated in scikit-learn 1.9 and no longer None.
    return isinstance(part, TargetEncoder) and isinstance(part.cv, int)


def _preprocess(numeric: Mapping[str, Any], categorical: Mapping[str, Any]) -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("numeric", _chain(numeric), make_column_selector(dtype_include="number")),
            ("categorical", _chain(categorical), make_column_selector(dtype_include="category")),
        ],
        verbose_feature_names_out=False,
    )


def _chain(steps: Mapping[str, Any]) -> Any:
    return Pipeline(list(steps.items())) if steps else "passthrough"
