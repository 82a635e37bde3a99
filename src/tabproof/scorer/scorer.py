"""The scorer: a pipeline's predict_proba, from data alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer import format as specs
from tabproof.scorer.contributions import Contributions, Explainer, make_explainer
from tabproof.scorer.encoding import CategoryEncoding
from tabproof.scorer.format import Arrays, Columns, Floats, ScorerDamagedError, read_files
from tabproof.scorer.inputs import Input, Inputs, read_inputs
from tabproof.scorer.model import Model, SummedModel, logistic, make_model, softmax
from tabproof.scorer.numbers import log32, log_all


class Calibration:
    """The last stage after a model: map sums or probabilities to calibrated probabilities.

    The order of operations is that of scikit-learn's CalibratedClassifierCV. scikit-learn infers
    from the values in a batch whether they are logits or probabilities; here it is a field of the
    file (`of`), so a row alone gets the same bits as in a batch.
    """

    def __init__(
        self, spec: specs.CalibrationSpec, arrays: Arrays, model: specs.ModelSpec, n_labels: int
    ) -> None:
        self.of, link = spec.of, "vote" if isinstance(model, specs.VoteSpec) else model.link
        if self.of == "sums" and link != ("logistic" if n_labels == 2 else "softmax"):
            raise ScorerDamagedError(f"sums of '{link}' cannot be calibrated")
        if self.of != "sums" and link.endswith("float32") != (self.of == "probabilities_float32"):
            raise ScorerDamagedError(f"'{link}' does not give '{self.of}'")
        n_curves = 1 if n_labels == 2 else n_labels
        # One for each label against all others; for two labels only for the second.
        self._curves: list[Any] = []
        self._is_sigmoid = isinstance(spec, specs.SigmoidSpec)
        if isinstance(spec, specs.SigmoidSpec):
            if len(spec.slopes) != n_curves or len(spec.intercepts) != n_curves:
                raise ScorerDamagedError(f"a sigmoid has {n_curves} slopes and intercepts")
            self._curves = list(zip(spec.slopes, spec.intercepts, strict=True))
        elif isinstance(spec, specs.IsotonicSpec):
            self._curves = [_points(index, arrays) for index in range(n_curves)]
        elif spec.factor > 0:
            self._factor = spec.factor
        else:
            raise ScorerDamagedError("the factor of a temperature is not above 0")

    def apply(self, response: Floats) -> Floats:
        """Return probabilities for sums of shape (n_rows, n_sums), or for probabilities."""
        if not self._curves:
            with np.errstate(over="ignore", invalid="ignore"):
                return softmax(self._factor * self._logits(response))
        each = np.empty((len(response), len(self._curves)))
        # Two labels have one sum but two probabilities, of which the second is used.
        is_second = len(self._curves) == 1 and self.of != "sums"
        columns = response[:, 1:] if is_second else response
        for index, (first, second) in enumerate(self._curves):
            values = columns[:, index]
            if self._is_sigmoid:
                with np.errstate(over="ignore", invalid="ignore"):
                    raw = -(first * values + second)
                each[:, index] = [logistic(value) for value in raw.tolist()]
            else:
                # Interpolation can end one bit above the higher point.
                each[:, index] = np.minimum(np.interp(values, first, second), 1.0)
        if len(self._curves) == 1:
            return np.concatenate([1.0 - each, each], axis=1)
        totals = each.sum(axis=1, keepdims=True)
        # Where every label gets 0, all are equally likely.
        proba = np.full_like(each, 1 / len(self._curves))
        np.divide(each, totals, out=proba, where=totals != 0)
        return proba

    def _logits(self, response: Floats) -> Floats:
        if self.of == "sums":
            is_one = response.shape[1] == 1
            return np.concatenate([-response, response], axis=1) if is_one else response
        kind: Any = np.float32 if self.of == "probabilities_float32" else np.float64
        proba = response.astype(kind)
        if proba.shape[1] == 2:
            # Only from the second: the first of a forest or a vote may differ from this by a bit.
            proba = np.stack([kind(1) - proba[:, 1], proba[:, 1]], axis=1)
        # The number that is added keeps the logarithm finite.
        if kind is np.float32:
            return log32(proba + kind(1e-12)).astype(np.float64)
        return log_all(proba + kind(1e-12))


def _points(index: int, arrays: Arrays) -> list[Floats]:
    points = []
    for name in (f"calibration.{index}.x", f"calibration.{index}.y"):
        found = arrays.get(name)
        if found is None or found.dtype != np.float64 or found.ndim != 1:
            raise ScorerDamagedError(f"'{name}' is missing, or not a list of 64-bit floats")
        if not np.isfinite(found).all():
            raise ScorerDamagedError(f"'{name}' has values that are not finite")
        points.append(found)
    x, y = points
    if len(x) != len(y) or len(x) == 0:
        raise ScorerDamagedError(f"'calibration.{index}' has {len(x)} x and {len(y)} y")
    if (np.diff(x) <= 0).any() or (np.diff(y) < 0).any() or y[0] < 0 or y[-1] > 1:
        raise ScorerDamagedError(f"'calibration.{index}' does not rise from 0 to 1")
    return points


@dataclass(eq=False, repr=False)
class Scorer:
    """Predicts a probability per label, in the order of `labels`.

    A row has one value per column: a number, NaN if it is missing; for a category its index in
    the column's `categories`, or the column's `unseen` or `missing`; for a date its seconds since
    1970, NaN if it is missing; for a text a str, or None. `inputs` makes of it what the model
    takes; None: the model takes it as it is.
    """

    columns: tuple[Input, ...]
    labels: tuple[str, ...]
    model: Model
    threshold: float | None
    calibration: Calibration | None = None
    inputs: Inputs | None = None

    def predict_row(self, row: Sequence[Any]) -> list[float]:
        """Score one row, with the bits of `predict_proba`, but faster."""
        calibration, model = self.calibration, self.model
        if self.inputs is not None:
            row = self.inputs.of_row(row)
        if calibration is None:
            return model.predict_row(row)
        if calibration.of == "sums" and isinstance(model, SummedModel):
            response = model.sums_of_row(row)
        else:
            response = model.predict_row(row)
        proba: list[float] = calibration.apply(np.array([response]))[0].tolist()
        return proba

    def predict_proba(self, columns: Columns) -> Floats:
        """Score rows, given column by column; return shape (n_rows, n_labels)."""
        return self._predict(columns if self.inputs is None else self.inputs.of_columns(columns))

    def _predict(self, columns: Columns) -> Floats:
        calibration, model = self.calibration, self.model
        if calibration is None:
            return model.predict_proba(columns)
        if calibration.of == "sums" and isinstance(model, SummedModel):
            return calibration.apply(model.sums(columns))
        return calibration.apply(model.predict_proba(columns))

    def without_inputs(self) -> "Scorer":
        """Return the scorer of the model's own columns."""
        own = self.model.encodings
        return Scorer(own, self.labels, self.model, self.threshold, self.calibration)

    def label_of(self, proba: Sequence[float]) -> str:
        """Return the second of two labels above the threshold, else the first most likely one."""
        if self.threshold is not None:
            return self.labels[1] if proba[1] > self.threshold else self.labels[0]
        return self.labels[max(range(len(proba)), key=proba.__getitem__)]

    def codes_of(self, proba: Floats) -> NDArray[np.intp]:
        """Return the index of the predicted label for many rows."""
        if self.threshold is not None:
            return (proba[:, 1] > self.threshold).astype(np.intp)
        codes: NDArray[np.intp] = proba.argmax(axis=1)
        return codes

    @cached_property
    def explainer(self) -> Explainer:
        """What computes contributions; raises NotExplainableError."""
        return make_explainer(self.model)

    def contributions(self, columns: Columns, proba: Floats) -> Contributions:
        """Return what each column adds, for the second of two labels or the predicted one of more.

        `proba` is what predict_proba returned for these rows. Raises NotExplainableError.
        """
        is_binary = len(self.labels) == 2
        codes = np.ones(len(proba), dtype=np.intp) if is_binary else self.codes_of(proba)
        inputs = self.inputs
        if inputs is None:
            return self.explainer.explain(columns, codes)
        found = self.explainer.explain(inputs.of_columns(columns), codes)
        return replace(found, values=inputs.shares(found.values))

    @property
    def category_columns(self) -> tuple[CategoryEncoding, ...]:
        """The categorical columns."""
        return tuple(c for c in self.columns if isinstance(c, CategoryEncoding))


def read_scorer(files: Mapping[str, bytes]) -> Scorer:
    """Make a scorer from the files of a run's `scorer/`; raise ScorerDamagedError."""
    spec, arrays = read_files(files)
    n_labels = len(spec.labels)
    if n_labels < 2 or len(set(spec.labels)) < n_labels:
        raise ScorerDamagedError("labels are missing or duplicate")
    if (spec.threshold is None) != (n_labels > 2):
        raise ScorerDamagedError("two labels need a threshold, and more labels have none")
    model = make_model(spec.model, spec.columns, arrays, n_labels)
    calibration = None
    if spec.calibration is not None:
        calibration = Calibration(spec.calibration, arrays, spec.model, n_labels)
    inputs = read_inputs(spec, arrays, model.encodings)
    columns = model.encodings if inputs is None else inputs.columns
    labels = tuple(spec.labels)
    return Scorer(columns, labels, model, spec.threshold, calibration, inputs)
