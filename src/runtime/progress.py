"""Progress of a search: a bar on a terminal, a line per rung everywhere."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

log = logging.getLogger(__name__)


def progress_callbacks(*, bar: bool) -> list[Any]:
    """Make callbacks for scikit-learn's search; a bar only where somebody watches."""
    callbacks: list[Any] = [RungLog()]
    if bar and sys.stdout.isatty():
        from sklearn.callback import ProgressBar

        callbacks.append(ProgressBar(max_propagation_depth=0))
    return callbacks


class RungLog:
    """A callback (sklearn.callback.FitCallback) that logs each rung as it ends."""

    def __init__(self) -> None:
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
            log.info(
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
    def total(self) -> float:
        """Seconds since the first step could begin."""
        return perf_counter() - self._start
