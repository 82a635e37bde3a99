"""Progress of a run: live on a terminal; lines, of a search one per rung, everywhere."""

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from math import isfinite
from threading import Event, RLock, Thread
from time import perf_counter
from typing import Any, Protocol, TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tabproof.runtime.console import LOG_ONLY, forget_console
from tabproof.text import counted, params_in_words

# --- The course of a search, rung by rung, in words. Where the words go is decided elsewhere.

# A rung that lasts long says so no more often.
SECONDS_BETWEEN_LINES = 30
MAX_LETTERS = 80


class Report(Protocol):
    """What a search tells: tabproof.search.Progress is one."""

    @property
    def rung(self) -> int:
        """Counts from 1."""

    @property
    def n_rungs(self) -> int:
        """How many there will be."""

    @property
    def n_candidates(self) -> int:
        """Who meets in the rung."""

    @property
    def iterations(self) -> float:
        """The share of those that a candidate asks for."""

    @property
    def n_rows(self) -> int:
        """Rows of a fit."""

    @property
    def n_folds(self) -> int:
        """Folds on which each is scored."""

    @property
    def n_done(self) -> int:
        """Fits of the rung that are done."""

    @property
    def n_fits(self) -> int:
        """Fits of the rung; where candidates come in batches it grows."""

    @property
    def share(self) -> float:
        """The share of the whole search that is done."""

    @property
    def best_score(self) -> float | None:
        """The best of the rung so far."""

    @property
    def best_params(self) -> Mapping[str, Any]:
        """Whose it is."""

    @property
    def seconds(self) -> float:
        """Since the search began."""

    @property
    def seconds_left(self) -> float | None:
        """None until something is known."""


@dataclass(frozen=True)
class RungCourse:
    """A rung: the last that was told of it, and when it began."""

    last: Report
    began: float

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return self.last.seconds - self.began

    @property
    def is_over(self) -> bool:
        """Whether all that was asked for is done; further batches may follow in the first."""
        return self.last.n_done >= self.last.n_fits

    @property
    def score(self) -> float | None:
        """The best score, where there is one."""
        score = self.last.best_score
        return score if score is not None and isfinite(score) else None


class Course:
    """What has been told; `rungs` is replaced and never changed, as another thread draws it."""

    def __init__(self) -> None:
        self.rungs: tuple[RungCourse, ...] = ()
        self._heard = perf_counter()

    def take(self, report: Report) -> None:
        """Take in a report."""
        before = self.rungs
        began = report.seconds
        if before and before[-1].last.rung == report.rung:
            before, began = before[:-1], before[-1].began
        self.rungs = (*before, RungCourse(report, began))
        self._heard = perf_counter()

    @property
    def silence(self) -> float:
        """Seconds since the last report."""
        return perf_counter() - self._heard

    @property
    def is_over(self) -> bool:
        """Whether the last rung is."""
        return bool(self.rungs) and _has_ended(self.rungs[-1]) and not self.n_rungs_left

    @property
    def n_rungs_left(self) -> int:
        """How many are to begin."""
        last = self.rungs[-1].last
        return last.n_rungs - last.rung


def _has_ended(rung: RungCourse) -> bool:
    # In the first rung candidates may come in batches, and each is done before the next comes.
    return rung.is_over and (rung.last.rung > 1 or rung.last.share >= 1)


class CourseLog:
    """Logs a line when a rung ends, and now and then while one lasts."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._n_told = 0
        self._said = 0.0

    def tell(self, rungs: Sequence[RungCourse]) -> None:
        """Log what is worth it since the last call."""
        for rung in rungs[self._n_told :]:
            if rung is not rungs[-1] or _has_ended(rung):
                self._end(rung)
            elif rung.last.seconds - max(self._said, rung.began) >= SECONDS_BETWEEN_LINES:
                self._log.info(_while_it_lasts(rung))
                self._said = rung.last.seconds

    def close(self, rungs: Sequence[RungCourse]) -> None:
        """Log what has not been told: of a search that was stopped too."""
        for rung in rungs[self._n_told :]:
            self._end(rung)

    def _end(self, rung: RungCourse) -> None:
        self._log.info(_when_it_ends(rung))
        self._n_told += 1
        self._said = rung.last.seconds


def _when_it_ends(rung: RungCourse) -> str:
    last = rung.last
    n_done = "" if rung.is_over else f"{last.n_done:,} of "
    return (
        f"rung {last.rung}: {counted(last.n_candidates, 'candidate')},"
        f" {last.iterations:.0%} iterations, {counted(last.n_rows, 'row')},"
        f" {counted(last.n_folds, 'fold')}: {n_done}{counted(last.n_fits, 'fit')}"
        f" in {rung.seconds:.1f} s, {_best(rung)}"
    )


def _while_it_lasts(rung: RungCourse) -> str:
    last = rung.last
    left = f", about {as_clock(last.seconds_left)} left" if last.seconds_left is not None else ""
    return (
        f"rung {last.rung} of {last.n_rungs}: {last.n_done:,} of {last.n_fits:,} fits,"
        f" {last.share:.0%} of the search{left}, {_best(rung)}"
    )


def _best(rung: RungCourse) -> str:
    if rung.score is None:
        return "nothing scored"
    params = params_in_words(rung.last.best_params)
    if len(params) > MAX_LETTERS:
        params = f"{params[:MAX_LETTERS].rstrip(', ')}…"
    return f"best {rung.score:.4f} ({params})"


def as_clock(seconds: float) -> str:
    """Show a duration as 0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# --- A step that has no course to draw: what is done, since when, how many fits have begun.

