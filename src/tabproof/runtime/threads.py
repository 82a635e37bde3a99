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
OPENMP_VARIABLE = "OMP_NUM_THREADS"


def n_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # systems without affinity


def default_openmp_threads() -> int:
    """Count OpenMP's threads: what its own variable says where it is set, else all cores."""
    # OpenMP's standard has lists for nested loops, "4,2": the first is the outermost.
    asked = os.environ.get(OPENMP_VARIABLE, "").split(",")[0].strip()
    return int(asked) if asked.isdecimal() and int(asked) else n_cores()


@contextmanager
def limited_threads(openmp_threads: int | None) -> Iterator[None]:
    """Limit the threads of this process and of those that it starts.

    None leaves OpenMP as many as its variable says (`default_openmp_threads`).
    """
    n_threads = openmp_threads or default_openmp_threads()
    with _environment({**dict.fromkeys(BLAS_VARIABLES, "1"), OPENMP_VARIABLE: str(n_threads)}):
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
    """Give way to other programs, as far as the system lets a process say so."""
    if niceness and hasattr(os, "nice"):
        os.nice(max(niceness - os.nice(0), 0))
