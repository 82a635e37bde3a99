"""Export VotingClassifier: pipelines whose probabilities are averaged."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline

from tabproof.scorer.encoding import (
    CategoryEncoding,
    Encoding,
    NumberEncoding,
    bare_codes,
    codes_name,
)
from tabproof.scorer.export.columns import categories_of
from tabproof.scorer.form import (
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
    of_member,
)

# --- Export CalibratedClassifierCV: one model, and what maps its answers to probabilities.


def pipeline_of(model: Any) -> Pipeline:
    """Give the pipeline of a model, calibrated or not."""
    if not isinstance(model, CalibratedClassifierCV):
        return model
    (pair,) = model.calibrated_classifiers_
    return pair.estimator


def export_calibration(
    model: Any, uncalibrated: ModelSpec
) -> tuple[CalibrationSpec | None, Arrays]:
    """Give the calibration of a model with its arrays; None where it has none."""
    if not isinstance(model, CalibratedClassifierCV):
        return None, {}
    (pair,) = model.calibrated_classifiers_
    of = _response(pair.estimator, uncalibrated)
    calibrators = pair.calibrators
    if model.method == "temperature":
        return TemperatureSpec(of, float(calibrators[0].beta_)), {}
    if model.method == "sigmoid":
        slopes = [float(each.a_) for each in calibrators]
        return SigmoidSpec(of, slopes, [float(each.b_) for each in calibrators]), {}
    arrays: Arrays = {}
    for place, each in enumerate(calibrators):
        arrays[f"calibration.{place}.x"] = np.asarray(each.X_thresholds_, dtype=np.float64)
        arrays[f"calibration.{place}.y"] = np.asarray(each.y_thresholds_, dtype=np.float64)
    return IsotonicSpec(of), arrays


def _response(pipeline: Pipeline, uncalibrated: ModelSpec) -> Response:
    # scikit-learn takes the first of the two that an estimator has.
    if hasattr(pipeline, "decision_function"):
        return "sums"
    if isinstance(uncalibrated, VoteSpec) or not uncalibrated.link.endswith("float32"):
        return "probabilities"
    return "probabilities_float32"


STEPS = ["preprocess", "clf"]


class ExportedMember(NamedTuple):
    """A member as a model of its own."""

    spec: SingleSpec
    arrays: Arrays
    encodings: Sequence[Encoding]


def obstacle(estimator: VotingClassifier, *, passes: bool) -> str | None:
    """Name what of the vote itself has no data-only form; its members are asked for theirs."""
    if not passes:
        return "preprocess before a vote"
    if estimator.voting != "soft":
        return f"model.estimator.voting={estimator.voting}"
    if estimator.weights is not None and min(estimator.weights) < 0:
        return "model.estimator.weights below zero"
    for name, member in _voters(estimator):
        if not isinstance(member, Pipeline) or [*member.named_steps] != STEPS:
            return f"model.members.{name}: {type(member).__name__}"
        if isinstance(member["clf"], VotingClassifier):
            return f"model.members.{name}: a vote among members of a vote"
    kinds = {type(member["clf"]).__name__ for _, member in _voters(estimator)}
    if estimator.weights is None and kinds == {"XGBClassifier"}:
        # numpy averages 32-bit floats in 32 bits, unless they are weighted.
        return "model.estimator.weights=null for members that are all XGBClassifier"
    return None


def members_of(estimator: VotingClassifier) -> Iterator[tuple[str, Pipeline]]:
    """Give its members by name: the fitted ones where it is fitted."""
    names, members = zip(*_voters(estimator), strict=True)
    yield from zip(names, getattr(estimator, "estimators_", members), strict=True)


def _voters(estimator: VotingClassifier) -> list[tuple[str, Pipeline]]:
    # A search can leave members out: scikit-learn's word for that is `drop`.
    return [(name, member) for name, member in estimator.estimators if member != "drop"]


def join(
    estimator: VotingClassifier, members: Sequence[ExportedMember], X: pd.DataFrame
) -> tuple[VoteSpec, Arrays, Sequence[Encoding]]:
    """Give the vote of exported members, and the columns that a client sends."""
    columns = [_bare(str(name), X[name]) for name in X.columns]
    arrays: Arrays = {}
    specs = []
    for place, (weight, member) in enumerate(zip(_weights(estimator), members, strict=True)):
        steps = [[*e.steps] if isinstance(e, NumberEncoding) else [] for e in member.encodings]
        specs.append(MemberSpec(weight, steps, member.spec))
        arrays |= of_member(place, {**_tables(columns, member.encodings), **member.arrays})
    return VoteSpec(specs), arrays, columns


def _weights(estimator: VotingClassifier) -> list[float]:
    if estimator.weights is None:
        return [1.0] * len(_voters(estimator))
    pairs = zip(estimator.estimators, estimator.weights, strict=True)
    return [float(weight) for (_, member), weight in pairs if member != "drop"]


def _bare(name: str, column: pd.Series) -> Encoding:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return NumberEncoding(name, ())
    categories = categories_of(column)
    return CategoryEncoding(name, tuple(categories), bare_codes(len(categories)))


def _tables(columns: Sequence[Encoding], encodings: Sequence[Encoding]) -> Arrays:
    """Give a member's tables by the vote's categories, of which it may not have met all."""
    tables: Arrays = {}
    for place, (column, own) in enumerate(zip(columns, encodings, strict=True)):
        if isinstance(column, CategoryEncoding) and isinstance(own, CategoryEncoding):
            rows = [own.place_of.get(category, own.unseen) for category in column.categories]
            rows += [own.unseen, own.missing]
            tables[codes_name(place)] = own.codes[np.array(rows, dtype=np.intp)]
    return tables
