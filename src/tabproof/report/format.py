"""Texts in English and Japanese, and how pages and plots show numbers and names.

The only module that escapes and shortens.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache, partial
from math import ceil, isfinite, log10
from pathlib import Path

from markupsafe import Markup

from tabproof.errors import InvalidValueError
from tabproof.evaluation_result import CATALOGUE, Estimate
from tabproof.text import LANGUAGES, display_width
from tabproof.web import read_texts


class Texts:
    """The texts of a catalogue in one language: `texts("roc.title", n_rows=200)`.

    A catalogue is a file of texts/; an entry of it holds one text per language.
    """

    def __init__(self, catalogue: str, language: str) -> None:
        if language not in LANGUAGES:
            raise InvalidValueError("report.language", language, " or ".join(LANGUAGES))
        self.language = language
        self._entries = read_catalogue(catalogue)

    def __call__(self, key: str, /, **values: object) -> str:
        """Return the text of a key with values in its {places}."""
        return self._entries[key][self.language].format(**values)

    def get(self, key: str, default: str) -> str:
        """Return the text of a key, or the default where the catalogue does not have it."""
        return self(key) if key in self else default

    def metric(self, name: str) -> str:
        """Return the name of a metric for people, or the name itself."""
        return read_texts(self.language, "metric").get(f"metric.{name}", name)

    def __contains__(self, key: str) -> bool:
        return key in self._entries


@cache
def read_catalogue(name: str) -> dict[str, dict[str, str]]:
    """Read a catalogue: by key `section.name`, a text per language."""
    # Findings are worded below this layer, for logs.
    path = CATALOGUE if name == "findings" else Path(__file__).parent / "texts" / f"{name}.toml"
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        f"{section}.{key}": entry
        for section, entries in content.items()
        for key, entry in entries.items()
    }


# --- An interval as a bar on an axis, in percent of its length.

Span = tuple[float, float]
SHARES: Span = (0.0, 1.0)
# The limits of metrics that are not shares; None where there are none.
SPANS: dict[str, Span | None] = {"mcc": (-1.0, 1.0), "log_loss": None}


def ends(estimates: Iterable[Estimate]) -> list[float]:
    """Return all values and ends of intervals that are defined."""
    numbers = (end for each in estimates for end in (each.value, each.low, each.high))
    return [number for number in numbers if number is not None]


def common_span(estimates: Iterable[Estimate]) -> Span | None:
    """Return the range of all values and intervals; None where it is empty."""
    found = ends(estimates)
    return (min(found), max(found)) if found and min(found) < max(found) else None


def bar(estimate: Estimate, span: Span | None) -> dict[str, float | None] | None:
    """Return the positions of an estimate on an axis; None where it is undefined.

    These are the value (dot), the lower end of the interval (left) and its width, None without.
    """
    if span is None or estimate.value is None:
        return None
    low, high = span
    numbers = (estimate.value, *(estimate.interval or ()))
    shares = (min(max((number - low) / (high - low), 0.0), 1.0) for number in numbers)
    dot, *interval = (round(100 * share, 2) for share in shares)
    width = round(interval[1] - interval[0], 2) if interval else None
    return {"dot": dot, "left": interval[0] if interval else dot, "width": width}


# --- Markdown.

# Characters that may begin emphasis, a link, a cell, code or HTML.
SPECIAL = re.compile(r"([\\`*\[\]<>|~$])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
AMPERSAND = re.compile(r"&(?=#?\w+;)")


def escaped(value: object) -> str:
    """Escape text for Markdown, with the tables of GitHub and HTML; leave markup as it is."""
    if isinstance(value, Markup):
        return value
    line = " ".join(str(value).split())
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


def is_hidden(letter: str) -> bool:
    """Return whether a character is a control, a change of direction or half a surrogate pair."""
    return unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and letter not in JOINERS


def marked(line: str) -> str:
    """Return a line with hidden characters marked."""
    return "".join(MARK if is_hidden(letter) else letter for letter in line)


def shown(text: object, limit: int | None = None) -> str:
    """Return text in one line that cannot change the direction of the text around it.

    limit: maximum number of characters, with the ellipsis.
    """
    line = marked(" ".join(str(text).split()))
    if limit is not None and len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    if any(unicodedata.bidirectional(letter) in {"R", "AL"} for letter in line):
        return f"{ISOLATE}{line}{END_ISOLATE}"
    return line


# Short enough for a sentence.
in_a_sentence = partial(shown, limit=60)


def listed(names: Sequence[str], limit: int, comma: str) -> str:
    """Join the first names, with an ellipsis for the others."""
    return comma.join([*names[:limit], *["…"] * (len(names) > limit)])


# --- Numbers.

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
DECIMALS, LEAST, MOST = 3, 2, 4


def n_decimals(estimate: Estimate) -> int:
    """Return the number of decimals that the interval justifies."""
    low, high = estimate.interval or (0.0, 0.0)
    half = (high - low) / 2
    # A narrower interval is a point. Rounding may change a number by a third of half its interval.
    return DECIMALS if half < 1e-12 else min(max(ceil(-log10(half / 3)), LEAST), MOST)


def decimal(value: float | None, decimals: int = DECIMALS) -> str:
    """Write a number; a dash where it is undefined."""
    if value is None or not isfinite(value):
        return NOTHING
    text = f"{value:.{decimals}f}"
    # No minus zero.
    return text.replace("-", MINUS) if text.strip("-0.") else text.lstrip("-")


# A number of things: 48,842.
count = "{:,}".format


def plain(number: float) -> str:
    """Write a number with the digits it has."""
    return f"{number:g}".replace("-", MINUS)


def cases(estimate: Estimate) -> tuple[int, dict[str, str]]:
    """Return a share as cases of 100, or of 1,000 where its interval is narrow: 79, 71 to 85."""
    of = 10 ** min(n_decimals(estimate), 3)
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return of, {k: NOTHING if end is None else count(round(end * of)) for k, end in ends.items()}


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
