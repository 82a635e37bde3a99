"""Processes: how they end, children with a time limit, interruption, and keeping awake.

A command ends with one line on stderr and an exit code; tracebacks are shown on request.
"""

import errno
import gc
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
from threading import Event, Lock, Thread
from time import sleep

from tabproof.errors import DirectoryTakenError, RunExistsError, SweepFailedError, UserError
from tabproof.runtime.console import complain

log = logging.getLogger(__name__)

PARENT = "TRAIN_PARENT_PID"
# The process that started this one with `run_child`, if one did.
parent = int(os.environ.pop(PARENT, "0")) or None


def inherited() -> dict[str, str]:
    """Return variables that this process has taken out of its environment, for the same again."""
    return {} if parent is None else {PARENT: str(parent)}


@contextmanager
def _handler(number: int, handle: Callable[[], None]) -> Iterator[None]:
    """Call a function at each signal inside the block; only the main thread gets signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(number, lambda _number, _frame: handle())
    try:
        yield
    finally:
        signal.signal(number, previous)


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables of the environment inside the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage inside the block, and leave what it makes out of later collections.

    For imports: modules are no garbage, and to look through them again and again takes a tenth of
    the time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@dataclass(frozen=True)
class Ended:
    """The exit code of a child, below 0 for a signal, and whether its time was up."""

    code: int
    is_late: bool
    is_interrupted: bool


def run_child(command: Sequence[str], seconds: float | None, grace: float = 30.0) -> Ended:
    """Run a command on this terminal; after `seconds` send SIGINT, and SIGKILL after the grace.

    A search that is interrupted still fits its best candidate.
    Ctrl-C does not end this process meanwhile: the terminal sends it to the child too, and this
    process waits for the child to end.
    """
    is_late = False
    interrupts: list[int] = []
    if (launcher := multiprocessing.parent_process()) is not None and launcher.pid is not None:
        # It may be gone already: os.getppid() would be that of another process.
        end_with(launcher.pid)
    with _handler(signal.SIGINT, lambda: interrupts.append(signal.SIGINT)):
        child = subprocess.Popen(  # noqa: S603 - this program's own command line
            command, env={**os.environ, PARENT: str(os.getpid())}
        )
        try:
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                is_late = True
                child.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    child.wait(grace)
                child.kill()
            code = child.wait()
        except BaseException:
            # SIGTERM, which the terminal has not sent to the child.
            child.terminate()
            child.wait()
            raise
    return Ended(code, is_late, bool(interrupts))


@cache
def end_with(parent: int) -> None:
    """End this process as soon as its parent is gone, even if that was killed.

    joblib's workers would keep their memory for minutes, and finish what they have begun.
    """

    def watch() -> None:
        while os.getppid() == parent:
            sleep(0.5)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


# Held while a RepeatingThread works: who holds it may fork.
REPEATING = Lock()


class RepeatingThread(Thread):
    """A thread that waits, apart from what it does while it holds REPEATING."""


@contextmanager
def repeated(work: Callable[[], None], seconds: float, name: str) -> Iterator[None]:
    """Call a function every so many seconds inside the block, from a thread of that name."""
    ended = Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            with REPEATING:
                work()

    thread = RepeatingThread(target=repeat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled like Ctrl-C."""


@contextmanager
def stoppable() -> Iterator[Callable[[], str | None]]:
    """Let the first Ctrl-C ask for an early end; the second raises KeyboardInterrupt.

    Yields a function that returns the reason to stop, or None.
    """
    reason: str | None = None

    def note() -> None:
        nonlocal reason
        if reason is not None:
            raise KeyboardInterrupt
        reason = "Ctrl-C"
        log.warning(
            "Ctrl-C: running fits are finished and the best so far is kept; again to stop at once"
        )

    with _handler(signal.SIGINT, note):
        yield lambda: reason


@contextmanager
def kept_awake(*, asked: bool) -> Iterator[None]:
    """Prevent the machine from going to sleep inside the block, or warn that it may."""
    command = shutil.which("systemd-inhibit") if asked else None
    if asked and command is None:
        log.warning("runtime.inhibit_sleep: this system has no systemd-inhibit; it may go to sleep")
    if command is None:
        yield
        return
    # cat reads from this process, so it ends with this process, even if that is killed.
    words = [command, "--what=idle:sleep", "--who=tabproof", "--why=training", "cat"]
    held = subprocess.Popen(  # noqa: S603 - our own words, found on the PATH
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield
    finally:
        _, errors = held.communicate()
        if held.returncode != 0:
            reason = errors.decode(errors="replace").strip().replace("\n", " ")
            log.warning("runtime.inhibit_sleep: sleep was not prevented: %s", reason)


# Hydra's own switch, so that there is only one.
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
    translate: Callable[[BaseException], UserError | None], early: str = "", least_code: int = 1
) -> Iterator[None]:
    """Turn whatever is raised into one line on stderr and an exit code.

    translate returns a UserError for an exception of another library, or None. early: the end of
    the message about an interrupt that has no notes. least_code: the exit code of all other errors
    is at least this.
    """

    def terminate() -> None:
        raise Terminated

    # Child processes find Hydra's switch on, so what the user asked for is in a second variable.
    asked = os.environ.get(ASKED) or os.environ.get(TRACEBACK_SWITCH) or "0"
    try:
        # With the switch on, Hydra raises instead of printing and exiting by itself.
        with (
            environment({ASKED: asked, TRACEBACK_SWITCH: "1"}),
            _handler(signal.SIGTERM, terminate),
        ):
            yield
    except (KeyboardInterrupt, Exception) as error:
        notes = " ".join(getattr(error, "__notes__", []))
        if isinstance(error, KeyboardInterrupt):
            number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
            name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
            complain(f"interrupted by {name} {notes or early}".rstrip())
            # As shells do: 128 and the number of the signal.
            code = 128 + int(number)
        elif (known := translate(error)) is not None:
            complain(str(known))
            code = max(known.exit_code, least_code)
        else:
            switch = f"({TRACEBACK_SWITCH}=1 shows the traceback here)"
            complain(f"{type(error).__name__}: {error} {notes} {switch}")
            code = least_code
        if asked == "1":
            traceback.print_exception(error)
        sys.exit(code)


class Jobs:
    """The jobs of one command: a single job, or those of a sweep, which goes on when one fails.

    Failures are kept until all jobs have run: Hydra would print text of its own around them, and
    only the first failure of a sweep.
    """

    def __init__(self) -> None:
        self._failures: dict[str, Exception] = {}
        self._in_sweep = False

    @contextmanager
    def job(self, name: str, *, in_sweep: bool, in_this_process: bool) -> Iterator[None]:
        """Run a job inside the block; its failure goes to its own log, with the traceback.

        In another process than the command's it is raised again: nothing reads what is kept there.
        """
        self._in_sweep = in_sweep
        logging.captureWarnings(True)
        try:
            yield
        except Exception as error:
            self._failures[name] = error
            # The log that Hydra has opened belongs to the other run in this directory.
            if not isinstance(error, (RunExistsError, DirectoryTakenError)):
                # The disk may be full; the error is printed at the end.
                with suppress(OSError):
                    log.exception("the job failed")
            if in_sweep:
                complain(f"{name}: {error}")
            if not in_this_process:
                raise

    def raise_failure(self) -> None:
        """Raise the failure of a single job, or one error for all failures of a sweep."""
        if self._in_sweep and self._failures:
            raise SweepFailedError(len(self._failures), ", ".join(self._failures))
        for error in self._failures.values():
            raise error
