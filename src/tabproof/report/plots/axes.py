"""Axes: round numbers, and the values of a parameter."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor, isfinite, log10
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabproof.report.format import shorten
from tabproof.report.plots.theme import Axis
from tabproof.text import display_width, format_value

# The width of an average letter and of the gap between two labels, in pixels.
LETTER, GAP = 5.8, 8
# On a linear axis from 0.01 to 0.3, say, all values but the largest would overlap.
DECADES = 30
# A parameter with more values than this gets round ticks, or a tick at every second word.
MAX_VALUES, MAX_WORDS = 6, 12
MAX_CELLS = 14
# Between the numbers and a word such as None, as a share of the axis.
WORD_GAP = 0.3


def round_ticks(low: float, high: float, n_most: int = 5) -> list[float]:
    """Return at least two round numbers from low to high; low alone where they are equal."""
    if not high > low:
        return [low]
    size = 10.0 ** floor(log10((high - low) / n_most))
    step = next(size * n for n in (1, 2, 5, 10) if (high - low) / (size * n) <= n_most)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    if last - first < 1:
        return round_ticks(low, high, n_most + 1)
    # Zero may come out negative.
    return [float(f"{step * n:.12g}") + 0.0 for n in range(first, last + 1)]


def margined(low: float, high: float, share: float = 0.05) -> tuple[float, float]:
    """Return limits with room beside the data."""
    room = (high - low) * share or max(abs(high) * share, 1e-6)
    return low - room, high + room


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Write numbers with the digits they need; thousands as k, millions as M."""
    most = max(map(abs, ticks), default=0)
    size, letter = (1e6, "M") if most >= 1e6 else (1e3, "k") if most >= 1e4 else (1.0, "")
    return [f"{t / size:.6g}{letter}".replace("-", "−") if t else "0" for t in ticks]


def number_axis(
    limits: tuple[float, float], title: str = "", n_most: int = 5, *, has_grid: bool = True
) -> Axis:
    """Make an axis with round ticks."""
    ticks = round_ticks(*limits, n_most)
    return Axis(limits, ticks, tick_labels(ticks), title, has_grid)


def x_axis(limits: tuple[float, float], width: float, title: str = "", **options: Any) -> Axis:
    """Make an axis with as many round ticks as there is room for, width in pixels."""
    for n_most in (5, 4, 3):
        axis = number_axis(limits, title, n_most, **options)
        if fitting(axis, width) == axis:
            return axis
    return fitting(number_axis(limits, title, 2, **options), width)


def fitting(axis: Axis, width: float) -> Axis:
    """Leave out ticks whose labels would overlap; the last one stays."""
    scale = width / (axis.limits[1] - axis.limits[0])
    kept: list[tuple[float, str]] = []
    start = float("inf")
    for tick, label in sorted(zip(axis.ticks, axis.labels, strict=True), reverse=True):
        half = display_width(label) * LETTER / 2
        if tick * scale + half + GAP <= start:
            kept.insert(0, (tick, label))
            start = tick * scale - half
    return replace(axis, ticks=[tick for tick, _ in kept], labels=[label for _, label in kept])


class Values(NamedTuple):
    """Positions of values on an axis; of_words: the order of the positions has no meaning."""

    positions: NDArray[np.float64]
    axis: Axis
    of_words: bool


def value_axis(values: Sequence[Any], width: float) -> Values:
    """Lay out the values of a parameter: numbers by size or by decades, else words in a row.

    A single word among numbers, such as None, has a place beside them.
    """
    numbers = sorted({float(value) for value in values if _is_number(value)})
    words = list(dict.fromkeys(format_value(value) for value in values if not _is_number(value)))
    if len(numbers) < 2 or len(words) > 1:
        return _words_in_a_row(values, [*map(format_value, numbers), *words])
    by_decades = numbers[0] > 0 and numbers[-1] / numbers[0] >= DECADES

    def place(number: float) -> float:
        return log10(number) if by_decades else number

    low, high = place(numbers[0]), place(numbers[-1])
    beside = high + WORD_GAP * (high - low)
    positions = [place(float(value)) if _is_number(value) else beside for value in values]
    ticks = numbers if len(numbers) <= MAX_VALUES else _round_values(numbers, by_decades)
    labels = [*map(format_value, ticks), *(shorten(word, MAX_CELLS) for word in words)]
    places = [*map(place, ticks), *(beside for _ in words)]
    axis = Axis(margined(low, beside if words else high, 0.07), places, labels, has_grid=False)
    return Values(np.array(positions), fitting(axis, width), False)


def _is_number(value: Any) -> bool:
    # In Python, True is an integer.
    return not isinstance(value, bool) and isinstance(value, Real) and isfinite(value)


def _words_in_a_row(values: Sequence[Any], words: Sequence[str]) -> Values:
    place = {word: float(number) for number, word in enumerate(words)}
    positions = [
        place[format_value(float(value) if _is_number(value) else value)] for value in values
    ]
    step = ceil(len(words) / MAX_WORDS)
    labels = [shorten(word, MAX_CELLS) for word in words[::step]]
    ticks = [place[word] for word in words[::step]]
    limits = (-0.5, len(words) - 0.5)
    return Values(np.array(positions), Axis(limits, ticks, labels, has_grid=False), True)


def _round_values(numbers: Sequence[float], by_decades: bool) -> list[float]:
    low, high = numbers[0], numbers[-1]
    if not by_decades:
        return round_ticks(low, high, MAX_VALUES)
    decades = [10.0**n for n in range(floor(log10(low)), ceil(log10(high)) + 1)]
    inside = [decade for decade in decades if low <= decade <= high]
    if len(inside) > 2:
        return inside[:: ceil(len(inside) / MAX_VALUES)]
    return [decade * n for decade in decades for n in (1, 2, 5) if low <= decade * n <= high]
