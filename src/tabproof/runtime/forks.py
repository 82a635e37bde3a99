"""Worker processes that are forks of this one: they start in milliseconds.

A fork has all that this process has loaded, so that neither libraries nor rows are sent to it. But
it has only the thread that forked: a lock that another thread held at that moment is never
released. So this process is forked only while all its other threads are known, and known to wait.
Elsewhere joblib starts its workers as new processes.
"""

import ctypes
import logging
import mmap
import multiprocessing
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, TypeVar

import numpy as np
from joblib.externals.loky.backend.reduction import dumps
from threadpoolctl import threadpool_info

from tabproof.runtime import process

# Native threads that do not matter to a fork, by name: those of the allocator of Arrow and Polars,
# which is prepared for forks, and the one that removes files of Polars, which CatBoost imports.
HARMLESS = {"jemalloc_bg_thd", "polars-ooc-clea"}
# Other threads of Arrow, by their native id: since 2022 it is prepared for forks (apache/arrow,
# pull request 14594).
_of_arrow: set[int] = set()
# omp_pause_hard of omp.h.
PAUSE_HARD = 2
N_LOOKS = 20
# What making and ending two forks costs, measured with 300 MB in use.
FORK_SECONDS = 0.02
# Where the first job takes less, each fork has another one waiting.
SMALL_SECONDS = 1.0

Job = TypeVar("Job")
Result = TypeVar("Result")

# The function and the jobs of the call that forks; the forks inherit them.
_call: tuple[Callable[..., Any], Sequence[Any]] | None = None


def can_fork() -> bool:
    """Return whether this process can be forked, with the threads that it has now."""
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return False
    others = [each for each in threading.enumerate() if each is not threading.main_thread()]
    if not all(isinstance(each, process.RepeatingThread) for each in others):
        return False
    if _n_native() > 1 + len(others):
        end_openmp_threads()
    for _ in range(N_LOOKS):
        if _n_native() == 1 + len(others):
            return True
        # A thread that Python has joined is still ending.
        sleep(0.001)
    return False


@contextmanager
def arrow_threads() -> Iterator[None]:
    """Take native threads that begin inside the block for those of Arrow, which reads tables."""
    before = _native()
    try:
        yield
    finally:
        of_python = {each.native_id for each in threading.enumerate()}
        _of_arrow.update(_native() - before - of_python)


def _n_native() -> int:
    return len(_native() - _of_arrow)


def _native() -> set[int]:
    """Return the ids of native threads, without those that do not matter to a fork by name."""
    found = set()
    for path in Path("/proc/self/task").glob("*/comm"):
        with suppress(OSError):  # it has just ended
            if path.read_text().strip() not in HARMLESS:
                found.add(int(path.parent.name))
    return found


def end_openmp_threads() -> None:
    """End the threads that OpenMP keeps for the next parallel loop, which makes them again."""
    for library in threadpool_info():
        if library["user_api"] == "openmp":
            loaded = ctypes.CDLL(library["filepath"])
            # Since OpenMP 5.0, 2018.
            if hasattr(loaded, "omp_pause_resource_all"):
                loaded.omp_pause_resource_all(PAUSE_HARD)


def run_in_forks(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    n_forks: int,
    should_stop: Callable[[], str | None],
    begun: set[int],
    initializer: Callable[[], object] | None = None,
) -> Iterator[tuple[int, Result]]:
    """Run function(job) in forks; yield the number of a job and its result, as they are ready.

    should_stop is asked before each job; once it returns a reason, no further job is begun.
    begun : gets the numbers of jobs that are begun. initializer : is called in each fork.

    Raises
    ------
    concurrent.futures.process.BrokenProcessPool
        A fork was killed.
    """
    left, running = iter(range(len(jobs))), dict[Future[bytes], int]()
    # No more than can run, as jobs in a queue cannot be stopped; but small ones would wait longer
    # than they run.
    n_most, start = n_forks, perf_counter()
    with _forks(min(n_forks, len(jobs)), function, jobs, initializer) as submit:
        while True:
            while len(running) < n_most and not should_stop():
                if (number := next(left, None)) is None:
                    break
                begun.add(number)
                running[submit(number)] = number
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                if perf_counter() - start < SMALL_SECONDS:
                    n_most = 2 * n_forks
                yield running.pop(future), pickle.loads(future.result())  # noqa: S301 - ours


@contextmanager
def in_background(
    function: Callable[[], Result], *, allowed: bool
) -> Iterator[Callable[[], Result]]:
    """Call a function in a fork while the block runs; yield what waits for its result.

    If that is not allowed or this process cannot be forked, it is called here for the result.
    """
    if not (allowed and can_fork()):
        yield function
        return
    with _forks(1, lambda _: function(), [None]) as submit:
        future = submit(0)
        yield lambda: pickle.loads(future.result())  # noqa: S301 - ours


@contextmanager
def _forks(
    n_forks: int,
    function: Callable[[Job], object],
    jobs: Sequence[Job],
    initializer: Callable[[], object] | None = None,
) -> Iterator[Callable[[int], Future[bytes]]]:
    """Yield a function that submits the job of a number to forks, and end them after the block."""
    global _call
    before = multiprocessing.active_children()
    _call = function, jobs
    forking = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(n_forks, forking, _begin, (initializer,)) as executor:
        try:
            yield partial(_submit, executor)
        except (KeyboardInterrupt, SystemExit):
            # The executor would wait for the jobs.
            for child in multiprocessing.active_children():
                if child not in before:
                    child.kill()
            raise
        finally:
            _call = None


def _submit(executor: ProcessPoolExecutor, number: int) -> Future[bytes]:
    """Submit a job; the first one makes the forks, while no other thread does anything."""
    with process.REPEATING, warnings.catch_warnings():
        # Of other threads in general; `can_fork` knows these.
        warnings.simplefilter("ignore", DeprecationWarning)
        return executor.submit(_run, number)


def _begin(initializer: Callable[[], object] | None) -> None:
    """Leave what belongs to the process that was forked: its signals, log and warnings."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    logging.root.handlers.clear()
    warnings.simplefilter("default")
    warnings.simplefilter("ignore", DeprecationWarning)
    if initializer is not None:
        initializer()


def _run(number: int) -> bytes:
    assert _call is not None  # noqa: S101 - it is inherited
    function, jobs = _call
    # joblib's way to pickle also takes what __main__ defines.
    return bytes(dumps(function(jobs[number]), {np.memmap: _reduce_mapped}))


def _reduce_mapped(values: Any) -> Any:
    """Pickle a mapped array by the name of its file, and a part of one by its values."""
    if not isinstance(values.base, mmap.mmap):
        return np.asarray(values).copy().__reduce__()
    order = "F" if values.flags.fnc else "C"
    found = values.filename, values.dtype, "r", values.offset, values.shape, order
    return np.memmap, found
