"""The scorer: a pipeline's predict_proba, from data alone."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.calibration import Calibration, make_calibration
from tabproof.scorer.contributions import Contributions, Explainer, explain, make_explainer
from tabproof.scorer.encoding import CategoryEncoding, Encoding, make_bare_encodings, make_encodings
from tabproof.scorer.errors import ScorerDamagedError
from tabproof.scorer.form import VoteSpec, read_files
from tabproof.scorer.model import Model, make_model

Floats = NDArray[np.float64]


class Scorer:
    """Gives a probability per label, in the order of labels.

    A row has one value per column: a number, NaN where it is missing; of a category its place
    in the column's `categories`, or the places `unseen` and `missing` behind them.
    """

    def __init__(
        self,
        columns: Sequence[Encoding],
        labels: Sequence[str],
        model: Model,
        threshold: float | None,
        calibration: Calibration | None = None,
    ) -> None:
        self.columns = tuple(columns)
        self.labels = tuple(labels)
        self.threshold = threshold
        self._model = model
        self._calibration = calibration

    def predict_row(self, row: Sequence[float]) -> list[float]:
        """Score one row: the bits of predict_proba, sooner."""
        if self._calibration is None:
            return self._model.predict_row(row)
        return self._calibration.predict_row(self._model, row)

    def predict_proba(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Score rows, given column by column; the result has shape (n_rows, n_labels)."""
        if self._calibration is None:
            return self._model.predict_proba(columns)
        return self._calibration.predict_proba(self._model, columns)

    def label_of(self, proba: Sequence[float]) -> str:
        """Decide: of two labels the second above the threshold, else the most likely, first."""
        if self.threshold is not None:
            return self.labels[1] if proba[1] > self.threshold else self.labels[0]
        return self.labels[max(range(len(proba)), key=proba.__getitem__)]

    def codes_of(self, proba: Floats) -> NDArray[np.intp]:
        """Decide for many rows; gives places in labels."""
        if self.threshold is not None:
            return (proba[:, 1] > self.threshold).astype(np.intp)
        codes: NDArray[np.intp] = proba.argmax(axis=1)
        return codes

    @cached_property
    def explainer(self) -> Explainer:
        """What contributions are made by, prepared once; raises NotExplainableError."""
        return make_explainer(self._model)

    def contributions(self, columns: Sequence[NDArray[np.generic]], proba: Floats) -> Contributions:
        """Tell what each column adds: of two labels to the second, of more to the predicted one.

        proba : what predict_proba gave for these rows. Raises NotExplainableError.
        """
        is_pair = len(self.labels) == 2
        codes = np.ones(len(proba), dtype=np.intp) if is_pair else self.codes_of(proba)
        return explain(self.explainer, columns, codes)

    @property
    def category_columns(self) -> tuple[CategoryEncoding, ...]:
        """The columns of categories."""
        return tuple(c for c in self.columns if isinstance(c, CategoryEncoding))


def read_scorer(files: Mapping[str, bytes]) -> Scorer:
    """Make a scorer of what a run's `scorer/` holds; raises ScorerDamagedError."""
    spec, arrays = read_files(files)
    if len(spec.labels) < 2 or len(set(spec.labels)) < len(spec.labels):
        raise ScorerDamagedError("labels are missing, or stand there twice")
    if (spec.threshold is None) != (len(spec.labels) > 2):
        raise ScorerDamagedError("a threshold belongs to two labels, and to no more")
    encodings = (
        make_bare_encodings(spec.columns)
        if isinstance(spec.model, VoteSpec)
        else make_encodings(spec.columns, arrays)
    )
    model = make_model(spec.model, arrays, encodings, len(spec.labels))
    calibration = None
    if spec.calibration is not None:
        calibration = make_calibration(spec.calibration, arrays, spec.model, len(spec.labels))
    return Scorer(encodings, spec.labels, model, spec.threshold, calibration)
