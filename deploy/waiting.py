"""How long to wait, how often to look, and what is true when waiting ends early."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deploy.errors import PROGRAM, RolloutFailedError, StackFailedError, TimeLimitError


@dataclass(frozen=True)
class Patience:
    """limit in minutes, interval in seconds."""

    limit: float
    interval: float

    def looks(self, what: str) -> Iterator[None]:
        """Pause between looks; raises TimeLimitError when the time is over."""
        end = time.monotonic() + self.limit * 60
        while True:
            yield
            if time.monotonic() >= end:
                raise TimeLimitError(what, self.limit)
            time.sleep(self.interval)


@contextmanager
def going_on() -> Iterator[None]:
    """Say of whatever ends the waiting that AWS goes on all the same."""
    try:
        yield
    except (RolloutFailedError, StackFailedError):
        raise
    except BaseException as error:
        error.add_note(f"what was begun goes on in AWS: {PROGRAM} status")
        raise
