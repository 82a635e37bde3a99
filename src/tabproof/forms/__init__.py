"""How cells are written as text: numbers, dates and booleans.

Training finds the form of a column; the service and `score` read cells in the same form. So one
parser serves all three, and the same text gives the same number everywhere. Needs no pandas.
"""

from tabproof.forms.dates import (
    DAY_FIRST,
    DIGITS,
    EPOCHS,
    FIRST_SHORT_YEAR,
    MAX_EPOCH,
    MIN_EPOCH,
    MONTH_FIRST,
    NUMERIC_DATES,
    SHORT_YEAR_FIRST,
    DateForm,
    date_micros,
    find_date_form,
    parse_date,
    read_moment,
)
from tabproof.forms.number_forms import MARKS, MOST, SEPARATORS, find_number_form
from tabproof.forms.numbers import (
    ALL_SCALES,
    EXACT,
    EXPONENT,
    FLOAT32_MAX,
    NumberForm,
    bounded,
    is_exact,
    missing_numbers,
    parse_number,
    whole_pattern,
)
from tabproof.forms.times import HOURS_MINUTES, TIMES, WITH_SECONDS
from tabproof.forms.words import (
    INFINITE,
    MISSING_WORDS,
    NA_WORDS,
    NO_NUMBER_WORDS,
    PLACEHOLDERS,
    kept_if_short,
    parse_boolean,
    plain,
)

__all__ = [
    "ALL_SCALES",
    "DAY_FIRST",
    "DIGITS",
    "EPOCHS",
    "EXACT",
    "EXPONENT",
    "FIRST_SHORT_YEAR",
    "FLOAT32_MAX",
    "HOURS_MINUTES",
    "INFINITE",
    "MARKS",
    "MAX_EPOCH",
    "MIN_EPOCH",
    "MISSING_WORDS",
    "MONTH_FIRST",
    "MOST",
    "NA_WORDS",
    "NO_NUMBER_WORDS",
    "NUMERIC_DATES",
    "PLACEHOLDERS",
    "SEPARATORS",
    "SHORT_YEAR_FIRST",
    "TIMES",
    "WITH_SECONDS",
    "DateForm",
    "NumberForm",
    "bounded",
    "date_micros",
    "find_date_form",
    "find_number_form",
    "is_exact",
    "kept_if_short",
    "missing_numbers",
    "parse_boolean",
    "parse_date",
    "parse_number",
    "plain",
    "read_moment",
    "whole_pattern",
]
