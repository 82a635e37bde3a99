"""Scores and topics of texts, learned from the training rows."""

import warnings
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from tabproof.features import Floats, TextTable, count_tokens, is_missing_text

Codes = NDArray[np.int64]
Splits = Sequence[tuple[Codes, Codes]]

# A token that one training row has says nothing about another.
MIN_ROWS_OF_TOKEN = 2
# With more classes a text has no score of each; its topics remain.
MAX_SCORED_CLASSES = 10
# A score of words hardly improves with more rows, but its fit takes longer.
MAX_ROWS_OF_SCORE = 200_000


def fit_text(
    column: NDArray[Any],
    y: Any,
    folds: Splits,
    *,
    n_buckets: int,
    n_topics: int,
    C: float,
    seed: Any,
) -> tuple[TextTable, Floats]:
    """Return the table of a text, and its scores of the training rows out of folds.

    n_buckets : into which tokens are hashed. n_topics : of a truncated SVD, as further
    features. C : the inverse strength of the penalty of the scores.
    """
    # Arrays, since a dictionary per row would take a hundred times the memory.
    buckets, counts, ends = array("q"), array("q"), array("q", [0])
    present = np.ones(len(column), dtype=bool)
    for place, text in enumerate(column):
        if not isinstance(text, str) or is_missing_text(text):
            present[place] = False
        else:
            found = count_tokens(text, n_buckets)
            buckets.extend(found)
            counts.extend(found.values())
        ends.append(len(buckets))
    all_buckets = np.array(buckets, dtype=np.int64)
    known, n_rows = np.unique(all_buckets, return_counts=True)
    is_kept = n_rows >= MIN_ROWS_OF_TOKEN
    known, n_rows = known[is_kept], n_rows[is_kept]
    idf: Floats = np.log((1 + present.sum()) / (1 + n_rows)) + 1
    matrix = csr_array(
        (np.sqrt(np.array(counts, dtype=np.float64)), all_buckets, np.array(ends)),
        shape=(len(column), n_buckets),
    )[:, known]
    if len(known):
        matrix = normalize(matrix.multiply(idf).tocsr(), copy=False)
    n_classes = len(np.unique(y))
    n_scores = 0 if n_classes > MAX_SCORED_CLASSES else 1 if n_classes == 2 else n_classes
    scores = np.zeros((len(column), n_scores))
    tables = [np.zeros((len(known), n_scores))]
    # Threads would add in another order.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if n_scores and len(known):
            for train, test in folds:
                scores[test] = matrix[test] @ _coefficients(matrix, y, train, C)
            tables[0] = _coefficients(matrix, y, np.arange(len(y)), C)
        n_components = min(n_topics, len(known) - 1, len(column) - 1)
        if n_components > 0:
            svd = TruncatedSVD(n_components, random_state=seed).fit(matrix)
            tables.append(svd.components_.T)
    scores[~present] = np.nan
    table = np.ascontiguousarray(np.concatenate(tables, axis=1))
    return TextTable(n_buckets, known, idf, table), scores


def _coefficients(matrix: Any, y: Codes, rows: Codes, C: float) -> Floats:
    """Return the coefficients of a logistic regression, of shape (n_tokens, n_scores)."""
    if len(rows) > MAX_ROWS_OF_SCORE:
        drawn = np.random.default_rng(0).choice(len(rows), MAX_ROWS_OF_SCORE, replace=False)
        rows = rows[np.sort(drawn)]
    classes, present = np.unique(y), np.unique(y[rows])
    weights = np.zeros((matrix.shape[1], len(classes)))
    if len(present) > 1:
        fitted = LogisticRegression(C=C, max_iter=200).fit(matrix[rows], y[rows])
        coefficients = fitted.coef_.T
        if len(present) == 2:
            coefficients = np.concatenate([-coefficients, coefficients], axis=1)
        weights[:, np.searchsorted(classes, present)] = coefficients
    return weights[:, 1:] if len(classes) == 2 else weights
