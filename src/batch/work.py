"""Work shared among threads, its results in order, little of it in memory."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

Piece = TypeVar("Piece")
Result = TypeVar("Result")

# Above all arrays that scoring makes and drops, below what glibc would never keep (32 MB).
LARGEST_KEPT = 24 * 2**20


def in_order(
    pool: ThreadPoolExecutor,
    n_ahead: int,
    pieces: Iterable[Piece],
    function: Callable[[Piece], Result],
) -> Generator[Result]:
    """Give the result of each piece; at most n_ahead of them are held beside the one given."""
    waiting: deque[Future[Result]] = deque()
    try:
        for piece in pieces:
            waiting.append(pool.submit(function, piece))
            if len(waiting) > n_ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def keep_freed_memory() -> None:
    """Let the C library use freed memory again instead of giving it back to the system.

    glibc does so for blocks up to the largest that was ever freed. Without, a third of the time
    of scoring goes into pages that are given back and asked for anew.
    """
    np.empty(LARGEST_KEPT, dtype=np.uint8)
