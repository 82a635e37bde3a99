"""How cells are written as text: numbers, dates and booleans.

Training finds the form of a column; the service and `score` read cells in the same form. So one
parser serves all three, and the same text gives the same number everywhere. Needs no pandas.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

# Greater numbers become infinite in models that compute in single precision.
FLOAT32_MAX = 3.4028234663852886e38
FLOAT64_MAX = 1.7976931348623157e308
# Up to here a double holds whole numbers exactly.
EXACT = 2**53
_NA = "#N/A #NA -1.#IND -1.#QNAN -NaN -nan 1.#IND 1.#QNAN <NA> N/A NA NULL NaN None n/a nan null"
# Words that mean missing unless a column says otherwise: those of pandas.
NA_WORDS = frozenset([*_NA.split(), "#N/A N/A"])
_NO_VALUE = (
    "? - -- --- — – . .. … * ー ― N.A. n.a. NONE none NAN #DIV/0! #VALUE! #REF! #NUM! #NAME?"
    " missing unknown 不明 欠損 未入力 未定 0000-00-00 0000/00/00"
)
# Beside these, what stands for missing in columns of numbers and of dates only.
PLACEHOLDERS = frozenset(_NO_VALUE.split())
INFINITE = re.compile(r"[+-]?(?:inf|infinity|∞)", re.IGNORECASE)


@dataclass(frozen=True)
class NumberForm:
    """How the numbers of a column are written.

    decimal : `.` or `,`. thousands : what groups digits, or an empty text. marks : signs that are
    dropped, such as `$`, `%` or `円`; a percentage keeps its value (68.7% is 68.7).
    """

    decimal: str = "."
    thousands: str = ""
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class DateForm:
    """How the dates of a column are written.

    pattern : `iso`, `epoch_s`, `epoch_ms`, or a pattern of strptime such as `%d/%m/%Y`. `iso` is
    every unambiguous date: year first, or with the name of the month; it is read under the other
    patterns too, and so is every separator, and a time of day behind the date.
    offset : minutes from UTC to the clock that is used; None if the cells have no time zone.
    has_time : whether some cell has a time of day.
    """

    pattern: str = "iso"
    offset: int | None = None
    has_time: bool = False


def bounded(number: float) -> float:
    """Return a number that every model can hold; an infinite one is missing (NaN)."""
    if number - number != 0:
        return float("nan")
    return min(max(number, -FLOAT32_MAX), FLOAT32_MAX)


# --- Text in one way of writing.

# Full-width characters, spaces and signs as ASCII. Not NFKC: it would read 5² as 52.
_PLAIN: dict[int, int | str] = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_PLAIN |= dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u202f\u3000"), ord(" "))
_PLAIN |= dict.fromkeys(map(ord, "−－–△▲"), ord("-"))
_PLAIN |= {ord("￥"): ord("¥"), ord("’"): ord("'"), ord("℃"): "°C", ord("㎏"): "kg"}


def plain(text: str) -> str:
    """Return the text with ASCII digits, signs and spaces, and no space around it."""
    return (text if text.isascii() else text.translate(_PLAIN)).strip()


# --- Numbers.

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


# --- Dates, as seconds since 1970 by the clock of the column.

_DAY = 86400 * 10**6
_EPOCH = date(1970, 1, 1).toordinal()
_NAMES = "janfebmaraprmayjunjulaugsepoctnovdec"
_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    "|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? )?"
_TIME = (
    r"(?:(?:t| +|, ?)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})"
    r"(?:[.,](?P<fraction>[0-9]{1,9}))?)? ?(?P<half>[ap]m)?"
    r" ?(?P<zone>z|utc|gmt|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_YEAR_FIRST = re.compile(
    r"(?P<year>[0-9]{4})(?:(?P<by>[-/.])(?P<month>[0-9]{1,2})(?:(?P=by)(?P<day>[0-9]{1,2}))?"
    rf"|年 ?(?P<month_ja>[0-9]{{1,2}})月(?: ?(?P<day_ja>[0-9]{{1,2}})日)?)(?:\([月火水木金土日]\))?"
    rf"{_TIME}",
    re.IGNORECASE,
)
_MONTH_NAMED = re.compile(
    rf"{_WEEKDAY}(?:(?P<day>[0-9]{{1,2}})[- ](?P<name>{_MONTH})\.?[- ,]{{1,2}}"
    rf"|(?P<name_first>{_MONTH})\.? (?P<day_second>[0-9]{{1,2}}),? )"
    rf"(?P<year>[0-9]{{4}}|[0-9]{{2}}){_TIME}",
    re.IGNORECASE,
)
_YEAR_LAST = re.compile(
    rf"{_WEEKDAY}(?P<first>[0-9]{{1,2}})(?P<by>[-/.])(?P<second_part>[0-9]{{1,2}})(?P=by)"
    rf"(?P<year>[0-9]{{4}}|[0-9]{{2}}){_TIME}",
    re.IGNORECASE,
)
_SHORT_YEAR_FIRST = re.compile(
    rf"(?P<year>[0-9]{{2}})(?:(?P<by>[-/])(?P<month>[0-9]{{1,2}})(?P=by)(?P<day>[0-9]{{1,2}})"
    rf"|\.(?P<month_by_point>[0-9]{{2}})\.(?P<day_by_point>[0-9]{{2}})){_TIME}",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})")
_NUMERAL = re.compile(r"-?[0-9]+(?:\.[0-9]*)?")
EPOCHS = {"epoch_s": 10**6, "epoch_ms": 10**3}
DAY_FIRST, MONTH_FIRST, DIGITS = "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d"
# Patterns under which a number is a date.
NUMERIC_DATES = (*EPOCHS, DIGITS)
SHORT_YEAR_FIRST = "%y/%m/%d"
# Years of two digits are those of 1930 to 2029, as in Excel: a date of birth is not in the future.
FIRST_SHORT_YEAR = 1930
# Days of dates from all over the months; fewer different ones are more likely years or months.
MANY_DAYS = 20
# The least and the greatest second of a number that can be meant as a time: 1990 to 2100.
MIN_EPOCH, MAX_EPOCH = 631152000, 4102444800


@dataclass(frozen=True, slots=True)
class Moment:
    """Microseconds since 1970 by its own clock, its offset in minutes, whether it has a time."""

    micros: int
    offset: int | None
    has_time: bool


def parse_date(value: str | float, form: DateForm) -> float | None:
    """Return seconds since 1970 by the clock of the form; None for what is no date.

    A number is a date for `epoch_s`, `epoch_ms` and `%Y%m%d` only. A cell without a time zone is
    by the clock of the form.
    """
    micros = date_micros(value, form)
    return None if micros is None else micros / 10**6


def date_micros(value: str | float, form: DateForm) -> int | None:
    """Return what parse_date returns in whole microseconds: exact in any century."""
    moment = read_moment(value, form.pattern)
    if moment is None:
        return None
    if form.offset is None or moment.offset is None:
        return moment.micros
    return moment.micros + (form.offset - moment.offset) * 60 * 10**6


def read_moment(value: str | float, pattern: str) -> Moment | None:
    """Read a cell by its own clock."""
    if not isinstance(value, str):
        if isinstance(value, bool) or value - value != 0:
            return None
        if pattern in EPOCHS:
            return Moment(round(value * EPOCHS[pattern]), None, has_time=True)
        if pattern != DIGITS or value != int(value):
            return None
        value = str(int(value))
    text = plain(value)
    if match := _YEAR_FIRST.fullmatch(text):
        month, day = match["month"] or match["month_ja"], match["day"] or match["day_ja"]
        return _moment(match, int(month), int(day or 1))
    if pattern in EPOCHS and _NUMERAL.fullmatch(text):
        return Moment(round(float(text) * EPOCHS[pattern]), None, has_time=True)
    if pattern == DIGITS and (match := _DIGITS.fullmatch(text)):
        return _moment(match, int(match["month"]), int(match["day"]))
    if pattern in (DAY_FIRST, MONTH_FIRST) and (match := _YEAR_LAST.fullmatch(text)):
        first, second = int(match["first"]), int(match["second_part"])
        # With points all parts have two digits, or the year has four: 1.2.10 is a version.
        parts = match.group("first", "second_part", "year")
        if match["by"] == "." and len(parts[2]) == 2 and any(len(part) < 2 for part in parts):
            return None
        day, month_number = (first, second) if pattern == DAY_FIRST else (second, first)
        return _moment(match, month_number, day)
    if pattern == SHORT_YEAR_FIRST and (match := _SHORT_YEAR_FIRST.fullmatch(text)):
        month, day = (
            match["month"] or match["month_by_point"],
            match["day"] or match["day_by_point"],
        )
        return _moment(match, int(month), int(day))
    if match := _MONTH_NAMED.fullmatch(text):
        name, day = match["name"] or match["name_first"], match["day"] or match["day_second"]
        return _moment(match, _NAMES.index(name[:3].lower()) // 3 + 1, int(day))
    return None


def _moment(match: re.Match[str], month: int, day: int) -> Moment | None:
    parts = match.groupdict()
    year = int(parts["year"])
    if len(parts["year"]) == 2:
        year += FIRST_SHORT_YEAR // 100 * 100
        year += 100 if year < FIRST_SHORT_YEAR else 0
    try:
        micros = (date(year, month, day).toordinal() - _EPOCH) * _DAY
    except ValueError:
        return None
    if parts.get("hour") is None:
        return Moment(micros, None, has_time=False)
    hour, minute, second = int(parts["hour"]), int(parts["minute"]), int(parts["second"] or 0)
    if half := parts["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half.lower() == "pm" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    fraction = int((parts["fraction"] or "0").ljust(6, "0")[:6])
    micros += ((hour * 60 + minute) * 60 + second) * 10**6 + fraction
    return Moment(micros, _offset(parts["zone"]), has_time=True)


def _offset(zone: str | None) -> int | None:
    if not zone:
        return None
    if zone[0] not in "+-":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[3:].strip(":") or 0)
    return -minutes if zone[0] == "-" else minutes


def find_date_form(
    texts: Sequence[str], *, day_first: bool | None = None, year_first: bool | None = None
) -> tuple[DateForm, ...]:
    """Return the form in which most of the texts are dates.

    Several forms, of day first, month first and year first, are returned where nothing decides
    between them. day_first, year_first : what the user says; the latter of years of two digits.
    """
    patterns = {None: (DAY_FIRST, MONTH_FIRST), True: (DAY_FIRST,), False: (MONTH_FIRST,)}[
        day_first
    ]
    if year_first or (year_first is None and day_first is None):
        patterns += (SHORT_YEAR_FIRST,)
    iso = [moment for text in texts if (moment := read_moment(text, "iso"))]
    read = {"iso": iso}
    if len(iso) < len(texts):
        for pattern in patterns:
            read[pattern] = [m for text in texts if (m := read_moment(text, pattern))]
    most = max(map(len, read.values()))
    if not most:
        return ()
    if len(iso) == most:
        return (_date_form("iso", iso),)
    found = {pattern: moments for pattern, moments in read.items() if len(moments) == most}
    if year_first and SHORT_YEAR_FIRST in found:
        found = {SHORT_YEAR_FIRST: found[SHORT_YEAR_FIRST]}
    elif len(found) > 1 and SHORT_YEAR_FIRST in found:
        # 24-06-28 beside 20-03-01: read day first, all days would lie between 20 and 24.
        spread = [each for each, moments in found.items() if _n_days(moments) >= MANY_DAYS]
        found = {spread[0]: found[spread[0]]} if len(spread) == 1 else found
    return tuple(_date_form(pattern, moments) for pattern, moments in found.items())


def _n_days(moments: Sequence[Moment]) -> int:
    """Return how many different days of the month there are."""
    days = {moment.micros // _DAY + _EPOCH for moment in moments}
    return len({date.fromordinal(day).day for day in days})


def _date_form(pattern: str, moments: Sequence[Moment]) -> DateForm:
    offsets = {moment.offset for moment in moments if moment.offset is not None}
    # One clock everywhere is kept: its hours mean something. Several are made one, UTC.
    offset = None if not offsets else offsets.pop() if len(offsets) == 1 else 0
    return DateForm(pattern, offset, any(moment.has_time for moment in moments))


# --- Booleans.

_TRUE, _FALSE = "true t yes y on 1 はい 真", "false f no n off 0 いいえ 偽"
_BOOLEANS = dict.fromkeys(_TRUE.split(), True) | dict.fromkeys(_FALSE.split(), False)


def parse_boolean(text: str) -> bool | None:
    """Return the truth value of a word such as `true`, `Yes`, `0` or `はい`; None for others."""
    return _BOOLEANS.get(plain(text).lower())
