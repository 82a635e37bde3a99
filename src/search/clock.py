"""How long a race still takes, foretold by what its fits have taken."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

from src.search.fitting import Fit
from src.search.problem import Problem
from src.search.schedule import Rung
from src.search.standing import RungScores

# Measured with boosting of 100 iterations, on 640 and on 31,000 rows.
FIXED_SHARE = 0.1
# So many fits are needed to foretell how long others take.
LEAST_FITS = 3


@dataclass
class Clock:
    """Foretells how long is left: by the work of the rungs, and what work has taken."""

    problem: Problem
    schedule: Sequence[Rung]
    n_candidates: int
    _done: float = 0.0
    _rates: dict[str, list[float]] = field(default_factory=dict)
    _start: float = field(default_factory=perf_counter)

    def add(self, scores: RungScores, family: str, fit: Fit) -> None:
        """Count a fit of a candidate of that family."""
        work = self._work(scores.rung)
        self._done += work
        self._rates.setdefault(family, []).append((fit.fit_seconds + fit.score_seconds) / work)

    @property
    def seconds_of_last_fits(self) -> float:
        """Foretell how long one whole fit of each family takes, of those that were fitted."""
        return sum(median(rates) for rates in self._rates.values())

    def skip(self, scores: RungScores) -> None:
        """Count a fit that was there already."""
        self._done += self._work(scores.rung)

    def seconds_left(self) -> float | None:
        """Foretell what is left for a single process."""
        # The first fit of a process waits for libraries to be loaded.
        rates = [rate for of_family in self._rates.values() for rate in of_family]
        if len(rates) < LEAST_FITS:
            return None
        return median(rates) * max(self._all - self._done, 0.0)

    @property
    def share(self) -> float:
        """The share of the work that is done."""
        return min(self._done / self._all, 1.0)

    @property
    def seconds(self) -> float:
        """Seconds since the race began."""
        return perf_counter() - self._start

    @property
    def _all(self) -> float:
        n_splits = len(self.problem.splits)
        return sum(
            self._work(rung) * rung.n_candidates(self.n_candidates) * rung.n_folds(n_splits)
            for rung in self.schedule
        )

    def _work(self, rung: Rung) -> float:
        """Give the share of a whole fit that a fit of this rung takes."""
        share = rung.iterations * self.problem.n_rows(rung, 0) / self.problem.n_train
        # Checking and sorting columns takes as long for one iteration as for a hundred.
        return FIXED_SHARE + (1 - FIXED_SHARE) * share
