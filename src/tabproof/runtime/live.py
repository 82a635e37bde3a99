"""Live displays of a search and of long steps on a terminal, made with rich."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from threading import Event, RLock, Thread
from time import perf_counter
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tabproof.runtime.console import forget_console
from tabproof.runtime.progress import Progress, as_clock
from tabproof.text import format_params

FRAMES_PER_SECOND = 4
MAX_BAR, MIN_BAR = 40, 8
# Columns left out of the table of rungs where the terminal is narrow, the first one first.
EXPENDABLE = ("folds", "rows", "iterations", "candidates", "seconds", "fits")


class _Console(Console):
    """A console whose threads take turns: a line printed while a frame is drawn would tear it.

    The turn must be taken before rich's own locks, so rich's own refresh thread cannot be used.
    """

    def __init__(self) -> None:
        self.turn = RLock()
        self.error: OSError | None = None
        super().__init__(
            file=sys.stdout, force_terminal=True, force_interactive=True, highlight=False
        )

    def __enter__(self) -> "_Console":
        self.turn.acquire()
        super().__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        try:
            super().__exit__(*exception)
        except OSError as error:
            # The terminal is gone, and the search goes on.
            self.error, self.quiet = error, True
        finally:
            self.turn.release()


@contextmanager
def live_display(
    draw: Callable[[Console, bool], Iterable[RenderableType]], *, transient: bool = False
) -> Iterator[None]:
    """Show at the bottom of the terminal what `draw(console, is_final)` returns.

    What is printed meanwhile appears above it. A thread draws, so that a search never waits for
    the terminal.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        # Characters that the terminal cannot show become "?".
        sys.stdout.reconfigure(errors="replace")
    console, ended = _Console(), Event()
    live = Live(
        get_renderable=lambda: Group(*draw(console, ended.is_set())),
        console=console,
        auto_refresh=False,
        transient=transient,
        # With `2>errors.txt` errors go to that file.
        redirect_stderr=sys.stderr.isatty(),
    )

    def redraw() -> None:
        while not ended.wait(1 / FRAMES_PER_SECOND):
            with console:
                live.refresh()

    thread = Thread(target=redraw, name="live display", daemon=True)
    with console:
        live.start()
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # Not for longer: a terminal that is paused (Ctrl-S) blocks every write.
        thread.join(timeout=1)
        with console:
            live.stop()
        if console.error is not None:
            forget_console(console.error)


class SearchDisplay:
    """A row per rung, the best candidate so far, a bar for the whole search, the time left."""

    def __init__(self) -> None:
        # By rung: when it began, and its last report.
        self._rungs: dict[int, tuple[float, Progress]] = {}
        self._updated = perf_counter()

    def update(self, progress: Progress) -> None:
        """Take in a report of the search."""
        began, _ = self._rungs.get(progress.rung, (progress.seconds, None))
        self._rungs[progress.rung] = began, progress
        self._updated = perf_counter()

    def draw(self, console: Console, is_final: bool) -> Iterator[RenderableType]:
        """Draw it; where it is too high for the terminal, the end of it."""
        rungs, (width, height) = list(self._rungs.values()), console.size
        if not rungs:
            return
        last, text = rungs[-1][1], "nothing scored yet"
        for _, rung in rungs:
            if rung.score is not None:
                # Scores of different rungs cannot be compared.
                where = "" if rung is last else f" in rung {rung.rung}"
                text = f"best{where} {rung.score:.4f}: {format_params(rung.best_params)}"
        # One line stays free, in which the cursor stands; one is the table's header.
        n_rows = len(rungs) if is_final else min(height - 4, len(rungs))
        if n_rows > 0:
            yield _table(rungs[-n_rows:], width)
        if is_final or height > 2:
            yield Text(text, no_wrap=not is_final, overflow="ellipsis")
        if not is_final:
            yield self._bar(last, width)

    def _bar(self, progress: Progress, width: int) -> RenderableType:
        silence = perf_counter() - self._updated
        words = f"{progress.share:.0%}, {as_clock(progress.seconds + silence)} passed"
        if progress.is_rung_over and progress.rung == progress.n_rungs:
            words += ", fitting the best on all rows"
        elif progress.seconds_left is not None:
            words += f", about {as_clock(progress.seconds_left - silence)} left"
        line = Text(words, no_wrap=True, overflow="ellipsis")
        room = min(width - len(words) - 2, MAX_BAR)
        if room < MIN_BAR:
            return line
        grid = Table.grid(padding=(0, 2))
        grid.add_row(ProgressBar(1.0, progress.share, width=room), line)
        return grid


def _table(rungs: list[tuple[float, Progress]], width: int) -> Table:
    rows = [
        {
            "rung": f"{p.rung}/{p.n_rungs}",
            "candidates": f"{p.n_candidates:,}",
            "iterations": f"{p.iterations:.0%}",
            "rows": f"{p.n_rows:,}",
            "folds": f"{p.n_folds}",
            "fits": f"{p.n_done:,}/{p.n_fits:,}",
            "seconds": f"{p.seconds - began:.1f}",
            "best": "-" if p.score is None else f"{p.score:.4f}",
        }
        for began, p in rungs
    ]
    columns = {name: [name, *(row[name] for row in rows)] for name in rows[0]}
    for name in EXPENDABLE:
        if sum(2 + max(map(len, cells)) for cells in columns.values()) - 2 > width:
            del columns[name]
    table = Table.grid(padding=(0, 2))
    table.show_header, table.header_style = True, "dim"
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for cells in zip(*columns.values(), strict=True):
        if cells[0] != "rung":
            table.add_row(*cells)
    return table
