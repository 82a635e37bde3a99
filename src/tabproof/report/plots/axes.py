"""Axes: round numbers, and the values of a parameter."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor, isfinite, log10
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
# Of a value on hover.
MAX_NAME = 100
# Axes end here: sums and differences of larger numbers overflow.
LARGEST = 1e300
# In seconds.
DAY = 86_400.0
# Nearer ends are drawn as one: a plot cannot show them apart.
NEAREST = 1e-12
# Larger numbers are written as 3e38.
MOST_MILLIONS = 1e12


def round_ticks(low: float, high: float, n_most: int = 5) -> list[float]:
    """Return at least two round numbers from low to high; low alone where they are equal."""
    if not high > low:
        return [low]
    if high - low <= max(NEAREST * max(abs(low), abs(high)), 1 / LARGEST):
        return [low, high]
    size = 10.0 ** floor(log10((high - low) / n_most))
    step = next(size * n for n in (1, 2, 5, 10) if (high - low) / (size * n) <= n_most)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    if last - first < 1:
        return round_ticks(low, high, n_most + 1)
    # Zero may come out negative.
    return [float(f"{step * n:.12g}") + 0.0 for n in range(first, last + 1)]


def margined(values: ArrayLike, share: float = 0.05) -> tuple[float, float]:
    """Return limits wider than the range of the values, by a share of it at both ends."""
    low, high = (float(np.clip(end, -LARGEST, LARGEST)) for end in (np.min(values), np.max(values)))
    room = (high - low) * share
    if high - low <= max(NEAREST * abs(high), 1 / LARGEST):
        room = max(abs(high) * share, 1e-6)
    return low - room, high + room


def number_axis(
    limits: tuple[float, float], title: str = "", n_most: int = 5, *, has_grid: bool = True
) -> Axis:
    """Make an axis with round ticks: with the digits they need, thousands as k, millions as M."""
    ticks = round_ticks(*limits, n_most)
    most = max(map(abs, ticks))
    size, letter = (1e6, "M") if most >= 1e6 else (1e3, "k") if most >= 1e4 else (1.0, "")
    if most >= MOST_MILLIONS:
        size, letter = 1.0, ""
    labels = [f"{t / size:.6g}{letter}".replace("e+", "e") if t else "0" for t in ticks]
    labels = [label.replace("-", "−") for label in labels]
    return Axis(limits, ticks, labels, title, has_grid)


def x_axis(limits: tuple[float, float], width: float, title: str = "", **options: Any) -> Axis:
    """Make an axis with as many round ticks as there is room for, width in pixels."""
    for n_most in (5, 4, 3, 2):
        axis = number_axis(limits, title, n_most, **options)
        fitted = fitting(axis, width)
        if fitted == axis:
            break
    return fitted


def date_axis(moments: NDArray[np.float64], width: float) -> Axis:
    """Make an axis of dates, given in seconds since 1970, with labels in ISO's form.

    Where all are within two days, labels have the time too.
    """
    low, high = float(moments.min()), float(moments.max())
    unit, letters = (DAY, 10) if high == low or high - low > 2 * DAY else (60.0, 16)
    room = (high - low) * 0.03 or DAY
    # Two labels have room for each other.
    shown = [low] if high == low else [low + (high - low) * share for share in (0.15, 0.85)]
    places = [round(moment / unit) * unit for moment in shown] if high > low else shown
    labels = [str(np.datetime64(round(place), "s"))[:letters].replace("T", " ") for place in places]
    texts = [str(np.datetime64(round(each), "s"))[:letters].replace("T", " ") for each in moments]
    values = list(zip(moments.tolist(), texts, strict=True))
    axis = Axis((low - room, high + room), places, labels, has_grid=False, values=values)
    return fitting(axis, width)


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
    ticks, labels = [tick for tick, _ in kept], [label for _, label in kept]
    return replace(axis, ticks=ticks, labels=labels)


def value_axis(values: Sequence[Any], width: float) -> tuple[NDArray[np.float64], Axis, bool]:
    """Lay out the values of a parameter: numbers by size or by decades, else words in a row.

    A single word among numbers, such as None, has a place after them. Returns the position of each
    value, the axis, and whether it is one of words, whose order has no meaning.
    """
    # In Python, True is an integer.
    is_number = [
        not isinstance(value, bool) and isinstance(value, Real) and isfinite(value)
        for value in values
    ]
    known = [float(v) if ok else format_value(v) for v, ok in zip(values, is_number, strict=True)]
    numbers = sorted({value for value in known if isinstance(value, float)})
    words = list(dict.fromkeys(value for value in known if isinstance(value, str)))
    if len(numbers) < 2 or len(words) > 1:
        places = {value: float(n) for n, value in enumerate([*numbers, *words])}
        shown = list(places)[:: ceil(len(places) / MAX_WORDS)]
        labels = [shorten(format_value(value), MAX_CELLS) for value in shown]
        limits, ticks = (-0.5, len(places) - 0.5), [places[value] for value in shown]
        values_of = [(at, shorten(format_value(value), MAX_NAME)) for value, at in places.items()]
        axis = Axis(limits, ticks, labels, has_grid=False, values=values_of, snaps=True)
        return np.array([places[value] for value in known]), axis, True
    low, high = numbers[0], numbers[-1]
    by_decades = low > 0 and high / low >= DECADES
    ticks = numbers
    if len(numbers) > MAX_VALUES and not by_decades:
        ticks = round_ticks(low, high, MAX_VALUES)
    elif len(numbers) > MAX_VALUES:
        decades = [10.0**n for n in range(floor(log10(low)), ceil(log10(high)) + 1)]
        ticks = [decade for decade in decades if low <= decade <= high]
        if len(ticks) > 2:
            ticks = ticks[:: ceil(len(ticks) / MAX_VALUES)]
        else:
            ticks = [d * n for d in decades for n in (1, 2, 5) if low <= d * n <= high]
    places = {number: log10(number) if by_decades else number for number in [*numbers, *ticks]}
    low, high = places[low], places[high]
    beside = high + 0.3 * (high - low)
    places |= dict.fromkeys(words, beside)
    shown = [*ticks, *words]
    labels = [shorten(format_value(value), MAX_CELLS) for value in shown]
    limits = margined([low, beside if words else high], 0.07)
    values_of = [(at, shorten(format_value(value), MAX_NAME)) for value, at in places.items()]
    ticks = [places[value] for value in shown]
    axis = Axis(limits, ticks, labels, has_grid=False, values=values_of)
    return np.array([places[value] for value in known]), fitting(axis, width), False
