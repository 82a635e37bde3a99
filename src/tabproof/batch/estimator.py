"""The model of a run for Python: it reads the cells of any frame, and predicts labels.

The pipeline inside takes columns as training typed them. A frame that pandas reads from the file of
training has other types: a column of truth values with gaps has objects, for example.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from tabproof.batch.cells import CellReader, Rows, WantedColumn, select_columns, wanted_column
from tabproof.batch.frames import as_arrow
from tabproof.batch.scoring import NO_PROBABILITY
from tabproof.data.cells import as_times
from tabproof.errors import UserError, listed
from tabproof.evaluation.metrics import predicted_codes
from tabproof.forms import DateForm
from tabproof.schema import CategoryColumn, Schema
from tabproof.scorer.export.columns import UNSEEN


class UnreadableRowsError(UserError):
    """Rows of a frame that the model cannot use."""

    template = "{n} of {n_rows} rows cannot be scored; the first: row {row}: {reason}"


class AbsentColumnsError(UserError):
    """A frame without some of the model's columns."""

    template = "the frame lacks columns of the model: {names}; where all cells miss, add it as None"


class RunClassifier(ClassifierMixin, BaseEstimator):
    """A fitted pipeline that reads cells as the service does, and predicts labels.

    It stays as it is: `fit` and `clone` return it, as those of scikit-learn's FrozenEstimator do.

    Parameters
    ----------
    pipeline : gives a probability per label for the columns as training typed them.
    schema : of these columns.
    threshold : above it the second of two labels is predicted; None: the most probable label.
    """

    def __init__(self, pipeline: Any, schema: Schema, threshold: float | None) -> None:
        self.pipeline = pipeline
        self.schema = schema
        self.threshold = threshold

    @property
    def classes_(self) -> NDArray[np.str_]:
        """The labels, in the order of the probabilities."""
        return np.array(self.schema.labels)

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """The names of the columns."""
        return np.array([column.name for column in self.schema.columns], dtype=object)

    @property
    def n_features_in_(self) -> int:
        """The number of the columns."""
        return len(self.schema.columns)

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Return the model as it is."""
        return self

    def __sklearn_clone__(self) -> Self:
        """Return the model itself."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Return True."""
        return True

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return a probability per label, in the order of `classes_`.

        Parameters
        ----------
        X : a frame of pandas, polars or Arrow, a list of records, or a matrix with the columns in
            order. Cells may be of any type and spelling that a source gives them. Further columns
            are ignored.

        Raises
        ------
        UnreadableRowsError
            A cell is neither missing nor a number, a date, or whatever its column takes.
        AbsentColumnsError
            A column of the model is not in X.
        """
        frame = self.read(X)
        proba: NDArray[np.float64] = self.pipeline.predict_proba(frame)
        undecided = np.flatnonzero(np.isnan(proba).any(axis=1))
        if len(undecided):
            raise UnreadableRowsError(len(undecided), len(frame), undecided[0], NO_PROBABILITY)
        return proba

    def predict(self, X: Any) -> NDArray[np.str_]:
        """Return the label of each row; X : as of `predict_proba`."""
        return self.classes_[predicted_codes(self.predict_proba(X), self.threshold)]

    def read(self, X: Any) -> pd.DataFrame:
        """Return the columns of a frame as training typed them."""
        if isinstance(X, np.ndarray):
            X = pd.DataFrame(X, columns=self.feature_names_in_)
        na_values = self.schema.na_values
        wanted = [
            wanted_column(
                column,
                column.name,
                column.categories if isinstance(column, CategoryColumn) else None,
                na_values,
            )
            for column in self.schema.columns
        ]
        given = as_arrow(X)
        table, n_rows = select_columns(given, wanted), given.num_rows
        if absent := [each.name for each in wanted if each.name not in table.column_names]:
            raise AbsentColumnsError(names=listed(absent))
        columns, faults = CellReader(wanted).encode(Rows(table, n_rows, np.arange(n_rows)))
        if faults:
            row = min(faults)
            name, reason = faults[row]
            raise UnreadableRowsError(len(faults), n_rows, row, f"'{name}': {reason}")
        typed = {
            column.name: _typed(column, cells)
            for column, cells in zip(wanted, columns, strict=True)
        }
        return pd.DataFrame(typed, index=X.index if isinstance(X, pd.DataFrame) else None)


def _typed(column: WantedColumn, cells: NDArray[Any]) -> Any:
    """Return cells as a scorer takes them, as an array of the type that training gave them."""
    if column.categories is not None:
        known = list(column.categories)
        if (cells == column.unseen).any():
            known.append(UNSEEN)
        codes = np.where(cells == column.missing, -1, cells)
        return pd.Categorical.from_codes(codes, pd.Index(known, dtype="object"))
    if isinstance(column.form, DateForm):
        return as_times(cells)
    return cells
