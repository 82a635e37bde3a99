"""The held-out rows of a run in few bytes, from which a browser draws curves and computes tests.

Ranks of probabilities decide every ROC curve and DeLong's test, predicted labels McNemar's test.
Every array is little endian and begins at a multiple of 8 bytes.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof import artifacts
from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.artifacts.run_directory import PREDICTIONS
from tabproof.auc import Codes, Floats
from tabproof.evaluation.metrics import N_BINS, calibration_bins, predicted_codes

# Cells of the histogram of probabilities.
N_CELLS = 40
ALIGNMENT = 8


@dataclass(frozen=True)
class HeldOutRows:
    """Verified predictions of a run.

    rows: a hash of data, labels, row ids and true labels: runs with the same are compared row by
    row. y: codes of the true labels.
    """

    rows: str
    labels: tuple[str, ...]
    y: Codes
    proba: Floats
    threshold: float | None = None


def read_held_out(place: Path) -> HeldOutRows:
    """Verify every byte of a run and read its held-out rows; raise UnverifiedRunError."""
    predictions = artifacts.read_predictions(place)
    frame, summary = predictions.hold_out(), predictions.summary
    y, proba = frame["y_true"].to_numpy(), frame.drop(columns="y_true").to_numpy()
    if not len(y) or not np.isfinite(proba).all():
        reason = "has values that are no probability"
        raise UnverifiedRunError(path=place, name=PREDICTIONS, reason=reason)
    rows = hashlib.sha256(pd.util.hash_pandas_object(frame["y_true"]).to_numpy().tobytes())
    rows.update(repr((summary.labels, summary.data.sha256)).encode())
    return HeldOutRows(rows.hexdigest(), tuple(summary.labels), y, proba, summary.threshold)


def truth_bytes(held_out: HeldOutRows) -> bytes:
    """Return the true labels of a group of runs."""
    return _padded(held_out.y.astype(_code_type(len(held_out.labels))))


def curve_bytes(held_out: HeldOutRows) -> bytes:
    """Return the predictions of one run for a browser.

    These are the predicted codes; for two labels the dense ranks of the probabilities of the
    second; the number of calibration bins and, for two labels, a mean probability, a number of
    rows of the second label and a number of rows of each; and a histogram per label.
    """
    y, proba = held_out.y, held_out.proba
    codes = _padded(predicted_codes(proba, held_out.threshold).astype(_code_type(proba.shape[1])))
    if proba.shape[1] != 2:
        return codes + _padded(np.zeros(1, "<u4"))
    scores, is_second = proba[:, 1], (y == 1).astype(float)
    ranks = np.unique(scores, return_inverse=True)[1].astype(_rank_type(len(scores)))
    numbers = calibration_bins(scores)
    n_rows = np.bincount(numbers)
    sums = [np.bincount(numbers, weights) for weights in (scores, is_second)]
    filled = n_rows > 0
    table = np.column_stack([sums[0] / np.maximum(n_rows, 1), sums[1], n_rows])[filled]
    # A stranger's probability may be anything.
    cells = np.clip(scores * N_CELLS, 0, N_CELLS - 1).astype(np.int64)
    counts = [np.bincount(cells[y == code], minlength=N_CELLS) for code in (0, 1)]
    bins = [
        np.array([len(table)], "<u4"),
        table.astype("<f8"),
        np.concatenate(counts).astype("<u4"),
    ]
    return codes + _padded(ranks) + b"".join(map(_padded, bins))


def truth_size(n_rows: int, n_labels: int) -> int:
    """Return the number of bytes of `truth_bytes`."""
    return _up(n_rows * np.dtype(_code_type(n_labels)).itemsize)


def curve_size(n_rows: int, n_labels: int) -> int:
    """Return the largest number of bytes of `curve_bytes`."""
    size = truth_size(n_rows, n_labels) + ALIGNMENT
    if n_labels != 2:
        return size
    ranks = _up(n_rows * np.dtype(_rank_type(n_rows)).itemsize)
    return size + ranks + N_BINS * 3 * 8 + 2 * N_CELLS * 4


def _code_type(n_labels: int) -> str:
    return "u1" if n_labels <= 1 << 8 else "<u2"


def _rank_type(n_rows: int) -> str:
    return "<u2" if n_rows <= 1 << 16 else "<u4"


def _up(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _padded(values: NDArray[Any]) -> bytes:
    content = values.tobytes()
    return content.ljust(_up(len(content)), b"\0")
