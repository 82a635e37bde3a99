"""The race: candidates meet on rung after rung, and fewer go on each time."""

from collections.abc import Callable, Iterator, MutableMapping, Sequence
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
from tabproof.search.fitting import DIED, Fit, Task, can_go_on, iteration_params, run_task
from tabproof.search.folds import Fold, Problem, SpillDirectory, make_fold, spill, unspill
from tabproof.search.runner import Runner, failed_fit
from tabproof.search.schedule import Rung

# --- Who stands where: the scores of a rung, and the order that follows from them.


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


# --- How long a race still takes, foretold by what its fits have taken.

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


# Who leads is looked at so rarely that it takes a tenth of the time at most.
SELDOM = 9.0

Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class FoldJob:
    """Shared steps to be fitted on a fold."""

    key: tuple[str, int]
    before: Any
    fold: int
    raises: bool


class Race:
    """Runs rungs; `scores` holds what came out of each.

    finished: fits by key, filled as they end; what it holds at the start is not done again.
    keep_proba: whether the fits of the last rung keep their predictions of the test rows.
    raises: whether a fit that fails ends the race, instead of coming last.
    """

    def __init__(
        self,
        problem: Problem,
        schedule: Sequence[Rung],
        runner: Runner,
        finished: MutableMapping[str, Fit],
        tell: Tell,
        spill_directory: SpillDirectory,
        *,
        n_candidates: int,
        keep_proba: bool = False,
        raises: bool = False,
    ) -> None:
        self._problem, self._schedule, self._runner = problem, schedule, runner
        self._finished, self._tell = finished, tell
        self._spill_directory = spill_directory
        self._keep_proba, self._raises = keep_proba, raises
        self._folds: dict[tuple[str, int], Fold] = {}
        self.clock = Clock(problem, schedule, n_candidates)
        self.scores: list[RungScores] = []
        self._always: set[int] = set()
        self._leader: tuple[float, Candidate] | None = None
        self._next_look = 0.0

    def run_first(self, entrants: list[Candidate]) -> RungScores:
        """Let a batch of candidates run the first rung; later batches join the same rung."""
        batch = self._new_scores(0, self._schedule[0], entrants)
        if self.scores:
            self.scores[0].join(batch)
        else:
            self.scores.append(batch)
        self._run(self.scores[0], entrants)
        return self.scores[0]

    def run_others(self, always: Sequence[Candidate]) -> None:
        """Run the other rungs, each with the best of the one before; ends early when stopped.

        always: who goes on whatever they score.
        """
        self._always = {candidate.place for candidate in always}
        # Of those that differ: of equals one was fitted.
        n_candidates = self.clock.n_candidates = len(self.scores[0].entrants)
        for number, rung in enumerate(self._schedule[1:], start=1):
            before = self.scores[-1]
            self._refuse_unscored(before)
            if not before.is_complete:
                return
            n_entrants = rung.n_candidates(n_candidates)
            entrants = chosen(before.succeeded(), n_entrants, always)
            scores = self._new_scores(number, rung, entrants)
            self._drop_folds({candidate.parts[1] for candidate in entrants})
            self.scores.append(scores)
            self._run(scores, entrants)
        self._refuse_unscored(self.scores[-1])

    def _new_scores(self, number: int, rung: Rung, entrants: list[Candidate]) -> RungScores:
        n_folds = rung.n_folds(len(self._problem.splits))
        n_rows = max(self._problem.n_rows(rung, fold) for fold in range(n_folds))
        scores = RungScores(number, rung, list(entrants), n_folds, n_rows)
        first_of: dict[str, int] = {}
        for candidate in entrants:
            same = first_of.setdefault(signature(candidate.estimator, n_rows), candidate.place)
            scores.same_as[candidate.place] = same
        return scores

    def _run(self, scores: RungScores, entrants: Sequence[Candidate]) -> None:
        jobs = list(self._jobs(scores, entrants))
        n_done = len(scores.fits)
        n_fits = n_done + len(jobs)
        self._report(scores, n_done, n_fits)
        waiting = []
        for key, place, fold in jobs:
            fit = self._inherited(scores, place, fold) or self._finished.get(key)
            if fit is None:
                waiting.append((key, place, fold))
                continue
            scores.fits[place, fold] = fit
            n_done += 1
            self.clock.skip(scores)
        self._prepare_folds(scores, {(place, fold) for _, place, fold in waiting})
        tasks = self._tasks(scores, waiting)
        families = {candidate.place: candidate.family for candidate in entrants}
        left = self.clock.seconds_left
        for task, fit in self._runner.run(run_task, tasks, left, failed_fit):
            self._keep(task, fit, scores)
            scores.fits[task.place, task.fold_number] = fit
            n_done += 1
            self.clock.add(scores, families[task.place], fit)
            self._report(scores, n_done, n_fits)
        if n_done == n_fits and not waiting:
            self._report(scores, n_done, n_fits)

    def _keep(self, task: Task, fit: Fit, scores: RungScores) -> None:
        if fit.was_killed:
            return  # what killed it may be gone when the search is resumed
        try:
            self._finished[task.key] = fit
        except OSError as error:
            candidate = next(c for c in scores.entrants if c.place == task.place)
            error.add_note(f"while keeping the fit of {dict(candidate.params)}")
            raise

    def _inherited(self, scores: RungScores, place: int, fold: int) -> Fit | None:
        """Give the fit of the rung before, where that was the whole work already."""
        if scores.number == 0:
            return None
        before = self.scores[scores.number - 1]
        same_rows = self._problem.n_rows(before.rung, fold) == self._problem.n_rows(
            scores.rung, fold
        )
        fit = before.fits.get((before.same_as.get(place, place), fold))
        if fit is None or not same_rows or before.rung.iterations != scores.rung.iterations:
            return None
        return fit

    def _jobs(
        self, scores: RungScores, entrants: Sequence[Candidate]
    ) -> Iterator[tuple[str, int, int]]:
        """Name the fits of a rung, fold by fold: what is stopped can be compared on some.

        Who always goes on comes first in a fold: short fits fill the end of a rung better, and
        what leads after a rung of few iterations learns quickly, so it stops earlier.
        """
        entrants = sorted(entrants, key=lambda candidate: candidate.place not in self._always)
        places = [c.place for c in entrants if scores.same_as[c.place] == c.place]
        for fold in range(scores.n_folds):
            for place in places:
                yield f"rung-{scores.number}_candidate-{place}_fold-{fold}", place, fold

    def _prepare_folds(self, scores: RungScores, wanted: set[tuple[int, int]]) -> None:
        jobs: dict[tuple[str, int], FoldJob] = {}
        for candidate in scores.entrants:
            before, key, _ = candidate.parts
            for fold in range(scores.n_folds):
                if (candidate.place, fold) in wanted and (key, fold) not in self._folds:
                    jobs[key, fold] = FoldJob((key, fold), before, fold, self._raises)
        problem = self._problem
        directory = self._spill_directory.path() if self._runner.has_local_workers else None
        prepare = partial(_prepare, problem.X, problem.y, problem.splits, directory)
        left = self.clock.seconds_left
        for job, fold_data in self._runner.run(prepare, list(jobs.values()), left, _killed_fold):
            self._folds[job.key] = fold_data

    def _drop_folds(self, needed: set[str]) -> None:
        for key in [key for key in self._folds if key[0] not in needed]:
            unspill(self._folds.pop(key))

    def _tasks(self, scores: RungScores, waiting: list[tuple[str, int, int]]) -> list[Task]:
        candidates = {candidate.place: candidate for candidate in scores.entrants}
        rows = {fold: self._problem.rows(scores.rung, fold) for fold in range(scores.n_folds)}
        tasks = []
        for key, place, fold in waiting:
            candidate = candidates[place]
            _, before, last = candidate.parts
            if (before, fold) not in self._folds:
                continue  # stopped while the folds were prepared
            tasks.append(
                Task(
                    key=key,
                    place=place,
                    fold_number=fold,
                    fold=self._folds[before, fold],
                    estimator=_shortened(last, scores.rung),
                    scorer=self._problem.scorer,
                    rows=rows[fold],
                    state=self._state(scores, candidate, fold),
                    keep_state=self._may_go_on(scores),
                    # A last rung may inherit the fits of the one before.
                    keep_proba=self._keep_proba and scores.rung.iterations == 1,
                    raises=self._raises,
                )
            )
        return tasks

    def _may_go_on(self, scores: RungScores) -> bool:
        if scores.number == len(self._schedule) - 1:
            return False
        following = self._schedule[scores.number + 1]
        return following.iterations > scores.rung.iterations and all(
            self._problem.n_rows(following, fold) == self._problem.n_rows(scores.rung, fold)
            for fold in range(scores.n_folds)
        )

    def _state(self, scores: RungScores, candidate: Candidate, fold: int) -> bytes | None:
        if scores.number == 0:
            return None
        before = self.scores[scores.number - 1]
        fit = before.fit_of(candidate, fold)
        return fit.state if fit is not None and can_go_on(candidate.parts[2]) else None

    def _refuse_unscored(self, scores: RungScores) -> None:
        all_failed = all(isnan(fit.score) for fit in scores.fits.values())
        # Or it was stopped before a single candidate was through.
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
        start = perf_counter()
        # Of a thousand candidates it takes longer than a small fit.
        if start >= self._next_look or n_done in (0, n_fits):
            self._leader = _leader(scores)
            end = perf_counter()
            self._next_look = end + SELDOM * (end - start)
        best = self._leader
        left = self.clock.seconds_left()
        self._tell(
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
                best_score=best[0] if best else None,
                best_params=best[1].params if best else {},
                seconds=self.clock.seconds,
                seconds_left=None if left is None else left / self._runner.n_jobs,
            )
        )


