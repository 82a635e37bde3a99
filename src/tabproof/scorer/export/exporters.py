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
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from tabproof.scorer.encoding import Encoding, as_spec, tables_of
from tabproof.scorer.errors import NotExportableError
from tabproof.scorer.export import boosting, catboost, composites, forest, lightgbm, linear, xgboost
from tabproof.scorer.export.columns import CATEGORICAL, NUMERIC, column_obstacle, export_columns
from tabproof.scorer.export.composites import export_calibration, pipeline_of
from tabproof.scorer.form import (
    FORMAT,
    Arrays,
    LinearSpec,
    ModelSpec,
    ScorerSpec,
    SingleSpec,
    as_files,
)


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
    ) -> tuple[SingleSpec, Arrays, Sequence[Encoding]]:
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
# By name: their libraries need not be installed, and are not imported here.
OF_EXTRAS: dict[str, EstimatorExporter] = {
    "catboost.core.CatBoostClassifier": catboost,
    "lightgbm.sklearn.LGBMClassifier": lightgbm,
    "xgboost.sklearn.XGBClassifier": xgboost,
}

# Above this the second of two labels is the likelier one.
LIKELIER = 0.5


def check_exportable(pipeline: Pipeline, *, within: str = "") -> None:
    """Raise NotExportableError for what has no data-only form, before anything is fitted.

    within : the key of the configuration under which the pipeline's `model` and `preprocess`
    stand, such as `model.members.linear`; empty at the top.
    """
    preprocess, estimator = pipeline["preprocess"], pipeline["clf"]
    passes = isinstance(preprocess, str)
    # A subclass may predict in its own way: classes are compared exactly.
    if type(estimator) is VotingClassifier:
        obstacle = composites.obstacle(estimator, passes=passes)
    elif (exporter := _exporter_of(estimator)) is not None:
        obstacle = column_obstacle(preprocess) or exporter.obstacle(estimator, passes=passes)
    else:
        obstacle = f"model.estimator: {type(estimator).__name__}"
    if obstacle is not None:
        raise _not_exportable(f"{within}.{obstacle}" if within else obstacle)
    if type(estimator) is VotingClassifier:
        for name, member in composites.members_of(estimator):
            check_exportable(member, within=f"model.members.{name}")


def _exporter_of(estimator: Any) -> EstimatorExporter | None:
    kind = type(estimator)
    return ESTIMATORS.get(kind, OF_EXTRAS.get(f"{kind.__module__}.{kind.__qualname__}"))


def _not_exportable(what: str) -> NotExportableError:
    of_extras = [name.rpartition(".")[2] for name in OF_EXTRAS]
    names = [kind.__name__ for kind in (*ESTIMATORS, VotingClassifier, *NUMERIC, *CATEGORICAL)]
    return NotExportableError(what, list(dict.fromkeys([*of_extras, *names])))


def export_pipeline(
    fitted: Any, X_train: pd.DataFrame, labels: Sequence[str], *, threshold: float | None = None
) -> dict[str, bytes]:
    """Give the files of `scorer/`, by name, for what was fitted on X_train.

    fitted : a pipeline, or CalibratedClassifierCV of one. threshold: above it the second of two
    labels is predicted; None: above 0.5, which is the likelier label.
    """
    model: ModelSpec
    pipeline = pipeline_of(fitted)
    if type(pipeline["clf"]) is VotingClassifier:
        members = [
            composites.ExportedMember(*_exported(member, X_train))
            for _, member in composites.members_of(pipeline["clf"])
        ]
        model, arrays, columns = composites.join(pipeline["clf"], members, X_train)
    else:
        model, arrays, columns = _exported(pipeline, X_train)
        arrays = {**tables_of(columns), **arrays}
    calibration, points = export_calibration(fitted, model)
    if threshold is None and len(labels) == 2:
        threshold = LIKELIER
    spec = ScorerSpec(
        format=FORMAT,
        labels=list(labels),
        threshold=threshold,
        columns=[as_spec(encoding) for encoding in columns],
        model=model,
        calibration=calibration,
    )
    return as_files(spec, {**arrays, **points})


def _exported(
    pipeline: Pipeline, X_train: pd.DataFrame
) -> tuple[SingleSpec, Arrays, Sequence[Encoding]]:
    preprocess, estimator = pipeline["preprocess"], pipeline["clf"]
    exporter = _exporter_of(estimator)
    if exporter is None:
        raise _not_exportable(f"model.estimator: {type(estimator).__name__}")
    if isinstance(preprocess, str):
        encodings, places = exporter.encode(estimator, X_train)
    else:
        encodings, places = export_columns(preprocess, X_train)
    spec, arrays, columns = exporter.export(estimator, encodings, places)
    if isinstance(spec, LinearSpec):
        arrays |= linear.mean_features(columns, X_train)
    return spec, arrays, columns
