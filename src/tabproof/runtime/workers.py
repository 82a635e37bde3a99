"""Worker processes that fit candidates in parallel, with one thread each."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joblib import parallel_config
from threadpoolctl import threadpool_limits

from tabproof.runtime.process import end_with
from tabproof.runtime.threads import default_openmp_threads, n_cores

# With fewer rows the threads of a fit wait for each other longer than they work.
FEW_ROWS = 5_000


def n_workers(workers: int | None) -> int:
    """Return the number of worker processes; the search starts them only where they pay off."""
    return n_cores() if workers is None else min(workers, n_cores())


def n_openmp_threads(openmp_threads: int | None, *, n_rows: int) -> int:
    """Return the OpenMP threads of a fit in this process; None asks for as many as pay off."""
    if openmp_threads is not None:
        return openmp_threads
    return 1 if n_rows <= FEW_ROWS else default_openmp_threads()


@contextmanager
def worker_pool(n_jobs: int, openmp_threads: int, log_file: Path) -> Iterator[None]:
    """Let joblib's parallel loops use n_jobs processes; with 1, the threads of this process.

    Warnings of fits in worker processes go to the log file, not to the console.
    """
    with threadpool_limits(openmp_threads, "openmp"):
        if n_jobs == 1:
            with parallel_config("sequential"):
                yield
        else:
            with parallel_config(
                "loky",
                n_jobs=n_jobs,
                inner_max_num_threads=1,
                initializer=_prepare_worker,
                initargs=(str(log_file), os.getpid()),
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
