"""Guard what only people read: a plot or a page that cannot be made costs no run."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

# Maximum characters of a reason.
MAX_REASON = 300


@dataclass
class ForPeople:
    """Parts that could not be made, by name, with the reason. They are in summary.json."""

    left_out: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Leave out a part that fails inside the block, and say so; the log has the traceback."""
        try:
            yield
        except Exception as error:  # whatever it is, the numbers of the run are right without it
            text = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
            self.left_out[name] = text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]}…"
            log.warning("left out: %s (%s)", name, self.left_out[name], exc_info=True)
