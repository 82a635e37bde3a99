"""What the columns of a table are: numbers, categories, dates, free text, or nothing to learn from.

Most cells decide: a column is of numbers or dates if nearly all of its cells are; the others are
counted and become missing. Ids, and columns without information, are left out. Whatever is done
is said by a treatment; where two readings of a column are equally likely, the user is asked.
"""

import datetime
import os
import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabproof.data.cells import (
    Floats,
    Times,
    as_array,
    plain_numbers,
    read_dates,
    read_epochs,
    read_numbers,
)
from tabproof.errors import UserError
from tabproof.forms import (
    DAY_FIRST,
    DIGITS,
    FIRST_SHORT_YEAR,
    FLOAT32_MAX,
    INFINITE,
    MAX_EPOCH,
    MIN_EPOCH,
    MONTH_FIRST,
    NA_WORDS,
    PLACEHOLDERS,
    SHORT_YEAR_FIRST,
    DateForm,
    NumberForm,
    find_date_form,
    find_number_form,
    is_exact,
    missing_numbers,
    plain,
    read_moment,
)
from tabproof.schema import Treatment, make_treatment
from tabproof.scorer import as_category
from tabproof.text import override_word, shell_word

# A column is of numbers, or of dates, if at least this share of its cells is.
MOST = 0.95
# Cells looked at before a whole column is parsed, and the share of them that must be of the kind.
SAMPLE, LIKELY = 2000, 0.8
# Names in a suggestion.
N_SHOWN = 5
# Fewer cells are read faster by one thread.
MANY_CELLS = 200_000
# Distinct cells looked at where a sample does not decide between two readings.
MAX_DISTINCT = 100_000
# Free text: nearly distinct cells of several words, or of many characters without spaces between
# words; repeated ones must be longer.
FEW_TEXTS = 20
DISTINCT_TEXTS, TEXT_WORDS, TEXT_LETTERS, TEXT_CJK = 0.5, 3.0, 20.0, 8.0
REPEATED_TEXTS, REPEATED_WORDS, REPEATED_CJK = 0.1, 5.0, 15.0
# Copied rows have the same id; in fewer rows values differ anyway.
DISTINCT_IDS, FEW_ROWS = 0.98, 20
# Share of neighbours that differ by one in a shuffled counter, or in several of them.
ONE_STEP = 0.5
NESTED = (list, tuple, dict, set, np.ndarray, bytes, bytearray)
# How programs write numbers: read so, without a treatment.
USUAL = re.compile(r"[+-]?[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]+)?", re.ASCII)
FULL_YEAR = re.compile("[0-9]{4}")
CHOOSES = {
    DAY_FIRST: "dataset.day_first=true",
    MONTH_FIRST: "dataset.day_first=false",
    SHORT_YEAR_FIRST: "dataset.year_first=true",
}
IDEOGRAMS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
# Names of columns whose numbers may be times.
NAMED_TIME = re.compile(
    r"(?:^|_)(?:ts|at|time|date|dt|day|ymd|epoch)$|[a-z](?:At|Time|Date)$|timestamp|epoch|datetime"
    r"|[^_\W]date$|日時|日付|年月日|時刻",
)


class AmbiguousNumbersError(UserError):
    """Numbers with two readings, and nothing that decides between them."""

    template = (
        "column(s) {columns}: '{example}' may be {grouped} or {decimal}, and no cell decides;"
        " {thousands} reads the first, {decimal_key} the second"
    )


class AmbiguousDatesError(UserError):
    """Dates with two readings, and nothing that decides between them."""

    template = "column(s) {columns}: '{example}' may be {dates}, and no cell decides; {override}"


