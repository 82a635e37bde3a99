"""Time limits and intervals of waiting, and a note for waiting that ends early."""

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

    def polls(self, what: str) -> Iterator[None]:
        """Pause between checks; raise TimeLimitError when the time is over."""
        end = time.monotonic() + self.limit * 60
        while True:
            yield
            if time.monotonic() >= end:
                raise TimeLimitError(what=what, minutes=self.limit)
            time.sleep(self.interval)


@contextmanager
def aws_continues() -> Iterator[None]:
    """Add a note to any other error that AWS continues the change."""
    try:
        yield
    except (RolloutFailedError, StackFailedError):
        raise
    except BaseException as error:
        error.add_note(f"AWS continues what was begun: {PROGRAM} status")
        raise
