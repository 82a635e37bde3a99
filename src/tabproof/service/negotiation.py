"""What a client prefers, by its Accept headers, and whether it has a representation already."""

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256

# A weight has at most three decimals (RFC 9110, 12.4.2).
WEIGHT = re.compile(r"q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)
TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def prefers_html(accept: str) -> bool:
    """Return whether a client wants a page rather than JSON; `*/*` alone wants JSON."""
    ranges = list(_weighted(accept))
    html, json = _quality("text/html", ranges), _quality("application/json", ranges)
    # Of two equal weights, the one that was named more exactly counts.
    return html[0] > 0 and html > json


def language_of(accept_language: str, languages: Sequence[str]) -> str:
    """Return the language that a client prefers; the first one if it names none of them."""
    weights = dict.fromkeys(languages, 0.0)
    for name, weight in _weighted(accept_language):
        language = name.partition("-")[0]
        if language in weights:
            weights[language] = max(weights[language], weight)
    return max(languages, key=weights.__getitem__)


def tag_of(content: bytes) -> str:
    """Return the strong entity tag of a content."""
    return f'"{sha256(content).hexdigest()[:32]}"'


def has_tag(if_none_match: str, tag: str) -> bool:
    """Return whether If-None-Match names a tag; weak tags count."""
    return if_none_match.strip() == "*" or tag in TAG.findall(if_none_match)


def _weighted(header: str) -> Iterator[tuple[str, float]]:
    """Yield what a header names, in lower case, with the weights; skip malformed weights."""
    for part in header.split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        weights = [each for each in parameters if each[:1] in ("q", "Q")]
        found = WEIGHT.fullmatch(weights[0]) if weights else None
        if name and (found or not weights):
            yield name.lower(), float(found[1]) if found else 1.0


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int]:
    """Return the weight of a media type, and how exactly it was named: 0 to 2."""
    main = media_type.partition("/")[0]
    for exactness, wanted in ((2, media_type), (1, f"{main}/*"), (0, "*/*")):
        for name, weight in ranges:
            if name == wanted:
                return weight, exactness
    return 0.0, 0
