"""How a program ends: what went wrong in one line, and an exit code. Tracebacks on request."""

import errno
import logging
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from threading import Thread
from time import sleep
from types import FrameType

from tabproof.errors import (
    DirectoryTakenError,
    PathError,
    RunExistsError,
    SweepFailedError,
    UserError,
)
from tabproof.runtime.console import complain

# --- A child process with a time limit, that ends with whoever began it.

# A search that is told to end keeps the best so far: it needs the time for its last fit.
GRACE_SECONDS = 30.0
WATCH_SECONDS = 0.5
PARENT = "TRAIN_PARENT_PID"


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code, below 0 for a signal; and whether its time was up."""

    code: int
    is_late: bool
    is_interrupted: bool


def run_child(command: Sequence[str], seconds: float | None, grace: float = GRACE_SECONDS) -> Ended:
    """Run it on this terminal; when its time is up it gets SIGINT, and SIGKILL after the grace.

    Ctrl-C is the child's, which gets it from the terminal too: what it makes of it is awaited.
    """
    is_late = False
    if multiprocessing.parent_process() is not None:
        end_with(os.getppid())
    with _interrupts_noted() as interrupts:
        child = subprocess.Popen(  # noqa: S603 - this program's own command line
            command, env={**os.environ, PARENT: str(os.getpid())}
        )
        try:
            code = _wait(child, seconds)
            if code is None:
                is_late = True
                child.send_signal(signal.SIGINT)
                code = _wait(child, grace)
            if code is None:
                child.kill()
                code = child.wait()
        except BaseException:
            # SIGTERM, which the terminal has not sent to the child.
            child.terminate()
            child.wait()
            raise
    return Ended(code, is_late, bool(interrupts))


def _wait(child: "subprocess.Popen[bytes]", seconds: float | None) -> int | None:
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


@contextmanager
def _interrupts_noted() -> Iterator[list[int]]:
    noted: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        noted.append(number)

    try:
        previous = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread, which alone gets signals
        yield noted
        return
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, previous)


_parent = os.environ.pop(PARENT, None)


def is_child() -> bool:
    """Tell whether another process runs this one as a job."""
    return _parent is not None


def end_with_parent() -> None:
    """End a job as soon as the process that began it is gone, however that ended."""
    if _parent is not None:
        end_with(int(_parent))


@cache
def end_with(parent: int) -> None:
    """End this process as soon as its parent is gone, which may have been killed.

    joblib's workers would keep their memory for minutes, and go on with what they have begun.
    """
    Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        sleep(WATCH_SECONDS)
    os._exit(1)


# --- How a run is interrupted: Ctrl-C asks a search to end soon, SIGTERM ends at once.

log = logging.getLogger(__name__)


class Terminated(KeyboardInterrupt):
    """SIGTERM; passes everything that lets Ctrl-C pass."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated where SIGTERM arrives."""

    def raise_terminated(_signal: int, _frame: FrameType | None) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def stoppable() -> Iterator[Callable[[], str | None]]:
    """Take the first Ctrl-C for a wish to end soon; the second raises KeyboardInterrupt.

    Gives a function that says why to stop, and None as long as there is no reason.
    """
    reason: str | None = None

    def note(_signal: int, _frame: FrameType | None) -> None:
        nonlocal reason
        if reason is not None:
            raise KeyboardInterrupt
        reason = "Ctrl-C"
        log.warning("Ctrl-C: what runs is finished, and the best so far kept; again stops at once")

    if threading.current_thread() is not threading.main_thread():
        # Signals are the main thread's alone.
        yield lambda: None
        return
    previous = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: reason
    finally:
        signal.signal(signal.SIGINT, previous)


def exit_code_of(interrupt: KeyboardInterrupt) -> int:
    """Give the code that shells give: 128 and the signal's number."""
    number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
    return 128 + int(number)


def name_of(interrupt: KeyboardInterrupt) -> str:
    """Say what interrupted."""
    return "SIGTERM" if isinstance(interrupt, Terminated) else "Ctrl-C"


# --- A machine that shall not fall asleep while it works.


@contextmanager
def kept_awake(*, asked: bool) -> Iterator[None]:
    """Hold off suspend while the block lasts, where the system has a way; say where it has not."""
    command = shutil.which("systemd-inhibit") if asked else None
    if asked and command is None:
        log.warning("runtime.inhibit_sleep: this system has no systemd-inhibit; it may fall asleep")
    if command is None:
        yield
        return
    # What it runs reads from us: it ends with this process, however that ends.
    words = [command, "--what=idle:sleep", "--who=src.train", "--why=training", "cat"]
    held = subprocess.Popen(  # noqa: S603 - our own words, found on the PATH
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield
    finally:
        _, errors = held.communicate()
        if held.returncode != 0:
            reason = errors.decode(errors="replace").strip().replace("\n", " ")
            log.warning("runtime.inhibit_sleep: suspend was not held off: %s", reason)


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
    if not isinstance(error, OSError) or error.errno not in WRITE_ERRORS:
        return None
    remedy = "make room, or choose another place with hydra.run.dir=…"
    return PathError("cannot write", error, remedy)


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
