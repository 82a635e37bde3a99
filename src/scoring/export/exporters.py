"""Export a fitted pipeline: an exporter per kind of estimator.

To teach another estimator: a module with `obstacle` and `export`, and a line in ESTIMATORS.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from src.errors import NotExportableError
from src.scoring.encoding import CategoryEncoding, Encoding, as_spec, codes_name
from src.scoring.export import boosting, forest, linear
from src.scoring.export.columns import CATEGORICAL, NUMERIC, column_obstacle, export_columns
from src.scoring.form import FORMAT, Arrays, ModelSpec, ScorerSpec, as_files


class EstimatorExporter(Protocol):
    """What a module of an estimator offers."""

    def obstacle(self, estimator: Any, *, passes: bool) -> str | None:
        """Name the option that has no data-only form, if there is one; needs no fit.

        passes: columns reach the estimator as they are, categories too.
        """
        ...

    def encode(self, estimator: Any, X: pd.DataFrame) -> tuple[list[Encoding], NDArray[np.intp]]:
        """Give encodings of columns that reach the estimator as they are."""
        ...

    def export(
        self, estimator: Any, encodings: Sequence[Encoding], places: NDArray[np.intp]
    ) -> tuple[ModelSpec, Arrays, Sequence[Encoding]]:
        """Give the model; places says where each of its features stands among the encodings'."""
        ...


ESTIMATORS: dict[type, EstimatorExporter] = {
    HistGradientBoostingClassifier: boosting,
    RandomForestClassifier: forest,
    ExtraTreesClassifier: forest,
    DecisionTreeClassifier: forest,
    LogisticRegression: linear,
    LogisticRegressionCV: linear,
}


def check_exportable(pipeline: Pipeline) -> None:
    """Raise NotExportableError for what has no data-only form, before anything is fitted."""
    preprocess, estimator = pipeline["preprocess"], pipeline["clf"]
    # A subclass may predict in its own way.
    exporter = ESTIMATORS.get(type(estimator))
    if exporter is None:
        raise _not_exportable(f"model.estimator: {type(estimator).__name__}")
    passes = isinstance(preprocess, str)
    obstacle = column_obstacle(preprocess) or exporter.obstacle(estimator, passes=passes)
    if obstacle is not None:
        raise _not_exportable(obstacle)


def _not_exportable(what: str) -> NotExportableError:
    known = (*ESTIMATORS, *NUMERIC, *CATEGORICAL)
    return NotExportableError(what, list(dict.fromkeys(kind.__name__ for kind in known)))


def export_pipeline(
    pipeline: Pipeline, X_train: pd.DataFrame, labels: Sequence[str]
) -> dict[str, bytes]:
    """Give the files of `scorer/`, by name, for a pipeline fitted on X_train."""
    preprocess, estimator = pipeline["preprocess"], pipeline["clf"]
    exporter = ESTIMATORS[type(estimator)]
    if isinstance(preprocess, str):
        encodings, places = exporter.encode(estimator, X_train)
    else:
        encodings, places = export_columns(preprocess, X_train)
    model, arrays, rounded = exporter.export(estimator, encodings, places)
    spec = ScorerSpec(
        format=FORMAT,
        labels=list(labels),
        threshold=0.5 if len(labels) == 2 else None,
        columns=[as_spec(encoding) for encoding in rounded],
        model=model,
    )
    codes = {
        codes_name(place): encoding.codes
        for place, encoding in enumerate(rounded)
        if isinstance(encoding, CategoryEncoding)
    }
    return as_files(spec, {**codes, **arrays})
