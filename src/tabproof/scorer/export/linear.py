"""Export logistic regression: a weighted sum of features."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.scorer.encoding import Encoding
from tabproof.scorer.export.columns import cells_of, numbers_as_they_are
from tabproof.scorer.form import Arrays, LinearSpec

Places = NDArray[np.intp]


def obstacle(_estimator: Any, *, passes: bool) -> str | None:  # noqa: ARG001 - of the protocol
    """Export whatever the options are."""
    return None


def encode(_estimator: Any, X: pd.DataFrame) -> tuple[list[Encoding], Places]:
    """Pass numbers on; it takes no categories."""
    return numbers_as_they_are(X)


def export(
    estimator: Any, encodings: Sequence[Encoding], places: Places
) -> tuple[LinearSpec, Arrays, Sequence[Encoding]]:
    """Give one sum for two labels, else one per label."""
    weights = np.empty_like(estimator.coef_, dtype=np.float64)
    weights[:, places] = estimator.coef_
    spec = LinearSpec(link="logistic" if len(weights) == 1 else "softmax")
    intercepts = np.broadcast_to(estimator.intercept_, len(weights)).astype(np.float64)
    return spec, {"coefficients": weights, "intercepts": intercepts}, encodings


def mean_features(encodings: Sequence[Encoding], X: pd.DataFrame) -> Arrays:
    """Give the mean of each feature over the rows of X: what contributions begin at."""
    means = [
        encoding.features(cells_of(encoding, X[encoding.name])).mean(axis=0)
        for encoding in encodings
    ]
    return {"means": np.concatenate(means)}
