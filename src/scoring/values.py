"""What a cell of JSON or of text means: a number, a category, or neither.

Categories are named as in training: whole numbers without a point, truth values in words.
"""

import re
from math import isfinite

# What people write as a number. Python's float() would also take nan, inf and 1_000.
NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*", re.ASCII)


def as_number(text: str) -> float | None:
    """Read a finite number; None where the text is none."""
    if len(text) > 400 or NUMBER.fullmatch(text) is None:
        return None
    number = float(text)
    return number if isfinite(number) else None


def as_category(value: object) -> str:
    """Name a category as training did."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
