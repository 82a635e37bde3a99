"""Lend bytes to Arrow, whose threads may hold them for longer than the call that reads them."""

from collections.abc import Callable
from time import sleep
from typing import TypeVar

import pyarrow as pa

# Seconds between two looks, and the number of looks.
STEP, MAX_STEPS = 0.001, 1000
T = TypeVar("T")


def read_lent(read: Callable[[pa.BufferReader], T], content: bytes, offset: int = 0) -> T:
    """Return what is read from a file of bytes, when no thread holds them any longer.

    A thread that gives bytes back while Python ends aborts the process. read : returns a copy, as
    of a CSV, not a view of the bytes.
    """
    view = memoryview(content)[offset:]
    found = read(pa.BufferReader(pa.py_buffer(view)))
    for _ in range(MAX_STEPS):
        try:
            view.release()
            break
        except BufferError:
            sleep(STEP)
    return found
