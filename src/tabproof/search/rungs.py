"""Rung after rung: fit the candidates, rank them, and let fewer of them enter the next rung."""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from math import inf, isnan
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from joblib import parallel_config
from sklearn.base import clone

from tabproof.errors import RungNotScoredError
from tabproof.runtime.progress import Progress
from tabproof.search.candidates import Candidate, signature
from tabproof.search.fitting import DIED, Fit, Task, can_continue, iteration_params, run_task
from tabproof.search.folds import Fold, Problem, SpillDirectory, make_fold, spill, unspill
from tabproof.search.runner import Runner, failed_fit
from tabproof.search.schedule import Rung

# The part of a fit that takes the same time for any number of iterations and rows. Measured with
# boosting of 100 iterations, on 640 and on 31,000 rows.
FIXED_SHARE = 0.1
# An estimate of the time left needs at least this many fits.
MIN_FITS = 3
# Looking for the best candidate so far may take a tenth of the time at most.
PAUSE_FACTOR = 9.0


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
        return [
            fold
            for fold in range(self.n_folds)
            if all(self.fit_of(candidate, fold) is not None for candidate in self.entrants)
        ]

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
        folds = self.compared_folds
        entrants = self.entrants
        if not self.common_folds:
            # Stopped before every candidate was run once: rank those that were.
            entrants = [c for c in entrants if not isnan(self.score(c, folds))] or self.entrants

        def key(candidate: Candidate) -> tuple[float, tuple[float, ...], int]:
            score = self.score(candidate, folds)
            return inf if isnan(score) else -score, candidate.simplicity, candidate.place

        return sorted(entrants, key=key)


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
    places = {candidate.place for candidate in always}
    n_always = sum(candidate.place in places for candidate in ranking)
    others = [candidate for candidate in ranking[:n] if candidate.place not in places]
    # At least one other candidate enters, for the defaults to be compared with.
    chosen = places | {candidate.place for candidate in others[: max(n - n_always, 1)]}
    return [candidate for candidate in ranking if candidate.place in chosen]


@dataclass
class Clock:
    """Estimates the time left, from the work of the rungs and the time that fits have taken."""

    problem: Problem
    schedule: Sequence[Rung]
    n_candidates: int
    _done: float = 0.0
    _rates: dict[str, list[float]] = field(default_factory=dict)
    _start: float = field(default_factory=perf_counter)

    def add(self, rung: Rung, family: str, fit: Fit) -> None:
        """Count a fit of a candidate of that family."""
        work = self._work(rung)
        self._done += work
        self._rates.setdefault(family, []).append((fit.fit_seconds + fit.score_seconds) / work)

    def skip(self, rung: Rung) -> None:
        """Count a fit that was there already."""
        self._done += self._work(rung)

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

    def seconds_left(self) -> float | None:
        """Estimate the time left for a single process; None before there are enough fits."""
        # The median, as the first fit of a process also loads libraries.
        rates = [rate for of_family in self._rates.values() for rate in of_family]
        if len(rates) < MIN_FITS:
            return None
        return median(rates) * max(self._total - self._done, 0.0)

    @property
    def _total(self) -> float:
        n_splits = len(self.problem.splits)
        return sum(
            self._work(rung) * rung.n_candidates(self.n_candidates) * rung.n_folds(n_splits)
            for rung in self.schedule
        )

    def _work(self, rung: Rung) -> float:
        # In units of a whole fit. Columns are checked and binned once, whatever the iterations.
        share = rung.iterations * self.problem.n_rows(rung, 0) / self.problem.n_train
        return FIXED_SHARE + (1 - FIXED_SHARE) * share


@dataclass(frozen=True)
class FoldJob:
    """The shared steps before the last one, to be fitted on a fold."""

    key: tuple[str, int]
    before: Any
    fold: int
    raises: bool


