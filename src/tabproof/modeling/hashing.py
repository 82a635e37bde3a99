"""Encode categories as a fixed number of columns, however many categories there are."""

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction import FeatureHasher
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

Floats = NDArray[np.float64]


class CategoryHasher(TransformerMixin, BaseEstimator):
    """Encode each column of categories as n_features columns: one of them is 1 or -1, the rest 0.

    Which one, and the sign, come from scikit-learn's hash (MurmurHash3) of the category's name,
    which is the same in every process and on every machine. A missing cell is a category too.

    An unseen category becomes zeros: its hash could be that of an unrelated category. So a table
    describes a column completely, and a scorer in any language needs no hash function.
    """

    # scikit-learn's name for constraints, which check_grid uses too.
    _parameter_constraints: ClassVar = {"n_features": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, n_features: int = 16) -> None:
        self.n_features = n_features

    @property
    def features_per_column(self) -> int:
        """The number of features per column, which the exporter reads."""
        return self.n_features

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - of the protocol
        """Learn the categories."""
        self._validate_params()
        columns = _columns(X)
        hasher = FeatureHasher(self.n_features, input_type="string")
        self.n_features_in_ = len(columns)
        self.feature_names_in_ = np.array([str(column.name) for column in columns], dtype=object)
        self.categories_ = [sorted(column.dropna().unique()) for column in columns]
        self.tables_ = []
        for column, categories in zip(columns, self.categories_, strict=True):
            names = [*(f"={category}" for category in categories), "nothing"]
            hashed = hasher.transform([[name] for name in names]).toarray()
            hashed[-1] *= column.isna().any()
            # After the rows of the categories: one for unknown categories, one for missing cells.
            self.tables_.append(np.insert(hashed, len(categories), 0.0, axis=0))
        return self

    def transform(self, X: Any) -> Floats:
        """Return an array of shape (n_rows, n_columns * n_features)."""
        check_is_fitted(self)
        parts = []
        for column, categories, table in zip(
            _columns(X), self.categories_, self.tables_, strict=True
        ):
            places = pd.Index(categories, dtype="object").get_indexer(column)
            places = np.where(places < 0, len(categories) + column.isna(), places)
            parts.append(table[places])
        return np.concatenate(parts, axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:  # noqa: ARG002 - of the protocol
        """Return names made of the column and a number."""
        names = [f"{name}_{i}" for name in self.feature_names_in_ for i in range(self.n_features)]
        return np.array(names, dtype=object)


def _columns(X: Any) -> list[pd.Series]:
    return [c.astype("object").map(str, na_action="ignore") for _, c in pd.DataFrame(X).items()]
