"""A run inside of a program of somebody else: nothing of the program is changed for good.

Logging, warnings, threads, variables of the environment and Hydra's globals belong to the whole
process. So runs and predictions of several threads take turns.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import RLock

from tabproof import config as conf
from tabproof import kernels
from tabproof.errors import DirectoryTakenError, RunExistsError
from tabproof.runtime import console, threads
from tabproof.runtime.process import environment

_turn = RLock()

# What Python does not show unless it is asked for.
SILENT = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)

log = logging.getLogger(__name__)


@contextmanager
def session() -> Iterator[None]:
    """Wait for this thread's turn; Python's own filters of warnings hold inside the block."""
    with _turn, conf.kept_globals(), warnings.catch_warnings():
        warnings.resetwarnings()
        for category in SILENT:
            warnings.simplefilter("ignore", category)
        yield


@contextmanager
def limited_threads(
    openmp_threads: int | None, *, portable: bool = True, level: str | None = None
) -> Iterator[None]:
    """Limit the threads of numeric libraries, as the command line does, for the block alone.

    Kernels are fixed where the libraries are not loaded yet, and in worker processes like here.
    """
    with kernels.fixed_kernels(portable=portable, level=level):
        # Libraries that are loaded inside the limits would keep them for good.
        with environment(threads.waiting_variables()):
            import sklearn.ensemble  # noqa: F401

        with threads.limited_threads(openmp_threads):
            yield


@contextmanager
def scoring() -> Iterator[None]:
    """Limit threads while a model scores: the sums of BLAS must not depend on the machine."""
    # The limits belong to the process: a run of another thread would lose them in its middle.
    with _turn, limited_threads(None):
        yield


class _NotebookHandler(console.ConsoleHandler):
    """Print warnings; with `verbose` all lines that the command line prints."""

    def __init__(self, *, verbose: bool) -> None:
        super().__init__()
        self.setLevel(logging.INFO if verbose else logging.WARNING)


@contextmanager
def logged(directory: Path, *, verbose: bool) -> Iterator[None]:
    """Write train.log inside the block, as the command line does, and print warnings.

    Handlers of the program around it get nothing of that.
    """
    log_file = console.LogFile(directory / "train.log", encoding="utf-8")
    log_file.setFormatter(logging.Formatter(console.LINE))
    handlers = log_file, _NotebookHandler(verbose=verbose)
    with ExitStack() as stack:
        stack.callback(log_file.close)
        for name in ("", *console.LOGGERS):
            logger = logging.getLogger(name)
            stack.callback(_restore, logger, logger.level, logger.propagate, list(logger.handlers))
            logger.handlers = [*logger.handlers, *handlers] if name == "" else [*handlers]
            if name:
                logger.setLevel(logging.INFO)
                logger.propagate = False
        if warnings.showwarning.__module__ != "logging":
            stack.callback(logging.captureWarnings, False)
            logging.captureWarnings(True)
        try:
            yield
        except (RunExistsError, DirectoryTakenError):
            # The log in this directory belongs to the other run.
            raise
        except Exception:
            log.exception("the job failed")
            raise


def _restore(
    logger: logging.Logger, level: int, propagate: bool, handlers: list[logging.Handler]
) -> None:
    logger.setLevel(level)
    logger.propagate, logger.handlers = propagate, handlers
