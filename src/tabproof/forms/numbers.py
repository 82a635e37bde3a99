"""Numbers: how a column writes them, and the number that a text is in its form."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from tabproof.forms.times import parse_time
from tabproof.forms.words import plain

# Greater numbers become infinite in models that compute in single precision.
FLOAT32_MAX = 3.4028234663852886e38
FLOAT64_MAX = 1.7976931348623157e308
# Up to here a double holds whole numbers exactly.
EXACT = 2**53
# Words that multiply the number in front of them, greater ones first.
SCALES = {"兆": 10**12, "億": 10**8, "千万": 10**7, "百万": 10**6, "万": 10**4, "千": 10**3}
# Those of money only: 10k may be a distance, and 5m a length.
MONEY_SCALES = {"B": 10**9, "b": 10**9, "bn": 10**9, "M": 10**6, "m": 10**6, "K": 10**3, "k": 10**3}
ALL_SCALES = SCALES | MONEY_SCALES


@dataclass(frozen=True)
class NumberForm:
    """How the numbers of a column are written.

    decimal : `.` or `,`. thousands : the signs that group digits, or an empty text. marks : signs
    and units that are dropped, such as `$`, `%` or `cm`; a percentage keeps its value (68.7% is
    68.7). scales : words that multiply, such as `万`. time : `h:mm` or `h:mm:ss` where cells are
    times of day or durations, read as seconds; else empty.
    """

    decimal: str = "."
    thousands: str = ""
    marks: tuple[str, ...] = ()
    scales: tuple[str, ...] = ()
    time: str = ""


def bounded(number: float) -> float:
    """Return a number that every model can hold; an infinite one is missing (NaN)."""
    if number - number != 0:
        return float("nan")
    return min(max(number, -FLOAT32_MAX), FLOAT32_MAX)


EXPONENT = r"(?:[eE][+-]?[0-9]+)?"
_SIMPLE = re.compile(rf"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+){EXPONENT}")


def whole_pattern(thousands: str) -> str:
    """Return the regular expression of digits, in groups or not, for `re` and RE2."""
    # One sign groups all digits of a number.
    grouped = [
        rf"[1-9][0-9]{{0,2}}(?:{sign}[0-9]{{2,3}})*{sign}[0-9]{{3}}"
        for sign in map(re.escape, thousands)
    ]
    return f"(?:{'|'.join([*grouped, '[0-9]+'])})"


@lru_cache(maxsize=256)
def compiled(form: NumberForm) -> re.Pattern[str]:
    """Return the regular expression of a number without scales.

    Its groups: open, sign, sign_after, whole, fraction, exponent, close.
    """
    mark, point = _mark_pattern(form), re.escape(form.decimal)
    # `.5` has no whole part, so either part may be empty; both are not.
    return re.compile(
        rf"(?P<open>\(?) ?(?P<sign>[+-]?) ?{mark} ?(?P<sign_after>[+-]?)"
        rf"(?P<whole>{whole_pattern(form.thousands)}?)(?:{point}(?P<fraction>[0-9]*))?"
        rf"(?P<exponent>{EXPONENT}) ?{mark} ?(?P<close>\)?)"
    )


@lru_cache(maxsize=256)
def _compiled_scaled(form: NumberForm) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the regular expressions of a number with scales, and of each of its parts."""
    mark, point = _mark_pattern(form), re.escape(form.decimal)
    digits = rf"{whole_pattern(form.thousands)}(?:{point}[0-9]+)?"
    scale = "|".join(map(re.escape, sorted(form.scales, key=len, reverse=True)))
    whole = re.compile(
        rf"(?P<open>\(?) ?(?P<sign>[+-]?) ?(?P<before>{mark}) ?(?P<sign_after>[+-]?)"
        rf"(?P<body>(?:{digits} ?(?:{scale}) ?)*(?:{digits})?) ?(?P<after>{mark}) ?(?P<close>\)?)"
    )
    return whole, re.compile(rf"({digits}) ?({scale})?")


def _mark_pattern(form: NumberForm) -> str:
    mark = "|".join(map(re.escape, form.marks))
    return f"(?:{mark})?" if mark else ""


def parse_number(text: str, form: NumberForm) -> float | None:
    """Return the finite number that a text is in a form; None if it is none.

    A greater whole number than a double holds exactly is rounded: see `is_exact`.
    """
    text = plain(text)
    if form.time or form.scales:
        return parse_time(text, form.time) if form.time else _parse_scaled(text, form)
    if form.decimal == "." and _SIMPLE.fullmatch(text):
        return _finite(float(text))
    match = compiled(form).fullmatch(text)
    if match is None:
        return None
    sign, parts = _sign_of(match), match.groupdict("")
    whole, fraction = _without(form.thousands, parts["whole"]), parts["fraction"]
    if sign is None or not (whole or fraction):
        return None
    return _finite(float(f"{sign}{whole or '0'}.{fraction or '0'}{parts['exponent']}"))


def _parse_scaled(text: str, form: NumberForm) -> float | None:
    pattern, part = _compiled_scaled(form)
    match = pattern.fullmatch(text)
    if match is None or not match["body"] or (sign := _sign_of(match)) is None:
        return None
    parts = part.findall(match["body"])
    scales = [ALL_SCALES[word] if word else 1 for _, word in parts]
    # 2億3000万, but not 3万2億; 1.2K500 is nothing.
    is_falling = all(scale > after for scale, after in pairwise(scales))
    if not is_falling or (len(parts) > 1 and any(word in MONEY_SCALES for _, word in parts)):
        return None
    numbers = [
        Decimal(_without(form.thousands, digits).replace(form.decimal, ".")) for digits, _ in parts
    ]
    total = sum(number * scale for number, scale in zip(numbers, scales, strict=True))
    # In a column of 3万 the cell 450 may be 450万.
    if scales == [1] and not match["before"] and not match["after"]:
        least = min(ALL_SCALES[word] for word in form.scales)
        if 0 < total < least:
            return None
    return _finite(float(f"{sign}{total}"))


def _sign_of(match: re.Match[str]) -> str | None:
    """Return `-` or nothing; None for two signs, or one bracket."""
    signs = match["sign"] + match["sign_after"] + ("-" if match["open"] else "")
    if bool(match["open"]) != bool(match["close"]) or len(signs) > 1:
        return None
    return signs.strip("+")


def _without(thousands: str, digits: str) -> str:
    for sign in thousands:
        digits = digits.replace(sign, "")
    return digits


def _finite(number: float) -> float:
    # 1e400 is a number; a word such as "inf" never comes here.
    return min(max(number, -FLOAT64_MAX), FLOAT64_MAX)


def missing_numbers(words: Iterable[str]) -> frozenset[float]:
    """Return the numbers among words that mean missing, such as -999."""
    found = (parse_number(word, NumberForm()) for word in words)
    return frozenset(number for number in found if number is not None)


def is_exact(text: str) -> bool:
    """Return whether a double holds the digits of a whole number exactly, or it has a fraction."""
    digits = text.strip().lstrip("+-")
    return not (digits.isdecimal() and len(digits) > 15 and int(digits) > EXACT)
