"""A search as it goes, on a terminal: a line per rung, a bar, the best so far, the time left."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Event, RLock, Thread
from typing import Any, Protocol, TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from src.runtime.console import forget_console
from src.runtime.course import Course, RungCourse, as_clock
from src.runtime.waiting import Waiting
from src.wording import params_in_words

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
            return Group(*table, Text(_best(rungs)))
        bar, time = self._bar(rungs[-1], width), _line(self._time(rungs[-1]))
        lines = [*table, _line(_best(rungs)), bar, time]
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


def _best(rungs: Sequence[RungCourse]) -> str:
    scored = [rung for rung in rungs if rung.score is not None]
    if not scored:
        return "nothing scored yet"
    best = scored[-1]
    # Scores of different rungs cannot be compared.
    where = "" if best is rungs[-1] else f" in rung {best.last.rung}"
    return f"best{where} {best.score:.4f}: {params_in_words(best.last.best_params)}"
