"""How texts of any alphabet and length fit into a picture, without measuring fonts.

A browser draws the letters, with fonts that nobody knows here.
"""

from unicodedata import category, east_asian_width

import numpy as np

MAX_LETTERS = 24
# The width of an average letter, as a share of the font's size, with some room.
CELL = 0.58
BROAD, BROADER = frozenset("<>=+~&#w"), frozenset("@%MWm—…")


def shown(label: str, max_letters: int = MAX_LETTERS) -> str:
    """Shorten a label to what a picture has room for; a wide letter counts twice."""
    line = printable(label)
    ends = np.cumsum([n_cells(letter) for letter in line])
    n_kept = int((ends < max_letters).sum())
    return f"{line[:n_kept]}…" if n_cells(line) > max_letters else line


def n_cells(text: str) -> int:
    """Measure a text in letters of this alphabet: Japanese ones are twice as wide."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def width_of(text: str, size: float) -> float:
    """Measure a text in points, about."""
    return size * sum(map(_width, text))


def fitted(text: str, room: float, size: float) -> str:
    """Shorten a text to so many points; one letter stays in any case."""
    line = printable(text)
    if width_of(line, size) <= room:
        return line
    n_kept = next(
        (n for n in range(len(line) - 1, 1, -1) if width_of(f"{line[:n]}…", size) <= room), 1
    )
    return f"{line[:n_kept]}…"


def wrapped(text: str, max_cells: int, max_lines: int) -> list[str]:
    """Break a text into lines, between words where there are any; the last is shortened."""
    lines: list[str] = []
    rest = text
    while n_cells(rest) > max_cells and len(lines) < max_lines - 1:
        ends = np.cumsum([n_cells(letter) for letter in rest])
        fit = int((ends <= max_cells).sum())
        gap = rest.rfind(" ", 1, fit + 1)
        cut = gap if gap > fit // 2 else fit
        lines.append(rest[:cut])
        rest = rest[cut:].lstrip()
    return [*lines, shown(rest, max_cells)]


def printable(text: str) -> str:
    """Make one line of a text, without what no file of XML may hold."""
    line = " ".join(text.split())
    return "".join("\ufffd" if _is_forbidden(letter) else letter for letter in line)


def _width(letter: str) -> float:
    if east_asian_width(letter) in "WF":
        return 1.0
    if letter in BROADER:
        return 1.0
    if letter in BROAD:
        return 0.87
    return 0.7 if letter.isupper() else CELL


def _is_forbidden(letter: str) -> bool:
    return category(letter) in {"Cc", "Cs"} or letter in "\ufffe\uffff"
