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
from rich.table import Column, Table
from rich.text import Text

from tabproof.runtime.console import forget_console
from tabproof.runtime.progress import SearchLog, as_clock
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


def draw_search(search: SearchLog, console: Console, is_final: bool) -> Iterator[RenderableType]:
    """Draw a row per rung, the best candidate so far, a bar for the whole search, the time left.

    Where it is too high for the terminal, the first rungs are left out.
    """
    rungs, (width, height) = list(search.rungs), console.size
    if not rungs:
        return
    last, text = rungs[-1][1], "nothing scored yet"
    for _, rung in rungs:
        if rung.score is not None:
            # Scores of different rungs cannot be compared.
            where = "" if rung is last else f" in rung {rung.rung}"
            text = f"best{where} {rung.score:.4f}: {format_params(rung.best_params)}"
    # One line stays free for the cursor; one is the table's header.
    n_rows = len(rungs) if is_final else min(height - 4, len(rungs))
    if n_rows > 0:
        rows = [
            ("rung", "candidates", "iterations", "rows", "folds", "fits", "seconds", "best"),
            *(
                (
                    f"{p.rung}/{p.n_rungs}",
                    f"{p.n_candidates:,}",
                    f"{p.iterations:.0%}",
                    f"{p.n_rows:,}",
                    f"{p.n_folds}",
                    f"{p.n_done:,}/{p.n_fits:,}",
                    f"{p.seconds - began:.1f}",
                    "-" if p.score is None else f"{p.score:.4f}",
                )
                for began, p in rungs[-n_rows:]
            ),
        ]
        columns = {cells[0]: cells for cells in zip(*rows, strict=True)}
        for name in EXPENDABLE:
            if sum(2 + max(map(len, cells)) for cells in columns.values()) - 2 > width:
                del columns[name]
        header, *rows = zip(*columns.values(), strict=True)
        table = Table.grid(
            *(Column(name, justify="right", no_wrap=True) for name in header), padding=(0, 2)
        )
        table.show_header, table.header_style = True, "dim"
        for row in rows:
            table.add_row(*row)
        yield table
    if is_final or height > 2:
        yield Text(text, no_wrap=not is_final, overflow="ellipsis")
    if is_final:
        return
    silence = perf_counter() - search.updated
    words = f"{last.share:.0%}, {as_clock(last.seconds + silence)} passed"
    if last.is_rung_over and last.rung == last.n_rungs:
        words += ", fitting the best on all rows"
    elif last.seconds_left is not None:
        words += f", about {as_clock(last.seconds_left - silence)} left"
    line = Text(words, no_wrap=True, overflow="ellipsis")
    room = min(width - len(words) - 2, MAX_BAR)
    bar = [ProgressBar(1.0, last.share, width=room)] if room >= MIN_BAR else []
    grid = Table.grid(padding=(0, 2))
    grid.add_row(*bar, line)
    yield grid
