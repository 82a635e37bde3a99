"""The live display of a search or of a long step on a terminal, made with `rich.progress`."""

import sys
from collections.abc import Callable, Iterable
from threading import Event, RLock, Thread
from time import perf_counter
from typing import Any, Self, TextIO, cast

import rich.progress
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.progress import ProgressColumn, TextColumn
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from tabproof.runtime.console import forget_console
from tabproof.runtime.progress import Progress, StepProgress, as_clock
from tabproof.text import format_params

FRAMES_PER_SECOND = 4
MAX_BAR, MIN_BAR = 40, 8
# A step that takes less time is not shown.
SECONDS_UNSEEN = 1.0
# The columns of the table of rungs. p is a Progress.
COLUMNS = {
    "rung": "{task.fields[p].rung}/{task.fields[p].n_rungs}",
    "candidates": "{task.fields[p].n_candidates:,}",
    "iterations": "{task.fields[p].iterations:.0%}",
    "rows": "{task.fields[p].n_rows:,}",
    "folds": "{task.fields[p].n_folds}",
    "fits": "{task.completed:,}/{task.total:,}",
    "seconds": "{task.fields[seconds]:.1f}",
    "best": "{task.fields[best]}",
}
# Left out where the terminal is narrow, the first one first.
EXPENDABLE = ("folds", "rows", "iterations", "candidates", "seconds", "fits")


class LiveProgress(rich.progress.Progress):
    """A display at the bottom of the terminal; what is printed meanwhile appears above it.

    A thread draws it, so that a search never waits for the terminal.
    """

    def __init__(
        self, *columns: ProgressColumn, transient: bool = False, console: Console | None = None
    ) -> None:
        self._is_final = False
        self._terminal = _Terminal(sys.stdout)
        super().__init__(
            *columns,
            console=console or _Console(self._terminal),
            auto_refresh=False,
            transient=transient,
            # With `2>errors.txt` errors go to that file.
            redirect_stderr=sys.stderr.isatty(),
        )
        self._ended = Event()
        self._thread = Thread(target=self._redraw, name="live display", daemon=True)

    def __enter__(self) -> Self:
        with self.console:
            self.start()
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        # Not for longer: a terminal that is paused (Ctrl-S) blocks every write.
        self._thread.join(timeout=1)
        self._is_final = True
        try:
            with self.console:
                self.stop()
        finally:
            if self._terminal.error is not None:
                forget_console(self._terminal.error)

    def refresh(self) -> None:
        """Do nothing: rich would draw in the thread that adds a task."""

    def _redraw(self) -> None:
        while not self._ended.wait(1 / FRAMES_PER_SECOND):
            with self.console:
                self.live.refresh()


class SearchDisplay(LiveProgress):
    """A row per rung, the best candidate so far, a bar for the whole search, the time left."""

    def __init__(self, console: Console | None = None) -> None:
        self._updated = perf_counter()
        super().__init__(
            *(
                TextColumn(
                    cell, justify="right", markup=False, table_column=Column(name, justify="right")
                )
                for name, cell in COLUMNS.items()
            ),
            console=console,
        )

    def update_search(self, progress: Progress) -> None:
        """Take in a report of the search."""
        facts: dict[str, Any] = {
            "completed": progress.n_done,
            "total": progress.n_fits,
            "p": progress,
            "best": "-" if progress.score is None else f"{progress.score:.4f}",
        }
        tasks = self.tasks
        if not tasks or tasks[-1].fields["p"].rung != progress.rung:
            self.add_task("", began=progress.seconds, seconds=0.0, **facts)
        else:
            seconds = progress.seconds - tasks[-1].fields["began"]
            self.update(tasks[-1].id, seconds=seconds, **facts)
        self._updated = perf_counter()

    def get_renderables(self) -> Iterable[RenderableType]:
        """Draw the table, the best candidate and the bar; the end of it where it is too high."""
        if not self.tasks:
            return
        width, height = self.console.size
        rungs: list[Progress] = [task.fields["p"] for task in self.tasks]
        best = Text(_best_of(rungs), no_wrap=not self._is_final, overflow="ellipsis")
        if self._is_final:
            yield from (self._table(len(rungs), width), best)
            return
        # One line stays free, in which the cursor stands; one is the table's header.
        n_rows = min(height - 4, len(rungs))
        if n_rows > 0:
            yield self._table(n_rows, width)
        if height > 2:
            yield best
        yield self._bar(rungs[-1], width)

    def _table(self, n_rows: int, width: int) -> Table:
        table = self.make_tasks_table(self.tasks[-n_rows:])
        table.show_header, table.header_style, table.padding = True, "dim", (0, 2)
        unlimited = self.console.options.update(max_width=1_000)
        for name in EXPENDABLE:
            if Measurement.get(self.console, unlimited, table).maximum <= width:
                break
            table.columns = [column for column in table.columns if column.header != name]
        return table

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


def _best_of(rungs: list[Progress]) -> str:
    scored = [progress for progress in rungs if progress.score is not None]
    if not scored:
        return "nothing scored yet"
    best = scored[-1]
    # Scores of different rungs cannot be compared.
    where = "" if best is rungs[-1] else f" in rung {best.rung}"
    return f"best{where} {best.score:.4f}: {format_params(best.best_params)}"


class StepDisplay(LiveProgress):
    """One line that says how long a step has taken; it disappears when the step ends."""

    def __init__(self, progress: StepProgress) -> None:
        self._progress = progress
        super().__init__(transient=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Draw nothing in the first second."""
        if self._progress.seconds >= SECONDS_UNSEEN and not self._is_final:
            yield Text(str(self._progress), no_wrap=True, overflow="ellipsis")


class _Console(Console):
    """A console whose threads take turns: a line printed while a frame is drawn would tear it.

    The turn must be taken before rich's own locks, so rich's own refresh thread cannot be used.
    """

    def __init__(self, terminal: "_Terminal") -> None:
        self._turn = RLock()
        super().__init__(
            file=cast("TextIO", terminal),
            force_terminal=True,
            force_interactive=True,
            highlight=False,
        )

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
    """A stream that ignores what is written after the terminal is gone: a search goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        # Letters that the terminal cannot show become "?".
        encoding = self._stream.encoding or "utf-8"
        self._try(lambda: self._stream.write(text.encode(encoding, "replace").decode(encoding)))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, action: Callable[[], object]) -> None:
        if self.error is None:
            try:
                action()
            except OSError as error:
                self.error = error
