"""SIGTERM like Ctrl-C: the run says what it keeps, and ends."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


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


def exit_code_of(interrupt: KeyboardInterrupt) -> int:
    """Give the code that shells give: 128 and the signal's number."""
    number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
    return 128 + int(number)


def name_of(interrupt: KeyboardInterrupt) -> str:
    """Say what interrupted."""
    return "SIGTERM" if isinstance(interrupt, Terminated) else "Ctrl-C"