class RungSearch:
    """Runs the rungs of a schedule; `scores` has one entry per rung that has begun.

    finished holds fits by key: fits in it are not repeated, and each new fit is added.
    keep_proba: keep the predictions of the fits of the last rung. raises: a fit that fails ends
    the search; otherwise its candidate ranks last.
    """

    def __init__(
        self,
        problem: Problem,
        schedule: Sequence[Rung],
        runner: Runner,
        finished: MutableMapping[str, Fit],
        on_progress: Callable[[Progress], None] | None,
        spill_directory: SpillDirectory,
        *,
        n_candidates: int,
        keep_proba: bool = False,
        raises: bool = False,
    ) -> None:
        self._problem, self._schedule, self._runner = problem, schedule, runner
        self._finished, self._on_progress = finished, on_progress
        self._spill_directory = spill_directory
        self._keep_proba, self._raises = keep_proba, raises
        self._folds: dict[tuple[str, int], Fold] = {}
        self._always: set[int] = set()
        self._best: tuple[float, Candidate] | None = None
        self._next_look = 0.0
        self.clock = Clock(problem, schedule, n_candidates)
        self.scores: list[RungScores] = []

    def run_first(self, entrants: list[Candidate]) -> RungScores:
        """Run the first rung for a batch of candidates; later batches join the same rung."""
        batch = self._new_scores(0, entrants)
        if self.scores:
            self.scores[0].entrants += batch.entrants
            self.scores[0].same_as |= batch.same_as
        else:
            self.scores.append(batch)
        self._run(self.scores[0], entrants)
        return self.scores[0]

    def run_others(self, always: Sequence[Candidate]) -> None:
        """Run the other rungs; end early where the search is stopped.

        always: candidates that enter every rung, whatever their score.
        """
        self._always = {candidate.place for candidate in always}
        # Equivalent candidates are fitted once, so only now is the number of candidates known.
        n_candidates = self.clock.n_candidates = len(self.scores[0].entrants)
        for number, rung in enumerate(self._schedule[1:], start=1):
            before = self.scores[-1]
            self._check_scored(before)
            if not before.is_complete:
                return
            ranking = before.succeeded()
            entrants = choose_entrants(ranking, rung.n_candidates(n_candidates), always)
            scores = self._new_scores(number, entrants)
            needed = {candidate.parts[1] for candidate in entrants}
            for key in [key for key in self._folds if key[0] not in needed]:
                unspill(self._folds.pop(key))
            self.scores.append(scores)
            self._run(scores, entrants)
        self._check_scored(self.scores[-1])

    def _new_scores(self, number: int, entrants: list[Candidate]) -> RungScores:
        rung = self._schedule[number]
        n_folds = rung.n_folds(len(self._problem.splits))
        n_rows = max(self._problem.n_rows(rung, fold) for fold in range(n_folds))
        first_of: dict[str, int] = {}
        same_as = {
            c.place: first_of.setdefault(signature(c.estimator, n_rows), c.place) for c in entrants
        }
        return RungScores(number, rung, list(entrants), n_folds, n_rows, same_as=same_as)

    def _run(self, scores: RungScores, entrants: Sequence[Candidate]) -> None:
        """Fit the entrants on the folds of a rung."""
        problem, rung, number = self._problem, scores.rung, scores.number
        folds = range(scores.n_folds)
        n_rows = [problem.n_rows(rung, fold) for fold in folds]

        # Fold by fold, so that a search that is stopped can compare all candidates on some folds.
        # In a fold those that always enter come first: short fits fill the end of a rung better,
        # and what leads after few iterations learns quickly, so early stopping ends it sooner.
        fitted = [c for c in entrants if scores.same_as[c.place] == c.place]
        fitted.sort(key=lambda c: c.place not in self._always)
        jobs = [(candidate, fold) for fold in folds for candidate in fitted]
        n_done = len(scores.fits)
        n_fits = n_done + len(jobs)
        self._report(scores, n_done, n_fits)

        # Take over fits of the rung before that had as much work, and those of a resumed search.
        before = self.scores[number - 1] if number else None
        waiting = []
        for candidate, fold in jobs:
            fit = None
            if (
                before is not None
                and before.rung.iterations == rung.iterations
                and problem.n_rows(before.rung, fold) == n_rows[fold]
            ):
                fit = before.fit_of(candidate, fold)
            fit = fit or self._finished.get(_key(number, candidate, fold))
            if fit is None:
                waiting.append((candidate, fold))
                continue
            scores.fits[candidate.place, fold] = fit
            n_done += 1
            self.clock.skip(rung)
        if not waiting:
            self._report(scores, n_done, n_fits)
            return

        # Fit the steps that candidates share, once per fold.
        self._prepare_folds(waiting)

        # A fit may continue one of the rung before, and be continued in the next rung.
        following = self._schedule[number + 1] if number + 1 < len(self._schedule) else None
        keep_state = (
            following is not None
            and following.iterations > rung.iterations
            and all(problem.n_rows(following, fold) == n_rows[fold] for fold in folds)
        )
        rows = [problem.rows(rung, fold) for fold in folds]
        tasks = []
        for candidate, fold in waiting:
            _, key, last_step = candidate.parts
            if (key, fold) not in self._folds:
                continue  # stopped while the folds were prepared
            earlier = None
            if before is not None and can_continue(last_step):
                earlier = before.fit_of(candidate, fold)
            tasks.append(
                Task(
                    key=_key(number, candidate, fold),
                    place=candidate.place,
                    fold_number=fold,
                    fold=self._folds[key, fold],
                    estimator=_shortened(last_step, rung),
                    scorer=problem.scorer,
                    rows=rows[fold],
                    state=None if earlier is None else earlier.state,
                    keep_state=keep_state,
                    # The last rung may take over fits of the one before.
                    keep_proba=self._keep_proba and rung.iterations == 1,
                    raises=self._raises,
                )
            )

        # Results arrive in any order; nothing that is decided depends on it.
        by_place = {candidate.place: candidate for candidate in entrants}
        left = self.clock.seconds_left
        for task, fit in self._runner.run(run_task, tasks, left, failed_fit):
            candidate = by_place[task.place]
            self._keep(task.key, candidate, fit)
            scores.fits[task.place, task.fold_number] = fit
            n_done += 1
            self.clock.add(rung, candidate.family, fit)
            self._report(scores, n_done, n_fits)

    def _prepare_folds(self, waiting: Sequence[tuple[Candidate, int]]) -> None:
        jobs: dict[tuple[str, int], FoldJob] = {}
        for candidate, fold in waiting:
            before, key, _ = candidate.parts
            if (key, fold) not in self._folds:
                jobs.setdefault((key, fold), FoldJob((key, fold), before, fold, self._raises))
        problem = self._problem
        directory = self._spill_directory.path() if self._runner.has_local_workers else None
        prepare = partial(_prepare, problem.X, problem.y, problem.splits, directory)
        left = self.clock.seconds_left
        for job, fold_data in self._runner.run(prepare, list(jobs.values()), left, _killed_fold):
            self._folds[job.key] = fold_data

    def _keep(self, key: str, candidate: Candidate, fit: Fit) -> None:
        if fit.was_killed:
            return  # a resumed search tries it again: the machine may have more memory then
        try:
            self._finished[key] = fit
        except OSError as error:
            error.add_note(f"while keeping the fit of {dict(candidate.params)}")
            raise

    def _check_scored(self, scores: RungScores) -> None:
        """Raise RungNotScoredError if a rung has nothing to choose from."""
        all_failed = all(isnan(fit.score) for fit in scores.fits.values())
        # With fewer fits it was stopped before a single candidate was run on all folds.
        all_failed &= len(scores.fits) >= scores.n_folds
        if not all_failed and (scores.succeeded() or not scores.is_complete):
            return
        errors = [fit.error for fit in scores.fits.values() if fit.error]
        reason = errors[0].strip().splitlines()[-1] if errors else "every score is NaN"
        folds = range(scores.n_folds)
        sufficient = max(self._problem.smallest_sufficient(fold) for fold in folds)
        raise RungNotScoredError(
            scores.number + 1,
            scores.n_rows,
            reason,
            sufficient=sufficient if sufficient > scores.n_rows else None,
        )

    def _report(self, scores: RungScores, n_done: int, n_fits: int) -> None:
        if self._on_progress is None:
            return
        start = perf_counter()
        # With a thousand candidates looking for the best takes longer than a small fit.
        if start >= self._next_look or n_done in (0, n_fits):
            self._best = _best_so_far(scores)
            end = perf_counter()
            self._next_look = end + PAUSE_FACTOR * (end - start)
        score, params = (None, {}) if self._best is None else (self._best[0], self._best[1].params)
        left = self.clock.seconds_left()
        self._on_progress(
            Progress(
                rung=scores.number + 1,
                n_rungs=len(self._schedule),
                n_candidates=len(scores.entrants),
                iterations=scores.rung.iterations,
                n_rows=scores.n_rows,
                n_folds=scores.n_folds,
                n_done=n_done,
                n_fits=n_fits,
                share=self.clock.share,
                best_score=score,
                best_params=params,
                seconds=self.clock.seconds,
                seconds_left=None if left is None else left / self._runner.n_jobs,
            )
        )