@dataclass(frozen=True)
class Reading:
    """How the user says that cells are to be read; None or empty: as they are found.

    kinds : by column, `number`, `category`, `date` or `text`. keep : columns that are no ids.
    na_values : words that mean missing. thousands : an empty text for none.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    keep: Collection[str] = ()
    na_values: Collection[str] | None = None
    decimal: str | None = None
    thousands: str | None = None
    day_first: bool | None = None
    year_first: bool | None = None


@dataclass
class TypedColumns:
    """X : by name. forms : of numbers and dates that are written in an unusual way."""

    X: dict[str, pd.Series] = field(default_factory=dict)
    forms: dict[str, NumberForm | DateForm] = field(default_factory=dict)
    treatments: list[Treatment] = field(default_factory=list)
    problems: list[UserError] = field(default_factory=list)
    # Decimal points of columns where they mean something.
    decimals: set[str] = field(default_factory=set)

    def resolved(self, *, is_text: bool) -> dict[str, str]:
        """Return the keys `decimal` and `thousands` of a text file, if one value says all."""
        if not is_text:
            return {}
        forms = [form for form in self.forms.values() if isinstance(form, NumberForm)]
        groups = {form.thousands for form in forms if form.thousands}
        found = {}
        # A key that all columns agree on changes nothing when the run is repeated with it.
        if len(self.decimals) < 2 and len(groups) < 2:
            found["decimal"] = next(iter(self.decimals), ".")
            found["thousands"] = next(iter(groups), "none")
        return found


Values = Floats | Times | pd.Categorical | pd.api.extensions.ExtensionArray


@dataclass
class _Column:
    """A column as it is read; notes : treatments of it, by code, with their facts."""

    name: str
    kind: str = ""
    values: Any = None
    form: NumberForm | DateForm | None = None
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    problem: tuple[type[UserError], dict[str, Any]] | None = None


def type_columns(
    source: pa.Table | pd.DataFrame,
    index: pd.Index,
    reading: Reading,
    *,
    is_text: bool,
    divides: bool = False,
) -> TypedColumns:
    """Return every column as what most of its cells are.

    is_text : the cells are those of a text file, where words such as NA mean missing. divides :
    the columns divide rows, so none is left out.
    """
    is_frame = isinstance(source, pd.DataFrame)
    columns = [_Column(str(name)) for name in (source.columns if is_frame else source.column_names)]

    def read(column: _Column) -> None:
        _read(column, as_cells(source, column.name), reading, is_text=is_text)

    if len(source) * len(columns) < MANY_CELLS:
        for column in columns:
            read(column)
    else:
        # Arrow works without the interpreter's lock.
        with ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
            list(pool.map(read, columns))
    if divides:
        for column in columns:
            _keep_all_cells(column, as_cells(source, column.name))
    typed, left_out = TypedColumns(), {} if divides else _find_left_out(columns, reading.keep)
    for column in columns:
        if column.name in left_out or column.values is None:
            continue
        typed.X[column.name] = pd.Series(column.values, index=index, name=column.name, copy=False)
        if column.form is not None and column.form not in (NumberForm(), DateForm()):
            typed.forms[column.name] = column.form
        if column.kind == "number" and is_text:
            form = column.form
            if isinstance(form, NumberForm) and (
                form != NumberForm() or _has_fraction(column.values)
            ):
                typed.decimals.add(form.decimal)
    for code in ("left_out_unusable", "left_out_empty", "left_out_constant", "left_out_ids"):
        if names := [name for name, why in left_out.items() if why == code]:
            # A short example rather than a long line.
            some = names if len(names) <= N_SHOWN else names[:1]
            facts = (
                {"override": override_word("dataset.keep", some)} if code.endswith("ids") else {}
            )
            typed.treatments.append(make_treatment(code, names, **facts))
    typed.treatments += _merge_notes([c for c in columns if c.name not in left_out])
    typed.problems = _merge_problems(columns)
    return typed


def _keep_all_cells(column: _Column, cells: pa.Array) -> None:
    """Read a column as words where a cell was no number or date: subjects must stay apart."""
    if column.notes.keys() & {"cells_not_numbers", "cells_not_dates", "infinite"}:
        column.notes.clear()
        _set_words(column, _as_words(cells), "category")


def _has_fraction(numbers: Floats) -> bool:
    # Most columns of fractions show one at once.
    parts = (numbers[:SAMPLE], numbers[SAMPLE:])
    return any(bool((np.floor(part) < part).any()) for part in parts)


def as_cells(source: pa.Table | pd.DataFrame, name: str) -> pa.Array:
    """Return a column as one arrow array; a frame's mixed cells as text."""
    if not isinstance(source, pd.DataFrame):
        return as_array(source[name])
    column = source[name]
    if column.dtype == object:
        present = column.dropna()
        kinds = set(map(type, present))
        if any(issubclass(kind, NESTED) for kind in kinds):
            return pa.nulls(len(column), pa.list_(pa.null()))
        if kinds - {int, bool, Decimal} and all(
            issubclass(k, int | float | Decimal | np.number) for k in kinds
        ):
            return pa.array(column.astype("float64"), from_pandas=True)
        if len(kinds) > 1 and not all(issubclass(kind, datetime.date) for kind in kinds):
            column = column.map(as_category, na_action="ignore")
    elif isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.rename_categories([as_category(c) for c in column.cat.categories])
    try:
        return as_array(pa.array(column, from_pandas=True))
    except (pa.ArrowException, OverflowError):
        text = column.astype("object").map(as_category, na_action="ignore")
        return as_array(pa.array(text, pa.string(), from_pandas=True))


