"""Expected metrics, without labels: those that calibrated probabilities imply.

Of calibrated probabilities the expected metrics follow without a label: a row whose label has the
probability 0.8 is right in 8 of 10 cases. NannyML calls it confidence-based performance estimation
(Białek, Kuberski, Perrakis and Bifet, 2024, "Estimating model performance under covariate shift
without labels", arXiv 2401.08348). It follows changes of the inputs, and is wrong where the
relation of inputs and label has changed: only labels can show that.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tabproof.monitoring.database import Table, quoted, text
from tabproof.prediction_log.layout import PROBABILITY

# Number of bins of probabilities; rows in the same bin count as ties.
N_BINS = 10_000

Floats = NDArray[np.float64]


def implied_auc(n: Floats, total: Floats, squares: float) -> float | None:
    """Return the AUC that probabilities imply; None where all are 0, or all are 1.

    n, total : rows and sum of their probabilities, by bin, the lowest first. squares : the sum of
    their squares. Each pair of two rows counts with the probability that the one is of the label
    and the other is not.
    """
    positive, negative = total, n - total
    below = np.cumsum(negative) - negative
    of_itself = float(total.sum()) - squares
    n_pairs = float(positive.sum() * negative.sum()) - of_itself
    if n_pairs <= 0:
        return None
    in_order = float((positive * (below + negative / 2)).sum()) - of_itself / 2
    return min(1.0, max(0.0, in_order / n_pairs))


def of_arrays(proba: Floats, predicted: NDArray[np.int64]) -> dict[str, float | None]:
    """Return the metrics that probabilities imply.

    proba : (n_rows, n_labels), at least one row. predicted : codes of labels, (n_rows,).
    """
    n_labels = proba.shape[1]
    aucs = []
    for code in [1] if n_labels == 2 else range(n_labels):
        p = proba[:, code]
        bins = np.minimum((p * N_BINS).astype(np.int64), N_BINS - 1)
        n, total = (np.bincount(bins, each, N_BINS).astype(np.float64) for each in (None, p))
        aucs.append(implied_auc(n, total, float(np.square(p).sum())))
    logs = np.log(np.where(proba > 0, proba, 1.0))
    return {
        "accuracy": float(proba[np.arange(len(proba)), predicted].mean()),
        "roc_auc": _mean(aucs),
        "log_loss": float(-(proba * logs).sum(axis=1).mean()),
    }


def of_rows(table: Table, where: str, labels: Sequence[str]) -> Mapping[str, float | None]:
    """Return the same of logged rows; labels : of the run, the positive one of two last."""
    columns = [quoted(PROBABILITY + label) for label in labels]
    known = " AND ".join(f"{column} BETWEEN 0 AND 1" for column in columns)
    of_predicted = " ".join(
        f"WHEN {text(label)} THEN {column}" for label, column in zip(labels, columns, strict=True)
    )
    entropy = " + ".join(f"CASE WHEN {p} > 0 THEN -{p} * ln({p}) ELSE 0 END" for p in columns)
    query = (
        f"SELECT avg(CASE label {of_predicted} END), avg({entropy})"
        f" FROM {table.name} WHERE {where} AND {known}"
    )
    ((accuracy, log_loss),) = table.rows(query)
    aucs = []
    for p in columns[1:] if len(labels) == 2 else columns:
        query = (
            f"SELECT least(floor({p} * {N_BINS}), {N_BINS - 1}) AS bin, count(*)::DOUBLE AS n,"
            f" sum({p}) AS total, sum({p} * {p}) AS squares"
            f" FROM {table.name} WHERE {where} AND {known} GROUP BY bin ORDER BY bin"
        )
        found = table.arrays(query)
        aucs.append(implied_auc(found["n"], found["total"], float(found["squares"].sum())))
    return {"accuracy": accuracy, "roc_auc": _mean(aucs), "log_loss": log_loss}


def _mean(aucs: Sequence[float | None]) -> float | None:
    known = [auc for auc in aucs if auc is not None]
    return float(np.mean(known)) if known and len(known) == len(aucs) else None
