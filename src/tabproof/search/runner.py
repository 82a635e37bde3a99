"""Run fits in this process while there are few, and in parallel where that pays off.

Workers are forks of this process where it can be forked, and otherwise those of joblib's active
backend. Results are returned in the order in which they are ready; nothing that is decided depends
on it.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from copy import copy
from functools import partial
from threading import Thread
from time import perf_counter, process_time
from typing import Any, TypeVar

from joblib import Parallel, cpu_count, delayed, effective_n_jobs
from joblib._parallel_backends import LokyBackend
from joblib.parallel import get_active_backend

from tabproof.errors import WorkerKilledError
from tabproof.runtime.cores import n_cores
from tabproof.runtime.forks import FORK_SECONDS, can_fork, run_in_forks

# What starting a pool of processes costs, measured with loky on two free cores.
POOL_SECONDS = 1.5
# Starting costs at most as many times more beside busy processes.
MOST_SLOWED = 10.0

log = logging.getLogger(__name__)

Job = TypeVar("Job")
Result = TypeVar("Result")


class Runner:
    """Runs jobs; as a context manager, so that workers keep their data between calls.

    should_stop is asked before each job; once it returns a reason, no further job is started.
    pool_seconds is what starting workers costs, 0 where they run already.
    """

    def __init__(
        self,
        n_jobs: int | None,
        should_stop: Callable[[], str | None],
        pool_seconds: float = POOL_SECONDS,
    ) -> None:
        self._asked = n_jobs
        self.n_jobs = _n_workers(n_jobs)
        self._should_stop = should_stop
        self._pool_seconds = pool_seconds
        self._stack = ExitStack()
        self._parallel: Any = None
        self._starting: Thread | None = None
        self._cannot_start = False
        self._forks, self._may_fork = False, _is_loky()
        self._began, self._seconds_in_forks = (perf_counter(), process_time()), 0.0

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_: object) -> None:
        if self._starting is not None:
            self._starting.join()
        self._stack.close()

    @property
    def has_local_workers(self) -> bool:
        """Whether there may be workers on this machine, which can read its files."""
        return self.n_jobs > 1 and _is_local()

    def run(
        self,
        function: Callable[[Job, int | None], Result],
        jobs: Sequence[Job],
        seconds_left: Callable[[], float | None],
        killed: Result,
    ) -> Iterator[tuple[Job, Result]]:
        """Run function(job, n_threads) for each job; yield pairs of job and result.

        seconds_left estimates how long all jobs of the search still take in this process.
        killed is copied as the result of a job that kills its process.
        """
        if not _is_local() and _n_workers(self._asked) > self.n_jobs:
            # Workers have joined the cluster; joblib asks for their number once.
            self.n_jobs = _n_workers(self._asked)
            self._restart()
        left = list(jobs)
        while left and not self._should_stop():
            if not self._has_workers(seconds_left):
                job = left.pop(0)
                # The threads of small fits wait for each other; with a single worker for the whole
                # search the caller's limit holds.
                yield job, function(job, None if self.n_jobs == 1 else 1)
                continue
            begun, done = set[int](), set[int]()
            try:
                for number, result in self._results(function, left, begun):
                    done.add(number)
                    yield left[number], result
            except WorkerKilledError as error:
                # A cluster has tried the call on several workers by then, and names it.
                culprit: int = error.call[0].items[0][1][1]
                done.add(culprit)
                yield left[culprit], copy(killed)
            except BrokenProcessPool:
                log.warning("a worker was killed; its fits are tried once more, one at a time")
                for number in sorted(begun - done):
                    self._restart()
                    # If workers die without a job too, none of the jobs is the cause.
                    try:
                        list(self._results(_do_nothing, range(self.n_jobs), set()))
                    except BrokenProcessPool:
                        log.warning("workers die when they start: the search continues alone")
                        self._cannot_start = True
                        break
                    # One of the running jobs may kill again.
                    try:
                        ((_, result),) = self._results(function, [left[number]], set())
                    except BrokenProcessPool:
                        result = copy(killed)
                    done.add(number)
                    yield left[number], result
            else:
                return
            self._restart()
            left = [job for number, job in enumerate(left) if number not in done]

    def _results(
        self, function: Callable[[Job, int | None], Result], jobs: Sequence[Job], begun: set[int]
    ) -> Iterator[tuple[int, Result]]:
        """Run jobs on workers; yield the number of a job and its result."""
        if not (self._forks and can_fork()):
            results: Iterator[tuple[int, Result]] = self._pool()(self._calls(function, jobs, begun))
            return results
        return self._in_forks(function, jobs, begun)

    def _in_forks(
        self, function: Callable[[Job, int | None], Result], jobs: Sequence[Job], begun: set[int]
    ) -> Iterator[tuple[int, Result]]:
        start, options = perf_counter(), (self.n_jobs, self._should_stop, begun, _initializer())
        try:
            # One OpenMP thread, as every core has a worker.
            yield from run_in_forks(lambda job: function(job, 1), jobs, *options)
        finally:
            self._seconds_in_forks += perf_counter() - start

    def _calls(
        self, function: Callable[[Job, int | None], Result], jobs: Sequence[Job], begun: set[int]
    ) -> Iterator[Any]:
        for number, job in enumerate(jobs):
            if self._should_stop():
                return
            begun.add(number)
            yield delayed(_numbered)(function, number, job)

    def _has_workers(self, seconds_left: Callable[[], float | None]) -> bool:
        """Return whether workers run; start them in the background where they pay off."""
        if self.n_jobs == 1 or self._cannot_start:
            return False
        if self._starting is not None:
            return not self._starting.is_alive()
        if self._parallel is not None or self._pool_seconds == 0:
            return True
        seconds = seconds_left()
        saved = 0.0 if seconds is None else seconds * (1 - 1 / self.n_jobs)
        self._forks = self._may_fork and saved > self._seconds_to_start(FORK_SECONDS)
        if self._forks:
            # If it cannot fork now, it keeps the threads that prevent it.
            self._forks = self._may_fork = can_fork()
        if self._forks:
            return True
        if saved > self._seconds_to_start(self._pool_seconds):
            self._starting = Thread(
                target=_try_to_start, args=(self._pool(), self.n_jobs), name="start workers"
            )
            self._starting.start()
        return False

    def _seconds_to_start(self, quiet: float) -> float:
        # Beside busy processes it takes as many times longer as the fits in this process did.
        seconds = perf_counter() - self._began[0] - self._seconds_in_forks
        used = process_time() - self._began[1]
        slowed = MOST_SLOWED if seconds >= MOST_SLOWED * used else seconds / used
        return quiet * max(slowed, 1.0)

    def _pool(self) -> Any:
        if self._parallel is None:
            start = perf_counter()
            parallel = Parallel(
                self.n_jobs,
                return_as="generator_unordered",
                batch_size=1,
                # No more than can run, as jobs in a queue cannot be stopped. Over a network one
                # more for each worker, which would otherwise wait for its next job.
                pre_dispatch=self.n_jobs if _is_local() else 2 * self.n_jobs,
            )
            self._parallel = self._stack.enter_context(parallel)
            log.debug("%d workers started in %.1f s", self.n_jobs, perf_counter() - start)
        return self._parallel

    def _restart(self) -> None:
        self._stack.close()
        self._parallel = None


def _try_to_start(parallel: Any, n_jobs: int) -> None:
    try:
        list(parallel(delayed(_do_nothing)() for _ in range(n_jobs)))
    except Exception:  # the first job will meet it again
        log.debug("workers did not start", exc_info=True)


def _do_nothing(*_: object) -> None:
    """Do nothing: to find this function a worker imports what fits need."""


def _numbered(function: Callable[[Job, int | None], Result], number: int, job: Job) -> Any:
    # One OpenMP thread, as every core has a worker.
    return number, function(job, 1)


def _n_workers(n_jobs: int | None) -> int:
    # More processes than cores would only take turns.
    wanted: int = effective_n_jobs(n_jobs)
    return min(wanted, int(cpu_count()), n_cores()) if _is_local() else wanted


def _is_loky() -> bool:
    """Return whether joblib would start processes."""
    return isinstance(get_active_backend()[0], LokyBackend)


def _initializer() -> Callable[[], object] | None:
    """Return what joblib's active backend calls in a new worker."""
    options = get_active_backend()[0].backend_kwargs
    if (initializer := options.get("initializer")) is None:
        return None
    return partial(initializer, *options.get("initargs", ()))


def _is_local() -> bool:
    backend, _ = get_active_backend()
    # Backends of joblib itself, except the one for dask, which is in another module.
    return type(backend).__module__ == "joblib._parallel_backends"