# What is over sooner need not be shown.
SECONDS_UNSEEN = 1.0


class Waiting:
    """Counts fits, and logs now and then how far they are; another thread may read the words."""

    def __init__(
        self, step: str, log: logging.Logger, clock: Callable[[], float] = perf_counter
    ) -> None:
        self._log, self._clock = log, clock
        self._began = self._said = clock()
        self._what, self._n_begun, self._n_fits = step, 0, 0

    def fit_begins(self, what: str, n_fits: int) -> None:
        """Count a fit of n_fits; another what begins anew."""
        if what != self._what:
            self._what, self._n_begun = what, 0
        self._n_begun, self._n_fits = self._n_begun + 1, n_fits
        if self._clock() - self._said >= SECONDS_BETWEEN_LINES:
            self._log.info(self.in_words())
            self._said = self._clock()

    def in_words(self) -> str:
        """Say what a terminal shows at this moment."""
        fits = f": fit {self._n_begun:,} of {self._n_fits:,}" if self._n_fits else ""
        return f"{self._what}{fits}, {as_clock(self.seconds)} passed"

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self._clock() - self._began

    @property
    def is_seen(self) -> bool:
        """Whether it lasts long enough to be shown."""
        return self.seconds >= SECONDS_UNSEEN


# --- A search as it goes, on a terminal: a line per rung, a bar, the best so far, the time left.

FRAMES_PER_SECOND = 4
MAX_BAR, MIN_BAR = 40, 8
# Where a terminal is narrow these go, the first of them first.
EXPENDABLE = ("folds", "rows", "iterations", "candidates", "seconds", "fits")


class Drawing(Protocol):
    """Draws what is shown at this moment."""

    is_final: bool

    def draw(self) -> RenderableType:
        """Draw no more lines than the terminal has."""


def shown(course: Course) -> AbstractContextManager[None]:
    """Draw the course of a search on this terminal until the block ends."""
    return _drawn(lambda console: Picture(course, console))


def line_shown(waiting: Waiting) -> AbstractContextManager[None]:
    """Draw what is done in a line that is gone when the block ends."""
    return _drawn(lambda _: WaitingLine(waiting), transient=True)


@contextmanager
def _drawn(make: Callable[[Console], Drawing], *, transient: bool = False) -> Iterator[None]:
    """Draw on this terminal until the block ends.

    What is printed meanwhile stands above it. A thread draws: who reports never waits.
    """
    terminal = _Terminal(sys.stdout)
    console = _Console(
        file=cast("TextIO", terminal), force_terminal=True, force_interactive=True, highlight=False
    )
    picture = make(console)
    live = Live(
        console=console,
        get_renderable=picture.draw,
        auto_refresh=False,
        transient=transient,
        # `2>errors.txt` asks for errors there.
        redirect_stderr=sys.stderr.isatty(),
    )
    try:
        with _on_screen(live):
            try:
                with _redrawn(live):
                    yield
            finally:
                picture.is_final = True
    finally:
        if terminal.error is not None:
            forget_console(terminal.error)


@contextmanager
def _on_screen(live: Live) -> Iterator[None]:
    with live.console:
        live.start()
    try:
        yield
    finally:
        with live.console:
            live.stop()


