"""The course of a search, rung by rung, in words. Where the words go is decided elsewhere."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from time import perf_counter
from typing import Any, Protocol

from src.wording import counted, params_in_words

# A rung that lasts long says so no more often.
SECONDS_BETWEEN_LINES = 30
MAX_LETTERS = 80


class Report(Protocol):
    """What a search tells: src.search.Progress is one."""

    @property
    def rung(self) -> int:
        """Counts from 1."""

    @property
    def n_rungs(self) -> int:
        """How many there will be."""

    @property
    def n_candidates(self) -> int:
        """Who meets in the rung."""

    @property
    def iterations(self) -> float:
        """The share of those that a candidate asks for."""

    @property
    def n_rows(self) -> int:
        """Rows of a fit."""

    @property
    def n_folds(self) -> int:
        """Folds on which each is scored."""

    @property
    def n_done(self) -> int:
        """Fits of the rung that are done."""

    @property
    def n_fits(self) -> int:
        """Fits of the rung; where candidates come in batches it grows."""

    @property
    def share(self) -> float:
        """The share of the whole search that is done."""

    @property
    def best_score(self) -> float | None:
        """The best of the rung so far."""

    @property
    def best_params(self) -> Mapping[str, Any]:
        """Whose it is."""

    @property
    def seconds(self) -> float:
        """Since the search began."""

    @property
    def seconds_left(self) -> float | None:
        """None until something is known."""


@dataclass(frozen=True)
class RungCourse:
    """A rung: the last that was told of it, and when it began."""

    last: Report
    began: float

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return self.last.seconds - self.began

    @property
    def is_over(self) -> bool:
        """Whether all that was asked for is done; further batches may follow in the first."""
        return self.last.n_done >= self.last.n_fits

    @property
    def score(self) -> float | None:
        """The best score, where there is one."""
        score = self.last.best_score
        return score if score is not None and isfinite(score) else None


class Course:
    """What has been told; `rungs` is replaced and never changed, as another thread draws it."""

    def __init__(self) -> None:
        self.rungs: tuple[RungCourse, ...] = ()
        self._heard = perf_counter()

    def take(self, report: Report) -> None:
        """Take in a report."""
        before = self.rungs
        began = report.seconds
        if before and before[-1].last.rung == report.rung:
            before, began = before[:-1], before[-1].began
        self.rungs = (*before, RungCourse(report, began))
        self._heard = perf_counter()

    @property
    def silence(self) -> float:
        """Seconds since the last report."""
        return perf_counter() - self._heard

    @property
    def is_over(self) -> bool:
        """Whether the last rung is."""
        return bool(self.rungs) and _has_ended(self.rungs[-1]) and not self.n_rungs_left

    @property
    def n_rungs_left(self) -> int:
        """How many are to begin."""
        last = self.rungs[-1].last
        return last.n_rungs - last.rung


def _has_ended(rung: RungCourse) -> bool:
    # In the first rung candidates may come in batches, and each is done before the next comes.
    return rung.is_over and (rung.last.rung > 1 or rung.last.share >= 1)


class CourseLog:
    """Logs a line when a rung ends, and now and then while one lasts."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._n_told = 0
        self._said = 0.0

    def tell(self, rungs: Sequence[RungCourse]) -> None:
        """Log what is worth it since the last call."""
        for rung in rungs[self._n_told :]:
            if rung is not rungs[-1] or _has_ended(rung):
                self._end(rung)
            elif rung.last.seconds - max(self._said, rung.began) >= SECONDS_BETWEEN_LINES:
                self._log.info(_while_it_lasts(rung))
                self._said = rung.last.seconds

    def close(self, rungs: Sequence[RungCourse]) -> None:
        """Log what has not been told: of a search that was stopped too."""
        for rung in rungs[self._n_told :]:
            self._end(rung)

    def _end(self, rung: RungCourse) -> None:
        self._log.info(_when_it_ends(rung))
        self._n_told += 1
        self._said = rung.last.seconds


def _when_it_ends(rung: RungCourse) -> str:
    last = rung.last
    n_done = "" if rung.is_over else f"{last.n_done:,} of "
    return (
        f"rung {last.rung}: {counted(last.n_candidates, 'candidate')},"
        f" {last.iterations:.0%} iterations, {counted(last.n_rows, 'row')},"
        f" {counted(last.n_folds, 'fold')}: {n_done}{counted(last.n_fits, 'fit')}"
        f" in {rung.seconds:.1f} s, {_best(rung)}"
    )


def _while_it_lasts(rung: RungCourse) -> str:
    last = rung.last
    left = f", about {as_clock(last.seconds_left)} left" if last.seconds_left is not None else ""
    return (
        f"rung {last.rung} of {last.n_rungs}: {last.n_done:,} of {last.n_fits:,} fits,"
        f" {last.share:.0%} of the search{left}, {_best(rung)}"
    )


def _best(rung: RungCourse) -> str:
    if rung.score is None:
        return "nothing scored"
    params = params_in_words(rung.last.best_params)
    if len(params) > MAX_LETTERS:
        params = f"{params[:MAX_LETTERS].rstrip(', ')}…"
    return f"best {rung.score:.4f} ({params})"


def as_clock(seconds: float) -> str:
    """Show a duration as 0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
