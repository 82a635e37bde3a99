"""Durations as people write them: 90s, 10m, 1h30m."""

import re

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
FORM = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def seconds_of(text: str) -> float | None:
    """Give the seconds; None for what is no duration above zero."""
    if FORM.fullmatch(text.strip()) is None:
        return None
    total = sum(float(number) * SECONDS[unit] for number, unit in PART.findall(text))
    return total or None
