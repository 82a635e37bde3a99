"""Prove that a scorer gives the pipeline's probabilities, also where exporters go wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.errors import ScorerDiffersError
from src.scoring.export.calibration import pipeline_of
from src.scoring.export.hard_rows import AS_THEY_ARE, columns_of, hard_rows
from src.scoring.form import as_files, read_files
from src.scoring.scorer import Scorer, read_scorer

ALLOWED = 1e-12
# A staircase may be steep: what the order of BLAS leaves open in a linear model's last bits grows.
# So a calibrated model is compared without its calibration too, by ALLOWED.
ALLOWED_CALIBRATED = 1e-6
N_SAMPLED_ROWS = 300


@dataclass(frozen=True)
class Parity:
    """How far scorer and pipeline are apart, and on how many rows that was measured."""

    n_rows: int
    max_difference: float
    allowed: float = ALLOWED


def check_parity(
    fitted: Any,
    files: Mapping[str, bytes],
    X: pd.DataFrame,
    *,
    seed: int,
    whole: bool = False,
) -> Parity:
    """Compare on a sample of X and on what can be made of it; raises ScorerDiffersError.

    fitted : what the files were made of. whole: on all of X and on every threshold.
    """
    scorer, pipeline, before = read_scorer(files), pipeline_of(fitted), None
    if pipeline is not fitted:
        before = _without_calibration(files)
    allowed = ALLOWED if before is None else ALLOWED_CALIBRATED
    rng = np.random.default_rng(seed)
    if not whole and len(X) > N_SAMPLED_ROWS:
        X = X.iloc[rng.choice(len(X), N_SAMPLED_ROWS, replace=False)]
    n_rows, worst = 0, 0.0
    for rows, frame in hard_rows(scorer, files, X, rng, whole=whole):
        if before is not None:
            _compare(pipeline, before, rows, frame, ALLOWED)
        difference = _compare(fitted, scorer, rows, frame, allowed)
        if difference is not None:
            n_rows, worst = n_rows + len(frame), max(worst, difference)
    return Parity(n_rows, worst, allowed)


def _without_calibration(files: Mapping[str, bytes]) -> Scorer:
    spec, arrays = read_files(files)
    return read_scorer(as_files(msgspec.structs.replace(spec, calibration=None), arrays))


def _compare(
    fitted: Any, scorer: Scorer, rows: str, frame: pd.DataFrame, allowed: float
) -> float | None:
    """Give the largest difference; None where there is nothing to be equal to."""
    expected = _predicted(fitted, frame, may_refuse=rows != AS_THEY_ARE)
    if expected is None:
        return None
    columns = columns_of(scorer, frame)
    difference = _difference(expected, scorer.predict_proba(columns))
    # One row at a time takes a way of its own through the scorer.
    some = zip(*(column[:N_SAMPLED_ROWS].tolist() for column in columns), strict=True)
    one_by_one = np.array([scorer.predict_row(row) for row in some])
    difference = max(difference, _difference(expected[:N_SAMPLED_ROWS], one_by_one))
    if not difference <= allowed:
        raise ScorerDiffersError(rows, difference, allowed)
    return difference


def _predicted(fitted: Any, frame: pd.DataFrame, *, may_refuse: bool) -> NDArray[np.float64] | None:
    try:
        proba: NDArray[np.float64] = fitted.predict_proba(frame)
    except ValueError:
        # Without an imputer some estimators take no missing cells, and calibrators no infinite
        # sums: nothing to be equal to.
        if not may_refuse:
            raise
        return None
    return proba


def _difference(expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    # Where the pipeline gives no number, the scorer must not give one either.
    if (np.isnan(expected) != np.isnan(found)).any():
        return float("inf")
    return float(np.nanmax(np.abs(expected - found), initial=0.0))