def _read(column: _Column, cells: pa.Array, reading: Reading, *, is_text: bool) -> None:
    """Set kind, values, form and notes of a column."""
    kind, wanted = cells.type, reading.kinds.get(column.name)
    if pa.types.is_dictionary(kind):
        cells = cells.cast(kind.value_type)
        # Declared as categories by its source.
        wanted = wanted or "category"
        kind = cells.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        column.notes["left_out_unusable"] = {}
    elif pa.types.is_null(kind):
        if wanted in ("category", "text"):
            _set_words(column, cells.cast(pa.string()), wanted)
        else:
            _set_numbers(column, np.full(len(cells), np.nan))
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        _read_texts(column, cells, reading, wanted, is_text=is_text)
    elif wanted in ("category", "text"):
        words = _as_words(cells)
        _set_words(column, words if reading.na_values is None else _without(words, reading), wanted)
    elif pa.types.is_boolean(kind):
        if wanted == "number":
            _set_numbers(column, _floats(cells))
        else:
            _set_words(column, _as_words(cells), "category")
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        _set_times(column, cells)
    elif pa.types.is_time(kind) or pa.types.is_duration(kind):
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        column.notes["seconds"] = {}
        whole = pa.int32() if kind.bit_width == 32 else pa.int64()
        _set_numbers(column, _floats(cells.cast(whole)) / per_second)
    else:
        _read_typed_numbers(column, cells, reading, wanted)


def _read_typed_numbers(
    column: _Column, cells: pa.Array, reading: Reading, wanted: str | None
) -> None:
    if pa.types.is_decimal(cells.type):
        cells = cells.cast(pa.float64())
    numbers = _floats(cells)
    if pa.types.is_integer(cells.type) and wanted != "number":
        large = np.abs(numbers) >= 2.0**53
        if large.any():
            words = cells.cast(pa.string())
            odd = [word for word in words.filter(pa.array(large)).to_pylist() if not is_exact(word)]
            if odd:
                column.notes["too_many_digits"] = {"example": odd[0]}
                _set_words(column, words, "category")
                return
    numbers = _without_numbers(numbers, reading)
    if not _read_as_epoch(column, numbers, wanted):
        _set_numbers(column, numbers)


def _floats(cells: pa.Array) -> Floats:
    if pa.types.is_integer(cells.type):
        cells = cells.cast(pa.float64(), safe=False)
    floats: Floats = np.array(cells.to_numpy(zero_copy_only=False), dtype=np.float64)
    return floats


