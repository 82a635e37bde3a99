"""The parts of pages with scripts: built scripts, data, texts, and the policy.

The scripts are built from report/web/ by `make web`. A page runs only those whose hash is in its
Content-Security-Policy, so that a name in the data that passed as markup would run nothing.
"""

import gzip
import json
import tomllib
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from tabproof.text import LANGUAGES, encodable

BUILT = Path(__file__).parent / "report" / "web" / "built"
TEXTS = Path(__file__).parent / "texts" / "web.toml"
# Of gzip: 3 % larger than the default, five times as fast.
LEVEL = 4
# The files that are read here; the image of the service has them too.
DATA_FILES = ("texts/web.toml", "report/web/built/*")
# What ends a script element, or begins a comment in one; and line ends of JavaScript alone.
ESCAPED = "<>&\u2028\u2029"


@cache
def read_script(name: str) -> str:
    """Return a built script for a script element; it contains no end tag."""
    return (BUILT / f"{name}.js").read_text(encoding="utf-8")


@cache
def read_style(name: str) -> str:
    """Return a built style of what scripts put into a page, for a style element."""
    return (BUILT / f"{name}.css").read_text(encoding="utf-8")


def as_json(content: Any) -> str:
    """Return JSON that can be the text of a script element, whatever is in it."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Much faster than `translate` where the text is long.
    for letter in ESCAPED:
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return encodable(text)


def pack(content: bytes) -> str:
    """Return base64 of gzip, for a script to unpack: the same text for the same content."""
    return b64encode(gzip.compress(content, LEVEL, mtime=0)).decode()


def hash_source(text: str) -> str:
    """Return the source expression of an inline script or style, for a policy."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def policy_of(scripts: Iterable[str], **others: str) -> str:
    """Return a Content-Security-Policy that allows these scripts only; others: by directive."""
    directives = {
        "default-src": "'none'",
        "script-src": " ".join(map(hash_source, scripts)) or "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "font-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    } | {name.replace("_", "-"): sources for name, sources in others.items()}
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


@cache
def read_texts(language: str, *sections: str) -> dict[str, str]:
    """Return texts/web.toml in one language, by `section.key`; only some sections if named."""
    if language not in LANGUAGES:
        raise KeyError(language)
    content = tomllib.loads(TEXTS.read_text(encoding="utf-8"))
    return {
        f"{section}.{key}": entry[language]
        for section, entries in content.items()
        if not sections or section in sections
        for key, entry in entries.items()
    }
