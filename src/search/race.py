"""The race: candidates meet on rung after rung, and fewer go on each time."""

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from math import isnan
from pathlib import Path
from time import perf_counter
from typing import Any

from joblib import parallel_config
from sklearn.base import clone

from src.errors import RungNotScoredError
from src.search.candidates import Candidate
from src.search.clock import Clock
from src.search.equivalence import signature
from src.search.fitting import DIED, Fit, Task, run_task
from src.search.folds import Fold, make_fold
from src.search.iterations import can_go_on, iteration_params
from src.search.problem import Problem
from src.search.progress import Progress
from src.search.running import Runner, failed_fit
from src.search.schedule import Rung
from src.search.spilling import SpillDirectory, spill, unspill
from src.search.standing import RungScores, chosen

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
