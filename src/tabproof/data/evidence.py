"""What share of the cells of a column is of a kind: of a sample, then of all.

Cells that are of another kind are counted, and become missing.
"""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabproof.data.cells import DIGIT, Floats
from tabproof.data.column import SAMPLE, Column, Reading
from tabproof.forms import INFINITE, MISSING_WORDS, MOST, PLACEHOLDERS, missing_numbers

# The share of a sample that must be of a kind.
LIKELY = 0.8
# Distinct cells looked at where a sample does not decide between two readings.
MAX_DISTINCT = 100_000
# Free text: nearly distinct cells of several words, or of many characters without spaces between
# words; repeated ones must be longer.
FEW_TEXTS, N_TEXTS = 20, 500
DISTINCT_TEXTS, TEXT_WORDS, TEXT_LETTERS, TEXT_CJK = 0.5, 3.0, 20.0, 8.0
REPEATED_TEXTS, REPEATED_WORDS, REPEATED_CJK = 0.1, 5.0, 15.0
IDEOGRAMS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def sampled(texts: pa.Array, reading: Reading) -> list[str]:
    """Return distinct cells from all over the column, without words that mean missing."""
    present = texts.drop_null() if texts.null_count else texts
    if len(present) > SAMPLE:
        present = present.take(pa.array(np.linspace(0, len(present) - 1, SAMPLE).astype("int64")))
    missing = missing_words(reading)
    return [text for text in present.unique().to_pylist() if text.strip() not in missing]


def find_distinct(texts: pa.Array) -> list[str]:
    """Return distinct cells, of many the first."""
    found: list[str] = texts.unique().drop_null()[:MAX_DISTINCT].to_pylist()
    return found


def some_distinct(texts: pa.Array) -> list[str]:
    """Return a few distinct cells, missing ones too."""
    found: list[str] = texts.unique()[:SAMPLE].to_pylist()
    return found


def missing_words(reading: Reading) -> Collection[str]:
    """Return the words that mean missing."""
    return MISSING_WORDS if reading.na_values is None else {"", *reading.na_values}


def without_missing(texts: pa.Array, reading: Reading) -> pa.Array:
    """Return texts whose words for missing, and empty ones, are null."""
    words = _as_cells(tuple(missing_words(reading)), texts.type)
    is_missing = pc.is_in(texts, words, skip_nulls=True)
    if not pc.any(is_missing).as_py():
        return texts
    return pc.if_else(is_missing, pa.scalar(None, texts.type), texts)


@lru_cache(maxsize=8)
def _as_cells(words: tuple[str, ...], kind: pa.DataType) -> pa.Array:
    # The same words for every column.
    return pa.array(words, kind)


def without_missing_numbers(numbers: Floats, reading: Reading) -> Floats:
    """Return numbers without those that mean missing: -999.0 is -999."""
    missing = missing_numbers(reading.na_values or ())
    return np.where(np.isin(numbers, [*missing]), np.nan, numbers) if missing else numbers


def looks_like(sample: Sequence[str], n_read: int) -> bool:
    """Return whether enough cells of a sample could be read to try the whole column."""
    enough = LIKELY * len(sample)
    if n_read == 0 or n_read >= enough:
        return n_read > 0
    n_missing = sum(text in PLACEHOLDERS or INFINITE.fullmatch(text) is not None for text in sample)
    return n_read + n_missing >= enough


def may_be_data(sample: Sequence[str]) -> bool:
    """Return whether enough cells of a sample have a digit, as numbers and dates do."""
    # One look at all of them, for words and free texts.
    if DIGIT.search("".join(sample)) is None:
        return False
    return looks_like(sample, sum(1 for _ in filter(DIGIT.search, sample)))


def check_most(
    column: Column,
    texts: pa.Array,
    is_unread: NDArray[np.bool_],
    reading: Reading,
    code: str,
    *,
    forced: bool,
) -> bool:
    """Return whether most cells were read; note those that were not."""
    n_present = len(texts) - texts.null_count
    # Missing cells are never read.
    if np.count_nonzero(is_unread) == texts.null_count:
        return bool(n_present > 0)
    unread = texts.filter(pa.array(is_unread)).drop_null()
    counts = {
        str(each["values"]): int(each["counts"]) for each in unread.value_counts().to_pylist()
    }
    missing = missing_words(reading)
    others = {text: n for text, n in counts.items() if text and text not in missing}
    n_missing = sum(n for text, n in counts.items() if text not in others)
    # Single words in their place, such as `?`, do not make it another kind of column.
    n_held = sum(n for t, n in others.items() if t in PLACEHOLDERS or INFINITE.fullmatch(t))
    n_read = n_present - len(unread)
    n_wrong = sum(others.values()) - n_held
    if n_read == 0 or (not forced and n_read < MOST * (n_read + n_wrong)):
        return False
    if infinite := sum(n for text, n in others.items() if INFINITE.fullmatch(text)):
        column.notes["infinite"] = {"n_cells": infinite}
        others = {text: n for text, n in others.items() if not INFINITE.fullmatch(text)}
    if others:
        shown = sorted(others, key=lambda text: (-others[text], text))[:3]
        column.notes[code] = {
            "n_cells": sum(others.values()),
            "n_present": n_present - n_missing,
            "examples": shown,
        }
    return True


def is_free_text(encoded: pa.DictionaryArray) -> bool:
    """Return whether cells are free text: nearly distinct, and of several words."""
    sample, n_present = encoded.dictionary, len(encoded) - encoded.null_count
    if len(sample) < FEW_TEXTS:
        return False
    share = len(sample) / n_present
    if share < REPEATED_TEXTS:
        return False
    # Of fewer distinct cells, some count twice.
    places = np.linspace(0, len(sample) - 1, N_TEXTS).astype("int64")
    places, weights = np.unique(places, return_counts=True)
    texts = sample.take(pa.array(places)).to_pylist()
    # Telephone numbers and coordinates are no text, however many parts they have.
    has_letter = [text[:1].isalpha() or any(map(str.isalpha, text)) for text in texts]
    if np.dot(has_letter, weights) < MOST * N_TEXTS:
        return False
    n_words = float(np.dot([len(text.split()) for text in texts], weights)) / N_TEXTS
    if n_words >= (TEXT_WORDS if share >= DISTINCT_TEXTS else REPEATED_WORDS):
        return True
    n_letters = float(np.dot([len(text) for text in texts], weights)) / N_TEXTS
    n_cjk = float(np.dot([len(IDEOGRAMS.findall(text)) for text in texts], weights)) / N_TEXTS
    if share >= DISTINCT_TEXTS:
        # A UUID, a hash or an address of the web is long, and one word.
        return n_cjk >= TEXT_CJK or (n_letters >= TEXT_LETTERS and n_words >= 2)
    return n_cjk >= REPEATED_CJK
