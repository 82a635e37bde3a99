"""Words that mean missing, text with ASCII digits and signs, and truth values."""

import re
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar, TypeVarTuple

_NA = "#N/A #NA -1.#IND -1.#QNAN -NaN -nan 1.#IND 1.#QNAN <NA> N/A NA NULL NaN None n/a nan null"
# Words that mean missing unless a column says otherwise: those of pandas.
NA_WORDS = frozenset([*_NA.split(), "#N/A N/A"])
MISSING_WORDS = NA_WORDS | {""}
_NO_VALUE = (
    "? - -- --- — – . .. … * ー ― N.A. n.a. NONE none NAN #DIV/0! #VALUE! #REF! #NUM! #NAME?"
    " missing unknown 不明 欠損 未入力 未定 0000-00-00 0000/00/00"
)
# Beside these, what stands for missing in columns of numbers and of dates only.
PLACEHOLDERS = frozenset(_NO_VALUE.split())
# All that means missing in such columns.
NO_NUMBER_WORDS = MISSING_WORDS | PLACEHOLDERS
INFINITE = re.compile(r"[+-]?(?:inf|infinity|∞)", re.IGNORECASE)

# Full-width characters, spaces and signs as ASCII. Not NFKC: it would read 5² as 52.
_PLAIN: dict[int, int | str] = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_PLAIN |= dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u202f\u3000"), ord(" "))
_PLAIN |= dict.fromkeys(map(ord, "−－–△▲"), ord("-"))
_PLAIN |= {ord("￥"): ord("¥"), ord("’"): ord("'"), ord("℃"): "°C", ord("㎏"): "kg"}


def plain(text: str) -> str:
    """Return the text with ASCII digits, signs and spaces, and no space around it."""
    return (text if text.isascii() else text.translate(_PLAIN)).strip()


Others = TypeVarTuple("Others")
Answer = TypeVar("Answer")
# Answers that are kept, and characters of a text whose answer is: documents would fill the memory.
N_KEPT, MAX_KEPT = 2**14, 50


def kept_if_short(parse: Callable[[str, *Others], Answer]) -> Callable[[str, *Others], Answer]:
    """Return the function, which keeps its answers for short texts.

    Columns of a table have the same dates, and numbers of the same form.
    """
    known: Any = lru_cache(maxsize=N_KEPT)(parse)

    @wraps(parse)
    def answer(text: str, /, *others: *Others) -> Answer:
        is_short = len(text) <= MAX_KEPT
        found: Answer = known(text, *others) if is_short else parse(text, *others)
        return found

    return answer


# --- Booleans.

_TRUE, _FALSE = "true t yes y on 1 はい 真", "false f no n off 0 いいえ 偽"
_BOOLEANS = dict.fromkeys(_TRUE.split(), True) | dict.fromkeys(_FALSE.split(), False)


def parse_boolean(text: str) -> bool | None:
    """Return the truth value of a word such as `true`, `Yes`, `0` or `はい`; None for others."""
    return _BOOLEANS.get(plain(text).lower())
