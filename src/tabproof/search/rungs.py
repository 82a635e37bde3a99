"""Rung after rung: fit the candidates, rank them, and let fewer of them enter the next rung."""

import logging
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf, isnan, nan
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import clone

from tabproof.errors import RungNotScoredError
from tabproof.runtime.progress import Progress
from tabproof.search.candidates import Candidate, signature
from tabproof.search.fitting import (
    DIED,
    TOO_LONG,
    Fit,
    Fold,
    Problem,
    Task,
    iteration_params,
    make_fold,
    run_task,
)
from tabproof.search.runner import Runner
from tabproof.search.schedule import Rung

log = logging.getLogger(__name__)

# The part of a fit that takes the same time for any number of iterations and rows. Measured with
# boosting of 100 iterations, on 640 and on 31,000 rows.
FIXED_SHARE = 0.1
# An estimate of the time left needs at least this many fits.
MIN_FITS = 3
# Looking for the best candidate so far may take a tenth of the time at most.
PAUSE_FACTOR = 9.0
# A fit is kept under this name in the run directory: rung, candidate and fold, from 0.
KEY = "rung-{}_candidate-{}_fold-{}"


def fit_name(rung: int, place: int, fold: int) -> str:
    """Return how a record names a fit: rung, candidate and fold, from 0."""
    return f"{rung}/{place}/{fold}"


@dataclass
class RungScores:
    """The fits of a rung, by candidate and fold.

    number counts from 0. same_as maps each candidate to the one whose fits it shares in this
    rung because their models cannot differ.
    """

    number: int
    rung: Rung
    entrants: list[Candidate]
    n_folds: int
    n_rows: int
    fits: dict[tuple[int, int], Fit] = field(default_factory=dict)
    same_as: dict[int, int] = field(default_factory=dict)

    def fit_of(self, candidate: Candidate, fold: int) -> Fit | None:
        """Return the fit of a candidate, or the one that it shares; None if it was not run."""
        return self.fits.get((self.same_as.get(candidate.place, candidate.place), fold))

    def score(self, candidate: Candidate, folds: Sequence[int]) -> float:
        """Return the mean over folds; NaN if a fit is missing or failed."""
        fits = [self.fit_of(candidate, fold) for fold in folds]
        scores = [np.nan if fit is None else fit.score for fit in fits]
        return float(np.mean(scores)) if scores else np.nan

    @property
    def common_folds(self) -> list[int]:
        """The folds on which all entrants were run; only there can they be compared."""
        folds = range(self.n_folds)
        return [fold for fold in folds if all(self.fit_of(c, fold) for c in self.entrants)]

    @property
    def compared_folds(self) -> list[int]:
        """The common folds; where there is none, the first fold with a fit."""
        return self.common_folds or sorted({fold for _, fold in self.fits})[:1]

    @property
    def is_complete(self) -> bool:
        """Whether every candidate was run on every fold."""
        return len(self.common_folds) == self.n_folds

    def succeeded(self) -> list[Candidate]:
        """Return the candidates that could be scored, best first."""
        folds = self.common_folds
        return [c for c in self.ranking() if not isnan(self.score(c, folds))]

    def ranking(self) -> list[Candidate]:
        """Sort the entrants: best mean first, then the simplest, then the first proposed."""
        folds, entrants = self.compared_folds, self.entrants
        if not self.common_folds:
            # Stopped before every candidate was run once: rank those that were.
            entrants = [c for c in entrants if not isnan(self.score(c, folds))] or self.entrants

        losses = {c.place: -self.score(c, folds) for c in entrants}
        losses |= {place: inf for place, loss in losses.items() if isnan(loss)}
        return sorted(entrants, key=lambda c: (losses[c.place], c.simplicity, c.place))


def best_of(rungs: Sequence[RungScores], default: Candidate) -> tuple[Candidate, float]:
    """Return the best candidate and its mean score, from the last rung that can be ranked."""
    for scores in reversed(rungs):
        if scores.common_folds or (scores.number == 0 and scores.fits):
            best = scores.ranking()[0]
            return best, scores.score(best, scores.compared_folds)
    return default, np.nan


def choose_entrants(
    ranking: Sequence[Candidate], n: int, always: Sequence[Candidate]
) -> list[Candidate]:
    """Return the n best; candidates in `always` enter too, in place of the last ones."""
    chosen = {c.place for c in always}
    others = [c.place for c in ranking[:n] if c.place not in chosen]
    # At least one other candidate enters, for the defaults to be compared with.
    chosen |= set(others[: max(n - sum(c.place in chosen for c in ranking), 1)])
    return [c for c in ranking if c.place in chosen]


