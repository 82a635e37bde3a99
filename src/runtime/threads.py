"""How many threads numeric libraries may use: told to them before they are loaded.

BLAS gets one thread, always: with two, sums are added up in another order, and the last
bits of a logistic regression on 40,000 rows change. OpenMP's loops in scikit-learn add nothing
up across threads, so their number is free.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

BLAS_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def n_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # systems without affinity


@contextmanager
def limited_threads(openmp_threads: int | None) -> Iterator[None]:
    """Limit the threads of this process and of those that it starts; None: all cores."""
    n_threads = openmp_threads or n_cores()
    for variable in BLAS_VARIABLES:
        os.environ[variable] = "1"
    os.environ["OMP_NUM_THREADS"] = str(n_threads)
    # In a sweep an earlier job has loaded the libraries: then variables come too late.
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
    """Give way to other programs, as far as the system lets a process say so."""
    if niceness and hasattr(os, "nice"):
        os.nice(max(niceness - os.nice(0), 0))
