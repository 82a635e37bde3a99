"""Estimate what a fit will take, from fits with a few iterations.

A setting that is good for most tables may take an hour on one of thousands of columns, and a fit
that has begun cannot be stopped.
"""

import warnings
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from tabproof.search.early_stopping import counter_of

# Iterations of the first of two pilots, and of most solvers until they have converged.
FEW, USUAL_SOLVER = 3, 100
# With fewer cells and classes no fit takes long.
FEW_CELLS = 50_000


def estimate_seconds(estimator: Any, X: Any, y: Any) -> float:
    """Return about how long a fit takes; 0 where it is short, or nothing is known.

    Two fits with FEW and twice as many iterations tell what an iteration takes, and what all take
    together.
    """
    n_cells = np.shape(X)[0] * np.shape(X)[1] * max(len(np.unique(y)) - 1, 1)
    counter = counter_of(estimator)
    if isinstance(estimator, LogisticRegression):
        counter, expected = "max_iter", min(estimator.max_iter, USUAL_SOLVER)
    elif counter is not None:
        # Early stopping ends most fits before.
        expected = estimator.get_params()[counter] // 2
    else:
        counter, expected = "n_estimators", getattr(estimator, "n_estimators", 0)
    if n_cells < FEW_CELLS or expected <= 2 * FEW:
        return 0.0
    seconds = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for n_iterations in (FEW, 2 * FEW):
            start = perf_counter()
            clone(estimator).set_params(**{counter: n_iterations}).fit(X, y)
            seconds.append(perf_counter() - start)
    of_one = max(seconds[1] - seconds[0], 0.0) / FEW
    return float(seconds[0] + of_one * (expected - FEW))
