"""Calibration: map a model's sums or probabilities to calibrated probabilities.

The order of operations is that of scikit-learn's CalibratedClassifierCV. scikit-learn tells logits
from probabilities by the values in a batch; here the file says which they are, so that a row
alone gets the same probabilities as in a batch.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.errors import ScorerDamagedError
from tabproof.scorer.format import (
    Arrays,
    CalibrationSpec,
    IsotonicSpec,
    ModelSpec,
    Response,
    SigmoidSpec,
    VoteSpec,
)
from tabproof.scorer.model import Model, SummedModel, logistic, softmax
from tabproof.scorer.trees import Floats

Curve = Callable[[Floats], Floats]

# Keeps the logarithm of a probability finite.
SMALLEST = 1e-12


class Calibration:
    """The last stage after a model; a row alone gets the same bits as in a batch."""

    def __init__(self, of: Response, calibrate: Curve) -> None:
        self._of, self._calibrate = of, calibrate

    def predict_row(self, model: Model, row: Sequence[float]) -> list[float]:
        """Return a probability per label."""
        if self._of == "sums":
            response = cast(SummedModel, model).sums_of_row(row)
        else:
            response = model.predict_row(row)
        proba: list[float] = self._calibrate(np.array([response]))[0].tolist()
        return proba

    def predict_proba(self, model: Model, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Return probabilities of shape (n_rows, n_labels)."""
        if self._of == "sums":
            return self._calibrate(cast(SummedModel, model).sums(columns))
        return self._calibrate(model.predict_proba(columns))


def make_calibration(
    spec: CalibrationSpec, arrays: Arrays, model: ModelSpec, n_labels: int
) -> Calibration:
    """Make a calibration; raise ScorerDamagedError where it does not fit the model."""
    of, link = spec.of, "vote" if isinstance(model, VoteSpec) else model.link
    if of == "sums" and link != ("logistic" if n_labels == 2 else "softmax"):
        raise ScorerDamagedError(f"sums of '{link}' cannot be calibrated")
    if of != "sums" and link.endswith("float32") != (of == "probabilities_float32"):
        raise ScorerDamagedError(f"'{link}' does not give '{of}'")
    n_curves = 1 if n_labels == 2 else n_labels
    if isinstance(spec, SigmoidSpec):
        if len(spec.slopes) != n_curves or len(spec.intercepts) != n_curves:
            raise ScorerDamagedError(f"a sigmoid has {n_curves} slopes and intercepts")
        curves = [_sigmoid(*pair) for pair in zip(spec.slopes, spec.intercepts, strict=True)]
        return Calibration(of, _one_against_rest(of, curves))
    if isinstance(spec, IsotonicSpec):
        curves = [_isotonic(index, arrays) for index in range(n_curves)]
        return Calibration(of, _one_against_rest(of, curves))
    if not spec.factor > 0:
        raise ScorerDamagedError("the factor of a temperature is not above 0")
    return Calibration(of, _temperature(of, spec.factor))


def _one_against_rest(of: Response, curves: Sequence[Curve]) -> Curve:
    """Calibrate each label against all others; for two labels only the second."""

    def calibrate(response: Floats) -> Floats:
        each = np.empty((len(response), len(curves)))
        # Two labels have one sum but two probabilities, of which the second is used.
        columns = response[:, 1:] if len(curves) == 1 and of != "sums" else response
        for index, curve in enumerate(curves):
            # Interpolation can end one bit above the higher point.
            each[:, index] = np.minimum(curve(columns[:, index]), 1.0)
        if len(curves) == 1:
            return np.concatenate([1.0 - each, each], axis=1)
        totals = each.sum(axis=1, keepdims=True)
        # Where every label gets 0, all are equally likely.
        proba = np.full_like(each, 1 / len(curves))
        np.divide(each, totals, out=proba, where=totals != 0)
        return proba

    return calibrate


def _sigmoid(slope: float, intercept: float) -> Curve:
    def predict(values: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            raw = -(slope * values + intercept)
        return np.array([logistic(value) for value in raw.tolist()])

    return predict


def _isotonic(index: int, arrays: Arrays) -> Curve:
    def points(name: str) -> Floats:
        found = arrays.get(f"calibration.{index}.{name}")
        if found is None or found.dtype != np.float64 or found.ndim != 1:
            reason = "is missing, or not a list of 64-bit floats"
            raise ScorerDamagedError(f"'calibration.{index}.{name}' {reason}")
        if not np.isfinite(found).all():
            raise ScorerDamagedError(f"'calibration.{index}.{name}' has values that are not finite")
        return found

    x, y = points("x"), points("y")
    if len(x) != len(y) or len(x) == 0:
        raise ScorerDamagedError(f"'calibration.{index}' has {len(x)} x and {len(y)} y")
    if (np.diff(x) <= 0).any() or (np.diff(y) < 0).any() or y[0] < 0 or y[-1] > 1:
        raise ScorerDamagedError(f"'calibration.{index}' does not rise from 0 to 1")
    return lambda values: np.interp(values, x, y)


def _temperature(of: Response, factor: float) -> Curve:
    def calibrate(response: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            return softmax(factor * _logits(of, response))

    return calibrate


def _logits(of: Response, response: Floats) -> Floats:
    if of == "sums":
        return np.concatenate([-response, response], axis=1) if response.shape[1] == 1 else response
    kind: Any = np.float32 if of == "probabilities_float32" else np.float64
    proba = response.astype(kind)
    if proba.shape[1] == 2:
        # Only from the second: the first of a forest or a vote may differ from this by one bit.
        proba = np.stack([kind(1) - proba[:, 1], proba[:, 1]], axis=1)
    logits: Floats = np.log(proba + kind(SMALLEST)).astype(np.float64)
    return logits
