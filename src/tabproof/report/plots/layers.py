"""The parts of a plot: layers of marks, and panels with their axes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Layer:
    """Marks at data; key: the line of the legend that explains them; style: sizes in pixels.

    is_read: a page shows the values of its marks on hover; words: a text for each mark instead.
    """

    geom: Callable[..., Any]
    data: dict[str, ArrayLike | Sequence[str]]
    style: dict[str, Any]
    key: str | None = None
    words: Sequence[str] = ()
    is_read: bool = False


@dataclass(frozen=True)
class Axis:
    """An axis, by default of shares; labels may have several lines.

    values: names of places on hover, with or without a tick; without any, numbers are shown.
    snaps: marks beside a place belong to it.
    """

    limits: tuple[float, float] = (0.0, 1.0)
    ticks: Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    labels: Sequence[str] = ("0", "0.2", "0.4", "0.6", "0.8", "1")
    title: str = ""
    has_grid: bool = True
    angle: float | None = None
    values: Sequence[tuple[float, str]] = ()
    snaps: bool = False


@dataclass(frozen=True)
class Panel:
    """Layers, the first on top and first in the legend; the title of y is above, to be read.

    width: relative to the panels beside it. A panel without layers stays empty. names: of x and y
    on hover, if not the titles of the axes.
    """

    layers: Sequence[Layer] = ()
    x: Axis = Axis()
    y: Axis = Axis()
    width: float = 1.0
    names: tuple[str, str] | None = None
