"""Words for numbers of things and for parameters, the same in logs, displays and pictures."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

GAP = "  "


# A column that is cut keeps so many letters.
NARROWEST = 12


def aligned(
    rows: Sequence[Sequence[str]],
    *,
    width: int,
    headings: Sequence[str],
    numbers: Iterable[str] = (),
    flexible: Sequence[int] = (),
) -> str:
    """Align cells in columns; flexible: the places of columns to cut, the first first."""
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    right = {place for place, heading in enumerate(headings) if heading in set(numbers)}
    for place in flexible:
        excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
        if excess > 0:
            widths[place] = max(min(NARROWEST, widths[place]), widths[place] - excess)
    return "\n".join(
        GAP.join(
            _padded(cell, widths[place], to_the_right=place in right)
            for place, cell in enumerate(row)
        ).rstrip()
        for row in rows
    )


def _padded(cell: str, width: int, *, to_the_right: bool) -> str:
    if display_width(cell) > width:
        while display_width(cell) > width - 1:
            cell = cell[:-1]
        cell += "…"
    padding = " " * (width - display_width(cell))
    return padding + cell if to_the_right else cell + padding


def display_width(text: str) -> int:
    """Count the columns of a terminal that text takes: Japanese letters take two."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )


def in_markdown(text: str) -> str:
    """Escape what would end a cell of a table, or begin HTML."""
    for mark, instead in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("`", "\\`")):
        text = text.replace(mark, instead)
    return text


# Those in which pages and pictures are written.
LANGUAGES = ("en", "ja")


def counted(number: int, what: str) -> str:
    """Word a number of things."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def value_in_words(value: Any) -> str:
    """Word a value in one line of letters that can be printed; of an estimator the kind."""
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{float(value):.4g}"
    return _printable(type(value).__name__ if hasattr(value, "get_params") else str(value))


def _printable(text: str) -> str:
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Leave out the steps that a parameter belongs to, as far as names still differ."""
    names = list(names)
    endings = [ending for name in names for ending in _endings(name)]
    return {
        name: next((ending for ending in _endings(name) if endings.count(ending) == 1), name)
        for name in names
    }


def _endings(name: str) -> list[str]:
    parts = name.split("__")
    return ["__".join(parts[-n:]) for n in range(1, len(parts) + 1)]


def params_in_words(params: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """Word parameters in one line; names: what to call them, by default as short as can be."""
    names = short_names(params) if names is None else names
    worded = (
        f"{_printable(names[name])} {value_in_words(value)}" for name, value in params.items()
    )
    return ", ".join(worded) or "defaults"
