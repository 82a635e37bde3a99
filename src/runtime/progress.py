"""Progress of a run: live on a terminal; lines, of a search one per rung, everywhere."""

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import perf_counter
from typing import Any

from src.runtime.console import LOG_ONLY
from src.runtime.course import Course, CourseLog, Report
from src.runtime.waiting import Waiting

log = logging.getLogger(__name__)


@contextmanager
def search_display(*, bar: bool) -> Iterator[Callable[[Report], None]]:
    """Show a search while the block lasts: it reports to what this gives.

    The log has a line per rung always, and so has the console, unless bar is False; on a
    terminal a picture that changes stands for them.
    """
    course = Course()
    is_live = bar and _is_watched()
    lines = CourseLog(log if bar and not is_live else logging.getLogger(LOG_ONLY))

    def take(report: Report) -> None:
        course.take(report)
        lines.tell(course.rungs)

    with _live(course) if is_live else nullcontext():
        try:
            yield take
        finally:
            lines.close(course.rungs)


@contextmanager
def step_display(step: str, *, bar: bool) -> Iterator[Waiting]:
    """Show how long a step lasts, and its fits that begin, while the block lasts.

    The log has a line twice a minute of what tells its fits, and so has the console, unless bar
    is False; on a terminal one line that changes stands for them.
    """
    is_live = bar and _is_watched()
    waiting = Waiting(step, log if bar and not is_live else logging.getLogger(LOG_ONLY))
    with _live_line(waiting) if is_live else nullcontext():
        yield waiting


def _is_watched() -> bool:
    # Jobs of a sweep that run side by side share a terminal: none of them may move its cursor.
    can_move = os.environ.get("TERM", "dumb") not in ("dumb", "unknown") or os.name == "nt"
    return sys.stdout.isatty() and can_move and multiprocessing.parent_process() is None


def _live(course: Course) -> AbstractContextManager[None]:
    # A tenth of a second to import, that most runs of tests and servers need not wait for.
    from src.runtime.live import shown

    return shown(course)


def _live_line(waiting: Waiting) -> AbstractContextManager[None]:
    from src.runtime.live import line_shown

    return line_shown(waiting)


def progress_callbacks(*, bar: bool) -> list[Any]:
    """Make callbacks for scikit-learn's search; a bar only where somebody watches."""
    callbacks: list[Any] = [RungLog(log if bar else logging.getLogger(LOG_ONLY))]
    if bar and sys.stdout.isatty():
        from sklearn.callback import ProgressBar

        callbacks.append(ProgressBar(max_propagation_depth=0))
    return callbacks


class RungLog:
    """A callback (sklearn.callback.FitCallback) that logs each rung as it ends."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._started = 0.0

    def setup(self, estimator: Any, context: Any) -> None:
        """Start with the first rung."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Leave nothing behind."""

    def on_fit_task_begin(self, estimator: Any, context: Any, **_: Any) -> None:  # noqa: ARG002 - of the protocol
        """Note when a rung begins."""
        if context.task_name == "halving-iteration":
            self._started = perf_counter()

    def on_fit_task_end(self, estimator: Any, context: Any, **_: Any) -> None:
        """Log what the rung did."""
        if context.task_name == "halving-iteration":
            self._log.info(
                "rung %d: %d candidates on %d rows, %d folds, %.1f s",
                len(estimator.n_resources_),
                estimator.n_candidates_[-1],
                estimator.n_resources_[-1],
                estimator.n_splits_,
                perf_counter() - self._started,
            )


class Timings:
    """Seconds per step, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.current = "starting"
        self._start = perf_counter()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step; `current` names the last one begun, where a run may be interrupted."""
        start = perf_counter()
        self.current = name
        try:
            yield
        finally:
            self.seconds[name] = round(perf_counter() - start, 3)

    @property
    def rounded(self) -> dict[str, float]:
        """Seconds per step, and since the first one could begin."""
        return {**self.seconds, "total": round(perf_counter() - self._start, 3)}