def _key(number: int, candidate: Candidate, fold: int) -> str:
    # A fit is kept under this name in the run directory.
    return f"rung-{number}_candidate-{candidate.place}_fold-{fold}"


def _best_so_far(scores: RungScores) -> tuple[float, Candidate] | None:
    folds = scores.common_folds or [0]
    scored = [(scores.score(c, folds), -i, c) for i, c in enumerate(scores.entrants)]
    known = [item for item in scored if not isnan(item[0])]
    best = max(known, key=lambda item: item[:2]) if known else None
    return None if best is None else (best[0], best[2])


def _prepare(
    X: Any, y: Any, splits: Any, directory: Path | None, job: FoldJob, _n_threads: int | None
) -> Fold:
    train, test = splits[job.fold]
    # A ColumnTransformer would start workers of its own.
    with parallel_config("sequential"):
        fold = make_fold(job.before, X, y, train, test, raises=job.raises)
    if directory is None:
        return fold
    # Here, in the worker: a mapped array is sent back by the name of its file.
    return spill(fold, directory, f"{sha256(job.key[0].encode()).hexdigest()}_{job.fold}")


def _killed_fold(_job: FoldJob) -> Fold:
    return Fold(None, None, None, None, DIED)


def _shortened(estimator: Any, rung: Rung) -> Any:
    shortened = clone(estimator)
    if rung.iterations < 1:
        asked = iteration_params(estimator)
        shortened.set_params(**{name: rung.n_iterations(n) for name, n in asked.items()})
    return shortened
