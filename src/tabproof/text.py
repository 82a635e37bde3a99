"""Texts of numbers, parameters and tables, the same in logs, displays and plots."""

import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

# The languages in which pages and plots are written.
LANGUAGES = ("en", "ja")
GAP = "  "
# A column that is shortened keeps this many characters, half of them if need be.
MIN_WIDTH = 12
# Characters that begin a formula in a spreadsheet; some skip leading blanks, some read wide signs.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


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


def encodable(text: str) -> str:
    """Return text that UTF-8 can encode: half a character, as a name may have, is escaped."""
    return text.encode(errors="backslashreplace").decode()


def no_formula(text: str) -> str:
    """Return text that no spreadsheet reads as a formula: with an apostrophe where it begins so."""
    return f"'{text}" if text.startswith(FORMULA) else text


def format_microseconds(value: float) -> str:
    """Return a time with two digits, or more where it is larger."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


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


def without_controls(text: str) -> str:
    """Escape what a terminal obeys, except line breaks and tabs; JSON stays the same JSON."""
    return "".join(
        json.dumps(letter)[1:-1]
        if unicodedata.category(letter) in ("Cc", "Cf") and letter not in "\n\t"
        else letter
        for letter in text
    )


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


# Characters that bash, zsh and PowerShell take as they are, anywhere in a word.
PLAIN_WORD = re.compile(r"[\w./:+=@%-]+")
# PowerShell takes curly quotes for straight ones.
SINGLE_QUOTES, DOUBLE_QUOTES = re.compile("['‘’‚‛]"), re.compile('["“”„]')


def override_word(key: str, value: str | Sequence[str] | Mapping[str, str]) -> str:
    """Return `key=value` as it is typed in a shell: a text, a list of names, or types by name.

    For what an error suggests: it can be pasted, whatever the names are.
    """
    if isinstance(value, str):
        # A comma makes a sweep of -m, and so may a parenthesis.
        is_odd = re.compile(r"""^$|^['"]|,|^\s|\s$|^\w+\(|^null$""", re.I).search
        return shell_word(f"{key}={name_in_quotes(value) if is_odd(value) else value}")
    is_odd = re.compile(r"""^$|^['"]|[\[\]{},]|^\s|\s$|^null$""", re.I).search
    names = [name_in_quotes(name) if is_odd(name) else name for name in value]
    if isinstance(value, Mapping):
        pairs = (f"{name}: {kind}" for name, kind in zip(names, value.values(), strict=True))
        return shell_word(f"{key}={{{', '.join(pairs)}}}")
    is_short = names == [*value] and len(names) == 1
    joined = names[0] if is_short else f"[{','.join(names)}]"
    return shell_word(f"{key}={joined}")


def name_in_quotes(name: str) -> str:
    """Return a name of data in quotes, as the command line and score's options read it."""
    mark = '"' if "'" in name and '"' not in name else "'"
    # A backslash is one, except before such a quote, and before `${`.
    name = re.sub(rf"(\\*){mark}", rf"\1\1\\{mark}", name)
    name = re.sub(r"(\\+)\$\{", r"\1\1\\${", name)
    name = re.sub(r"(\\+)$", r"\1\1", name)
    return f"{mark}{name}{mark}"


def shell_word(argument: str) -> str:
    """Return the word to type in a shell so that a program gets this argument.

    bash and zsh read every word so. PowerShell does too, unless it holds both kinds of quotes, or
    what cannot be printed.
    """
    if PLAIN_WORD.fullmatch(argument) and argument.isprintable() and argument[0] not in "@=":
        return argument
    if not is_printable(argument):
        # `$'…'` holds any byte, and no character that a terminal or a log would not show.
        letters = (
            letter.replace("\\", r"\\").replace("'", r"\'")
            if is_printable(letter)
            else "".join(f"\\x{byte:02x}" for byte in letter.encode(errors="surrogateescape"))
            for letter in argument
        )
        return f"$'{''.join(letters)}'"
    if not SINGLE_QUOTES.search(argument):
        return f"'{argument}'"
    if not DOUBLE_QUOTES.search(argument) and not set(argument) & set("$`\\!"):
        return f'"{argument}"'
    return "'" + argument.replace("'", r"'\''") + "'"


def is_printable(text: str) -> bool:
    """Return whether a text is one line of visible characters, the Japanese space included."""
    return text.replace("\u3000", "").isprintable()


def as_typed(message: str) -> str:
    """Spell commands as the program was started: texts say `python -m src.<command>`."""
    is_script = Path(sys.argv[0]).parent.name == "src"
    return message if is_script else message.replace("python -m src.", "tabproof ")
