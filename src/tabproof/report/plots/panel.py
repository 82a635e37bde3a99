"""A rectangle of a sheet in which data is drawn, with axes of its own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.transforms import Affine2D, Bbox
from numpy.typing import ArrayLike, NDArray

from tabproof.report.plots.palette import INK, RULE
from tabproof.report.plots.sheet import MARGIN, SINK, SIZE, Sheet

SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
SHARE_LABELS = ("0", "0.2", "0.4", "0.6", "0.8", "1")
# Below a panel: numbers, and what they are.
FOOT = 36.0
# Above it: what the numbers at the left are.
HEAD = 18.0


class Panel:
    """left and bottom are where it begins in points; x and y are where its data lies."""

    def __init__(
        self,
        sheet: Sheet,
        *,
        left: float,
        bottom: float,
        width: float,
        height: float,
        x: tuple[float, float] = (0, 1),
        y: tuple[float, float] = (0, 1),
    ) -> None:
        self.sheet = sheet
        self.left, self.bottom, self.width, self.height = left, bottom, width, height
        self.x_limits, self.y_limits = x, y
        scale = width / (x[1] - x[0]), height / (y[1] - y[0])
        origin = left - x[0] * scale[0], bottom - y[0] * scale[1]
        self.to_points = Affine2D().scale(*scale).translate(*origin)
        self.frame = Bbox.from_bounds(left, bottom, width, height)

    def x_at(self, value: float) -> float:
        """Give where a number stands from the left of the sheet."""
        low, high = self.x_limits
        return self.left + (value - low) / (high - low) * self.width

    def y_at(self, value: float) -> float:
        """Give where a number stands from the foot of the sheet."""
        low, high = self.y_limits
        return self.bottom + (value - low) / (high - low) * self.height

    def x_ticks(
        self, places: Sequence[float], labels: Sequence[str], *, title: str = "", grid: bool = True
    ) -> None:
        """Write numbers below, and what they are below these."""
        at = [self.x_at(place) for place in places]
        if grid:
            foot, head = self.bottom, self.bottom + self.height
            self.sheet.rule(lifted(at, at), lifted([foot] * len(at), [head] * len(at)))
        for x, label in zip(at, labels, strict=True):
            self.sheet.write(x, self.bottom - 13, label, align="center")
        if title:
            right = self.left + self.width
            self.sheet.write(right, self.bottom - 28, title, align="right", colour=INK)

    def y_ticks(
        self, places: Sequence[float], labels: Sequence[str], *, title: str = "", grid: bool = True
    ) -> None:
        """Write numbers at the left, and what they are above, where it can be read upright."""
        at = [self.y_at(place) for place in places]
        if grid:
            start, end = self.left, self.left + self.width
            self.sheet.rule(lifted([start] * len(at), [end] * len(at)), lifted(at, at))
        for y, label in zip(at, labels, strict=True):
            self.sheet.write(self.left - 5, y - SINK * SIZE, label, align="right")
        if title:
            self.sheet.write(MARGIN, self.bottom + self.height + 9, title, colour=INK)

    def share_ticks(self, x_title: str, y_title: str) -> None:
        """Write ticks from 0 to 1 on both axes."""
        self.x_ticks(SHARES, SHARE_LABELS, title=x_title)
        self.y_ticks(SHARES, SHARE_LABELS, title=y_title)

    def line(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        colour: str,
        dashes: Any = "solid",
        is_clipped: bool = False,
        **style: Any,
    ) -> None:
        """Draw a line through data, beyond the edges too unless it is clipped."""
        style = {"linewidth": 1.8, "linestyle": dashes, "color": colour, **style}
        line = Line2D(x, y, transform=self.to_points, **style)
        if is_clipped:
            line.set_clip_box(self.frame)
        self.sheet.figure.add_artist(line)

    def dots(
        self, x: ArrayLike, y: ArrayLike, *, colour: str, marker: str = "o", **style: Any
    ) -> None:
        """Draw marks."""
        style = {"markersize": 6, "markeredgewidth": 0, **style}
        self.line(x, y, colour=colour, dashes="none", marker=marker, **style)

    def whiskers(self, x: ArrayLike, y: ArrayLike, *, colour: str, **style: Any) -> None:
        """Draw lines by themselves; x and y of shape (n, 2): from where to where."""
        starts_and_ends = (lifted(*np.transpose(x)), lifted(*np.transpose(y)))
        style = {"linewidth": 1.4, **style}
        self.line(*starts_and_ends, colour=colour, **style)

    def reference(self, x: ArrayLike, y: ArrayLike) -> None:
        """Draw a line to compare with: chance, say, or perfection."""
        self.line(x, y, colour=RULE, dashes=(0, (1.5, 2)), linewidth=1.3)

    def area(self, x: ArrayLike, low: ArrayLike, high: ArrayLike, *, colour: str) -> None:
        """Fill between two lines."""
        corners = (np.column_stack([x, low]), np.column_stack([x, high])[::-1])
        self.polygon(np.concatenate(corners), colour=colour)

    def polygon(
        self, corners: ArrayLike, *, colour: str, alpha: float = 0.22, **style: Any
    ) -> None:
        """Fill what lies between corners of shape (n, 2)."""
        corners = np.asarray(corners)
        style |= {"facecolor": colour, "alpha": alpha, "linewidth": 0}
        self.sheet.figure.add_artist(Polygon(corners, transform=self.to_points, **style))


def lifted(starts: Sequence[float], ends: Sequence[float]) -> list[float]:
    """Join pairs to one line, with the pen lifted between them."""
    return [value for pair in zip(starts, ends, strict=True) for value in (*pair, np.nan)]


def staircase(heights: NDArray[Any]) -> NDArray[np.float64]:
    """Give the corners of bars of equal width from 0 to 1, of shape (n, 2)."""
    edges = np.linspace(0, 1, len(heights) + 1)
    return np.column_stack([np.repeat(edges, 2), np.concatenate([[0], np.repeat(heights, 2), [0]])])
