"""What a search tells while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """After each fit, and where a rung begins and ends.

    rung counts from 1; n_done and n_fits are of this rung, share is of the whole search.
    seconds_left: None until something is known. best_score is the best of this rung so far.
    """

    rung: int
    n_rungs: int
    n_candidates: int
    iterations: float
    n_rows: int
    n_folds: int
    n_done: int
    n_fits: int
    share: float
    best_score: float | None
    best_params: Mapping[str, Any]
    seconds: float
    seconds_left: float | None

    @property
    def begins(self) -> bool:
        """Whether nothing of this rung is done."""
        return self.n_done == 0

    @property
    def ends(self) -> bool:
        """Whether all of this rung is done."""
        return self.n_done == self.n_fits
