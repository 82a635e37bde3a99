"""Processes that fit candidates side by side, with one thread each."""

from collections.abc import Iterator
from contextlib import contextmanager

from joblib import parallel_config

from src.runtime.threads import n_cores

# Starting a pool costs about 3.5 s on two cores: it pays where there is more to do.
FEW_FITS, FEW_ROWS = 40, 5_000


def n_workers(workers: int | None, *, n_fits: int, n_rows: int) -> int:
    """Give the number of processes; None asks for as many as pay off."""
    if workers is not None:
        return workers
    return 1 if n_fits <= FEW_FITS and n_rows <= FEW_ROWS else n_cores()


@contextmanager
def worker_pool(n_jobs: int) -> Iterator[None]:
    """Let scikit-learn's parallel loops use that many processes."""
    if n_jobs == 1:
        with parallel_config("sequential"):
            yield
        return
    with parallel_config("loky", n_jobs=n_jobs, inner_max_num_threads=1):
        yield
