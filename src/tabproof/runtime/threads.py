"""Threads of numeric libraries, limited before they are loaded, and worker processes.

BLAS always gets one thread: with two, it sums in another order, and the last bits of a logistic
regression on 40,000 rows change. scikit-learn's OpenMP loops do not sum across threads, so their
number is free. This module must be importable before numpy.

The threads of a fit wait for each other hundreds of times a second. Beside another process one
of them has no core, and the others wait for it: fits take many times as long as with one thread.
So threads wait actively for a short time only, and their number is that of the cores that are
free when a run begins.
"""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tabproof.runtime.cores import CoreUse, n_cores, n_whole_cores
from tabproof.runtime.process import end_with, environment

# With fewer rows or cells the threads of a fit wait for each other longer than they work: with
# 320,000 cells two threads save a tenth of the time for twice the processor time.
FEW_ROWS, FEW_CELLS = 5_000, 400_000
BLAS_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
OPENMP_VARIABLE = "OMP_NUM_THREADS"
# How long a thread waits actively before it sleeps: rounds (GNU), milliseconds (LLVM, Intel).
# GNU's own number is 300,000; with 300 to 10,000 fits are as fast on free cores, with 0 they take
# 2 to 10 times as long.
WAITING = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
WAIT_POLICY = "OMP_WAIT_POLICY"

# The use of the cores when the current run began.
_at_begin: CoreUse | None = None


def default_openmp_threads() -> int:
    """Return the value of OMP_NUM_THREADS where it is set, else the number of whole cores."""
    # It may be a list for nested loops, "4,2"; the first number is for the outermost loop.
    asked = os.environ.get(OPENMP_VARIABLE, "").split(",")[0].strip()
    return int(asked) if asked.isdecimal() and int(asked) else n_whole_cores()


def waiting_variables() -> dict[str, str]:
    """Return the variables that limit active waiting, except where the user has chosen.

    The libraries read them once, when they are loaded.
    """
    if WAIT_POLICY in os.environ:
        return {}
    return {name: value for name, value in WAITING.items() if name not in os.environ}


@contextmanager
def limited_threads(openmp_threads: int | None) -> Iterator[None]:
    """Limit the threads of this process and of its children inside the block.

    None means `default_openmp_threads()`.
    """
    global _at_begin
    _at_begin = CoreUse.now()
    n_threads = openmp_threads or default_openmp_threads()
    limits = {**dict.fromkeys(BLAS_VARIABLES, "1"), OPENMP_VARIABLE: str(n_threads)}
    with environment({**waiting_variables(), **limits}):
        # Where an earlier job of a sweep has loaded the libraries, variables come too late.
        numpy_was_loaded = "numpy" in sys.modules
        # The imports load the libraries, which read the variables.
        import sklearn.ensemble  # noqa: F401
        from threadpoolctl import threadpool_limits

        if not numpy_was_loaded:
            yield
            return
        with threadpool_limits({"openmp": n_threads, "blas": 1}):
            yield


def be_nice(niceness: int) -> None:
    """Lower the priority of this process, where the system supports it."""
    if niceness and hasattr(os, "nice"):
        os.nice(max(niceness - os.nice(0), 0))


def n_workers(workers: int | None) -> int:
    """Return the number of worker processes; the search starts them only where they pay off."""
    return n_cores() if workers is None else min(workers, n_cores())


def n_openmp_threads(openmp_threads: int | None, shape: tuple[int, int]) -> int:
    """Return the OpenMP threads of a fit in this process; None: as many as save time.

    These are no more than the cores that others have left free since `limited_threads` began.
    shape : rows and columns.
    """
    if openmp_threads is not None:
        return openmp_threads
    n_rows, n_columns = shape
    is_small = n_rows <= FEW_ROWS or n_rows * n_columns <= FEW_CELLS
    n_threads = 1 if is_small else default_openmp_threads()
    n_free = None if n_threads == 1 or _at_begin is None else _n_free(_at_begin)
    return n_threads if n_free is None else max(min(n_threads, round(n_free)), 1)


@cache
def _n_free(begin: CoreUse) -> float | None:
    # Once in a run, before its own workers are among the others.
    return begin.n_free()


@contextmanager
def few_threads(openmp_threads: int | None, shape: tuple[int, int]) -> Iterator[None]:
    """Limit OpenMP inside the block to the threads of a fit of these rows and columns."""
    # numpy is loaded by now.
    from threadpoolctl import threadpool_limits

    with threadpool_limits(n_openmp_threads(openmp_threads, shape), "openmp"):
        yield


@contextmanager
def worker_pool(n_jobs: int, openmp_threads: int, log_file: Path) -> Iterator[None]:
    """Let joblib's parallel loops use n_jobs processes; with 1, the threads of this process.

    Warnings of fits in worker processes go to the log file, not to the console.
    """
    # numpy is loaded with them.
    from joblib import parallel_config
    from threadpoolctl import threadpool_limits

    options = {
        "n_jobs": n_jobs,
        "inner_max_num_threads": 1,
        "initializer": _prepare_worker,
        "initargs": (str(log_file), os.getpid()),
    }
    with (
        threadpool_limits(openmp_threads, "openmp"),
        parallel_config("sequential") if n_jobs == 1 else parallel_config("loky", **options),
    ):
        yield


def _prepare_worker(log_file: str, parent: int) -> None:
    end_with(parent)
    # Ctrl-C reaches all processes of a terminal. The main process handles it and lets fits end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    handler = logging.FileHandler(log_file, delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s worker: %(message)s"))
    logging.getLogger("py.warnings").addHandler(handler)
    logging.captureWarnings(True)
