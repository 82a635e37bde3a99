"""Calibration: from what a model answers to probabilities that match observed shares.

The order of operations is that of scikit-learn's CalibratedClassifierCV. It tells logits from
probabilities by looking at a batch's numbers; here the file says which they are, so that a row
alone is answered like a row among others.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.errors import ScorerDamagedError
from tabproof.scorer.form import (
    Arrays,
    CalibrationSpec,
    IsotonicSpec,
    ModelSpec,
    Response,
    SigmoidSpec,
    VoteSpec,
)
from tabproof.scorer.model import Model, SummedModel, logistic, softmax

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Floats]

# Keeps the logarithm of a probability finite.
SMALLEST = 1e-12


class Calibration:
    """A last stage behind a model; the same for one row as for many."""

    def __init__(self, of: Response, calibrate: Curve) -> None:
        self._of, self._calibrate = of, calibrate

    def predict_row(self, model: Model, row: Sequence[float]) -> list[float]:
        """Give a probability per label."""
        if self._of == "sums":
            answered = cast(SummedModel, model).sums_of_row(row)
        else:
            answered = model.predict_row(row)
        proba: list[float] = self._calibrate(np.array([answered]))[0].tolist()
        return proba

    def predict_proba(self, model: Model, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give probabilities of shape (n_rows, n_labels)."""
        if self._of == "sums":
            return self._calibrate(cast(SummedModel, model).sums(columns))
        return self._calibrate(model.predict_proba(columns))


def make_calibration(
    spec: CalibrationSpec, arrays: Arrays, model: ModelSpec, n_labels: int
) -> Calibration:
    """Join a spec with its arrays; raises ScorerDamagedError where they do not fit the model."""
    _check_response(spec.of, model, n_labels)
    if isinstance(spec, SigmoidSpec):
        sigmoids = _sigmoids(spec, _n_curves(n_labels))
        return Calibration(spec.of, _one_against_rest(spec.of, sigmoids))
    if isinstance(spec, IsotonicSpec):
        stairs = [_isotonic(place, arrays) for place in range(_n_curves(n_labels))]
        return Calibration(spec.of, _one_against_rest(spec.of, stairs))
    if not spec.factor > 0:
        raise ScorerDamagedError("the factor of a temperature is not above 0")
    return Calibration(spec.of, _temperature(spec.of, spec.factor))


def _check_response(of: Response, model: ModelSpec, n_labels: int) -> None:
    link = None if isinstance(model, VoteSpec) else model.link
    is_float32 = link is not None and link.endswith("float32")
    if of == "sums" and link != ("logistic" if n_labels == 2 else "softmax"):
        raise ScorerDamagedError(f"no sums of '{link or 'vote'}' are calibrated")
    if of != "sums" and is_float32 != (of == "probabilities_float32"):
        raise ScorerDamagedError(f"'{of}' are not what '{link or 'vote'}' gives")


def _n_curves(n_labels: int) -> int:
    return 1 if n_labels == 2 else n_labels


def _one_against_rest(of: Response, curves: Sequence[Curve]) -> Curve:
    """Calibrate each label against all others; of two labels the second."""

    def calibrate(answered: Floats) -> Floats:
        each = np.empty((len(answered), len(curves)))
        # Of two labels the sums are one, and the probabilities two, of which the second counts.
        columns = answered[:, 1:] if len(curves) == 1 and of != "sums" else answered
        for place, curve in enumerate(curves):
            # Between two points a line may end one bit above the higher one.
            each[:, place] = np.minimum(curve(columns[:, place]), 1.0)
        if len(curves) == 1:
            return np.concatenate([1.0 - each, each], axis=1)
        totals = each.sum(axis=1, keepdims=True)
        # Where every label is told to be impossible, all are alike.
        proba = np.full_like(each, 1 / len(curves))
        np.divide(each, totals, out=proba, where=totals != 0)
        return proba

    return calibrate


def _sigmoids(spec: SigmoidSpec, n_curves: int) -> list[Curve]:
    if len(spec.slopes) != n_curves or len(spec.intercepts) != n_curves:
        raise ScorerDamagedError(f"a sigmoid has {n_curves} slopes, and as many intercepts")
    return [_sigmoid(*pair) for pair in zip(spec.slopes, spec.intercepts, strict=True)]


def _sigmoid(slope: float, intercept: float) -> Curve:
    def predict(values: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            raw = -(slope * values + intercept)
        return np.array([logistic(value) for value in raw.tolist()])

    return predict


def _isotonic(place: int, arrays: Arrays) -> Curve:
    x, y = (_points(f"calibration.{place}.{name}", arrays) for name in "xy")
    if len(x) != len(y) or len(x) == 0:
        raise ScorerDamagedError(f"'calibration.{place}' has {len(x)} x and {len(y)} y")
    if (np.diff(x) <= 0).any() or (np.diff(y) < 0).any() or y[0] < 0 or y[-1] > 1:
        raise ScorerDamagedError(f"'calibration.{place}' does not rise from 0 to 1")
    return lambda values: np.interp(values, x, y)


def _points(name: str, arrays: Arrays) -> Floats:
    found = arrays.get(name)
    if found is None or found.dtype != np.float64 or found.ndim != 1:
        raise ScorerDamagedError(f"'{name}' is missing, or no list of numbers of 64 bits")
    if not np.isfinite(found).all():
        raise ScorerDamagedError(f"'{name}' holds what is no finite number")
    return found


def _temperature(of: Response, factor: float) -> Curve:
    def calibrate(answered: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            return softmax(factor * _logits(of, answered))

    return calibrate


def _logits(of: Response, answered: Floats) -> Floats:
    if of == "sums":
        return np.concatenate([-answered, answered], axis=1) if answered.shape[1] == 1 else answered
    kind: Any = np.float32 if of == "probabilities_float32" else np.float64
    proba = answered.astype(kind)
    if proba.shape[1] == 2:
        # By the second alone: the first of a forest or a vote may differ from this in its last bit.
        proba = np.stack([kind(1) - proba[:, 1], proba[:, 1]], axis=1)
    logits: Floats = np.log(proba + kind(SMALLEST)).astype(np.float64)
    return logits
