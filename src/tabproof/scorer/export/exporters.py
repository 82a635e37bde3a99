"""Export a fitted pipeline as data, a vote of pipelines, or a calibrated one.

To add an estimator: a subclass of EstimatorExporter and a line in EXPORTERS; docs/scorer.md has
the steps.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn import ensemble, linear_model, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline

from tabproof.errors import UserError, listed
from tabproof.scorer import format as specs
from tabproof.scorer.encoding import CategoryEncoding, NumberEncoding, SplineEncoding
from tabproof.scorer.export import boosting_libraries, estimators
from tabproof.scorer.export.columns import (
    CATEGORICAL,
    NUMERIC,
    cells_of,
    export_columns,
    find_column_obstacle,
    makes_splines,
    passes_columns,
    unused_column,
)
from tabproof.scorer.export.estimators import EstimatorExporter, Exported, find_categories
from tabproof.scorer.export.inputs import export_inputs
from tabproof.scorer.format import Arrays, as_files, format_of

# Optional libraries are given by name, so that they are not imported here.
EXPORTERS: dict[type | str, EstimatorExporter] = {
    "catboost.core.CatBoostClassifier": boosting_libraries.CatBoostExporter(),
    "lightgbm.sklearn.LGBMClassifier": boosting_libraries.LightGBMExporter(),
    "xgboost.sklearn.XGBClassifier": boosting_libraries.XGBoostExporter(),
    ensemble.HistGradientBoostingClassifier: estimators.HistGradientBoostingExporter(),
    ensemble.RandomForestClassifier: estimators.ForestExporter(),
    ensemble.ExtraTreesClassifier: estimators.ForestExporter(),
    tree.DecisionTreeClassifier: estimators.ForestExporter(),
    linear_model.LogisticRegression: estimators.LinearExporter(),
    linear_model.LogisticRegressionCV: estimators.LinearExporter(),
}


class NotExportableError(UserError):
    """A pipeline that cannot be written as data alone; within: the configuration key of it."""

    template = (
        "{what} cannot be exported as data, so the service could not run it; what can: {known};"
        " export=false trains it all the same"
    )

    def __init__(self, what: str, within: str) -> None:
        known = [*EXPORTERS, VotingClassifier, *NUMERIC, *CATEGORICAL]
        names = [k.rpartition(".")[2] if isinstance(k, str) else k.__name__ for k in known]
        what = f"{within}.{what}" if within else what
        super().__init__(what=what, known=listed(list(dict.fromkeys(names)), 20))


def check_exportable(pipeline: Pipeline, *, within: str = "") -> None:
    """Raise NotExportableError for what has no data-only form, before anything is fitted.

    `within` is the configuration key that holds the pipeline's `model` and `preprocess`, such as
    `model.members.linear`; empty at the top.
    """
    preprocess, estimator = pipeline["preprocess"], pipeline["clf"]
    passthrough = passes_columns(preprocess)
    # Classes are compared exactly: a subclass may predict in its own way.
    if type(estimator) is VotingClassifier:
        obstacle = _find_vote_obstacle(estimator, passthrough=passthrough)
    else:
        exporter = _find_exporter(estimator, within)
        obstacle = find_column_obstacle(preprocess)
        if makes_splines(preprocess) and not exporter.takes_splines:
            obstacle = "preprocess.numeric: splines for an estimator that is not linear"
        obstacle = obstacle or exporter.obstacle(estimator, passthrough=passthrough)
    if obstacle is not None:
        raise NotExportableError(obstacle, within)
    if type(estimator) is VotingClassifier:
        for name, member in _members_of(estimator):
            check_exportable(member, within=f"model.members.{name}")


def _find_exporter(estimator: Any, within: str = "") -> EstimatorExporter:
    kind = type(estimator)
    exporter = EXPORTERS.get(kind, EXPORTERS.get(f"{kind.__module__}.{kind.__qualname__}"))
    if exporter is None:
        raise NotExportableError(f"model.estimator: {kind.__name__}", within)
    return exporter


def _find_vote_obstacle(estimator: VotingClassifier, *, passthrough: bool) -> str | None:
    if not passthrough:
        return "preprocess before a vote"
    if estimator.voting != "soft":
        return f"model.estimator.voting={estimator.voting}"
    if estimator.weights is not None and min(estimator.weights) < 0:
        return "model.estimator.weights below zero"
    members = _members_of(estimator)
    for name, member in members:
        if not isinstance(member, Pipeline) or [*member.named_steps][-2:] != ["preprocess", "clf"]:
            return f"model.members.{name}: {type(member).__name__}"
        # The features of columns are made once, before the vote.
        if getattr(member.named_steps.get("features"), "max_categories", None) is not None:
            return f"model.members.{name}: features.max_categories of a member"
        features = member.named_steps.get("features")
        for name_of in ("combinations", "interactions", "shares", "products"):
            if getattr(features, name_of, False):
                return f"model.members.{name}: features.{name_of} of a member"
        if isinstance(member["clf"], VotingClassifier):
            return f"model.members.{name}: a vote among members of a vote"
    kinds = {type(member["clf"]).__name__ for _, member in members}
    if estimator.weights is None and kinds == {"XGBClassifier"}:
        # NumPy averages 32-bit floats in 32 bits, unless they are weighted.
        return "model.estimator.weights=null for members that are all XGBClassifier"
    return None


def _members_of(estimator: VotingClassifier) -> list[tuple[str, Any]]:
    """Return the members by name, fitted ones if the vote is fitted."""
    # A search can leave members out with the value `drop`.
    kept = [(name, member) for name, member in estimator.estimators if member != "drop"]
    members = getattr(estimator, "estimators_", [member for _, member in kept])
    return [(name, member) for (name, _), member in zip(kept, members, strict=True)]


def pipeline_of(model: Any) -> Pipeline:
    """Return the pipeline of a model, which may be calibrated."""
    if not isinstance(model, CalibratedClassifierCV):
        return model
    (pair,) = model.calibrated_classifiers_
    return pair.estimator


def export_pipeline(
    fitted: Any, X_train: pd.DataFrame, labels: Sequence[str], *, threshold: float | None = None
) -> dict[str, bytes]:
    """Return the files of `scorer/` by name; the default threshold is 0.5.

    fitted : a pipeline fitted on X_train, or CalibratedClassifierCV of one
    """
    model: specs.ModelSpec
    columns: list[specs.ColumnSpec] = []
    pipeline = pipeline_of(fitted)
    X, features = X_train, pipeline.named_steps.get("features")
    if features is not None:
        X = features.transform(X_train)
    if type(pipeline["clf"]) is VotingClassifier:
        model, arrays, columns = _export_vote(pipeline["clf"], X)
    else:
        model, arrays, encodings = _export(pipeline, X)
        for index, encoding in enumerate(encodings):
            if isinstance(encoding, CategoryEncoding):
                arrays[f"codes.{index}"] = encoding.codes
                columns.append(specs.CategorySpec(encoding.name, list(encoding.categories)))
            else:
                if isinstance(encoding, SplineEncoding):
                    arrays[f"knots.{index}"] = encoding.knots
                    arrays[f"codes.{index}"] = encoding.codes
                columns.append(specs.NumberSpec(encoding.name, list(encoding.steps)))
    inputs: list[specs.InputSpec] = []
    made: list[specs.FeatureSpec] = []
    if X is not X_train:
        inputs, made, own = export_inputs(features, X_train, columns)
        arrays |= own
    calibration, points = _export_calibration(fitted, model)
    if threshold is None and len(labels) == 2:
        threshold = 0.5
    labels = list(labels)
    number = format_of(arrays, made)
    spec = specs.ScorerSpec(number, labels, threshold, columns, model, calibration, inputs, made)
    return as_files(spec, {**arrays, **points})


def _export(pipeline: Pipeline, X_train: pd.DataFrame) -> Exported:
    """Export the steps after `features`, which made X_train."""
    preprocess, estimator = pipeline["preprocess"], pipeline["clf"]
    exporter = _find_exporter(estimator)
    if isinstance(preprocess, str):
        encodings, positions = exporter.encode(estimator, X_train)
    elif passes_columns(preprocess):
        own, positions = exporter.encode(estimator, preprocess.transform(X_train))
        found = {encoding.name: encoding for encoding in own}
        encodings = [
            found.get(name) or unused_column(name, X_train[name])
            for name in map(str, X_train.columns)
        ]
    else:
        encodings, positions = export_columns(preprocess, X_train)
    spec, arrays, columns = exporter.export(estimator, encodings, positions)
    if isinstance(spec, specs.LinearSpec):
        means = [c.features(cells_of(c, X_train[c.name])).mean(axis=0) for c in columns]
        arrays["means"] = np.concatenate(means)
    return spec, arrays, columns


def _export_vote(
    vote: VotingClassifier, X_train: pd.DataFrame
) -> tuple[specs.VoteSpec, Arrays, list[specs.ColumnSpec]]:
    """Return a vote, the arrays of its members, and the columns that a client sends."""
    columns: list[specs.ColumnSpec] = []
    for name in map(str, X_train.columns):
        if isinstance(X_train[name].dtype, pd.CategoricalDtype):
            columns.append(specs.CategorySpec(name, find_categories(X_train[name])))
        else:
            columns.append(specs.NumberSpec(name))
    all_weights = [1.0] * len(vote.estimators) if vote.weights is None else vote.weights
    pairs = zip(vote.estimators, all_weights, strict=True)
    weights = [float(weight) for (_, member), weight in pairs if member != "drop"]
    arrays: Arrays = {}
    members = []
    for number, (weight, (_, member)) in enumerate(zip(weights, _members_of(vote), strict=True)):
        model, own, encodings = _export(member, X_train)
        steps: list[list[tuple[specs.Operation, float]]] = []
        for index, (column, encoding) in enumerate(zip(columns, encodings, strict=True)):
            steps.append(list(encoding.steps) if isinstance(encoding, NumberEncoding) else [])
            if isinstance(encoding, CategoryEncoding) and isinstance(column, specs.CategorySpec):
                # By the vote's categories; a member may not have seen all of them.
                rows = [encoding.index_of.get(c, encoding.unseen) for c in column.categories]
                own[f"codes.{index}"] = encoding.codes[[*rows, encoding.unseen, encoding.missing]]
            elif isinstance(encoding, SplineEncoding):
                own[f"knots.{index}"] = encoding.knots
                own[f"codes.{index}"] = encoding.codes
        members.append(specs.MemberSpec(weight, steps, model))
        arrays |= {f"members.{number}.{name}": array for name, array in own.items()}
    return specs.VoteSpec(members), arrays, columns


def _export_calibration(
    fitted: Any, uncalibrated: specs.ModelSpec
) -> tuple[specs.CalibrationSpec | None, Arrays]:
    if not isinstance(fitted, CalibratedClassifierCV):
        return None, {}
    (pair,) = fitted.calibrated_classifiers_
    of: specs.Response = "probabilities"
    # scikit-learn prefers decision_function.
    if hasattr(pair.estimator, "decision_function"):
        of = "sums"
    elif not isinstance(uncalibrated, specs.VoteSpec) and uncalibrated.link.endswith("float32"):
        of = "probabilities_float32"
    if fitted.method == "temperature":
        return specs.TemperatureSpec(of, float(pair.calibrators[0].beta_)), {}
    if fitted.method == "sigmoid":
        slopes = [float(each.a_) for each in pair.calibrators]
        return specs.SigmoidSpec(of, slopes, [float(each.b_) for each in pair.calibrators]), {}
    points: Arrays = {}
    for index, each in enumerate(pair.calibrators):
        points[f"calibration.{index}.x"] = np.asarray(each.X_thresholds_, dtype=np.float64)
        points[f"calibration.{index}.y"] = np.asarray(each.y_thresholds_, dtype=np.float64)
    return specs.IsotonicSpec(of), points
