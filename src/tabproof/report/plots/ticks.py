"""Round numbers on an axis, as far as there is room for them."""

from collections.abc import Sequence

import numpy as np

from tabproof.report.plots.lettering import width_of
from tabproof.report.plots.panel import Panel
from tabproof.report.plots.sheet import SIZE

# Between two numbers below an axis, in points.
ROOM = 7.0


def round_ticks(low: float, high: float, n_most: int = 5) -> list[float]:
    """Give round numbers between two, at least two; where they don't differ, that one."""
    if not high > low:
        return [low]
    size = 10.0 ** np.floor(np.log10((high - low) / n_most))
    step = next(size * n for n in (1, 2, 5, 10) if (high - low) / (size * n) <= n_most)
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    if last - first < 1:
        return round_ticks(low, high, n_most + 1)
    # Zero may come out negative.
    return [float(f"{step * n:.12g}") + 0.0 for n in np.arange(first, last + 1)]


def margined(low: float, high: float, share: float = 0.05) -> tuple[float, float]:
    """Give limits with room beside the data."""
    room = (high - low) * share or max(abs(high) * share, 1e-6)
    return low - room, high + room


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Write numbers with the digits they need; thousands as k, millions as M."""
    most = max(map(abs, ticks), default=0)
    size, letter = (1e6, "M") if most >= 1e6 else (1e3, "k")
    if most >= 1e4:
        return [f"{tick / size:.6g}{letter}".replace("-", "−") if tick else "0" for tick in ticks]
    return [f"{tick:.6g}".replace("-", "−") for tick in ticks]


def ticks_below(panel: Panel) -> tuple[list[float], list[str]]:
    """Give round numbers for below a panel, so many as have room side by side."""
    for n_most in (5, 4, 3, 2):
        ticks = round_ticks(*panel.x_limits, n_most)
        kept = with_room(panel, ticks, tick_labels(ticks))
        if len(kept[0]) == len(ticks):
            break
    return kept


def with_room(
    panel: Panel, ticks: Sequence[float], labels: Sequence[str]
) -> tuple[list[float], list[str]]:
    """Leave out what would run into its neighbour; the last stays."""
    kept: list[tuple[float, str]] = []
    for tick, label in sorted(zip(ticks, labels, strict=True), reverse=True):
        end = panel.x_at(tick) + width_of(label, SIZE) / 2 + ROOM
        if not kept or panel.x_at(kept[-1][0]) - width_of(kept[-1][1], SIZE) / 2 >= end:
            kept.append((tick, label))
    return [tick for tick, _ in kept[::-1]], [label for _, label in kept[::-1]]
