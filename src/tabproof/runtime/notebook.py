"""A live display in a notebook: the lines of the terminal's display, in the output of the cell.

IPython, which is there in a notebook, is imported nowhere else.
"""

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from rich.console import Console, Group, RenderableType

from tabproof.runtime.process import repeated

UPDATES_PER_SECOND = 2
# A cell is about as wide in JupyterLab; the height is not limited.
WIDTH, HEIGHT = 100, 60
STYLE = "line-height:1.2; white-space:pre; border:none; margin:0"


def is_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    return "ipykernel" in sys.modules and _shell() is not None


def _shell() -> Any:
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


@contextmanager
def notebook_display(
    draw: Callable[[Console, bool], Iterable[RenderableType]], *, transient: bool = False
) -> Iterator[None]:
    """Show below the cell what `draw(console, is_final)` returns, until the block ends.

    A thread draws, as on a terminal; what is the same is not sent again.
    """
    from IPython.display import display

    shown = ""
    handle: Any = None

    def show(text: str) -> None:
        nonlocal shown, handle
        if text == shown:
            return
        shown = text
        page = f'<pre style="{STYLE}">{escape(text)}</pre>' if text else ""
        content = {"text/plain": text, "text/html": page}
        # A short step shows nothing, and leaves no empty output.
        if handle is None:
            handle = display(content, raw=True, display_id=True)
        else:
            handle.update(content, raw=True)

    def redraw() -> None:
        show(_drawn(draw, is_final=False))

    try:
        with repeated(redraw, 1 / UPDATES_PER_SECOND, "notebook display"):
            yield
    finally:
        show("" if transient else _drawn(draw, is_final=True))


def _drawn(draw: Callable[[Console, bool], Iterable[RenderableType]], *, is_final: bool) -> str:
    console = Console(
        file=io.StringIO(), width=WIDTH, height=HEIGHT, force_jupyter=False, color_system=None
    )
    with console.capture() as capture:
        console.print(Group(*draw(console, is_final)))
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())
