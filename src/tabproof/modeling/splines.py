"""Numbers as piecewise-linear splines, for linear models."""

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from tabproof.features import Floats, spline_features

# The width between two knots is finite.
MAX_KNOT = 1e300


class Splines(TransformerMixin, BaseEstimator):
    """Encode each number as its standard score and as ramps, which let a line bend at knots.

    A ramp is 0 up to a knot, `bend` from the next one, and linear between them. Beyond the outer
    knots nothing changes any more. Knots are quantiles of the training rows; a column with few
    distinct values has a knot at each of them. A missing cell has the features of the median, and
    if some training row lacks the number, a feature of its own.

    Parameters
    ----------
    n_knots : the most knots of a column.
    min_rows : how many rows an interval between knots holds at least, roughly.
    bend : the height of a ramp. A penalty on coefficients holds the line straighter where it is
        small.
    """

    # scikit-learn's name for constraints, which check_grid uses too.
    _parameter_constraints: ClassVar = {
        "n_knots": [Interval(Integral, 2, None, closed="left")],
        "min_rows": [Interval(Integral, 1, None, closed="left")],
        "bend": [Interval(Real, 0, 1e6, closed="neither")],
    }

    def __init__(self, n_knots: int = 16, min_rows: int = 20, bend: float = 0.3) -> None:
        self.n_knots = n_knots
        self.min_rows = min_rows
        self.bend = bend

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - of the protocol
        """Learn the knots, and the features at each of them."""
        self._validate_params()
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        self.knots_: list[Floats] = []
        self.tables_: list[Floats] = []
        for column in X.T:
            values = np.sort(np.clip(column[~np.isnan(column)], -MAX_KNOT, MAX_KNOT))
            if not len(values):
                values = np.zeros(1)
            knots = np.unique(values)
            n_knots = max(2, min(self.n_knots, len(values) // self.min_rows))
            if len(knots) > n_knots:
                places = np.linspace(0, len(values) - 1, n_knots).round().astype(np.intp)
                knots = np.unique(values[places])
            # Of numbers near the largest the variance is infinite.
            scale = np.abs(values).max() or 1.0
            scaled = values / scale
            deviation = float(scaled.std()) or 1.0
            table = np.zeros((len(knots) + 1, len(knots) + 1))
            table[:-1, 0] = (knots / scale - scaled.mean()) / deviation
            table[:-1, 1:-1] = self.bend * np.tri(len(knots), len(knots) - 1, -1)
            table[-1] = spline_features(values[[len(values) // 2]], knots, table)[0]
            table[-1, -1] = 1.0
            if not np.isnan(column).any():
                table = table[:, :-1]
            self.knots_.append(knots)
            self.tables_.append(np.ascontiguousarray(table))
        return self

    def transform(self, X: Any) -> Floats:
        """Return the features of each column, side by side."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        columns = zip(X.T, self.knots_, self.tables_, strict=True)
        return np.concatenate([spline_features(*each) for each in columns], axis=1)

    def spline_of(self, index: int) -> tuple[Floats, Floats]:
        """Return the knots of a column, and the table of its features, for the exporter."""
        return self.knots_[index], self.tables_[index]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return names made of the column and a number."""
        check_is_fitted(self)
        given = getattr(self, "feature_names_in_", input_features)
        if given is None:
            given = [f"x{place}" for place in range(self.n_features_in_)]
        pairs = zip(given, self.tables_, strict=True)
        names = [f"{name} (spline {i})" for name, table in pairs for i in range(table.shape[1])]
        return np.array(names, dtype=object)