@dataclass
class Clock:
    """Estimates the time left, from the work of the rungs and the time that fits have taken."""

    problem: Problem
    schedule: Sequence[Rung]
    n_candidates: int
    _done: float = 0.0
    _rates: dict[str, list[float]] = field(default_factory=dict)
    _start: float = field(default_factory=perf_counter)

    def add(self, rung: Rung, family: str, fit: Fit | None) -> None:
        """Count a fit of a candidate of that family; None for one that was there already."""
        work = self.work(rung)
        self._done += work
        if fit is not None:
            self._rates.setdefault(family, []).append((fit.fit_seconds + fit.score_seconds) / work)

    @property
    def seconds(self) -> float:
        """Seconds since the search began."""
        return perf_counter() - self._start

    @property
    def seconds_of_last_fits(self) -> float:
        """Estimate the time of one fit on all rows for each family that was fitted."""
        return sum(median(rates) for rates in self._rates.values())

    @property
    def share(self) -> float:
        """The part of the work that is done."""
        return min(self._done / self._total, 1.0)

    def seconds_left(self, least_work: float = 0.0) -> float | None:
        """Estimate the time left for a single process; None before there are enough fits.

        least_work : what is left at least: more candidates may enter a rung than the schedule says.
        """
        # The median, as the first fit of a process also loads libraries.
        rates = [rate for of_family in self._rates.values() for rate in of_family]
        if len(rates) < MIN_FITS:
            return None
        return median(rates) * max(self._total - self._done, least_work)

    @property
    def _total(self) -> float:
        n_splits = len(self.problem.splits)
        return sum(
            self.work(rung) * rung.n_candidates(self.n_candidates) * rung.n_folds(n_splits)
            for rung in self.schedule
        )

    def work(self, rung: Rung) -> float:
        """Return the work of a fit, in units of a whole one."""
        # Columns are checked and binned once, whatever the iterations.
        share = rung.iterations * self.problem.n_rows(rung, 0) / self.problem.n_train
        return FIXED_SHARE + (1 - FIXED_SHARE) * share


