"""Export models around pipelines: CalibratedClassifierCV and VotingClassifier."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline

from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.export.estimator import find_categories
from tabproof.scorer.format import (
    Arrays,
    CalibrationSpec,
    IsotonicSpec,
    MemberSpec,
    ModelSpec,
    Response,
    SigmoidSpec,
    SingleSpec,
    TemperatureSpec,
    VoteSpec,
    add_member_prefix,
    codes_name,
)

# A pipeline as data: its model, arrays and encodings.
ExportedModel = tuple[SingleSpec, Arrays, Sequence[Encoding]]


def pipeline_of(model: Any) -> Pipeline:
    """Return the pipeline of a model, which may be calibrated."""
    if not isinstance(model, CalibratedClassifierCV):
        return model
    (pair,) = model.calibrated_classifiers_
    return pair.estimator


def export_calibration(
    model: Any, uncalibrated: ModelSpec
) -> tuple[CalibrationSpec | None, Arrays]:
    """Return the calibration of a model and its arrays; None if it is not calibrated."""
    if not isinstance(model, CalibratedClassifierCV):
        return None, {}
    (pair,) = model.calibrated_classifiers_
    of: Response = "probabilities"
    # scikit-learn prefers decision_function.
    if hasattr(pair.estimator, "decision_function"):
        of = "sums"
    elif not isinstance(uncalibrated, VoteSpec) and uncalibrated.link.endswith("float32"):
        of = "probabilities_float32"
    if model.method == "temperature":
        return TemperatureSpec(of, float(pair.calibrators[0].beta_)), {}
    if model.method == "sigmoid":
        slopes = [float(each.a_) for each in pair.calibrators]
        return SigmoidSpec(of, slopes, [float(each.b_) for each in pair.calibrators]), {}
    arrays: Arrays = {}
    for index, each in enumerate(pair.calibrators):
        arrays[f"calibration.{index}.x"] = np.asarray(each.X_thresholds_, dtype=np.float64)
        arrays[f"calibration.{index}.y"] = np.asarray(each.y_thresholds_, dtype=np.float64)
    return IsotonicSpec(of), arrays


def find_vote_obstacle(estimator: VotingClassifier, *, passthrough: bool) -> str | None:
    """Return what of the vote itself has no data-only form; its members are checked apart."""
    if not passthrough:
        return "preprocess before a vote"
    if estimator.voting != "soft":
        return f"model.estimator.voting={estimator.voting}"
    if estimator.weights is not None and min(estimator.weights) < 0:
        return "model.estimator.weights below zero"
    members = members_of(estimator)
    for name, member in members:
        if not isinstance(member, Pipeline) or [*member.named_steps] != ["preprocess", "clf"]:
            return f"model.members.{name}: {type(member).__name__}"
        if isinstance(member["clf"], VotingClassifier):
            return f"model.members.{name}: a vote among members of a vote"
    kinds = {type(member["clf"]).__name__ for _, member in members}
    if estimator.weights is None and kinds == {"XGBClassifier"}:
        # NumPy averages 32-bit floats in 32 bits, unless they are weighted.
        return "model.estimator.weights=null for members that are all XGBClassifier"
    return None


def members_of(estimator: VotingClassifier) -> list[tuple[str, Any]]:
    """Return the members by name, fitted ones if the vote is fitted."""
    # A search can leave members out with the value `drop`.
    kept = [(name, member) for name, member in estimator.estimators if member != "drop"]
    members = getattr(estimator, "estimators_", [member for _, member in kept])
    return [(name, member) for (name, _), member in zip(kept, members, strict=True)]


def join_members(
    estimator: VotingClassifier, members: Sequence[ExportedModel], X: pd.DataFrame
) -> tuple[VoteSpec, Arrays, Sequence[Encoding]]:
    """Return the vote of exported members, its arrays, and the columns that a client sends."""
    columns: list[Encoding] = []
    for name in map(str, X.columns):
        if isinstance(X[name].dtype, pd.CategoricalDtype):
            categories = tuple(find_categories(X[name]))
            columns.append(CategoryEncoding(name, categories, np.empty((len(categories) + 2, 0))))
        else:
            columns.append(NumberEncoding(name, ()))
    weights = estimator.weights
    if weights is None:
        weights = [1.0] * len(estimator.estimators)
    pairs = zip(estimator.estimators, weights, strict=True)
    kept = [float(weight) for (_, member), weight in pairs if member != "drop"]
    arrays: Arrays = {}
    specs = []
    for index, (weight, (spec, own, encodings)) in enumerate(zip(kept, members, strict=True)):
        steps = [[*e.steps] if isinstance(e, NumberEncoding) else [] for e in encodings]
        specs.append(MemberSpec(weight, steps, spec))
        arrays |= add_member_prefix(index, {**_codes_of_member(columns, encodings), **own})
    return VoteSpec(specs), arrays, columns


def _codes_of_member(columns: Sequence[Encoding], encodings: Sequence[Encoding]) -> Arrays:
    """Return a member's tables by the vote's categories; it may not have seen all of them."""
    codes: Arrays = {}
    for index, (column, own) in enumerate(zip(columns, encodings, strict=True)):
        if isinstance(column, CategoryEncoding) and isinstance(own, CategoryEncoding):
            rows = [own.index_of.get(category, own.unseen) for category in column.categories]
            rows += [own.unseen, own.missing]
            codes[codes_name(index)] = own.codes[np.array(rows, dtype=np.intp)]
    return codes