@contextmanager
def _redrawn(live: Live) -> Iterator[None]:
    ended = Event()

    def redraw() -> None:
        while not ended.wait(1 / FRAMES_PER_SECOND):
            with live.console:
                live.refresh()

    thread = Thread(target=redraw, name="live display", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # A terminal that is held up holds up whoever writes to it.
        thread.join(timeout=1)


class _Console(Console):
    """Rich's, whose threads take turns: a line printed within a frame would tear it.

    Its turn must be taken before the lock of Live is, hence not Live's own thread.
    """

    def __init__(self, **options: Any) -> None:
        self._turn = RLock()
        super().__init__(**options)

    def __enter__(self) -> "_Console":
        self._turn.acquire()
        super().__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        try:
            super().__exit__(*exception)
        finally:
            self._turn.release()


class _Terminal:
    """A stream that falls silent with its terminal: a search goes on without one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        encoding = self._stream.encoding or "utf-8"
        writable = text.encode(encoding, "replace").decode(encoding)
        if self.error is None:
            try:
                self._stream.write(writable)
            except OSError as error:
                self.error = error
        return len(text)

    def flush(self) -> None:
        if self.error is None:
            try:
                self._stream.flush()
            except OSError as error:
                self.error = error


class WaitingLine:
    """Draws what is done as one line."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self.is_final = False

    def draw(self) -> RenderableType:
        """Draw nothing at first, and nothing at the end."""
        is_seen = self._waiting.is_seen and not self.is_final
        return _line(self._waiting.in_words()) if is_seen else Text(end="")


class Picture:
    """Draws a course as it is now; the final picture keeps what is worth reading later."""

    def __init__(self, course: Course, console: Console) -> None:
        self._course, self._console = course, console
        self.is_final = False

    def draw(self) -> RenderableType:
        """Draw no more lines than the terminal has: the last are the ones to see."""
        rungs = self._course.rungs
        if not rungs:
            return Text()
        width, height = self._console.size
        table = _as_table(rungs, width)
        if self.is_final:
            return Group(*table, Text(_best_live(rungs)))
        bar, time = self._bar(rungs[-1], width), _line(self._time(rungs[-1]))
        lines = [*table, _line(_best_live(rungs)), bar, time]
        return Group(*lines[-max(height - 1, 1) :])

    def _bar(self, rung: RungCourse, width: int) -> RenderableType:
        last = rung.last
        words = f"{last.n_done:,} of {last.n_fits:,} fits, {last.share:.0%} of the search"
        room = min(width - len(words) - 2, MAX_BAR)
        if room < MIN_BAR:
            return _line(words)
        grid = Table.grid(padding=(0, 2))
        grid.add_row(ProgressBar(1.0, last.share, width=room), _line(words))
        return grid

    def _time(self, rung: RungCourse) -> str:
        silence = self._course.silence
        passed = f"{as_clock(rung.last.seconds + silence)} passed"
        if self._course.is_over:
            return f"{passed}, fitting the best on all rows"
        if rung.last.seconds_left is None:
            return passed
        return f"{passed}, about {as_clock(rung.last.seconds_left - silence)} left"


def _line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _as_table(rungs: Sequence[RungCourse], width: int) -> list[Text]:
    columns = {name: [name] for name in _cells(rungs[-1])}
    for rung in rungs:
        for name, cell in _cells(rung).items():
            columns[name].append(cell)
    widths = {name: max(map(len, cells)) for name, cells in columns.items()}
    for name in EXPENDABLE:
        if sum(widths.values()) + 2 * len(widths) - 2 > width:
            del widths[name]
    rows = zip(*(columns[name] for name in widths), strict=True)
    lines = ["  ".join(map(str.rjust, row, widths.values())) for row in rows]
    return [_line(line, "dim" if number == 0 else "") for number, line in enumerate(lines)]


def _cells(rung: RungCourse) -> dict[str, str]:
    last = rung.last
    n_done = "" if rung.is_over else f"{last.n_done:,}/"
    return {
        "rung": f"{last.rung}/{last.n_rungs}",
        "candidates": f"{last.n_candidates:,}",
        "iterations": f"{last.iterations:.0%}",
        "rows": f"{last.n_rows:,}",
        "folds": str(last.n_folds),
        "fits": f"{n_done}{last.n_fits:,}",
        "seconds": f"{rung.seconds:.1f}",
        "best": "-" if rung.score is None else f"{rung.score:.4f}",
    }


def _best_live(rungs: Sequence[RungCourse]) -> str:
    scored = [rung for rung in rungs if rung.score is not None]
    if not scored:
        return "nothing scored yet"
    best = scored[-1]
    # Scores of different rungs cannot be compared.
    where = "" if best is rungs[-1] else f" in rung {best.last.rung}"
    return f"best{where} {best.score:.4f}: {params_in_words(best.last.best_params)}"


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

    return shown(course)


def _live_line(waiting: Waiting) -> AbstractContextManager[None]:

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
