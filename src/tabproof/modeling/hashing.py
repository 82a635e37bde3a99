"""Categories as a fixed number of columns, however many there are."""

from collections.abc import Sequence
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
    """Make n_features columns of each column of categories: 1 or -1 in one of them, else 0.

    In which one, and the sign, are scikit-learn's hash (MurmurHash3) of the category's name: the
    same in every process and on every machine. A missing cell is a category like any other.

    A category that fit has not met becomes zeros. Its hash would take it for categories that it
    has nothing in common with but the hash; and as it is, a table says all about a column, so
    that a scorer needs no hash function, in whatever language it is read.
    """

    # By this name scikit-learn's own are checked before data is read.
    _parameter_constraints: ClassVar = {"n_features": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, n_features: int = 16) -> None:
        self.n_features = n_features

    @property
    def features_per_column(self) -> int:
        """How many features each column becomes, by itself: what the exporter asks for."""
        return self.n_features

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - of the protocol
        """Learn which categories there are."""
        self._validate_params()
        columns = _columns(X)
        self.n_features_in_ = len(columns)
        self.feature_names_in_ = np.array([str(column.name) for column in columns], dtype=object)
        self.categories_ = [sorted(column.dropna().unique()) for column in columns]
        # Behind the categories' rows stand those of a category never met, and of nothing.
        self.tables_ = [
            np.concatenate(
                [
                    self._hashed([f"={category}" for category in categories]),
                    np.zeros((1, self.n_features)),
                    self._hashed(["nothing"]) * column.isna().any(),
                ]
            )
            for column, categories in zip(columns, self.categories_, strict=True)
        ]
        return self

    def transform(self, X: Any) -> Floats:
        """Give an array of shape (n_rows, n_columns * n_features)."""
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
        """Name the features after their column."""
        names = [f"{name}_{i}" for name in self.feature_names_in_ for i in range(self.n_features)]
        return np.array(names, dtype=object)

    def _hashed(self, names: Sequence[str]) -> Floats:
        if not names:
            return np.empty((0, self.n_features))
        hasher = FeatureHasher(self.n_features, input_type="string")
        hashed: Floats = hasher.transform([[name] for name in names]).toarray()
        return hashed


def _columns(X: Any) -> list[pd.Series]:
    frame = pd.DataFrame(X)
    return [frame[name].astype("object").map(str, na_action="ignore") for name in frame.columns]
