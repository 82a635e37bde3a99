"""Export a fitted pipeline as data.

To add an estimator: a subclass of EstimatorExporter and a line in EXPORTERS; docs/scorer.md has
the steps.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from tabproof.errors import listed
from tabproof.scorer.encoding import CategoryEncoding, NumberEncoding
from tabproof.scorer.errors import NotExportableError
from tabproof.scorer.export.boosting_libraries import (
    CatBoostExporter,
    LightGBMExporter,
    XGBoostExporter,
)
from tabproof.scorer.export.columns import (
    CATEGORICAL,
    NUMERIC,
    cells_of,
    export_columns,
    find_column_obstacle,
)
from tabproof.scorer.export.composites import (
    ExportedModel,
    export_calibration,
    find_vote_obstacle,
    join_members,
    members_of,
    pipeline_of,
)
from tabproof.scorer.export.estimator import EstimatorExporter
from tabproof.scorer.export.sklearn_models import (
    ForestExporter,
    HistGradientBoostingExporter,
    LinearExporter,
)
from tabproof.scorer.format import (
    FORMAT,
    CategorySpec,
    LinearSpec,
    ModelSpec,
    NumberSpec,
    ScorerSpec,
    as_files,
    codes_name,
)

# Optional libraries are given by name, so that they are not imported here.
EXPORTERS: dict[type | str, EstimatorExporter] = {
    "catboost.core.CatBoostClassifier": CatBoostExporter(),
    "lightgbm.sklearn.LGBMClassifier": LightGBMExporter(),
    "xgboost.sklearn.XGBClassifier": XGBoostExporter(),
    HistGradientBoostingClassifier: HistGradientBoostingExporter(),
    RandomForestClassifier: ForestExporter(),
    ExtraTreesClassifier: ForestExporter(),
    DecisionTreeClassifier: ForestExporter(),
    LogisticRegression: LinearExporter(),
    LogisticRegressionCV: LinearExporter(),
}

DEFAULT_THRESHOLD = 0.5


def check_exportable(pipeline: Pipeline, *, within: str = "") -> None:
    """Raise NotExportableError for what has no data-only form, before anything is fitted.

    `within` is the configuration key that holds the pipeline's `model` and `preprocess`, such as
    `model.members.linear`; empty at the top.
    """
    preprocess, estimator = pipeline["preprocess"], pipeline["clf"]
    passthrough = isinstance(preprocess, str)
    # Classes are compared exactly: a subclass may predict in its own way.
    if type(estimator) is VotingClassifier:
        obstacle = find_vote_obstacle(estimator, passthrough=passthrough)
    else:
        exporter = _find_exporter(estimator, within)
        obstacle = find_column_obstacle(preprocess)
        obstacle = obstacle or exporter.obstacle(estimator, passthrough=passthrough)
    if obstacle is not None:
        raise _not_exportable(obstacle, within)
    if type(estimator) is VotingClassifier:
        for name, member in members_of(estimator):
            check_exportable(member, within=f"model.members.{name}")


def _find_exporter(estimator: Any, within: str = "") -> EstimatorExporter:
    kind = type(estimator)
    exporter = EXPORTERS.get(kind, EXPORTERS.get(f"{kind.__module__}.{kind.__qualname__}"))
    if exporter is None:
        raise _not_exportable(f"model.estimator: {kind.__name__}", within)
    return exporter


def _not_exportable(what: str, within: str) -> NotExportableError:
    known = [*EXPORTERS, VotingClassifier, *NUMERIC, *CATEGORICAL]
    names = [k.rpartition(".")[2] if isinstance(k, str) else k.__name__ for k in known]
    what = f"{within}.{what}" if within else what
    return NotExportableError(what=what, known=listed(list(dict.fromkeys(names)), 20))


def export_pipeline(
    fitted: Any, X_train: pd.DataFrame, labels: Sequence[str], *, threshold: float | None = None
) -> dict[str, bytes]:
    """Return the files of `scorer/` by name.

    Parameters
    ----------
    fitted : a pipeline fitted on X_train, or CalibratedClassifierCV of one
    threshold : the second of two labels is predicted above it; None: 0.5
    """
    model: ModelSpec
    pipeline = pipeline_of(fitted)
    if type(pipeline["clf"]) is VotingClassifier:
        members = [_export(member, X_train) for _, member in members_of(pipeline["clf"])]
        model, arrays, columns = join_members(pipeline["clf"], members, X_train)
    else:
        model, arrays, columns = _export(pipeline, X_train)
        for index, column in enumerate(columns):
            if isinstance(column, CategoryEncoding):
                arrays[codes_name(index)] = column.codes
    calibration, points = export_calibration(fitted, model)
    if threshold is None and len(labels) == 2:
        threshold = DEFAULT_THRESHOLD
    spec = ScorerSpec(
        format=FORMAT,
        labels=list(labels),
        threshold=threshold,
        columns=[
            NumberSpec(column.name, list(column.steps))
            if isinstance(column, NumberEncoding)
            else CategorySpec(column.name, list(column.categories))
            for column in columns
        ],
        model=model,
        calibration=calibration,
    )
    return as_files(spec, {**arrays, **points})


def _export(pipeline: Pipeline, X_train: pd.DataFrame) -> ExportedModel:
    preprocess, estimator = pipeline["preprocess"], pipeline["clf"]
    exporter = _find_exporter(estimator)
    if isinstance(preprocess, str):
        encodings, positions = exporter.encode(estimator, X_train)
    else:
        encodings, positions = export_columns(preprocess, X_train)
    spec, arrays, columns = exporter.export(estimator, encodings, positions)
    if isinstance(spec, LinearSpec):
        means = [c.features(cells_of(c, X_train[c.name])).mean(axis=0) for c in columns]
        arrays["means"] = np.concatenate(means)
    return spec, arrays, columns
