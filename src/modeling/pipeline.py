"""Preprocessing and estimator as one pipeline, so that folds cannot leak into each other."""

from collections.abc import Mapping
from typing import Any

from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.pipeline import Pipeline


def make_pipeline(
    numeric: Mapping[str, Any], categorical: Mapping[str, Any], estimator: Any, *, seed: int
) -> Pipeline:
    """Put the steps for numbers and for categories before the estimator, which is `clf`.

    Columns are chosen by type when the pipeline is fitted, so it is made before data is
    read. Without any step the frame reaches the estimator as it is, categories included.
    Every random_state that was left open gets the seed.
    """
    preprocess = _preprocess(numeric, categorical) if numeric or categorical else "passthrough"
    pipeline = Pipeline([("preprocess", preprocess), ("clf", estimator)])
    left_open = [
        name
        for name, value in pipeline.get_params().items()
        if name.endswith("__random_state") and value is None
    ]
    return pipeline.set_params(**dict.fromkeys(left_open, seed))


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