def _as_words(cells: pa.Array) -> pa.Array:
    """Return cells as the texts of their categories; "3", not "3.0", and True, not true."""
    if pa.types.is_integer(cells.type):
        return cells.cast(pa.string())
    encoded = cells.dictionary_encode()
    names = [as_category(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(names, pa.string()).take(encoded.indices)


# --- Columns of text.


def _read_texts(
    column: _Column, texts: pa.Array, reading: Reading, wanted: str | None, *, is_text: bool
) -> None:
    # Words that the user chose mean missing in numbers and dates too; NA is neither in any case.
    if reading.na_values is not None:
        texts = _without(texts, reading)
    if wanted in ("category", "text"):
        _set_words(column, _without(texts, reading) if is_text else texts, wanted)
        return
    sample = _sample(texts, reading)
    for kind, read in (("number", _read_numbers), ("date", _read_dates)):
        if wanted in (None, kind) and read(column, texts, sample, reading, forced=wanted == kind):
            return
        if column.problem is not None:
            return
    # What is done to words is done once to each, not to each cell.
    encoded = texts.dictionary_encode()
    if is_text:
        present = _without(encoded.dictionary, reading)
        if present.null_count:
            texts = _without(texts, reading)
            encoded = texts.dictionary_encode()
    if sample and all(word.lower() in ("true", "false") for word in sample):
        lower = pc.utf8_lower(pc.utf8_trim_whitespace(encoded.dictionary))
        if set(lower.to_pylist()) <= {"true", "false"}:
            column.notes["booleans"] = {}
            texts = pc.utf8_capitalize(lower).take(encoded.indices)
            encoded = texts.dictionary_encode()
    _set_words(column, texts, "text" if is_free_text(encoded) else "category", encoded)


def _sample(texts: pa.Array, reading: Reading) -> list[str]:
    """Return distinct cells from all over the column, without words that mean missing."""
    present = texts.drop_null() if texts.null_count else texts
    if len(present) > SAMPLE:
        present = present.take(pa.array(np.linspace(0, len(present) - 1, SAMPLE).astype("int64")))
    missing = _missing_words(reading)
    return [text for text in present.unique().to_pylist() if text.strip() not in missing]


def _missing_words(reading: Reading) -> Collection[str]:
    return NA_WORDS | {""} if reading.na_values is None else {"", *reading.na_values}


def _without(texts: pa.Array, reading: Reading) -> pa.Array:
    """Return texts whose words for missing, and empty ones, are null."""
    words = pa.array(list(_missing_words(reading)), texts.type)
    is_missing = pc.is_in(texts, words, skip_nulls=True)
    if not pc.any(is_missing).as_py():
        return texts
    return pc.if_else(is_missing, pa.scalar(None, texts.type), texts)


def _without_numbers(numbers: Floats, reading: Reading) -> Floats:
    """Return numbers without those that mean missing: -999.0 is -999."""
    missing = missing_numbers(reading.na_values or ())
    return np.where(np.isin(numbers, [*missing]), np.nan, numbers) if missing else numbers


def _looks_like(sample: Sequence[str], n_read: int) -> bool:
    n_missing = sum(text in PLACEHOLDERS or INFINITE.fullmatch(text) is not None for text in sample)
    return n_read > 0 and n_read + n_missing >= LIKELY * len(sample)


def _read_numbers(
    column: _Column, texts: pa.Array, sample: list[str], reading: Reading, *, forced: bool
) -> bool:
    is_open = reading.decimal is None and reading.thousands is None
    # What reads as programs write it is read by no other form.
    if is_open and (found := plain_numbers(texts)) is not None and texts.null_count < len(texts):
        return _take_numbers(column, texts, found, NumberForm(), reading, forced=forced)
    wishes: dict[str, str | None] = {"decimal": reading.decimal, "thousands": reading.thousands}
    numbers, form, tried = None, None, sample
    for _ in range(2):
        forms = find_number_form(tried, **wishes, forced=forced)
        if len(forms) == 2 and len(tried) < len(texts):
            tried = _distinct(texts)
            forms = find_number_form(tried, **wishes, forced=forced)
        if not forms:
            break
        form = forms[0]
        looked = pa.array(tried[:SAMPLE], texts.type)
        if not forced and not _looks_like(
            tried[:SAMPLE], int(np.isfinite(read_numbers(looked, form)).sum())
        ):
            break
        numbers = read_numbers(texts, form)
        unread = texts.filter(pa.array(np.isnan(numbers))).drop_null()
        more = [text for text in _some_distinct(unread) if text not in _missing_words(reading)]
        # The sample may have missed what decides.
        if not set(more) - set(tried) or all(text in PLACEHOLDERS for text in more):
            break
        tried = [*tried, *more]
    if numbers is None or form is None or not forms:
        if not forced:
            _note_marks(column, sample)
        return False
    if len(forms) == 2:
        example = next(text for text in tried if form.thousands in text)
        values = [read_numbers(pa.array([example]), each)[0] for each in forms]
        facts = {"example": example, "grouped": f"{values[0]:.15g}", "decimal": f"{values[1]:.15g}"}
        for fact, key in (("thousands", "thousands"), ("decimal_key", "decimal")):
            facts[fact] = shell_word(f"dataset.{key}={form.thousands}")
        column.problem = AmbiguousNumbersError, facts
        return False
    if not _is_most(column, texts, np.isnan(numbers), reading, "cells_not_numbers", forced=forced):
        return False
    _note_form(column, tried, form)
    return _take_numbers(column, texts, numbers, form, reading, forced=forced)


def _take_numbers(
    column: _Column,
    texts: pa.Array,
    numbers: Floats,
    form: NumberForm,
    reading: Reading,
    *,
    forced: bool,
) -> bool:
    """Set the values of a column to numbers, or to the times that they mean."""
    if not forced and _are_codes(column, texts, numbers):
        for code in ("cells_not_numbers", "numbers_written"):
            column.notes.pop(code, None)
        return False
    numbers = _without_numbers(numbers, reading)
    if _read_as_epoch(column, numbers, reading.kinds.get(column.name)):
        return True
    _set_numbers(column, numbers)
    column.form = form
    return True


def _distinct(texts: pa.Array) -> list[str]:
    found: list[str] = texts.unique().drop_null()[:MAX_DISTINCT].to_pylist()
    return found


def _some_distinct(texts: pa.Array) -> list[str]:
    found: list[str] = texts.unique()[:SAMPLE].to_pylist()
    return found


def _note_marks(column: _Column, sample: list[str]) -> None:
    """Say that cells would be numbers if their signs did not differ."""
    if forms := find_number_form(sample, forced=True):
        looked = read_numbers(pa.array(sample, pa.string()), forms[0])
        read = [text for text, number in zip(sample, looked, strict=True) if np.isfinite(number)]
        if forms[0].marks and len(read) >= MOST * len(sample):
            mark = forms[0].marks[0]
            example = next(text for text in read if mark in plain(text))
            other = next((text for text in read if mark not in plain(text)), example)
            override = override_word("dataset.column_types", {column.name: "number"})
            facts = {"example": example, "other": other, "override": override}
            column.notes["marks_differ"] = facts


def _note_form(column: _Column, texts: Sequence[str], form: NumberForm) -> None:
    values = read_numbers(pa.array(texts, pa.string()), form)
    odd = [
        (text, value)
        for text, value in zip(texts, values.tolist(), strict=True)
        if value == value and not USUAL.fullmatch(text)
    ]
    if odd:
        example, value = max(odd, key=lambda pair: len(pair[0]))
        column.notes["numbers_written"] = {"example": example, "value": value}


def _is_most(
    column: _Column,
    texts: pa.Array,
    is_unread: NDArray[np.bool_],
    reading: Reading,
    code: str,
    *,
    forced: bool,
) -> bool:
    """Return whether most cells were read; note those that were not."""
    unread = texts.filter(pa.array(is_unread)).drop_null()
    n_present = len(texts) - texts.null_count
    if len(unread) == 0:
        return bool(n_present > 0)
    counts = {
        str(each["values"]): int(each["counts"]) for each in unread.value_counts().to_pylist()
    }
    missing = _missing_words(reading)
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


def _are_codes(column: _Column, texts: pa.Array, numbers: Floats) -> bool:
    """Return whether whole numbers are codes: with leading zeros, or too many digits."""
    if _has_fraction(numbers):
        return False
    has_zero = pc.fill_null(pc.starts_with(texts, "0"), fill_value=False)
    zeros = texts.filter(has_zero)
    padded = zeros.filter(pc.match_substring_regex(zeros, "^0[0-9]+$"))
    if len(padded):
        override = override_word("dataset.column_types", {column.name: "number"})
        column.notes["codes"] = {"example": padded[0].as_py(), "override": override}
        return True
    low, high = _ends(numbers)
    if max(-low, high) < 2.0**53:
        return False
    large = texts.filter(pa.array(np.abs(numbers) >= 2.0**53))
    odd = next((text for text in large.to_pylist() if not is_exact(plain(text))), None)
    if odd is None:
        return False
    column.notes["too_many_digits"] = {"example": odd}
    return True


def _read_as_epoch(column: _Column, numbers: Floats, wanted: str | None) -> bool:
    """Read numbers as seconds, milliseconds or digits of dates, where name and values say so."""
    if wanted not in (None, "date") or (wanted is None and not NAMED_TIME.search(column.name)):
        return False
    present = numbers[~np.isnan(numbers)]
    if len(present) == 0:
        return False
    for pattern, factor in (("epoch_s", 1), ("epoch_ms", 1000)):
        inside = (present >= MIN_EPOCH * factor) & (present <= MAX_EPOCH * factor)
        if inside.mean() >= MOST:
            form = DateForm(pattern, None, has_time=True)
            within = (numbers >= MIN_EPOCH * factor) & (numbers <= MAX_EPOCH * factor)
            break
    else:
        form = DateForm(DIGITS)
        within = (numbers >= 19000101) & (numbers <= 21001231)
        if within.sum() < MOST * len(present):
            return False
    times = read_epochs(np.where(within, numbers, np.nan), form)
    n_read = int((~np.isnat(times)).sum())
    if n_read < MOST * len(present):
        return False
    if n_wrong := len(present) - n_read:
        wrong = numbers[~np.isnan(numbers) & np.isnat(times)][:3]
        shown = [f"{number:.15g}" for number in wrong]
        facts = {"n_cells": n_wrong, "n_present": len(present), "examples": shown}
        column.notes["cells_not_dates"] = facts
    first = int(np.flatnonzero(~np.isnat(times))[0])
    _note_date(column, f"{numbers[first]:.15g}", times[first])
    column.kind, column.values, column.form = "date", times, form
    return True


# --- Dates.


def _read_dates(
    column: _Column, texts: pa.Array, sample: list[str], reading: Reading, *, forced: bool
) -> bool:
    if forced and _read_numbers_as_dates(column, texts, sample, reading):
        return True
    tried, times = sample, None
    wishes = {"day_first": reading.day_first, "year_first": reading.year_first}
    forms: tuple[DateForm, ...] = ()
    for _ in range(2):
        forms = find_date_form(tried, **wishes)
        if len(forms) > 1 and len(tried) < len(texts):
            tried = _distinct(texts)
            forms = find_date_form(tried, **wishes)
        if not forms:
            return False
        looked = read_dates(pa.array(tried[:SAMPLE], texts.type), forms[0])
        if not forced and not _looks_like(tried[:SAMPLE], int((~np.isnat(looked)).sum())):
            return False
        times = read_dates(texts, forms[0])
        unread = texts.filter(pa.array(np.isnat(times))).drop_null()
        if not (more := set(_some_distinct(unread)) - set(tried) - set(_missing_words(reading))):
            break
        tried = [*tried, *sorted(more)]
    if times is None:
        return False
    form = forms[0]
    if len(forms) > 1 and (problem := _ambiguous(tried, forms)):
        column.problem = AmbiguousDatesError, problem
        return False
    is_unread = np.isnat(times)
    if not _is_most(column, texts, is_unread, reading, "cells_not_dates", forced=forced):
        return False
    form = _whole_form(texts, form)
    if form.offset is not None:
        times = read_dates(texts, form)
    first = int(np.flatnonzero(~np.isnat(times))[0])
    _note_date(column, texts[first].as_py(), times[first])
    if any(not FULL_YEAR.search(text) for text in tried if read_moment(text, form.pattern)):
        last = FIRST_SHORT_YEAR + 99
        column.notes["short_years"] = {"first": FIRST_SHORT_YEAR, "last": last}
    column.kind, column.values, column.form = "date", times, form
    return True


def _ambiguous(texts: Sequence[str], forms: Sequence[DateForm]) -> dict[str, Any] | None:
    """Return the facts of the question; None if all forms read each text alike."""
    cells = pa.array(texts, pa.string())
    read = {form.pattern: read_dates(cells, form) for form in forms}
    differ = [len({str(times[place]) for times in read.values()}) for place in range(len(texts))]
    if max(differ) == 1:
        return None
    # 03/03/24 shows less than 03/04/24.
    place = int(np.argmax(differ))
    shown = [str(times[place])[:10] for times in read.values()]
    words = [CHOOSES[pattern] for pattern in read]
    override = f"{words[0]} reads the first, {words[1]} the second"
    override += f", {words[2]} the third" if len(words) > 2 else ""
    dates = " or ".join(shown)
    return {"example": texts[place], "dates": dates, "override": override}


def _whole_form(texts: pa.Array, form: DateForm) -> DateForm:
    """Return the form with the offset and the times of day of all cells, not of a sample."""
    wishes = {} if form.pattern == "iso" else {"day_first": form.pattern == DAY_FIRST}
    if form.pattern == SHORT_YEAR_FIRST:
        wishes = {"year_first": True}
    (whole, *_) = find_date_form(_distinct(texts), **wishes) or (form,)
    return DateForm(form.pattern, whole.offset, whole.has_time)


def _read_numbers_as_dates(
    column: _Column, texts: pa.Array, sample: list[str], reading: Reading
) -> bool:
    """Read digits as dates, in a column that is meant as dates."""
    numbers = read_numbers(texts, NumberForm())
    n_digits = sum(plain(text).isdecimal() for text in sample)
    if not sample or n_digits < MOST * len(sample):
        return False
    before = dict(column.notes)
    is_most = _is_most(column, texts, np.isnan(numbers), reading, "cells_not_dates", forced=True)
    if is_most and _read_as_epoch(column, numbers, "date"):
        return True
    column.notes = before
    return False


def _note_date(column: _Column, example: str, value: np.datetime64) -> None:
    shown = str(value.astype("datetime64[s]")).replace("T", " ").removesuffix(" 00:00:00")
    column.notes["dates"] = {"example": example, "value": shown}


def _set_times(column: _Column, cells: pa.Array) -> None:
    kind = cells.type
    offset = None
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        wall = pc.local_timestamp(cells).cast(pa.timestamp("us"), safe=False)
        utc = cells.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.timestamp("us"))
        minutes = pc.unique(
            pc.divide(pc.subtract(wall.cast(pa.int64()), utc.cast(pa.int64())), 60 * 10**6)
        )
        offsets = minutes.drop_null().to_pylist()
        # A clock that is put forward in summer is not one clock.
        offset = offsets[0] if len(offsets) == 1 else 0
        cells = wall if len(offsets) == 1 else utc
        if len(offsets) > 1:
            column.notes["dates_in_utc"] = {}
    micros = cells.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    times = np.full(len(cells), np.datetime64("NaT", "us"))
    present = cells.is_valid().to_numpy(zero_copy_only=False)
    times[present] = micros.drop_null().to_numpy().astype("datetime64[us]")
    days = times[present].astype("datetime64[D]").astype("datetime64[us]")
    has_time = bool((days != times[present]).any())
    column.kind, column.values = "date", times
    column.form = DateForm("iso", offset, has_time)


# --- Values of a kind.


def _ends(numbers: Floats) -> tuple[float, float]:
    """Return the least and the greatest number; infinite ones where all are missing."""
    ends: dict[str, float | None] = pc.min_max(pa.array(numbers)).as_py()
    low, high = ends["min"], ends["max"]
    if low is None or high is None or low != low:
        return np.inf, -np.inf
    return low, high


def _set_numbers(column: _Column, numbers: Floats) -> None:
    low, high = _ends(numbers)
    if max(-low, high) > FLOAT32_MAX:
        is_beyond = np.abs(numbers) > FLOAT32_MAX
        is_infinite = np.isinf(numbers)
        if n_infinite := int(is_infinite.sum()):
            n_before = column.notes.get("infinite", {}).get("n_cells", 0)
            column.notes["infinite"] = {"n_cells": n_infinite + n_before}
        if n_beyond := int(is_beyond.sum()) - n_infinite:
            column.notes["bounded"] = {"n_cells": n_beyond}
        numbers = np.where(is_infinite, np.nan, np.clip(numbers, -FLOAT32_MAX, FLOAT32_MAX))
    column.kind, column.values, column.form = "number", numbers, NumberForm()


def _set_words(
    column: _Column, words: pa.Array, kind: str, encoded: pa.DictionaryArray | None = None
) -> None:
    column.kind = kind
    if kind == "text":
        column.notes["free_text"] = {}
        column.values = pd.array(words.cast(pa.large_string()).to_pandas(), dtype="str")
        return
    encoded = words.dictionary_encode() if encoded is None else encoded
    names = encoded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    # One more place for missing cells, whose code is -1.
    place = np.full(len(names) + 1, -1, dtype=np.int64)
    place[order] = np.arange(len(names))
    codes = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    categories = pd.Index([names[i] for i in order], dtype="object")
    column.values = pd.Categorical.from_codes(place[codes], categories)


def is_free_text(encoded: pa.DictionaryArray) -> bool:
    """Return whether cells are free text: nearly distinct, and of several words."""
    sample, n_present = encoded.dictionary, len(encoded) - encoded.null_count
    if len(sample) < FEW_TEXTS:
        return False
    share = len(sample) / n_present
    if share < REPEATED_TEXTS:
        return False
    sample = sample.take(pa.array(np.linspace(0, len(sample) - 1, 500).astype("int64"))).to_pylist()
    n_words = float(np.mean([len(text.split()) for text in sample]))
    n_letters = float(np.mean([len(text) for text in sample]))
    n_cjk = float(np.mean([len(IDEOGRAMS.findall(text)) for text in sample]))
    if share >= DISTINCT_TEXTS:
        # A UUID, a hash or an address of the web is long, and one word.
        is_long = n_letters >= TEXT_LETTERS and n_words >= 2
        return n_words >= TEXT_WORDS or n_cjk >= TEXT_CJK or is_long
    return n_words >= REPEATED_WORDS or n_cjk >= REPEATED_CJK


# --- Columns that are left out.


def _find_left_out(columns: Sequence[_Column], keep: Collection[str]) -> dict[str, str]:
    """Return the code of the treatment by name of column."""
    found, ids = {}, {}
    for column in columns:
        if "left_out_unusable" in column.notes:
            found[column.name] = "left_out_unusable"
        elif column.values is None:
            continue
        elif (code := uninformative(column.values)) is not None:
            found[column.name] = f"left_out_{code}"
        elif column.name not in keep and is_id(column):
            ids[column.name] = "left_out_ids"
    # If nothing else is there, they are what is to be learned from; a check reports them.
    return found | (ids if len(found) + len(ids) < len(columns) else {})


def uninformative(values: Any) -> str | None:
    """Return `empty` or `constant` for such a column; a value and missing cells are neither."""
    if isinstance(values, pd.Categorical):
        codes = values.codes
        if len(codes) and codes.min() != codes.max():
            return None
        return "empty" if not len(codes) or codes[0] < 0 else "constant"
    if isinstance(values, np.ndarray):
        is_missing = np.isnat(values) if values.dtype.kind == "M" else np.isnan(values)
        if is_missing.all():
            return "empty"
        if is_missing.any() or (values[:SAMPLE] != values[0]).any():
            return None
        return "constant" if (values == values[0]).all() else None
    series = pd.Series(values)
    if series.isna().all():
        return "empty"
    return "constant" if series.nunique(dropna=False) == 1 else None


def is_id(column: _Column) -> bool:
    """Return whether a column is a name for each row: distinct codes, words, or a counter."""
    if column.kind == "category":
        codes = column.values.codes
        present = codes[codes >= 0]
        n_distinct = len(column.values.categories)
        return len(present) >= FEW_ROWS and n_distinct >= DISTINCT_IDS * len(present)
    return column.kind == "number" and is_counter(column.values)


def is_counter(numbers: Floats) -> bool:
    """Return whether whole numbers are those of a counter, in order or shuffled."""
    n_present = len(numbers) - int(np.isnan(numbers).sum())
    low, high = _ends(numbers)
    if n_present < FEW_ROWS or high - low + 1 < DISTINCT_IDS * n_present:
        return False
    if _has_fraction(numbers):
        return False
    present = numbers[~np.isnan(numbers)]
    distinct = np.unique(present)
    if len(distinct) < DISTINCT_IDS * len(present):
        return False
    _, n_of_step = np.unique(np.diff(distinct), return_counts=True)
    return bool(n_of_step.max() > ONE_STEP * len(distinct))


# --- Notes of columns as treatments, and problems as errors: one for all columns alike.


def _merge_notes(columns: Sequence[_Column]) -> list[Treatment]:
    merged: dict[tuple[str, Any], tuple[list[str], dict[str, Any]]] = {}
    for column in columns:
        for code, facts in column.notes.items():
            # Examples are those of one way of writing.
            key = code, column.form if code in ("numbers_written", "dates") else None
            names, known = merged.setdefault(key, ([], {}))
            names.append(column.name)
            for fact, value in facts.items():
                is_count = fact.startswith("n_")
                known[fact] = known.get(fact, 0) + value if is_count else known.get(fact, value)
    return [make_treatment(code, names, **facts) for (code, _), (names, facts) in merged.items()]


def _merge_problems(columns: Sequence[_Column]) -> list[UserError]:
    merged: dict[type[UserError], tuple[list[str], dict[str, Any]]] = {}
    for column in columns:
        if column.problem is not None:
            kind, facts = column.problem
            merged.setdefault(kind, ([], facts))[0].append(column.name)
    return [kind(columns=names, **facts) for kind, (names, facts) in merged.items()]
