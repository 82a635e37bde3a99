"""Threads of numeric libraries, limited before they are loaded, and worker processes.

BLAS always gets one thread: with two, it sums in another order, and the last bits of a logistic
regression on 40,000 rows change. scikit-learn's OpenMP loops do not sum across threads, so their
number is free. This module must be importable before numpy.
"""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tabproof.runtime.process import end_with, environment

# With fewer rows the threads of a fit wait for each other longer than they work.
FEW_ROWS = 5_000
BLAS_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
OPENMP_VARIABLE = "OMP_NUM_THREADS"


def n_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # systems without affinity


def default_openmp_threads() -> int:
    """Return the value of OMP_NUM_THREADS where it is set, else the number of cores."""
    # It may be a list for nested loops, "4,2"; the first number is for the outermost loop.
    asked = os.environ.get(OPENMP_VARIABLE, "").split(",")[0].strip()
    return int(asked) if asked.isdecimal() and int(asked) else n_cores()


@contextmanager
def limited_threads(openmp_threads: int | None) -> Iterator[None]:
    """Limit the threads of this process and of its children inside the block.

    None means `default_openmp_threads()`.
    """
    n_threads = openmp_threads or default_openmp_threads()
    with environment({**dict.fromkeys(BLAS_VARIABLES, "1"), OPENMP_VARIABLE: str(n_threads)}):
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


def n_openmp_threads(openmp_threads: int | None, *, n_rows: int) -> int:
    """Return the OpenMP threads of a fit in this process; None: as many as save time."""
    if openmp_threads is not None:
        return openmp_threads
    return 1 if n_rows <= FEW_ROWS else default_openmp_threads()


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
