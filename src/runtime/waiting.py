"""A step that has no course to draw: what is done, since when, how many fits have begun."""

import logging
from collections.abc import Callable
from time import perf_counter

from src.runtime.course import SECONDS_BETWEEN_LINES, as_clock

# What is over sooner need not be shown.
SECONDS_UNSEEN = 1.0


class Waiting:
    """Counts fits, and logs now and then how far they are; another thread may read the words."""

    def __init__(
        self, step: str, log: logging.Logger, clock: Callable[[], float] = perf_counter
    ) -> None:
        self._log, self._clock = log, clock
        self._began = self._said = clock()
        self._what, self._n_begun, self._n_fits = step, 0, 0

    def fit_begins(self, what: str, n_fits: int) -> None:
        """Count a fit of n_fits; another what begins anew."""
        if what != self._what:
            self._what, self._n_begun = what, 0
        self._n_begun, self._n_fits = self._n_begun + 1, n_fits
        if self._clock() - self._said >= SECONDS_BETWEEN_LINES:
            self._log.info(self.in_words())
            self._said = self._clock()

    def in_words(self) -> str:
        """Say what a terminal shows at this moment."""
        fits = f": fit {self._n_begun:,} of {self._n_fits:,}" if self._n_fits else ""
        return f"{self._what}{fits}, {as_clock(self.seconds)} passed"

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self._clock() - self._began

    @property
    def is_seen(self) -> bool:
        """Whether it lasts long enough to be shown."""
        return self.seconds >= SECONDS_UNSEEN
