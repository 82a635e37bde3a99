"""Numbers and texts as pages and plots show them; the only module that escapes and shortens."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, isfinite, log10

from markupsafe import Markup

from tabproof.evaluation_result import Estimate
from tabproof.text import display_width

# --- An interval as a bar on an axis, in percent of its length.

Span = tuple[float, float]
SHARE: Span = (0.0, 1.0)
SPANS: dict[str, Span | None] = {"mcc": (-1.0, 1.0), "log_loss": None}
# The value of chance, for metrics where it does not depend on the data.
CHANCE = {"roc_auc": 0.5}


@dataclass(frozen=True)
class Bar:
    """Positions of a value and its interval; width is None without an interval."""

    dot: float
    left: float
    width: float | None


def span_of(metric: str) -> Span | None:
    """Return the limits of a metric; None where it has none."""
    return SPANS.get(metric, SHARE)


def ends(estimates: Iterable[Estimate]) -> list[float]:
    """Return all values and ends of intervals that are defined."""
    numbers = (end for each in estimates for end in (each.value, each.low, each.high))
    return [number for number in numbers if number is not None]


def common_span(estimates: Iterable[Estimate]) -> Span | None:
    """Return the range of all values and intervals; None where it is empty."""
    found = ends(estimates)
    return (min(found), max(found)) if found and min(found) < max(found) else None


def bar(estimate: Estimate, span: Span | None) -> Bar | None:
    """Return the positions of an estimate on an axis; None where it is undefined."""
    if span is None or estimate.value is None:
        return None
    dot = _place(estimate.value, span)
    if estimate.interval is None:
        return Bar(dot, dot, None)
    left, right = (_place(end, span) for end in estimate.interval)
    return Bar(dot, left, round(right - left, 2))


def _place(value: float, span: Span) -> float:
    low, high = span
    return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 2)


# --- Markdown.

# Characters that may begin emphasis, a link, a cell, code or HTML.
SPECIAL = re.compile(r"([\\`*\[\]<>|~$])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
AMPERSAND = re.compile(r"&(?=#?\w+;)")


def escaped(text: str) -> str:
    """Escape text for Markdown, with the tables of GitHub and HTML."""
    line = " ".join(text.split())
    return AMPERSAND.sub("&amp;", SPECIAL.sub(r"\\\g<0>", line))


def fenced(code: str, language: str = "") -> Markup:
    """Return a code block with fences that the code cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(longest + 1, 3)
    return Markup(f"{fence}{language}\n{code.rstrip()}\n{fence}")  # noqa: S704


# --- Names of columns, labels and groups, which may be any text.

MARK = "\N{REPLACEMENT CHARACTER}"
ISOLATE, END_ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
# Invisible characters that are part of words and emoji.
JOINERS = {"\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}"}
FROM_THE_RIGHT = {"R", "AL"}
IN_A_SENTENCE = 60


def shown(text: object, limit: int | None = None) -> str:
    """Return text in one line that cannot change the direction of the text around it.

    limit: maximum number of characters, with the ellipsis.
    """
    line = "".join(_visible(letter) for letter in " ".join(str(text).split()))
    if limit is not None and len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    if any(unicodedata.bidirectional(letter) in FROM_THE_RIGHT for letter in line):
        return f"{ISOLATE}{line}{END_ISOLATE}"
    return line


def listed(names: Sequence[str], limit: int, comma: str) -> str:
    """Join the first names, with an ellipsis for the others."""
    return comma.join([*names[:limit], *["…"] * (len(names) > limit)])


def in_a_sentence(text: object) -> str:
    """Return text short enough for a sentence."""
    return shown(text, IN_A_SENTENCE)


def shown_lines(text: str) -> str:
    """Return text of several lines, with hidden characters marked."""
    return "\n".join("".join(map(_visible, line)) for line in text.split("\n"))


def is_hidden(letter: str) -> bool:
    """Return whether a character is a control, a change of direction or half a surrogate pair."""
    return unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and letter not in JOINERS


def _visible(letter: str) -> str:
    return MARK if is_hidden(letter) else letter


MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
DECIMALS, LEAST, MOST = 3, 2, 4
# A narrower interval is a point.
NO_WIDTH = 1e-12
# Rounding may change a number by at most this share of half its interval.
ROUNDING = 1 / 3


def n_decimals(estimate: Estimate) -> int:
    """Return the number of decimals that the interval justifies."""
    if estimate.interval is None:
        return DECIMALS
    half = (estimate.interval[1] - estimate.interval[0]) / 2
    if half < NO_WIDTH:
        return DECIMALS
    return min(max(ceil(-log10(half * ROUNDING)), LEAST), MOST)


def decimal(value: float | None, decimals: int = DECIMALS) -> str:
    """Write a number; a dash where it is undefined."""
    if value is None or not isfinite(value):
        return NOTHING
    text = f"{value:.{decimals}f}"
    # No minus zero.
    is_zero = not text.strip("-0.")
    return text.lstrip("-") if is_zero else text.replace("-", MINUS)


def count(number: int) -> str:
    """Write a number of things: 48,842."""
    return f"{number:,}"


def plain(number: float) -> str:
    """Write a number with the digits it has."""
    return f"{number:g}".replace("-", MINUS)


def cases(estimate: Estimate) -> tuple[int, dict[str, str]]:
    """Return a share as cases of 100, or of 1,000 where its interval is narrow: 79, 71 to 85."""
    of = 10 ** min(n_decimals(estimate), 3)
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return of, {
        name: NOTHING if end is None else count(round(end * of)) for name, end in ends.items()
    }


# --- Text in a plot, measured in Latin letters: Japanese letters are twice as wide.


def printable(text: str) -> str:
    """Return text in one line, without characters that XML forbids."""
    return "".join(
        MARK if unicodedata.category(letter) in {"Cc", "Cs"} or letter in "\ufffe\uffff" else letter
        for letter in " ".join(text.split())
    )


def shorten(text: str, max_cells: int = 24) -> str:
    """Return text of at most this width, with an ellipsis where it was cut."""
    line = printable(text)
    if display_width(line) <= max_cells:
        return line
    while display_width(line) >= max_cells:
        line = line[:-1]
    return f"{line}…"


def wrap(text: str, max_cells: int, max_lines: int) -> list[str]:
    """Break a text into lines, between words where there are any; the last is shortened."""
    lines: list[str] = []
    rest = printable(text)
    while display_width(rest) > max_cells and len(lines) < max_lines - 1:
        fit = next(n for n in range(len(rest), 0, -1) if display_width(rest[:n]) <= max_cells)
        gap = rest.rfind(" ", 1, fit + 1)
        cut = gap if gap > fit // 2 else fit
        lines.append(rest[:cut])
        rest = rest[cut:].lstrip()
    return [*lines, shorten(rest, max_cells)]
