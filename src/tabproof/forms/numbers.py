"""Numbers: the form in which a column writes them, and the number that a text is in it."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from tabproof.forms.words import plain

# Greater numbers become infinite in models that compute in single precision.
FLOAT32_MAX = 3.4028234663852886e38
FLOAT64_MAX = 1.7976931348623157e308
# Up to here a double holds whole numbers exactly.
EXACT = 2**53


@dataclass(frozen=True)
class NumberForm:
    """How the numbers of a column are written.

    decimal : `.` or `,`. thousands : what groups digits, or an empty text. marks : signs that are
    dropped, such as `$`, `%` or `円`; a percentage keeps its value (68.7% is 68.7).
    """

    decimal: str = "."
    thousands: str = ""
    marks: tuple[str, ...] = ()


def bounded(number: float) -> float:
    """Return a number that every model can hold; an infinite one is missing (NaN)."""
    if number - number != 0:
        return float("nan")
    return min(max(number, -FLOAT32_MAX), FLOAT32_MAX)


_CURRENCIES = (
    "$ € £ ¥ ₩ ₹ ₽ ₺ ฿ US$ A$ C$ HK$ NT$ R$ USD EUR GBP JPY CHF CNY KRW INR 円 元 원 kr zł"
)
_UNITS = "% kg mg mm cm km ml °C ° kWh kW lbs 歳 才 年 回 個 人 件 点 日 分 秒 時間 枚 本 台 名"
# Longer ones first, so that a regular expression takes `US$` before `$`.
MARKS = tuple(sorted(f"{_CURRENCIES} {_UNITS}".split(), key=lambda mark: (-len(mark), mark)))
# Signs of one currency.
_SAME = (
    frozenset({"¥", "円", "JPY"}),
    frozenset({"¥", "元", "CNY"}),
    frozenset({"$", "US$", "USD"}),
)
# Prices in these have no three decimals, so three digits behind every comma are thousands.
_NO_THREE_DECIMALS = frozenset(["¥", "円", "JPY", "₩", "KRW", "원", "$", "US$", "USD", "£", "GBP"])
EXPONENT = r"(?:[eE][+-]?[0-9]+)?"
_SIMPLE = re.compile(rf"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+){EXPONENT}")
_SEPARATORS = tuple((d, t) for t in ("", ",", ".", " ", "'") for d in (".", ",") if d != t)


@lru_cache(maxsize=256)
def number_pattern(form: NumberForm) -> str:
    """Return the regular expression of a number, for `re` and RE2.

    Its groups: open, sign, sign_after, whole, fraction, exponent, close.
    """
    point, mark = re.escape(form.decimal), "|".join(map(re.escape, form.marks))
    mark = rf"(?:{mark})?" if mark else ""
    whole = r"[0-9]+"
    if form.thousands:
        comma = re.escape(form.thousands)
        whole = rf"[1-9][0-9]{{0,2}}(?:{comma}[0-9]{{2,3}})*{comma}[0-9]{{3}}|[0-9]+"
    # `.5` has no whole part, so either part may be empty; both are not.
    return (
        rf"^(?P<open>\(?) ?(?P<sign>[+-]?) ?{mark} ?(?P<sign_after>[+-]?)(?P<whole>(?:{whole})?)"
        rf"(?:{point}(?P<fraction>[0-9]*))?(?P<exponent>{EXPONENT}) ?{mark} ?(?P<close>\)?)$"
    )


@lru_cache(maxsize=256)
def _compiled(form: NumberForm) -> re.Pattern[str]:
    return re.compile(number_pattern(form))


def parse_number(text: str, form: NumberForm) -> float | None:
    """Return the finite number that a text is in a form; None if it is none.

    A greater whole number than a double holds exactly is rounded: see `is_exact`.
    """
    text = plain(text)
    if form.decimal == "." and _SIMPLE.fullmatch(text):
        return _finite(float(text))
    match = _compiled(form).fullmatch(text)
    if match is None:
        return None
    parts = match.groupdict("")
    signs = parts["sign"] + parts["sign_after"] + ("-" if parts["open"] else "")
    if bool(parts["open"]) != bool(parts["close"]) or len(signs) > 1:
        return None
    whole, fraction = parts["whole"], parts["fraction"]
    if not whole and not fraction:
        return None
    if form.thousands:
        whole = whole.replace(form.thousands, "")
    return _finite(float(f"{signs.strip('+')}{whole or '0'}.{fraction or '0'}{parts['exponent']}"))


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


def find_number_form(
    texts: Iterable[str],
    *,
    decimal: str | None = None,
    thousands: str | None = None,
    forced: bool = False,
) -> tuple[NumberForm, ...]:
    """Return the form in which most of the texts are numbers.

    Two forms are returned where both read all of them and nothing decides; none where there is no
    form. decimal, thousands : what the user says (an empty text: no thousands). forced : the
    column is meant as numbers, so marks may differ.
    """
    marks, signed = _find_marks(texts, forced=forced)
    if not signed:
        return ()
    counts: Counter[tuple[str, str]] = Counter()
    patterns = [(each, _compiled(NumberForm(*each)).fullmatch) for each in _SEPARATORS]
    n_small = n_large = n_round = 0
    for text in signed:
        if text.isdecimal():
            # Whole numbers are read by every form.
            n_small, n_large = n_small + (len(text) <= 3), n_large + (len(text) > 3)
            continue
        n_round += text.endswith("0")
        for each, matches in patterns:
            if matches(text):
                counts[each] += 1

    def form(separators: tuple[str, str]) -> NumberForm:
        return NumberForm(*separators, marks)

    if not counts:
        return (form((".", "")),) if n_small or n_large else ()
    allowed = [
        (point, group)
        for point, group in _SEPARATORS
        if decimal in (None, point) and (thousands is None or group in ("", thousands))
        if point != thousands
    ]
    most = max(counts.values())
    best = [each for each in allowed if counts[each] == most]
    # What the user says decides between readings; where it reads less, the cells decide.
    best = best or [each for each in _SEPARATORS if counts[each] == most]
    comma_decimal, comma_thousands = (",", ""), (".", ",")
    if (".", "") in best:
        # €1.234 in every cell: few prices have three decimals.
        is_open = decimal is None and thousands is None
        if is_open and (",", ".") in best and set(marks) & set(_CURRENCIES.split()):
            return form((",", ".")), form((".", ""))
        return (form((".", "")),)
    if comma_decimal in best and comma_thousands in best:
        # Cells such as 16,000 beside 500: with decimals, 16,000 would be written as 16.
        if (n_small and not n_large and n_round) or set(marks) & _NO_THREE_DECIMALS:
            return (form(comma_thousands),)
        return form(comma_thousands), form(comma_decimal)
    return (form(best[0]),)


def _find_marks(texts: Iterable[str], *, forced: bool) -> tuple[tuple[str, ...], list[str]]:
    """Return the marks of a column, and its cells without sign and mark; none if marks differ."""
    found: set[str] = set()
    n_plain, bodies = 0, []
    for text in map(plain, texts):
        match = _MARKED.fullmatch(text)
        if match is None:
            continue
        marks = {mark for mark in match.group("before", "after") if mark}
        n_plain += not marks and match["body"].strip("0.,") != ""
        found |= marks
        bodies.append(match["body"].strip())
    is_one = len(found) < 2 or any(found <= same for same in _SAME)
    # 12% beside 0.12 may be the same value, or not.
    if not forced and (not is_one or ("%" in found and n_plain)):
        return (), []
    return tuple(mark for mark in MARKS if mark in found), bodies


_MARK = "|".join(map(re.escape, MARKS))
_MARKED = re.compile(
    rf"\(? ?[+-]? ?(?P<before>{_MARK})? ?[+-]?"
    rf"(?P<body>[0-9.,' ]*[0-9][0-9.,' ]*?{EXPONENT}) ?(?P<after>{_MARK})? ?\)?"
)