def _leader(scores: RungScores) -> tuple[float, Candidate] | None:
    folds = scores.common_folds or [0]
    standing = [(scores.score(c, folds), -i, c) for i, c in enumerate(scores.entrants)]
    known = [item for item in standing if not isnan(item[0])]
    best = max(known, key=lambda item: item[:2]) if known else None
    return None if best is None else (best[0], best[2])


def _prepare(
    X: Any, y: Any, splits: Any, directory: Path | None, job: FoldJob, _n_threads: int | None
) -> Fold:
    train, test = splits[job.fold]
    # Steps for columns would begin workers of their own.
    with parallel_config("sequential"):
        fold = make_fold(job.before, X, y, train, test, raises=job.raises)
    if directory is None:
        return fold
    # Where it was made: what is mapped from a file is given back by its name.
    return spill(fold, directory, f"{sha256(job.key[0].encode()).hexdigest()}_{job.fold}")


def _killed_fold(_job: FoldJob) -> Fold:
    return Fold(None, None, None, None, DIED)


def _shortened(estimator: Any, rung: Rung) -> Any:
    shortened = clone(estimator)
    if rung.iterations < 1:
        asked = iteration_params(estimator)
        shortened.set_params(**{name: rung.n_iterations(n) for name, n in asked.items()})
    return shortened
