"""How a run is interrupted: Ctrl-C asks a search to end soon, SIGTERM ends at once."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

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
