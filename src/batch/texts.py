"""Texts of a CSV as training reads them: which are missing, which are numbers.

The lists and forms are pandas' own, and a test compares them; pandas itself is not needed.
"""

import re
from collections.abc import Container

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from src.batch.arrays import as_numpy, null_scalar, text_scalar, texts_array

MISSING_TEXTS = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"]
) | {"<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
# A column that holds nothing else becomes one of truth values, named True and False.
TRUTHS = {"true": "True", "TRUE": "True", "false": "False", "FALSE": "False"}
# Arrow's own conversion is quicker and takes no spaces. Infinity is a number, to be refused.
NUMBER = r"^\s*[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf(?:inity)?))\s*$"

# As pandas writes a float that is whole, and without what says so.
WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))([.,]0)?")

Bools = NDArray[np.bool_]

_MISSING = texts_array(sorted(MISSING_TEXTS))
NOTHING, NO_NUMBER = null_scalar(pa.string()), text_scalar("no number")


def as_spelled(text: str, known: Container[str], *, decimal: str = ".") -> str:
    """Give the known spelling of a whole number, '3' or '3.0', if only the other is known.

    pandas' CSV of whole numbers with gaps has '3.0' where training, which saw numbers, has '3'.
    """
    whole = None if text in known else WHOLE.fullmatch(text)
    if whole is None or whole[2] not in (None, f"{decimal}0"):
        return text
    other = whole[1] if whole[2] else f"{text}.0"
    return other if other in known else text


def read_numbers(
    texts: pa.Array, *, decimal: str = ".", with_missing_texts: bool
) -> tuple[NDArray[np.float64], Bools]:
    """Give numbers, NaN where missing, and which texts are none, or no finite ones.

    with_missing_texts: whether some texts, and not only nulls, stand for nothing.
    """
    missing = pc.is_null(texts)
    if with_missing_texts:
        missing = pc.or_(missing, pc.is_in(texts, _MISSING))
    texts = pc.if_else(missing, NOTHING, texts)
    if decimal != ".":
        has_point = pc.match_substring(texts, ".")
        with_point = pc.replace_substring(texts, decimal, ".", max_replacements=1)
        texts = pc.if_else(has_point, NO_NUMBER, with_point)
    try:
        numbers = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        is_number = pc.match_substring_regex(texts, NUMBER)
        texts = pc.if_else(is_number, pc.ascii_trim_whitespace(texts), NOTHING)
        numbers = texts.cast(pa.float64())
    values = as_numpy(numbers)
    return values, ~np.isfinite(values) & ~as_numpy(missing)
