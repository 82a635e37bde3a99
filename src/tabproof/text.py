"""Texts of numbers, parameters and tables, the same in logs, displays and plots."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

# The languages in which pages and plots are written.
LANGUAGES = ("en", "ja")
GAP = "  "
# A column that is shortened keeps this many characters, half of them if need be.
MIN_WIDTH = 12


def aligned(
    rows: Sequence[Sequence[str]],
    *,
    width: int | None = None,
    numbers: Sequence[int] = (),
    flexible: Sequence[int] = (),
) -> str:
    """Return rows with aligned columns, as long as they are without a width.

    numbers: positions of columns to align right. flexible: of columns to shorten, in order.
    """
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    total = sum(widths) + len(GAP) * (len(widths) - 1)
    excess = 0 if width is None else max(total - width, 0)
    for place in flexible:
        cut = min(max(widths[place] - MIN_WIDTH, 0), excess)
        widths[place] -= cut
        excess -= cut
    # If that is not enough, the widest of them are shortened further.
    for _ in range(excess):
        widest = max(flexible, key=widths.__getitem__)
        widths[widest] = max(widths[widest] - 1, min(widths[widest], MIN_WIDTH // 2))
    lines = []
    for row in rows:
        cells = []
        for place, (cell, limit) in enumerate(zip(row, widths, strict=True)):
            if display_width(cell) > limit:
                while display_width(cell) > limit - 1:
                    cell = cell[:-1]
                cell += "…"
            padding = " " * (limit - display_width(cell))
            cells.append(padding + cell if place in numbers else cell + padding)
        lines.append(GAP.join(cells).rstrip())
    return "\n".join(lines)


def display_width(text: str) -> int:
    """Return the number of terminal columns of a text: Japanese characters take two."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )


def escape_markdown(text: str) -> str:
    """Escape what would end a cell of a table, or begin HTML."""
    for mark, instead in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("`", "\\`")):
        text = text.replace(mark, instead)
    return text


def counted(number: int, what: str) -> str:
    """Return a number with its noun: `1 row`, `2,000 rows`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def format_value(value: Any) -> str:
    """Return a value as one printable line; an estimator as the name of its class."""
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{float(value):.4g}"
    return _printable(type(value).__name__ if hasattr(value, "get_params") else str(value))


def format_params(params: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """Return parameters as one line; names: what to call them, by default as short as possible."""
    names = short_names(params) if names is None else names
    texts = (f"{_printable(names[name])} {format_value(value)}" for name, value in params.items())
    return ", ".join(texts) or "defaults"


def _printable(text: str) -> str:
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Map parameters to names without their steps, as far as names still differ."""
    suffixes = {}
    for name in names:
        parts = name.split("__")
        suffixes[name] = ["__".join(parts[-n:]) for n in range(1, len(parts) + 1)]
    found = [suffix for each in suffixes.values() for suffix in each]
    return {
        name: next((suffix for suffix in each if found.count(suffix) == 1), name)
        for name, each in suffixes.items()
    }
