"""Times of day and durations: the seconds that a text such as `12:34:56` or `12時34分` is."""

import re
from collections import Counter
from collections.abc import Sequence

_DAY = 86400 * 10**6
HOURS_MINUTES, WITH_SECONDS = TIMES = "h:mm", "h:mm:ss"
_BEFORE = "(?P<half_before>午前|午後)? ?"
_BEHIND = (
    r"(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
    r"|時(?: ?(?P<minute_ja>[0-9]{1,2})分(?: ?(?P<second_ja>[0-9]{1,2})秒)?)?"
    r"|(?= ?[ap]\.?m)) ?(?P<half>[ap]\.?m\.?)?"
)
# A time of day as it stands behind a date.
OF_DAY = rf"{_BEFORE}(?P<hour>[0-9]{{1,2}}){_BEHIND}"
# A cell of its own may be a duration too: of more hours than a day has, or of days.
_CLOCK = re.compile(
    rf"(?:(?P<days>[0-9]{{1,6}}) days?,? )?{_BEFORE}(?P<hour>[0-9]{{1,4}}){_BEHIND}", re.IGNORECASE
)
# Numbers and dates are refused at once.
_OF_TIME = re.compile("[:時分秒mM]")
_SPELLED = re.compile(
    r"(?=.)(?:(?P<hour>[0-9]{1,4})時間 ?)?(?:(?P<minute>[0-9]{1,4})分間? ?)?"
    r"(?:(?P<second>[0-9]{1,6})秒間?)?"
)


def micros_of(match: re.Match[str]) -> int | None:
    """Return the microseconds of hour, minute and second; None where one of them is too large."""
    parts = match.groupdict()
    hour = int(parts["hour"])
    minute = int(parts["minute"] or parts["minute_ja"] or 0)
    second = int(parts["second"] or parts["second_ja"] or 0)
    if half := parts["half"] or parts["half_before"]:
        # Japanese hours begin with 0, English ones with 12.
        if hour > 12 or (hour == 0 and parts["half"]) or (parts["half"] and parts["half_before"]):
            return None
        hour = hour % 12 + (12 if half in "午後" or half[0] in "pP" else 0)
    if minute > 59 or second > 59:
        return None
    fraction = int((parts["fraction"] or "0").ljust(6, "0")[:6])
    return ((hour * 60 + minute) * 60 + second) * 10**6 + fraction


def parse_time(text: str, written: str) -> float | None:
    """Return the seconds of a plain text; None for what is no time.

    written : `h:mm` or `h:mm:ss`. 12:34 may be hours and minutes, or minutes and seconds, so each
    reads its own; cells that name their hours are read by both.
    """
    found = _read(text)
    if found is None or found[1] not in ("", written):
        return None
    return found[0] / 10**6


def find_time_form(texts: Sequence[str], *, forced: bool) -> tuple[str, int]:
    """Return how most of the plain texts are written, and the number of those that are times.

    forced : the column is meant as numbers. Else `h:mm` beside `h:mm:ss` is not read: the one may
    be minutes and seconds.
    """
    counts: Counter[str] = Counter()
    # One look at all texts: most columns have no time.
    for text in texts if _OF_TIME.search("\n".join(texts)) else ():
        if (found := _read(text)) is not None:
            counts[found[1]] += 1
    written = HOURS_MINUTES if counts[HOURS_MINUTES] > counts[WITH_SECONDS] else WITH_SECONDS
    if written == HOURS_MINUTES and counts[WITH_SECONDS] and not forced:
        return written, 0
    return written, counts[written] + counts[""]


def _read(text: str) -> tuple[int, str] | None:
    """Return microseconds, and how a time is written; empty where the cell names its hours."""
    if not _OF_TIME.search(text):
        return None
    if match := _CLOCK.fullmatch(text):
        micros = micros_of(match)
        if micros is None:
            return None
        is_named = match["half"] or match["half_before"] or match["days"] or "時" in text
        written = HOURS_MINUTES if match["second"] is None else WITH_SECONDS
        if match["days"]:
            if match["second"] is None or micros >= _DAY:
                return None
            micros += int(match["days"]) * _DAY
        return micros, "" if is_named else written
    if match := _SPELLED.fullmatch(text):
        hour, minute, second = (int(part or 0) for part in match.group("hour", "minute", "second"))
        return ((hour * 60 + minute) * 60 + second) * 10**6, ""
    return None
