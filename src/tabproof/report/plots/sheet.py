"""A sheet of paper, measured in points: title, legend, and room for panels.

Sized for a telephone, where a point becomes a pixel. matplotlib's layout engines measure fonts
that the browser won't use, and its axes take four fifths of the time: both are done here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import IdentityTransform
from numpy.typing import ArrayLike

from tabproof.report.plots.lettering import CELL, printable, width_of, wrapped
from tabproof.report.plots.palette import DASHES, GRID, INK, MUTED, SERIES

WIDTH = 360.0
MARGIN = 8.0
SIZE, TITLE_SIZE = 10.0, 12.5
LINE = 15.0
# From the middle of a letter down to its foot, as a share of its size.
SINK = 0.35
KEY_WIDTH = 24.0
# Else what an axis is called would look like one more line of the legend.
LEGEND_GAP = 6.0
MAX_CELLS = int((WIDTH - 2 * MARGIN) / (SIZE * CELL))
MAX_KEY_CELLS = int((WIDTH - 3 * MARGIN - KEY_WIDTH) / (SIZE * CELL))


@dataclass(frozen=True)
class Key:
    """A line of the legend: what it says beside which sample; no sample without a colour."""

    text: str
    colour: str | None = None
    dashes: Any = "solid"
    marker: str | None = None
    is_area: bool = False


def series_style(number: int) -> dict[str, Any]:
    """Give the colour and the dashes of a series, for a key or a line."""
    return {"colour": SERIES[number], "dashes": DASHES[number]}


class Sheet:
    """A picture under way; words: what it shows, for those who don't see it.

    height is that of what lies below title and legend.
    """

    def __init__(
        self, title: str, subtitle: str, *, height: float, words: str, keys: Sequence[Key] = ()
    ) -> None:
        self.title, self.words = title, words
        lines = [wrapped(printable(key.text), MAX_KEY_CELLS, 2) for key in keys]
        self.total = height + 44 + LINE * sum(map(len, lines)) + LEGEND_GAP * bool(keys)
        self.figure = Figure(figsize=(WIDTH / 72, self.total / 72), dpi=72)
        self.figure.patch.set_visible(False)
        room = WIDTH - 2 * MARGIN
        size = min(TITLE_SIZE, TITLE_SIZE * room / width_of(title, TITLE_SIZE))
        self.write(MARGIN, self.total - 17, title, size=size, weight="bold", colour=INK)
        self.write(MARGIN, self.total - 33, wrapped(printable(subtitle), MAX_CELLS, 1)[0])
        y = self.total - 52
        for key, texts in zip(keys, lines, strict=True):
            self._draw_sample(key, y + SINK * SIZE)
            for text in texts:
                self.write(MARGIN + (KEY_WIDTH + 6) * bool(key.colour), y, text, colour=INK)
                y -= LINE

    def write(
        self,
        x: float,
        y: float,
        text: str,
        *,
        colour: str = MUTED,
        size: float = SIZE,
        align: str = "left",
        weight: str = "normal",
        turn: float = 0,
    ) -> None:
        """Write at a point, which is the foot of the text."""
        style: dict[str, Any] = {"ha": align, "va": "baseline", "fontweight": weight}
        if turn:
            style |= {"rotation": turn, "rotation_mode": "anchor"}
        style |= {"color": colour, "fontsize": size, "transform": IdentityTransform()}
        self.figure.text(x, y, text, **style)

    def rule(self, x: ArrayLike, y: ArrayLike, colour: str = GRID, **style: Any) -> None:
        """Draw lines behind all else between points; NaN lifts the pen."""
        style |= {"transform": IdentityTransform(), "zorder": 0.5, "linewidth": 0.8}
        self.figure.add_artist(Line2D(x, y, color=colour, **style))

    def _draw_sample(self, key: Key, middle: float) -> None:
        if key.colour is None:
            return
        style: dict[str, Any] = {"transform": IdentityTransform()}
        if key.is_area:
            style |= {"facecolor": key.colour, "alpha": 0.3, "linewidth": 0}
            area = Rectangle((MARGIN, middle - 5), KEY_WIDTH, 10, **style)
            self.figure.add_artist(area)
            return
        x = [MARGIN, MARGIN + KEY_WIDTH / 2, MARGIN + KEY_WIDTH]
        style |= {"color": key.colour, "linestyle": key.dashes, "linewidth": 1.8}
        style |= {"marker": key.marker, "markersize": 6, "markeredgewidth": 0, "markevery": [1]}
        self.figure.add_artist(Line2D(x, [middle] * 3, **style))
