"""Whole columns of text as numbers and dates: the same results as `tabproof.forms`, faster."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabproof.forms import (
    EPOCHS,
    EXPONENT,
    DateForm,
    NumberForm,
    date_micros,
    kept_if_short,
    parse_date,
    parse_number,
    whole_pattern,
)

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]
# How numpy holds NaT.
NO_TIME = np.iinfo(np.int64).min
MAX_BYTES = 2**31 - 1
N_TRIED = 1000
DIGIT = re.compile(r"\d")
# What no number has that Arrow reads.
FOREIGN = re.compile(r"[,/:%$]|[0-9]-")
ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?$"
ZONED = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})$"
)


# Each date is read several times.
_known_micros = kept_if_short(date_micros)


def plain_numbers(texts: pa.Array) -> Floats | None:
    """Return numbers where every text is written as programs write it; else None."""
    first = texts[0].as_py() if len(texts) else None
    # An error of Arrow takes longer than a look at a cell.
    if first is not None and (not DIGIT.search(first) or FOREIGN.search(first)):
        return None
    try:
        if len(texts) > N_TRIED:
            # Arrow looks at all cells before it refuses one, and words are a hundred times slower.
            places = np.linspace(0, len(texts) - 1, N_TRIED).astype("int64")
            pc.cast(texts.take(pa.array(places)), pa.float64())
        numbers = _as_floats(pc.cast(texts, pa.float64()))
    except pa.ArrowInvalid:
        return None
    n_finite = int(np.isfinite(numbers).sum())
    return numbers if n_finite == len(texts) - texts.null_count else None


def read_numbers(texts: pa.Array, form: NumberForm) -> Floats:
    """Return what parse_number returns of each text; NaN for None and for null."""
    # Arrow reads the words nan and inf too, and 1e400 as infinite.
    if form == NumberForm() and (plain := plain_numbers(texts)) is not None:
        return plain
    numbers, is_read = np.full(len(texts), np.nan), np.zeros(len(texts), dtype=bool)
    if not (form.time or form.scales):
        numbers, is_read = _usual_numbers(texts, form)
    rest = _is_valid(texts) & ~is_read
    if rest.any():
        numbers[rest] = _by_value(texts.filter(pa.array(rest)), lambda t: parse_number(t, form))
    return numbers


def _usual_numbers(texts: pa.Array, form: NumberForm) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the numbers that Arrow can read, and which these are."""
    is_usual = pc.fill_null(pc.match_substring_regex(texts, _usual_number(form)), fill_value=False)
    usual = pc.if_else(is_usual, texts, pa.scalar(None, texts.type))
    for mark in form.marks:
        usual = pc.replace_substring(usual, mark, "")
    for sign in form.thousands:
        usual = pc.replace_substring(usual, sign, "")
    if form.decimal != ".":
        usual = pc.replace_substring(usual, form.decimal, ".")
    numbers = _as_floats(pc.cast(usual, pa.float64()))
    return numbers, _as_bools(is_usual) & np.isfinite(numbers)


def _usual_number(form: NumberForm) -> str:
    """Return the pattern of numbers without spaces, brackets and odd signs."""
    point, mark = re.escape(form.decimal), "|".join(map(re.escape, form.marks))
    mark = rf"(?:{mark})?" if mark else ""
    whole = whole_pattern(form.thousands)
    return rf"^[+-]?{mark}(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+){EXPONENT}{mark}$"


def read_dates(texts: pa.Array, form: DateForm) -> Times:
    """Return what parse_date returns of each text, as datetime64[us]; NaT for None and for null."""
    times = np.full(len(texts), np.datetime64("NaT", "us"))
    is_read = np.zeros(len(texts), dtype=bool)
    for pattern, zone in ((ISO, None), (ZONED, "UTC")):
        is_usual = _as_bools(
            pc.fill_null(pc.match_substring_regex(texts, pattern), fill_value=False)
        )
        if not is_usual.any() or (zone and form.offset is None):
            continue
        try:
            found = pc.cast(texts.filter(pa.array(is_usual)), pa.timestamp("us", zone))
        except pa.ArrowInvalid:
            continue
        micros = found.cast(pa.int64()).to_numpy()
        if zone and form.offset:
            micros = micros + form.offset * 60 * 10**6
        times[is_usual] = micros.astype("datetime64[us]")
        is_read |= is_usual
    rest = _is_valid(texts) & ~is_read
    if rest.any():
        encoded = texts.filter(pa.array(rest)).dictionary_encode()
        found = [_known_micros(text, form) for text in encoded.dictionary.to_pylist()]
        values = np.array([NO_TIME if micros is None else micros for micros in found], "int64")
        times[rest] = values[encoded.indices.to_numpy()].astype("datetime64[us]")
    return times


def plain_dates(texts: pa.Array) -> tuple[Times, bool] | None:
    """Return dates, and whether some have a time of day, where all are written as 2024-01-31."""
    if not pc.all(pc.match_substring_regex(texts, ISO)).as_py():
        return None
    try:
        times = pc.cast(texts, pa.timestamp("us"))
    except pa.ArrowInvalid:
        # There is no such day.
        return None
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    micros = pc.fill_null(times.cast(pa.int64()), NO_TIME).to_numpy(zero_copy_only=False)
    return micros.astype("datetime64[us]"), longest > len("2024-01-31")


def read_epochs(numbers: Floats, form: DateForm) -> Times:
    """Return what parse_date returns of numbers."""
    if form.pattern in EPOCHS:
        return as_times(np.rint(numbers * EPOCHS[form.pattern]) / 10**6)
    values, codes = np.unique(numbers, return_inverse=True)
    return as_times(np.array([_or_nan(parse_date(v, form)) for v in values.tolist()])[codes])


def as_times(seconds: Floats) -> Times:
    """Return seconds since 1970 as datetime64[us]; NaN is NaT."""
    times = np.full(len(seconds), np.datetime64("NaT", "us"))
    present = np.isfinite(seconds)
    times[present] = np.rint(seconds[present] * 10**6).astype("int64").astype("datetime64[us]")
    return times


def _by_value(texts: pa.Array, parse: Callable[[str], float | None]) -> Floats:
    """Parse each distinct text once."""
    encoded = texts.dictionary_encode()
    parsed = [_or_nan(parse(text)) for text in encoded.dictionary.to_pylist()]
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    values: Floats = np.array(parsed, dtype=np.float64)[codes]
    return values


def _or_nan(number: float | None) -> float:
    return float("nan") if number is None else number


def _as_floats(values: pa.Array) -> Floats:
    # A copy that may be written to; null is NaN.
    floats: Floats = np.array(values.to_numpy(zero_copy_only=False), dtype=np.float64)
    return floats


def _as_bools(values: pa.Array) -> NDArray[np.bool_]:
    bools: NDArray[np.bool_] = values.to_numpy(zero_copy_only=False).astype(bool)
    return bools


def _is_valid(texts: pa.Array) -> NDArray[np.bool_]:
    return _as_bools(texts.is_valid())


def as_array(column: Any) -> pa.Array:
    """Return one array of a column, whose cells may be in chunks."""
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(_chunks(column))
    return column


def _chunks(column: pa.ChunkedArray) -> list[pa.Array]:
    # The bytes of a large column overflow offsets of 32 bits.
    is_large = pa.types.is_string(column.type) and column.nbytes > MAX_BYTES
    chunks = column.cast(pa.large_string()).chunks if is_large else column.chunks
    return chunks or [pa.array([], column.type)]
