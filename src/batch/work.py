"""Work shared among threads or machines, its results in order, little of it in memory."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

Piece = TypeVar("Piece")
Result = TypeVar("Result")

# Above all arrays that scoring makes and drops, below what glibc would never keep (32 MB).
LARGEST_KEPT = 24 * 2**20


class Answer(Protocol):
    """What a call will give."""

    def result(self) -> Any:
        """Wait for it."""
        ...

    def cancel(self) -> object:
        """Take the call back, if it has not begun."""
        ...


class Executor(Protocol):
    """Makes calls, several at a time: threads do, and the machines of a cluster."""

    def submit(self, function: Callable[..., Any], piece: Any, /) -> Answer:
        """Have a function called."""
        ...


@dataclass(frozen=True)
class Pool:
    """Who works; n_ahead: pieces that are read or scored already while others are."""

    executor: Executor
    n_ahead: int


def in_order(
    pool: Pool, pieces: Iterable[Piece], function: Callable[[Piece], Result]
) -> Generator[Result]:
    """Give the result of each piece; at most n_ahead of them are held beside the one given."""
    waiting: deque[Answer] = deque()
    try:
        for piece in pieces:
            waiting.append(pool.executor.submit(function, piece))
            if len(waiting) > pool.n_ahead:
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
