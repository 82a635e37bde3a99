"""Fits are run in this process while they are few, side by side where that pays.

joblib does the distributing, by whatever back end is active. Results come as they are
ready; nothing that is decided by them depends on their order.
"""

import logging
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from threading import Thread
from time import perf_counter
from typing import Any, TypeVar

from joblib import Parallel, cpu_count, delayed, effective_n_jobs
from joblib.externals.loky.process_executor import TerminatedWorkerError

from tabproof.errors import WorkerKilledError
from tabproof.search.fitting import DIED, Fit

# What starting a pool of processes takes, measured with loky on two cores; below that it is
# quicker to stay alone.
POOL_SECONDS = 1.5

log = logging.getLogger(__name__)

Job = TypeVar("Job")
Result = TypeVar("Result")


class Runner:
    """Runs jobs; use it as a context, so that workers keep the data between calls.

    should_stop: asked before each job; once it gives a reason, no further job is begun.
    pool_seconds: what starting workers costs; 0 where they run already.
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
        self._warnings: Any = warnings.catch_warnings()
        self._parallel: Any = None
        self._beginning: Thread | None = None
        self._cannot_begin = False

    def __enter__(self) -> "Runner":
        # Fits in threads note warnings at the same time: what they leave set would mute all others.
        self._warnings.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._beginning is not None:
            self._beginning.join()
        self._stack.close()
        self._warnings.__exit__(*exception)

    @property
    def has_local_workers(self) -> bool:
        """Whether there may be workers on this machine, which see its files."""
        return self.n_jobs > 1 and _is_local()

    def run(
        self,
        function: Callable[[Job, int | None], Result],
        jobs: Sequence[Job],
        seconds_left: Callable[[], float | None],
        on_death: Callable[[Job], Result],
    ) -> Iterator[tuple[Job, Result]]:
        """Run function(job, n_threads) for each job; gives pairs as they are ready.

        seconds_left: how long all that is to come would take here, as far as is known.
        on_death: what stands for the result of a job that kills its process.
        """
        self._take_in_joined()
        waiting = deque(jobs)
        # Threads wait for each other in small fits; without a pool the caller's limit holds.
        n_threads = None if self.n_jobs == 1 else 1
        while waiting and not self._has_workers(seconds_left) and not self._should_stop():
            job = waiting.popleft()
            yield job, function(job, n_threads)
        if waiting and not self._should_stop():
            yield from self._run_in_pool(function, list(waiting), on_death)

    def _has_workers(self, seconds_left: Callable[[], float | None]) -> bool:
        """Tell whether workers are there; lets them begin, in their time, where they pay off."""
        if self.n_jobs == 1 or self._cannot_begin:
            return False
        if self._beginning is not None:
            return not self._beginning.is_alive()
        if self._parallel is not None or self._pool_seconds == 0:
            return True
        seconds = seconds_left()
        if seconds is not None and seconds * (1 - 1 / self.n_jobs) > self._pool_seconds:
            self._beginning = Thread(
                target=_try_to_begin, args=(self._started(), self.n_jobs), name="begin workers"
            )
            self._beginning.start()
        return False

    def _run_in_pool(
        self,
        function: Callable[[Job, int | None], Result],
        jobs: Sequence[Job],
        on_death: Callable[[Job], Result],
    ) -> Iterator[tuple[Job, Result]]:
        begun: set[int] = set()
        ended: set[int] = set()

        def calls() -> Iterator[Any]:
            for number, job in enumerate(jobs):
                if self._should_stop():
                    return
                begun.add(number)
                yield delayed(_numbered)(function, number, job)

        try:
            for number, result in self._started()(calls()):
                ended.add(number)
                yield jobs[number], result
        except TerminatedWorkerError:
            yield from self._after_death(function, jobs, begun, ended, on_death)
        except WorkerKilledError as error:
            # A cluster has tried it on several workers by then, and says which call it was.
            culprit: int = error.call[0].items[0][1][1]
            yield jobs[culprit], on_death(jobs[culprit])
            self._restart()
            rest = [job for n, job in enumerate(jobs) if n not in ended and n != culprit]
            if rest and not self._should_stop():
                yield from self._run_in_pool(function, rest, on_death)

    def _after_death(
        self,
        function: Callable[[Job, int | None], Result],
        jobs: Sequence[Job],
        begun: set[int],
        ended: set[int],
        on_death: Callable[[Job], Result],
    ) -> Iterator[tuple[Job, Result]]:
        """Go on after a worker was killed: of what was running, one may kill again."""
        log.warning("a worker was killed; what it was fitting is tried once more, alone")
        for number in sorted(begun - ended):
            self._restart()
            if not self._began_anew():
                left = [job for n, job in enumerate(jobs) if n >= number and n not in ended]
                yield from ((job, function(job, 1)) for job in left if not self._should_stop())
                return
            try:
                ((_, result),) = self._started()(
                    [delayed(_numbered)(function, number, jobs[number])]
                )
            except TerminatedWorkerError:
                result = on_death(jobs[number])
            yield jobs[number], result
        self._restart()
        rest = [job for number, job in enumerate(jobs) if number not in begun]
        if rest and not self._should_stop():
            yield from self._run_in_pool(function, rest, on_death)

    def _started(self) -> Any:
        if self._parallel is None:
            start = perf_counter()
            parallel = Parallel(
                self.n_jobs,
                return_as="generator_unordered",
                batch_size=1,
                # Not more than are busy, as what waits in a queue cannot be stopped; over a network
                # one more each, that nobody waits for its arrival.
                pre_dispatch=self.n_jobs if _is_local() else 2 * self.n_jobs,
            )
            self._parallel = self._stack.enter_context(parallel)
            log.debug("%d workers began in %.1f s", self.n_jobs, perf_counter() - start)
        return self._parallel

    def _began_anew(self) -> bool:
        """Tell whether workers live as long as they have nothing to do: else no job is to blame."""
        try:
            _begin(self._started(), self.n_jobs)
        except TerminatedWorkerError:
            log.warning("workers die as they begin: the search goes on without them")
            self._restart()
            self._cannot_begin = True
        return not self._cannot_begin

    def _take_in_joined(self) -> None:
        """Count a cluster's workers again: joblib asks for their number once."""
        if not _is_local() and _n_workers(self._asked) > self.n_jobs:
            self.n_jobs = _n_workers(self._asked)
            self._restart()

    def _restart(self) -> None:
        self._stack.close()
        self._parallel = None


def _try_to_begin(parallel: Any, n_jobs: int) -> None:
    try:
        _begin(parallel, n_jobs)
    except Exception:  # what it is, the first call that matters meets again
        log.debug("workers did not begin", exc_info=True)


def _begin(parallel: Any, n_jobs: int) -> None:
    for _ in parallel(delayed(_load)() for _ in range(n_jobs)):
        pass


def _load() -> None:
    """Do nothing: to find this a worker has loaded what fits need."""


def _numbered(function: Callable[[Job, int | None], Result], number: int, job: Job) -> Any:
    # One OpenMP thread each: all cores have a worker.
    return number, function(job, 1)


def _n_workers(n_jobs: int | None) -> int:
    # More processes than cores would only take turns.
    wanted: int = effective_n_jobs(n_jobs)
    return min(wanted, int(cpu_count())) if _is_local() else wanted


def _is_local() -> bool:
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend()
    # joblib's own work on this machine, but for the one that it has for dask.
    return type(backend).__module__ == "joblib._parallel_backends"


def failed_fit(_job: Any) -> Fit:
    """Give the fit of a candidate whose process was killed."""
    return Fit(float("nan"), error=DIED)
