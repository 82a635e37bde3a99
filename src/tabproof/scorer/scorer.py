"""The scorer: a pipeline's predict_proba, from data alone."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.calibration import Calibration, make_calibration
from tabproof.scorer.contributions import Contributions, Explainer, explain, make_explainer
from tabproof.scorer.encoding import CategoryEncoding, Encoding, make_encodings, make_vote_columns
from tabproof.scorer.errors import ScorerDamagedError
from tabproof.scorer.format import VoteSpec, read_files
from tabproof.scorer.model import Model, make_model
from tabproof.scorer.trees import Floats


class Scorer:
    """Predicts a probability per label, in the order of `labels`.

    A row has one value per column: a number, NaN if it is missing; for a category its index in
    the column's `categories`, or the column's `unseen` or `missing`.
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
        """Score one row, with the bits of `predict_proba`, but faster."""
        if self._calibration is None:
            return self._model.predict_row(row)
        return self._calibration.predict_row(self._model, row)

    def predict_proba(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Score rows, given column by column; return shape (n_rows, n_labels)."""
        if self._calibration is None:
            return self._model.predict_proba(columns)
        return self._calibration.predict_proba(self._model, columns)

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
        return make_explainer(self._model)

    def contributions(self, columns: Sequence[NDArray[np.generic]], proba: Floats) -> Contributions:
        """Return what each column adds, for the second of two labels or the predicted one of more.

        `proba` is what predict_proba returned for these rows. Raises NotExplainableError.
        """
        is_binary = len(self.labels) == 2
        codes = np.ones(len(proba), dtype=np.intp) if is_binary else self.codes_of(proba)
        return explain(self.explainer, columns, codes)

    @property
    def category_columns(self) -> tuple[CategoryEncoding, ...]:
        """The categorical columns."""
        return tuple(c for c in self.columns if isinstance(c, CategoryEncoding))


def read_scorer(files: Mapping[str, bytes]) -> Scorer:
    """Make a scorer from the files of a run's `scorer/`; raise ScorerDamagedError."""
    spec, arrays = read_files(files)
    if len(spec.labels) < 2 or len(set(spec.labels)) < len(spec.labels):
        raise ScorerDamagedError("labels are missing or duplicate")
    if (spec.threshold is None) != (len(spec.labels) > 2):
        raise ScorerDamagedError("two labels need a threshold, and more labels have none")
    if isinstance(spec.model, VoteSpec):
        encodings = make_vote_columns(spec.columns)
    else:
        encodings = make_encodings(spec.columns, arrays)
    model = make_model(spec.model, arrays, encodings, len(spec.labels))
    calibration = None
    if spec.calibration is not None:
        calibration = make_calibration(spec.calibration, arrays, spec.model, len(spec.labels))
    return Scorer(encodings, spec.labels, model, spec.threshold, calibration)
