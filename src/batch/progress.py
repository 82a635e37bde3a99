"""A bar on a terminal, and silence elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Takes the rows done so far, and their share of all.
Show = Callable[[int, float], None]


@contextmanager
def shown(*, bar: bool) -> Iterator[Show]:
    """Show how far the work is, where somebody watches."""
    if not (bar and sys.stderr.isatty()):
        yield lambda _rows, _share: None
        return
    # A tenth of the start of this program, that most runs of it need not wait for.
    from rich import progress
    from rich.console import Console

    columns = (
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[rows]} rows"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("scoring", total=1.0, rows="0")
        yield lambda rows, share: display.update(task, completed=share, rows=f"{rows:,}")
