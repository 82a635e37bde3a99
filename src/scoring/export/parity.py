"""Prove that a scorer gives the pipeline's probabilities, also where exporters go wrong."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from src.errors import ScorerDiffersError
from src.scoring.export.hard_rows import AS_THEY_ARE, columns_of, hard_rows
from src.scoring.scorer import read_scorer

ALLOWED = 1e-12
N_SAMPLED_ROWS = 300


@dataclass(frozen=True)
class Parity:
    """How far scorer and pipeline are apart, and on how many rows that was measured."""

    n_rows: int
    max_difference: float
    allowed: float = ALLOWED


def check_parity(
    pipeline: Pipeline,
    files: Mapping[str, bytes],
    X: pd.DataFrame,
    *,
    seed: int,
    whole: bool = False,
) -> Parity:
    """Compare on a sample of X and on what can be made of it; raises ScorerDiffersError.

    whole: on all of X and on every threshold.
    """
    scorer = read_scorer(files)
    rng = np.random.default_rng(seed)
    if not whole and len(X) > N_SAMPLED_ROWS:
        X = X.iloc[rng.choice(len(X), N_SAMPLED_ROWS, replace=False)]
    n_rows, worst = 0, 0.0
    for rows, frame in hard_rows(scorer, files, X, rng, whole=whole):
        expected = _predicted(pipeline, frame, may_refuse=rows != AS_THEY_ARE)
        if expected is None:
            continue
        columns = columns_of(scorer, frame)
        difference = _difference(expected, scorer.predict_proba(columns))
        # One row at a time takes a way of its own through the scorer.
        some = zip(*(column[:N_SAMPLED_ROWS].tolist() for column in columns), strict=True)
        one_by_one = np.array([scorer.predict_row(row) for row in some])
        difference = max(difference, _difference(expected[:N_SAMPLED_ROWS], one_by_one))
        if not difference <= ALLOWED:
            raise ScorerDiffersError(rows, difference, ALLOWED)
        n_rows, worst = n_rows + len(frame), max(worst, difference)
    return Parity(n_rows, worst)


def _predicted(
    pipeline: Pipeline, frame: pd.DataFrame, *, may_refuse: bool
) -> NDArray[np.float64] | None:
    try:
        proba: NDArray[np.float64] = pipeline.predict_proba(frame)
    except ValueError:
        # Without an imputer some estimators take no missing cells: nothing to be equal to.
        if not may_refuse:
            raise
        return None
    return proba


def _difference(expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    # Where the pipeline gives no number, the scorer must not give one either.
    if (np.isnan(expected) != np.isnan(found)).any():
        return float("inf")
    return float(np.nanmax(np.abs(expected - found), initial=0.0))
