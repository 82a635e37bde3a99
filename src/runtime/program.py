"""How a program ends: what went wrong in one line, and an exit code. Tracebacks on request."""

import errno
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from src.errors import (
    DirectoryTakenError,
    RunExistsError,
    SweepFailedError,
    UserError,
    WriteError,
)
from src.runtime.console import complain
from src.runtime.interruption import exit_code_of, name_of, terminable

# Hydra's own switch for tracebacks, so that there is one only.
TRACEBACK_SWITCH = "HYDRA_FULL_ERROR"
ASKED = "TRAIN_FULL_ERROR"

WRITE_ERRORS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EFBIG,
    errno.EIO,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}

log = logging.getLogger(__name__)


@contextmanager
def ending_in_one_line(
    translate: Callable[[BaseException], UserError | None],
) -> Iterator[None]:
    """Turn whatever is raised into a line on stderr and an exit code.

    translate: makes a UserError of an exception of another library, if it can.
    """
    # Processes that this one begins find the switch on: what was asked for goes beside it.
    asked = os.environ.setdefault(ASKED, os.environ.get(TRACEBACK_SWITCH, "0"))
    wants_traceback = asked == "1"
    # With the switch on, Hydra raises instead of printing and exiting by itself.
    os.environ[TRACEBACK_SWITCH] = "1"
    try:
        with terminable():
            yield
    except KeyboardInterrupt as interrupt:
        kept = _notes(interrupt) or "before training began"
        complain(f"interrupted by {name_of(interrupt)} {kept}")
        _end(interrupt, exit_code_of(interrupt), wants_traceback)
    except Exception as error:
        known = translate(error) or _as_write_error(error)
        if known is not None:
            complain(str(known))
            _end(error, known.exit_code, wants_traceback)
        complain(
            f"{type(error).__name__}: {error} {_notes(error)}"
            f" ({TRACEBACK_SWITCH}=1 shows the traceback here)"
        )
        _end(error, 1, wants_traceback)


def _as_write_error(error: BaseException) -> UserError | None:
    is_write_error = isinstance(error, OSError) and error.errno in WRITE_ERRORS
    return WriteError(error) if is_write_error and isinstance(error, OSError) else None


def _notes(error: BaseException) -> str:
    return " ".join(getattr(error, "__notes__", []))


def _end(error: BaseException, code: int, wants_traceback: bool) -> None:
    if wants_traceback:
        traceback.print_exception(error)
    sys.exit(code)


class Jobs:
    """The jobs of one command: one job, or those of a sweep, which go on when one fails.

    A failure is kept until all have run: Hydra would print its own words around it, and
    of a sweep's failures the first only.
    """

    def __init__(self) -> None:
        self._failures: dict[str, Exception] = {}
        self._in_sweep = False

    @contextmanager
    def job(self, name: str, *, in_sweep: bool, in_this_process: bool) -> Iterator[None]:
        """Run one job: its failure goes to its own log, with the traceback.

        A launcher that runs jobs elsewhere must see the failure itself: what is kept
        there is not known here.
        """
        self._in_sweep = in_sweep
        logging.captureWarnings(True)
        try:
            yield
        except Exception as error:
            self._failures[name] = error
            # Hydra has opened the log of whoever owns the directory: it is not ours to write.
            if not isinstance(error, (RunExistsError, DirectoryTakenError)):
                # On a full disk the log cannot be written; what raised is told at the end.
                with suppress(OSError):
                    log.exception("the job failed")
            if in_sweep:
                complain(f"{name}: {error}")
            if not in_this_process:
                raise

    def raise_failure(self) -> None:
        """Raise what one job raised, or one error for all that failed."""
        if self._in_sweep and self._failures:
            raise SweepFailedError(list(self._failures))
        for error in self._failures.values():
            raise error