@dataclass
class RungSearch:
    """Runs the rungs of a schedule; `scores` has one entry per rung that has begun.

    finished holds fits by key: fits in it are not repeated, and each new fit is added.
    keep_proba: keep the predictions of the fits of the last rung. raises: a fit that fails ends
    the search; otherwise its candidate ranks last. patience, row_cost: as in Task. only: the fits
    that are run, where a stopped search is repeated. done: the fits that were run, or taken over.
    """

    problem: Problem
    schedule: Sequence[Rung]
    runner: Runner
    clock: Clock
    finished: MutableMapping[str, Fit]
    on_progress: Callable[[Progress], None] | None
    spill_directory: Callable[[], Path | None]
    keep_proba: bool
    raises: bool
    patience: int | None = None
    row_cost: Callable[[Any], float] | None = None
    only: Collection[str] | None = None
    max_seconds: float | None = None
    n_not_begun: int = 0
    done: set[str] = field(default_factory=set)
    scores: list[RungScores] = field(default_factory=list)
    _folds: dict[tuple[str, int], Fold] = field(default_factory=dict)
    _always: set[int] = field(default_factory=set)
    # Fits of the first rung that were made ahead and are not among the finished ones.
    _ahead: dict[tuple[int, int], Fit] = field(default_factory=dict)
    _best: tuple[float | None, Mapping[str, Any]] = (None, {})
    _next_look: float = 0.0

    def run_others(self, always: Sequence[Candidate]) -> None:
        """Run the rungs after the first; end early where the search is stopped.

        always: candidates that enter every rung, whatever their score.
        """
        self._always = {candidate.place for candidate in always}
        # Equivalent candidates are fitted once, so only now is the number of candidates known.
        n_candidates = self.clock.n_candidates = len(self.scores[0].entrants)
        self.check_scored()
        for number, rung in enumerate(self.schedule[1:], start=1):
            if not self.scores[-1].is_complete:
                return
            ranking = self.scores[-1].succeeded()
            entrants = choose_entrants(ranking, rung.n_candidates(n_candidates), always)
            needed = {candidate.parts[1] for candidate in entrants}
            for key in [key for key in self._folds if key[0] not in needed]:
                fold = self._folds.pop(key)
                for values in (fold.X_train, fold.X_test):
                    if isinstance(values, np.memmap):
                        # A process that has mapped the file keeps the rows.
                        Path(str(values.filename)).unlink(missing_ok=True)
            self.run(number, entrants)
            self.check_scored()

    def run(
        self,
        number: int,
        entrants: Sequence[Candidate],
        ahead: Sequence[Candidate] = (),
    ) -> RungScores:
        """Fit candidates on the folds of a rung; in the first rung, batch by batch.

        ahead : candidates that will enter the first rung. They are fitted for it when workers have
        nothing else to do.
        """
        problem, rung = self.problem, self.schedule[number]
        folds = range(rung.n_folds(len(problem.splits)))
        n_rows = [problem.n_rows(rung, fold) for fold in folds]
        if number == len(self.scores):
            self.scores.append(RungScores(number, rung, [], len(folds), max(n_rows)))
        scores = self.scores[number]
        scores.entrants += entrants
        first_of: dict[str, int] = {}
        for c in entrants:
            text = signature(c.estimator, scores.n_rows)
            scores.same_as[c.place] = first_of.setdefault(text, c.place)

        # Fold by fold, so that a search that is stopped can compare all candidates on some folds.
        # In a fold those that always enter come first, then what took long in the rung before:
        # short fits fill the end of a rung better.
        before = self.scores[number - 1] if number else None
        fits_before = {c.place: None if before is None else before.fit_of(c, 0) for c in entrants}
        seconds = {place: fit.fit_seconds for place, fit in fits_before.items() if fit is not None}
        fitted = [c for c in entrants if scores.same_as[c.place] == c.place]
        fitted.sort(key=lambda c: (c.place not in self._always, -seconds.get(c.place, 0.0)))
        jobs = [(candidate, fold) for fold in folds for candidate in fitted]
        n_fits = len(scores.fits) + len(jobs)
        self._report(scores, n_fits)

        # Take over fits of the rung before that had as much work, and those of a resumed search.
        waiting = []
        for candidate, fold in jobs:
            fit = None
            if before is not None and before.rung.iterations == rung.iterations:
                had_as_many = problem.n_rows(before.rung, fold) == n_rows[fold]
                fit = before.fit_of(candidate, fold) if had_as_many else None
            fit = fit or self._known(number, candidate, fold)
            name = fit_name(number, candidate.place, fold)
            if fit is not None and fit.error == TOO_LONG:
                self._note_too_long(candidate, fit)
            elif fit is not None:
                self.done.add(name)
                scores.fits[candidate.place, fold] = fit
                self.clock.add(rung, candidate.family, None)
            elif self.only is None or name in self.only:
                waiting.append((candidate, fold))
        later = self._choose_ahead(ahead)
        if not waiting and not later:
            self._report(scores, n_fits)
            return scores

        # Fit the steps that candidates share, once per fold.
        steps = {(c.parts[1], fold): c.parts[0] for c, fold in [*waiting, *later]}
        unfitted = [item for item in steps.items() if item[0] not in self._folds]
        directory = None
        # A process watches over the directory: starting it takes as long as ten small fits.
        if self.runner.has_local_workers and problem.may_be_large:
            directory = self.spill_directory()
        data = problem.X, problem.y, problem.splits
        prepare = partial(make_fold, data, directory, self.raises)
        left = partial(self.clock.seconds_left, self.clock.work(rung) * len(waiting))
        for (of_fold, _), prepared in self.runner.run(prepare, unfitted, left, Fold(error=DIED)):
            self._folds[of_fold] = prepared

        tasks = self._make_tasks(number, waiting)
        tasks_ahead = self._make_tasks(0, later)
        are_ahead = set(map(id, tasks_ahead))
        # Results arrive in any order; nothing that is decided depends on it.
        by_place = {c.place: c for c, _ in [*waiting, *later]}
        killed = Fit(nan, error=DIED)
        for task, fit in self.runner.run(run_task, [*tasks, *tasks_ahead], left, killed):
            of_rung = 0 if id(task) in are_ahead else number
            candidate = by_place[task.place]
            # A resumed search tries a killed fit again: the machine may have more memory then.
            if fit.error != TOO_LONG and not fit.was_killed:
                try:
                    self.finished[KEY.format(of_rung, task.place, task.fold_number)] = fit
                except OSError as error:
                    error.add_note(f"while keeping the fit of {dict(candidate.params)}")
                    raise
            elif id(task) in are_ahead:
                self._ahead[task.place, task.fold_number] = fit
            if id(task) in are_ahead:
                continue
            if fit.error == TOO_LONG:
                self._note_too_long(candidate, fit)
                continue
            scores.fits[task.place, task.fold_number] = fit
            self.done.add(fit_name(number, task.place, task.fold_number))
            self.clock.add(rung, candidate.family, fit)
            self._report(scores, n_fits)
        return scores

    def _known(self, number: int, candidate: Candidate, fold: int) -> Fit | None:
        """Return a fit of a resumed search, or one that was made ahead."""
        ahead = None if number else self._ahead.pop((candidate.place, fold), None)
        return self.finished.get(KEY.format(number, candidate.place, fold)) or ahead

    def _note_too_long(self, candidate: Candidate, fit: Fit) -> None:
        log.info("%s: a fit would take %.0f s", candidate.family, fit.fit_seconds)
        self.n_not_begun += 1

    def _choose_ahead(self, candidates: Sequence[Candidate]) -> list[tuple[Candidate, int]]:
        """Return the fits that candidates will need in the first rung."""
        folds = range(self.schedule[0].n_folds(len(self.problem.splits)))
        return [
            (candidate, fold)
            for fold in folds
            for candidate in candidates
            if KEY.format(0, candidate.place, fold) not in self.finished
            and (self.only is None or fit_name(0, candidate.place, fold) in self.only)
        ]

    def _make_tasks(self, number: int, waiting: Sequence[tuple[Candidate, int]]) -> list[Task]:
        """Return tasks for candidates on folds that are prepared."""
        problem, rung = self.problem, self.schedule[number]
        before = self.scores[number - 1] if number else None
        folds = sorted({fold for _, fold in waiting})
        # A fit may continue one of the rung before, and be continued in the next rung.
        following = self.schedule[number + 1] if number + 1 < len(self.schedule) else None
        all_folds = range(rung.n_folds(len(problem.splits)))
        keep_state = (
            following is not None
            and following.iterations > rung.iterations
            and all(
                problem.n_rows(following, fold) == problem.n_rows(rung, fold) for fold in all_folds
            )
        )
        rows = {fold: problem.rows(rung, fold) for fold in folds}
        tasks = []
        for candidate, fold in waiting:
            _, key, last_step = candidate.parts
            if (key, fold) not in self._folds:
                continue  # stopped while the folds were prepared
            earlier = None if before is None else before.fit_of(candidate, fold)
            shortened = clone(last_step)
            if rung.iterations < 1:
                asked = iteration_params(last_step)
                shortened.set_params(**{name: rung.n_iterations(n) for name, n in asked.items()})
            tasks.append(
                Task(
                    place=candidate.place,
                    fold_number=fold,
                    fold=self._folds[key, fold],
                    estimator=shortened,
                    scorer=problem.scorer,
                    rows=rows[fold],
                    state=None if earlier is None else earlier.state,
                    keep_state=keep_state,
                    # The last rung may take over fits of the one before.
                    keep_proba=self.keep_proba and rung.iterations == 1,
                    raises=self.raises,
                    patience=self.patience,
                    row_cost=self.row_cost,
                    max_seconds=self.max_seconds if candidate.place and number == 0 else None,
                )
            )
        return tasks

    def check_scored(self) -> None:
        """Raise RungNotScoredError if the last rung has nothing to choose from."""
        scores = self.scores[-1]
        all_failed = all(isnan(fit.score) for fit in scores.fits.values())
        # With fewer fits it was stopped before a single candidate was run on all folds.
        all_failed &= len(scores.fits) >= scores.n_folds
        if not all_failed and (scores.succeeded() or not scores.is_complete):
            return
        errors = [fit.error for fit in scores.fits.values() if fit.error]
        reason = errors[0].strip().splitlines()[-1] if errors else "every score is NaN"
        sufficient = max(self.problem.smallest_sufficient(fold) for fold in range(scores.n_folds))
        more = sufficient if sufficient > scores.n_rows else None
        raise RungNotScoredError(scores.number + 1, scores.n_rows, reason, sufficient=more)

    def _report(self, scores: RungScores, n_fits: int) -> None:
        if self.on_progress is None:
            return
        start, n_done = perf_counter(), len(scores.fits)
        # With a thousand candidates looking for the best takes longer than a small fit.
        if start >= self._next_look or n_done in (0, n_fits):
            folds = scores.common_folds or [0]
            scored = [(scores.score(c, folds), c.params) for c in scores.entrants]
            known = [pair for pair in scored if not isnan(pair[0])]
            self._best = max(known, key=lambda pair: pair[0]) if known else (None, {})
            end = perf_counter()
            self._next_look = end + PAUSE_FACTOR * (end - start)
        left = self.clock.seconds_left()
        self.on_progress(
            Progress(
                rung=scores.number + 1,
                n_rungs=len(self.schedule),
                n_candidates=len(scores.entrants),
                iterations=scores.rung.iterations,
                n_rows=scores.n_rows,
                n_folds=scores.n_folds,
                n_done=n_done,
                n_fits=n_fits,
                share=self.clock.share,
                best_score=self._best[0],
                best_params=self._best[1],
                seconds=self.clock.seconds,
                seconds_left=None if left is None else left / self.runner.n_jobs,
            )
        )
