"""Limit the threads of numeric libraries, before they are loaded.

BLAS always gets one thread: with two, it sums in another order, and the last bits of a logistic
regression on 40,000 rows change. scikit-learn's OpenMP loops do not sum across threads, so their
number is free. This module must be importable before numpy.
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

    None stands for `default_openmp_threads()`.
    """
    n_threads = openmp_threads or default_openmp_threads()
    with _environment({**dict.fromkeys(BLAS_VARIABLES, "1"), OPENMP_VARIABLE: str(n_threads)}):
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


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def be_nice(niceness: int) -> None:
    """Lower the priority of this process, where the system supports it."""
    if niceness and hasattr(os, "nice"):
        os.nice(max(niceness - os.nice(0), 0))
