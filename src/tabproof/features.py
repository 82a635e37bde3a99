"""Dates and texts as numbers, for the pipeline and for the scorer.

Both call the same functions, so both get the same bits. A date is seconds since 1970 by its own
clock, NaN if it is missing. A text is a str, None if it is missing. Needs NumPy only.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import floor, isfinite, nan, sqrt
from typing import Any, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# --- Dates

DatePart = Literal["days", "year", "month", "day", "weekday", "hour"]
DATE_PARTS: tuple[DatePart, ...] = ("days", "year", "month", "day", "weekday", "hour")
NO_DATE = (nan,) * len(DATE_PARTS)
DAY = 86_400
# From the first to the last second of the calendar (years 1 to 9999); others are moved to an end.
FIRST, LAST = -62_135_596_800.0, 253_402_300_799.0
# The ordinal of 1970-01-01 in Python's calendar, whose day 1 is a Monday.
EPOCH_ORDINAL = 719_163


def seconds_of(times: NDArray[np.datetime64]) -> Floats:
    """Return seconds since 1970, NaN for a missing time (NaT)."""
    micros = times.astype("datetime64[us]").astype(np.int64)
    seconds = np.where(np.isnat(times), nan, micros / 1e6)
    # A conversion to float rounds these before they are divided, which parsing a text does not.
    for place in np.flatnonzero((np.abs(micros) > 2**53) & ~np.isnat(times)).tolist():
        seconds[place] = int(micros[place]) / 10**6
    return seconds


def date_values(seconds: float, newest: float) -> tuple[float, ...]:
    """Return all parts of a date in the order of DATE_PARTS.

    `days` are counted from the newest date of training.
    """
    if seconds != seconds:
        return NO_DATE
    seconds = min(max(seconds, FIRST), LAST)
    days, rest = divmod(floor(seconds), DAY)
    ordinal = days + EPOCH_ORDINAL
    found = date.fromordinal(ordinal)
    return (
        (seconds - newest) / DAY,
        float(found.year),
        float(found.month),
        float(found.day),
        float((ordinal - 1) % 7),
        float(rest // 3600),
    )


def date_parts(seconds: Floats, part: DatePart, newest: float) -> Floats:
    """Return a part of many dates, with the same bits as `date_values`."""
    missing = np.isnan(seconds)
    seconds = np.clip(np.where(missing, 0.0, seconds), FIRST, LAST)
    found: NDArray[Any]
    if part == "days":
        found = (seconds - newest) / DAY
    else:
        days, rest = np.divmod(np.floor(seconds).astype(np.int64), DAY)
        if part == "hour":
            found = rest // 3600
        elif part == "weekday":
            found = (days + EPOCH_ORDINAL - 1) % 7
        else:
            dates = days.astype("datetime64[D]")
            months = dates.astype("datetime64[M]")
            if part == "year":
                found = months.astype("datetime64[Y]").astype(np.int64) + 1970
            elif part == "month":
                found = months.astype(np.int64) % 12 + 1
            else:
                found = (dates - months).astype(np.int64) + 1
    return np.where(missing, nan, found)


def days_between(first: float, second: float) -> float:
    """Return the days from the first date to the second; NaN if one is missing."""
    first, second = (min(max(s, FIRST), LAST) if s == s else s for s in (first, second))
    return (second - first) / DAY


def all_days_between(first: Floats, second: Floats) -> Floats:
    """Return the days between many dates, with the same bits as `days_between`."""
    days: Floats = (np.clip(second, FIRST, LAST) - np.clip(first, FIRST, LAST)) / DAY
    return days


# --- Texts

# The rest of a longer text is not read, so that one cell takes bounded time and memory.
MAX_CHARACTERS = 10_000
# Up to as many columns Python adds faster than NumPy.
MAX_LISTS = 3
# Texts of a batch whose features are kept for other rows with the same text.
MAX_CACHED = 10_000
# Scripts without spaces between words, and symbols: each character is a token.
_SINGLE = (
    "\u2600-\u27bf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U0001f300-\U0001faff\U00020000-\U0003ffff"
)
RUNS = re.compile(rf"([{_SINGLE}]+)|((?:(?![{_SINGLE}])\w)+)")
WORDS = re.compile(rb"\w+")


def is_missing_text(text: str | None) -> bool:
    """Return whether a cell holds nothing but spaces."""
    return text is None or not text or text.isspace()


def count_tokens(text: str, n_buckets: int) -> dict[int, int]:
    """Count the tokens of a text by bucket: CRC-32 of the UTF-8 bytes, modulo n_buckets.

    Tokens are words, pairs of adjacent words joined by a space, and in runs of characters without
    spaces between words (Chinese, Japanese, symbols) characters and pairs of adjacent ones.
    """
    counts: dict[int, int] = {}
    text = text[:MAX_CHARACTERS]
    if text.isascii():
        # What NFKC and case folding do to ASCII, but four times as fast.
        tokens = _pairs(WORDS.findall(text.lower().encode()), b" ")
    else:
        folded = unicodedata.normalize("NFKC", text).casefold()[:MAX_CHARACTERS]
        tokens, words = [], []
        for run, word in RUNS.findall(folded):
            if word:
                words.append(word.encode("utf-8", "surrogatepass"))
                continue
            tokens += _pairs(words, b" ") + _pairs([c.encode() for c in run], b"")
            words = []
        tokens += _pairs(words, b" ")
    for token in tokens:
        bucket = token % n_buckets
        counts[bucket] = counts.get(bucket, 0) + 1
    return counts


def _pairs(parts: list[bytes], joint: bytes) -> list[int]:
    """Return the CRC-32 of each part, and of each pair of adjacent parts with a joint between."""
    alone = [crc32(part) for part in parts]
    return alone + [
        crc32(second, crc32(joint, first)) for first, second in zip(alone, parts[1:], strict=False)
    ]


@dataclass(frozen=True)
class TextTable:
    """What tokens add to the features of a text.

    buckets : those that are known, increasing. idf : their weights, which are positive. table :
    a row for each of them, and a column per feature. A token counts with the square root of its
    number times its idf; these values are divided by the square root of the sum of their squares.
    """

    n_buckets: int
    buckets: Ints
    idf: Floats
    table: Floats
    # The row of each bucket; weights and columns in Python's own types, which are faster for few.
    _row_of: dict[int, int] = field(init=False, repr=False, compare=False)
    _idf: list[float] = field(init=False, repr=False, compare=False)
    _columns: list[list[float]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        row_of = {bucket: row for row, bucket in enumerate(self.buckets.tolist())}
        object.__setattr__(self, "_row_of", row_of)
        object.__setattr__(self, "_idf", self.idf.tolist())
        columns = self.table.T.tolist() if self.width <= MAX_LISTS else []
        object.__setattr__(self, "_columns", columns)

    @property
    def width(self) -> int:
        """The number of features, besides the length of the text."""
        return int(self.table.shape[1])

    def features(self, text: str | None) -> list[float]:
        """Return the number of characters, and then the features; NaN for a missing text."""
        if text is None or is_missing_text(text):
            return [nan] * (1 + self.width)
        length = float(min(len(text), MAX_CHARACTERS))
        row_of, idf = self._row_of, self._idf
        known = [
            (row_of[bucket], count)
            for bucket, count in count_tokens(text, self.n_buckets).items()
            if bucket in row_of
        ]
        if not known:
            return [length, *[0.0] * self.width]
        known.sort()
        values = [idf[row] if count == 1 else sqrt(count) * idf[row] for row, count in known]
        total = 0.0
        for value in values:
            total += value * value
        norm = sqrt(total)
        found = [length]
        if self._columns:
            for column in self._columns:
                added = 0.0
                for (row, _), value in zip(known, values, strict=True):
                    added += value / norm * column[row]
                found.append(added)
        else:
            weighed = self.table.take([row for row, _ in known], axis=0)
            weighed *= (np.array(values) / norm)[:, np.newaxis]
            # NumPy adds the rows of a matrix of several columns in order.
            found += np.add.reduce(weighed, axis=0, initial=0.0).tolist()
        return found

    def all_features(self, texts: Any) -> Floats:
        """Return the features of many texts, of shape (n_texts, 1 + width)."""
        # A text may occur many times.
        known: dict[str | None, list[float]] = {}
        found = np.empty((len(texts), 1 + self.width))
        for place, text in enumerate(texts):
            cell = text if isinstance(text, str) else None
            row = known.get(cell)
            if row is None:
                row = self.features(cell)
                if len(known) < MAX_CACHED:
                    known[cell] = row
            found[place] = row
        return found


# --- Numbers as splines


def spline_features(values: Floats, knots: Floats, table: Floats) -> Floats:
    """Return features of numbers that are lines between knots, of shape (n_values, width).

    knots : increasing. table : the features at each knot, and in a last row those of a missing
    number. Before the first knot and after the last one they do not change.
    """
    missing = np.isnan(values)
    place, share = spline_places(np.where(missing, knots[0], values), knots)
    changes = np.diff(table[:-1], axis=0, append=table[-2:-1])
    found: Floats = table[place] + share[:, np.newaxis] * changes[place]
    found[missing] = table[-1]
    return found


def spline_places(values: Floats, knots: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return the knot before each value, and the share of the way to the next one."""
    place = np.maximum(np.searchsorted(knots, values, side="right") - 1, 0)
    widths = np.append(np.diff(knots), 1.0)
    # An overflow is infinity, beyond the last knot.
    with np.errstate(over="ignore"):
        share = np.clip((values - knots[place]) / widths[place], 0.0, 1.0)
    return place, share


