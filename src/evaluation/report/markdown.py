"""Text in Markdown that stays text."""

import re

# Where one of these stands, a renderer may see emphasis, a link, a cell, code or HTML.
SPECIAL = re.compile(r"([\\`*\[\]<>|~$])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
AMPERSAND = re.compile(r"&(?=#?\w+;)")


def escaped(text: str) -> str:
    """Escape what Markdown, GitHub's tables and HTML would take for theirs."""
    line = " ".join(text.split())
    return AMPERSAND.sub("&amp;", SPECIAL.sub(r"\\\g<0>", line))


def fenced(code: str, language: str = "") -> str:
    """Put code between fences that it cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}{language}\n{code.rstrip()}\n{fence}"
