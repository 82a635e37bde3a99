"""Who stands where: the scores of a rung, and the order that follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, isnan

import numpy as np

from src.search.candidates import Candidate
from src.search.fitting import Fit
from src.search.schedule import Rung


@dataclass
class RungScores:
    """The fits of a rung by candidate and fold; number counts from 0.

    same_as: in this rung, whose fits a candidate shares because they cannot differ.
    """

    number: int
    rung: Rung
    entrants: list[Candidate]
    n_folds: int
    n_rows: int
    fits: dict[tuple[int, int], Fit] = field(default_factory=dict)
    same_as: dict[int, int] = field(default_factory=dict)

    def join(self, other: "RungScores") -> None:
        """Take in what another batch of candidates did in the same rung."""
        self.entrants += other.entrants
        self.fits |= other.fits
        self.same_as |= other.same_as

    def fit_of(self, candidate: Candidate, fold: int) -> Fit | None:
        """Give a candidate's fit, or that of whom it equals; None if it was not run."""
        return self.fits.get((self.same_as.get(candidate.place, candidate.place), fold))

    def score(self, candidate: Candidate, folds: Sequence[int]) -> float:
        """Give the mean over folds; NaN if one is missing or failed."""
        fits = [self.fit_of(candidate, fold) for fold in folds]
        scores = [np.nan if fit is None else fit.score for fit in fits]
        return float(np.mean(scores)) if scores else np.nan

    @property
    def common_folds(self) -> list[int]:
        """The folds on which all entrants were run: on others they cannot be compared."""
        return [
            fold
            for fold in range(self.n_folds)
            if all(self.fit_of(candidate, fold) is not None for candidate in self.entrants)
        ]

    @property
    def compared_folds(self) -> list[int]:
        """The common folds; where there is none, the first that anybody was run on."""
        return self.common_folds or sorted({fold for _, fold in self.fits})[:1]

    @property
    def is_complete(self) -> bool:
        """Whether all was run."""
        return len(self.common_folds) == self.n_folds

    def succeeded(self) -> list[Candidate]:
        """Give those that could be scored, the best first."""
        return [c for c in self.ranked() if not isnan(self.score(c, self.common_folds))]

    def ranked(self) -> list[Candidate]:
        """Order the entrants: best mean, then the simplest, then the first that was written."""
        folds = self.compared_folds
        entrants = self.entrants
        if not self.common_folds:
            # Stopped before all had their turn: those that had it are all there is.
            entrants = [c for c in entrants if not isnan(self.score(c, folds))] or self.entrants

        def key(candidate: Candidate) -> tuple[float, tuple[float, ...], int]:
            score = self.score(candidate, folds)
            return inf if isnan(score) else -score, candidate.simplicity, candidate.place

        return sorted(entrants, key=key)


def best_of(rungs: Sequence[RungScores], default: Candidate) -> tuple[Candidate, float]:
    """Give the winner and its mean score: of the last rung in which all can be compared."""
    for scores in reversed(rungs):
        if scores.common_folds or (scores.number == 0 and scores.fits):
            best = scores.ranked()[0]
            return best, scores.score(best, scores.compared_folds)
    return default, np.nan


def chosen(ranked: Sequence[Candidate], n: int, always: Sequence[Candidate]) -> list[Candidate]:
    """Take the n best; who always goes on does so in the place of the last of them."""
    places = {candidate.place for candidate in always}
    kept = [candidate for candidate in ranked if candidate.place in places]
    others = [candidate for candidate in ranked[:n] if candidate.place not in places]
    # With nothing but the defaults there would be nothing to compare them with.
    taken = places | {candidate.place for candidate in others[: max(n - len(kept), 1)]}
    return [candidate for candidate in ranked if candidate.place in taken]