# --- Pairs of numbers

Arithmetic = Literal["add", "subtract", "multiply", "divide"]
ARITHMETIC: tuple[Arithmetic, ...] = ("add", "subtract", "multiply", "divide")
# What every model can hold.
FLOAT32_MAX = float(np.finfo(np.float32).max)


def combine(take: Arithmetic, first: float, second: float) -> float:
    """Return the result for two numbers: within 32 bits, NaN where there is none."""
    if take == "add":
        found = first + second
    elif take == "subtract":
        found = first - second
    elif take == "multiply":
        found = first * second
    else:
        found = first / second if second != 0 else nan
    return min(max(found, -FLOAT32_MAX), FLOAT32_MAX) if isfinite(found) else nan


def combine_all(take: Arithmetic, first: Floats, second: Floats) -> Floats:
    """Return the results for many numbers, with the same bits as `combine`."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if take == "add":
            found = first + second
        elif take == "subtract":
            found = first - second
        elif take == "multiply":
            found = first * second
        else:
            found = first / second
    return np.where(np.isfinite(found), np.clip(found, -FLOAT32_MAX, FLOAT32_MAX), nan)


def product(first: float, second: float, means: Sequence[float]) -> float:
    """Return the product of two numbers, each less its mean; a missing one is its mean."""
    of_first = first - means[0] if first == first else 0.0
    of_second = second - means[1] if second == second else 0.0
    return combine("multiply", of_first, of_second)


def all_products(first: Floats, second: Floats, means: Sequence[float]) -> Floats:
    """Return the products of many numbers, with the same bits as `product`."""
    with np.errstate(over="ignore", invalid="ignore"):
        of_first = np.where(np.isnan(first), 0.0, first - means[0])
        of_second = np.where(np.isnan(second), 0.0, second - means[1])
    return combine_all("multiply", of_first, of_second)


# --- Numbers as some of few


def value_rows(values: Floats, known: Floats) -> NDArray[np.intp]:
    """Return the place of each number among known ones; then one for others, one for missing ones.

    known : increasing, at least one.
    """
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    found = np.where(known[place] == values, place, len(known))
    return np.where(np.isnan(values), len(known) + 1, found)


# --- Features of columns

Take = (
    Literal["cell", "code", "value_code", "text", "days_between", "pair_code", "product"]
    | DatePart
    | Arithmetic
)


@dataclass(frozen=True)
class Feature:
    """How a feature is made of the cells of one column, or of two.

    take : `cell` is the cell itself, `code` and `text` column `index` of the column's table,
    `value_code` that of a column of numbers, `pair_code` that of two columns of categories.
    of : the indices of the columns. newest : the newest date of training, for `days`.
    means : those of the two columns in training, for `product`.
    """

    take: Take
    of: tuple[int, ...]
    index: int = 0
    newest: float = 0.0
    means: tuple[float, ...] = ()


class FeatureMaker:
    """Makes features of cells: a float per number and date, an index per category, texts.

    codes : by column of categories, a row per category, then one for unseen categories and one
    for a missing cell. texts : by column of texts. pairs : by two columns of categories, by the
    index of each: of shape (n_first + 2, n_second + 2, width). values : by column of numbers that
    has codes, increasing; there the codes have a row per value, and the same two.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        codes: Mapping[int, Floats],
        texts: Mapping[int, TextTable],
        pairs: Mapping[tuple[int, int], Floats] | None = None,
        values: Mapping[int, Floats] | None = None,
    ) -> None:
        self.features, self.codes, self.texts = tuple(features), dict(codes), dict(texts)
        self.pairs, self.values = dict(pairs or {}), dict(values or {})
        # By feature: what is done, the columns, the index in a table or among DATE_PARTS, and
        # `newest` or `means`.
        self._plan: list[tuple[Any, int, int, int, Any]] = []
        for feature in self.features:
            kind, index = str(feature.take), feature.index
            if kind in DATE_PARTS:
                kind, index = "date", DATE_PARTS.index(feature.take)
            learned = feature.means or feature.newest
            self._plan.append((kind, feature.of[0], feature.of[-1], index, learned))
        self._codes_of_row = {column: table.tolist() for column, table in codes.items()}
        self._pairs_of_row = {columns: table.tolist() for columns, table in self.pairs.items()}
        self._codes_of_value = {
            column: dict(zip(known.tolist(), self._codes_of_row[column], strict=False))
            for column, known in self.values.items()
        }

    def of_some(self, places: Sequence[int]) -> "FeatureMaker":
        """Return what makes the features at these places alone."""
        features = [self.features[place] for place in places]
        read = {(each.take, each.of) for each in features}
        alone = {of[0] for take, of in read if take in ("code", "value_code", "text")}
        return FeatureMaker(
            features,
            {place: table for place, table in self.codes.items() if place in alone},
            {place: table for place, table in self.texts.items() if place in alone},
            {of: table for of, table in self.pairs.items() if ("pair_code", of) in read},
            {place: known for place, known in self.values.items() if place in alone},
        )

    def of_row(self, row: Sequence[Any]) -> list[float]:
        """Return the features of one row."""
        found: list[float] = []
        parts_of: Any = None
        parts: Sequence[float] = ()
        # Features of one column are side by side, so its parts are computed once.
        for take, column, other, index, learned in self._plan:
            if take == "cell":
                found.append(row[column])
            elif take == "days_between":
                found.append(days_between(row[column], row[other]))
            elif take == "pair_code":
                table = self._pairs_of_row[column, other]
                found.append(table[int(row[column])][int(row[other])][index])
            elif take == "product":
                found.append(product(row[column], row[other], learned))
            elif take in ARITHMETIC:
                found.append(combine(take, row[column], row[other]))
            else:
                if parts_of != (column, learned):
                    parts_of, cell = (column, learned), row[column]
                    if take == "date":
                        parts = date_values(cell, learned)
                    elif take == "text":
                        parts = self.texts[column].features(cell)
                    elif take == "value_code":
                        own = self._codes_of_row[column]
                        other_row = own[-1] if cell != cell else own[-2]
                        parts = self._codes_of_value[column].get(cell, other_row)
                    else:
                        parts = self._codes_of_row[column][int(cell)]
                found.append(parts[index])
        return found

    def of_columns(self, columns: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the features of many rows, column by column, with the same bits as `of_row`."""
        texts = {c: table.all_features(columns[c]) for c, table in self.texts.items()}
        found: list[NDArray[Any]] = []
        for feature in self.features:
            take, of = feature.take, feature.of
            cells = columns[of[0]]
            if take == "cell":
                found.append(cells)
            elif take == "code":
                found.append(self.codes[of[0]][cells.astype(np.intp, copy=False), feature.index])
            elif take == "value_code":
                rows = value_rows(cells.astype(np.float64, copy=False), self.values[of[0]])
                found.append(self.codes[of[0]][rows, feature.index])
            elif take == "text":
                found.append(texts[of[0]][:, feature.index])
            elif take == "days_between":
                found.append(all_days_between(cells, columns[of[1]]))
            elif take == "pair_code":
                one, other = (columns[place].astype(np.intp, copy=False) for place in of)
                found.append(self.pairs[of[0], of[1]][one, other, feature.index])
            elif take == "product":
                first, second = (columns[place].astype(np.float64, copy=False) for place in of)
                found.append(all_products(first, second, feature.means))
            elif take == "add" or take == "subtract" or take == "multiply" or take == "divide":
                # Spelt out, so that mypy knows what is left.
                first, second = (columns[place].astype(np.float64, copy=False) for place in of)
                found.append(combine_all(take, first, second))
            else:
                found.append(date_parts(cells, take, feature.newest))
        return found
