"""The best of what a search tried, as rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from src.evaluation.plots.search_table import SearchTable, read_search

MOST = 50


@dataclass(frozen=True)
class Candidate:
    """score is that of the last rung it was scored in; rungs are counted from 1."""

    words: str
    score: float
    rung: int
    is_chosen: bool


@dataclass(frozen=True)
class Candidates:
    """The best first; n_all counts those that are left out too, n_failed has no score at all."""

    best: Sequence[Candidate]
    n_all: int
    n_failed: int
    n_rungs: int


def best_candidates(cv_results: pd.DataFrame | None) -> Candidates | None:
    """Order candidates by how far they came, then by score; None where nothing was searched."""
    if cv_results is None or cv_results.empty or "mean_test_score" not in cv_results:
        return None
    table = read_search(cv_results)
    is_scored = np.isfinite(table.scores)
    scored = np.flatnonzero(is_scored.any(axis=1))
    last = table.scores.shape[1] - 1 - np.argmax(is_scored[:, ::-1], axis=1)
    order = sorted(
        scored.tolist(),
        key=lambda n: (n != table.winner, -last[n], -table.scores[n, last[n]], n),
    )
    return Candidates(
        best=[_row(table, number, int(last[number])) for number in order[:MOST]],
        n_all=table.n_candidates,
        n_failed=table.n_candidates - len(scored),
        n_rungs=len(table.rungs),
    )


def _row(table: SearchTable, number: int, rung: int) -> Candidate:
    score = float(table.scores[number, rung])
    return Candidate(table.in_words(number), score, rung + 1, number == table.winner)
