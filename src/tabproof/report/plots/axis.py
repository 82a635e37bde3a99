"""An axis for the values of a parameter: numbers by size or by decades, the rest side by side."""

from collections.abc import Sequence
from math import ceil, floor, isfinite, log10
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabproof.report.plots.lettering import shown
from tabproof.text import format_value

# From 0.01 to 0.3, say: on an axis by size all but the largest would stand together.
DECADES = 30
# So many values are written below the axis; of more, round numbers among them.
MAX_VALUES, MAX_CATEGORIES = 6, 12
MAX_LETTERS = 14
# Between numbers and a word such as None, as a share of the axis.
GAP = 0.3
# An axis is as wide as half of these, with room between them.
LETTERS = 50


class Axis(NamedTuple):
    """Where values stand, and what is written where; of_words: places mean nothing."""

    positions: NDArray[np.float64]
    ticks: list[float]
    labels: list[str]
    of_words: bool = False


def make_axis(values: Sequence[Any]) -> Axis:
    """Lay out values in the order given; a single word among numbers stands beside them."""
    numbers = sorted({float(value) for value in values if _is_number(value)})
    words = list(dict.fromkeys(format_value(value) for value in values if not _is_number(value)))
    if len(numbers) < 2 or len(words) > 1:
        return _side_by_side(values, numbers, words)
    by_decades = numbers[0] > 0 and numbers[-1] / numbers[0] >= DECADES
    places = [log10(number) if by_decades else number for number in numbers]
    length = places[-1] - places[0]
    aside = places[-1] + GAP * length
    where = dict(zip(numbers, places, strict=True))
    positions = [where[float(value)] if _is_number(value) else aside for value in values]
    marks = numbers if len(numbers) <= MAX_VALUES else _round_numbers(numbers, by_decades)
    ticks: list[float] = []
    labels: list[str] = []
    for mark in marks:
        place, label = log10(mark) if by_decades else mark, format_value(mark)
        n_letters = len(label) + len(labels[-1]) if labels else 0
        if not ticks or place - ticks[-1] >= n_letters / LETTERS * length:
            ticks.append(place)
            labels.append(label)
    words = [shown(word, MAX_LETTERS) for word in words]
    return Axis(np.array(positions), [*ticks, *(aside for _ in words)], [*labels, *words])


def _is_number(value: Any) -> bool:
    # Python counts truth among the integers.
    return not isinstance(value, bool) and isinstance(value, Real) and isfinite(value)


def _side_by_side(values: Sequence[Any], numbers: Sequence[float], words: Sequence[str]) -> Axis:
    texts = [*(format_value(number) for number in numbers), *words]
    place = {text: float(number) for number, text in enumerate(texts)}
    positions = [
        place[format_value(float(value)) if _is_number(value) else format_value(value)]
        for value in values
    ]
    step = ceil(len(texts) / MAX_CATEGORIES)
    labels = [shown(text, MAX_LETTERS) for text in texts[::step]]
    return Axis(np.array(positions), [place[text] for text in texts[::step]], labels, of_words=True)


def _round_numbers(numbers: Sequence[float], by_decades: bool) -> list[float]:
    low, high = numbers[0], numbers[-1]
    if not by_decades:
        size = 10.0 ** floor(log10((high - low) / 2))
        step = next(size * n for n in (1, 2, 5, 10) if (high - low) / (size * n) <= MAX_VALUES)
        return [step * n for n in range(ceil(low / step), floor(high / step) + 1)]
    decades = [10.0**n for n in range(floor(log10(low)), ceil(log10(high)) + 1)]
    inside = [decade for decade in decades if low <= decade <= high]
    if len(inside) > 2:
        return inside[:: ceil(len(inside) / MAX_VALUES)]
    return [decade * n for decade in decades for n in (1, 2, 5) if low <= decade * n <= high]
