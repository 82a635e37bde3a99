"""Dates: the form in which a column writes them, and the seconds since 1970 by its clock."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tabproof.forms.times import OF_DAY, micros_of
from tabproof.forms.words import kept_if_short, plain

_DAY = 86400 * 10**6
_EPOCH = date(1970, 1, 1).toordinal()
_NAMES = "janfebmaraprmayjunjulaugsepoctnovdec"
_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    "|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? )?"
# 12時 may stand right behind 日.
_TIME = (
    rf"(?:(?:t| +|, ?|(?<=[日)])){OF_DAY}"
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


# Several forms are tried.
_known_moment = kept_if_short(read_moment)


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
    time = micros_of(match)
    if time is None or time >= _DAY:
        return None
    micros += time
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
    iso = [moment for text in texts if (moment := _known_moment(text, "iso"))]
    read = {"iso": iso}
    if len(iso) < len(texts):
        for pattern in patterns:
            read[pattern] = [m for text in texts if (m := _known_moment(text, pattern))]
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
