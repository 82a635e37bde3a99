"""A child process with a time limit, that ends with whoever began it."""

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Thread
from time import sleep
from types import FrameType

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
