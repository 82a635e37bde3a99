"""Show how far a run is: a live display on a terminal, plain lines in a log or a pipe.

rich, and `live.py` with it, is imported only where there is a terminal: it takes a tenth of a
second.
"""

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from math import isfinite
from time import perf_counter
from typing import Any

from tabproof.runtime.console import LOG_ONLY
from tabproof.runtime.process import repeated
from tabproof.text import counted, format_params

# A long rung or step is logged this often; a live display leaves out a shorter step.
SECONDS_BETWEEN_LINES, SECONDS_UNSEEN = 10.0, 1.0
# Maximum characters of parameters in a line of the log.
MAX_PARAMS = 80

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """What a search reports after each fit, and at the beginning and end of each rung.

    rung counts from 1. n_done and n_fits are fits of this rung; n_fits grows where candidates
    come in batches. iterations is a share, as in the schedule; share is the part of the whole
    search that is done. best_score and best_params belong to the best candidate of this rung so
    far. seconds_left is None until enough fits are done for an estimate.
    """

    rung: int
    n_rungs: int
    n_candidates: int
    iterations: float
    n_rows: int
    n_folds: int
    n_done: int
    n_fits: int
    share: float
    best_score: float | None
    best_params: Mapping[str, Any]
    seconds: float
    seconds_left: float | None

    @property
    def score(self) -> float | None:
        """The best score, or None where it is missing or not a number."""
        score = self.best_score
        return score if score is not None and isfinite(score) else None

    @property
    def is_rung_over(self) -> bool:
        """Whether all fits of the rung are done and no further batch can follow."""
        return self.n_done >= self.n_fits and (self.rung > 1 or self.share >= 1)


