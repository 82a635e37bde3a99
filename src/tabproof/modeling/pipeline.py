"""Preprocessing and estimator as one pipeline, so that folds cannot leak into each other."""

from collections.abc import Mapping
from typing import Any

from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder


def make_pipeline(
    numeric: Mapping[str, Any], categorical: Mapping[str, Any], estimator: Any, *, seed: int
) -> Pipeline:
    """Put the steps for numbers and for categories before the estimator, which is `clf`.

    Columns are chosen by type when the pipeline is fitted, so it is made before data is
    read. Without any step the frame reaches the estimator as it is, categories included.
    Every random_state that was left open gets the seed, those of members' members too.
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
    """Tell a TargetEncoder that was given a number of folds: it shuffles them without a seed."""
    # Its random_state is deprecated in scikit-learn 1.9 and no longer None.
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
