"""Columns that no tree of a boosting can split on: its fits are as well without them.

One-hot columns of rare categories are such columns, many of them where a rung has few rows.
`tests/search/test_columns.py` proves that the bits are the same.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from src.search.iterations import BOOSTING

Columns = NDArray[np.intp]
# The rows are copied without them: for fewer it would not pay.
LEAST_SHARE = 0.05


def splittable(estimator: Any, X: Any) -> Columns | None:
    """Find the columns that may be split on; None where that is all or cannot be told."""
    if not _splits_any_column_alike(estimator) or type(X) not in (np.ndarray, np.memmap):
        return None
    if X.ndim != 2 or not len(X) or X.dtype.kind not in "fiub":
        return None
    # A split that parts the rows of one value from others has no more than these beside them.
    # (The first row stands for the commonest value: where it does not, the column is kept.)
    n_others = np.count_nonzero(X[0] != X, axis=0)
    columns = np.flatnonzero(n_others >= estimator.min_samples_leaf)
    is_worth_it = len(columns) and len(columns) <= (1 - LEAST_SHARE) * X.shape[1]
    return columns if is_worth_it else None


def _splits_any_column_alike(estimator: Any) -> bool:
    if not isinstance(estimator, BOOSTING):
        return False
    features = estimator.categorical_features
    return (
        # Drawn at random, other columns would be drawn.
        estimator.max_features == 1.0
        # These name columns by their positions.
        and estimator.monotonic_cst is None
        and estimator.interaction_cst is None
        and (features is None or (isinstance(features, str) and features == "from_dtype"))
    )


def taking_all_columns(fitted: Any, columns: Columns) -> Any:
    """Make a model of some columns one that is given all of them."""
    return make_pipeline(FunctionTransformer(_chosen, kw_args={"columns": columns}), fitted)


def _chosen(X: Any, columns: Columns) -> Any:
    return X[:, columns]