def as_clock(seconds: float) -> str:
    """Format a duration as 0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _destination(*, bar: bool) -> tuple[bool, logging.Logger]:
    """Return whether a live display is shown, and the logger of lines.

    The log always has the lines. So has the console, unless `bar` is False or the live display
    takes their place.
    """
    # Jobs of a sweep that run in parallel share a terminal: none of them may move its cursor.
    can_move = os.environ.get("TERM", "dumb") not in ("dumb", "unknown") or os.name == "nt"
    is_alone = multiprocessing.parent_process() is None
    is_live = bar and is_alone and (_is_notebook() or (sys.stdout.isatty() and can_move))
    return is_live, log if bar and not is_live else logging.getLogger(LOG_ONLY)


def _is_notebook() -> bool:
    # Without a kernel in this process there is nothing to import.
    if "ipykernel" not in sys.modules:
        return False
    from tabproof.runtime.notebook import is_notebook

    return is_notebook()


def _live_display(draw: Callable[..., Any], *, transient: bool = False) -> Any:
    """Return the display of a notebook or of a terminal, as a context manager."""
    if _is_notebook():
        from tabproof.runtime.notebook import notebook_display

        return notebook_display(draw, transient=transient)
    from tabproof.runtime.live import live_display

    return live_display(draw, transient=transient)


@contextmanager
def search_display(*, bar: bool) -> Iterator[Callable[[Progress], None]]:
    """Show a search inside the block; yield the function to which it reports."""
    is_live, logger = _destination(bar=bar)
    search = SearchLog(logger)
    with ExitStack() as stack:
        stack.callback(search.close)
        if is_live:
            from tabproof.runtime.live import draw_search

            stack.enter_context(_live_display(partial(draw_search, search)))
        yield search.update


class SearchLog:
    """The reports of a search; a line is logged when a rung ends, and every ten seconds.

    rungs: for each, when it began, and its last report. updated: when the last report came.
    """

    def __init__(self, log: logging.Logger) -> None:
        self.rungs: list[tuple[float, Progress]] = []
        self.updated = perf_counter()
        self._log, self._n_logged, self._logged = log, 0, 0.0

    def update(self, progress: Progress) -> None:
        """Take in a report."""
        if not self.rungs or self.rungs[-1][1].rung != progress.rung:
            self.close()
            self.rungs.append((progress.seconds, progress))
        began, _ = self.rungs[-1]
        self.rungs[-1], self.updated = (began, progress), perf_counter()
        if progress.is_rung_over:
            self.close()
        elif progress.seconds - max(self._logged, began) >= SECONDS_BETWEEN_LINES:
            left = progress.seconds_left
            about = "" if left is None else f", about {as_clock(left)} left"
            self._log.info(
                f"rung {progress.rung} of {progress.n_rungs}:"
                f" {progress.n_done:,} of {progress.n_fits:,} fits,"
                f" {progress.share:.0%} of the search{about}, {_format_best(progress)}"
            )
            self._logged = progress.seconds

    def close(self) -> None:
        """Log the last rung, unless that was done; it may have been stopped before its end."""
        if self._n_logged == len(self.rungs):
            return
        began, last = self.rungs[-1]
        n_done = "" if last.n_done >= last.n_fits else f"{last.n_done:,} of "
        self._log.info(
            f"rung {last.rung}: {counted(last.n_candidates, 'candidate')},"
            f" {last.iterations:.0%} iterations, {counted(last.n_rows, 'row')},"
            f" {counted(last.n_folds, 'fold')}: {n_done}{counted(last.n_fits, 'fit')}"
            f" in {last.seconds - began:.1f} s, {_format_best(last)}"
        )
        self._n_logged, self._logged = len(self.rungs), last.seconds


def _format_best(progress: Progress) -> str:
    if progress.score is None:
        return "nothing scored"
    params = format_params(progress.best_params)
    if len(params) > MAX_PARAMS:
        params = f"{params[:MAX_PARAMS].rstrip(', ')}…"
    return f"best {progress.score:.4f} ({params})"


class StepProgress:
    """Count the parts of a long step, such as fits."""

    def __init__(self, step: str) -> None:
        self._step, self._name = step, step
        self._part = "fit"
        self._n_begun = self._n_parts = 0
        self._began = perf_counter()

    def begin_fit(self, step: str, n_fits: int) -> None:
        """Count a fit of n_fits; a new step starts counting again."""
        self._begin(step, "fit", n_fits)

    def begin(self, part: str, n_parts: int) -> None:
        """Count a part of n_parts, such as a column; another kind starts counting again."""
        self._begin(self._name, part, n_parts)

    def _begin(self, step: str, part: str, n_parts: int) -> None:
        is_same = (step, part) == (self._step, self._part)
        self._n_begun = self._n_begun + 1 if is_same else 1
        self._step, self._part, self._n_parts = step, part, n_parts

    @property
    def seconds(self) -> float:
        """Seconds since the step began."""
        return perf_counter() - self._began

    def __str__(self) -> str:
        parts = f": {self._part} {self._n_begun:,} of {self._n_parts:,}" if self._n_parts else ""
        return f"{self._step}{parts}, {as_clock(self.seconds)} passed"


@contextmanager
def step_display(step: str, *, bar: bool) -> Iterator[StepProgress]:
    """Show inside the block how long a step takes, and its parts if it reports them."""
    is_live, logger = _destination(bar=bar)
    progress = StepProgress(step)
    with ExitStack() as stack:

        def write_line() -> None:
            # Where no line can be written, the step itself raises the error.
            with suppress(OSError):
                logger.info(str(progress))

        stack.enter_context(repeated(write_line, SECONDS_BETWEEN_LINES, "progress"))
        if is_live:
            from rich.text import Text

            def draw(_console: object, is_final: bool) -> Iterator[Text]:
                if progress.seconds >= SECONDS_UNSEEN and not is_final:
                    yield Text(str(progress), no_wrap=True, overflow="ellipsis")

            stack.enter_context(_live_display(draw, transient=True))
        yield progress


@contextmanager
def rows_display(*, bar: bool, what: str = "rows") -> Iterator[Callable[[int, float], None]]:
    """Show a bar on stderr inside the block, if that is a terminal.

    Yields the function that takes the number of rows, or of what else is counted, that are done,
    and their share of all.
    """
    if not (bar and sys.stderr.isatty()):
        yield lambda _rows, _share: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TextColumn(f"{{task.fields[done]}} {what}"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("", total=1.0, done="0")
        yield lambda done, share: display.update(task, completed=share, done=f"{done:,}")


def progress_callbacks(*, bar: bool) -> list[Any]:
    """Return callbacks for scikit-learn's search: a line per rung, and a bar on a terminal."""
    callbacks: list[Any] = [_RungLog(log if bar else logging.getLogger(LOG_ONLY))]
    if bar and sys.stdout.isatty():
        from sklearn.callback import ProgressBar

        callbacks.append(ProgressBar(max_propagation_depth=0))
    return callbacks


class _RungLog:
    """A callback (sklearn.callback.FitCallback) that logs each rung when it ends."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._began = 0.0

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing; the protocol requires it."""

    teardown = setup

    def on_fit_task_begin(self, estimator: Any, context: Any, **_: Any) -> None:  # noqa: ARG002 - of the protocol
        if context.task_name == "halving-iteration":
            self._began = perf_counter()

    def on_fit_task_end(self, estimator: Any, context: Any, **_: Any) -> None:
        if context.task_name == "halving-iteration":
            self._log.info(
                "rung %d: %d candidates on %d rows, %d folds, %.1f s",
                len(estimator.n_resources_),
                estimator.n_candidates_[-1],
                estimator.n_resources_[-1],
                estimator.n_splits_,
                perf_counter() - self._began,
            )


class Timings:
    """Seconds per step, in order; `current` is the last step begun."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.current = "starting"
        self._start = perf_counter()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        start = perf_counter()
        self.current = name
        try:
            yield
        finally:
            self.seconds[name] = round(perf_counter() - start, 3)

    @property
    def rounded(self) -> dict[str, float]:
        """Seconds per step, and in total since this object was made."""
        return {**self.seconds, "total": round(perf_counter() - self._start, 3)}
