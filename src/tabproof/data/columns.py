"""What the columns of a table are: numbers, categories, dates, free text, or nothing to learn from.

Most cells decide: a column is of numbers or dates if nearly all of its cells are; the others are
counted and become missing. Ids, and columns without information, are left out. Whatever is done
is said by a treatment; where two readings of a column are equally likely, the user is asked.
"""

import datetime
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tabproof.data.cells import Floats, as_array
from tabproof.data.column import Column, Reading, has_fraction, set_numbers, set_words
from tabproof.data.date_columns import read_as_epoch, read_date_texts, set_times, take_plain_dates
from tabproof.data.evidence import (
    is_free_text,
    may_be_data,
    sampled,
    without_missing,
    without_missing_numbers,
)
from tabproof.data.left_out import find_left_out
from tabproof.data.number_columns import read_number_texts, take_plain_numbers
from tabproof.errors import UserError
from tabproof.forms import WITH_SECONDS, DateForm, NumberForm, is_exact
from tabproof.schema import Treatment, make_treatment
from tabproof.scorer import as_category
from tabproof.text import override_word

# Names in a suggestion.
N_SHOWN = 5
# Columns of fewer cells are read faster by one thread.
MANY_ROWS = 20_000
LEFT_OUT = (
    "left_out_unusable",
    "left_out_empty",
    "left_out_constant",
    "left_out_ids",
    "left_out_distinct",
)
MAY_BE_KEPT = frozenset({"left_out_ids", "left_out_distinct"})
DIFFERING = frozenset({"marks_differ", "numbers_differ", "times_differ"})
OF_ONE_FORM = frozenset({"numbers_written", "times", "times_h_mm", "dates"})
NESTED = (list, tuple, dict, set, np.ndarray, bytes, bytearray)


@dataclass
class TypedColumns:
    """forms : of numbers and dates that are written in an unusual way."""

    X: pd.DataFrame = field(default_factory=pd.DataFrame)
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
        groups = {sign for form in forms for sign in form.thousands}
        found = {}
        # A key that all columns agree on changes nothing when the run is repeated with it.
        if len(self.decimals) < 2 and len(groups) < 2:
            found["decimal"] = next(iter(self.decimals), ".")
            found["thousands"] = next(iter(groups), "none")
        return found


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
    columns = [Column(str(name)) for name in (source.columns if is_frame else source.column_names)]

    def read(column: Column) -> None:
        _read(column, as_cells(source, column.name), reading, is_text=is_text)

    if len(source) < MANY_ROWS:
        for column in columns:
            read(column)
    else:
        # Arrow works without the interpreter's lock.
        with ThreadPoolExecutor(min(pa.cpu_count(), 4)) as pool:
            list(pool.map(read, columns))
    if divides:
        for column in columns:
            _keep_all_cells(column, as_cells(source, column.name))
    left_out = {} if divides else find_left_out(columns, reading.keep)
    kept = [each for each in columns if each.name not in left_out and each.values is not None]
    arrays = {column.name: column.values for column in kept}
    typed = TypedColumns(pd.DataFrame(arrays, index=index, copy=False))
    for column in kept:
        if column.form is not None and column.form not in (NumberForm(), DateForm()):
            typed.forms[column.name] = column.form
        form = column.form if is_text else None
        if isinstance(form, NumberForm) and not form.time:
            has_point = form != NumberForm() or has_fraction(column.values)
            typed.decimals |= {form.decimal} if has_point else set()
    for code in LEFT_OUT:
        if names := [name for name, why in left_out.items() if why == code]:
            # A short example rather than a long line.
            some = names if len(names) <= N_SHOWN else names[:1]
            facts = {"override": override_word("dataset.keep", some)} if code in MAY_BE_KEPT else {}
            typed.treatments.append(make_treatment(code, names, **facts))
    for column in columns:
        if column.name in left_out:
            # Why the values of what is no id are no numbers.
            column.notes = {code: column.notes[code] for code in DIFFERING & column.notes.keys()}
    typed.treatments += _merge_notes(columns)
    typed.problems = _merge_problems(columns)
    return typed


def _keep_all_cells(column: Column, cells: pa.Array) -> None:
    """Read a column as words where a cell was no number or date: subjects must stay apart."""
    if column.notes.keys() & {"cells_not_numbers", "cells_not_dates", "infinite"}:
        column.notes.clear()
        set_words(column, _as_words(cells), "category")


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


def _read(column: Column, cells: pa.Array, reading: Reading, *, is_text: bool) -> None:
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
            set_words(column, cells.cast(pa.string()), wanted)
        else:
            set_numbers(column, np.full(len(cells), np.nan))
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        _read_texts(column, cells, reading, wanted, is_text=is_text)
    elif wanted in ("category", "text"):
        words = _as_words(cells)
        set_words(
            column, words if reading.na_values is None else without_missing(words, reading), wanted
        )
    elif pa.types.is_boolean(kind):
        if wanted == "number":
            set_numbers(column, _floats(cells))
        else:
            set_words(column, _as_words(cells), "category")
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        set_times(column, cells)
    elif pa.types.is_time(kind) or pa.types.is_duration(kind):
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        column.notes["seconds"] = {}
        whole = pa.int32() if kind.bit_width == 32 else pa.int64()
        set_numbers(column, _floats(cells.cast(whole)) / per_second)
        # As these types are written where there are none.
        column.form = NumberForm(time=WITH_SECONDS)
    else:
        _read_typed_numbers(column, cells, reading, wanted)


def _read_typed_numbers(
    column: Column, cells: pa.Array, reading: Reading, wanted: str | None
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
                set_words(column, words, "category")
                return
    numbers = without_missing_numbers(numbers, reading)
    if not read_as_epoch(column, numbers, wanted):
        set_numbers(column, numbers)


def _floats(cells: pa.Array) -> Floats:
    if pa.types.is_integer(cells.type):
        cells = cells.cast(pa.float64(), safe=False)
    floats: Floats = np.asarray(cells.to_numpy(zero_copy_only=False), dtype=np.float64)
    return floats


def _as_words(cells: pa.Array) -> pa.Array:
    """Return cells as the texts of their categories; "3", not "3.0", and True, not true."""
    if pa.types.is_integer(cells.type):
        return cells.cast(pa.string())
    encoded = cells.dictionary_encode()
    names = [as_category(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(names, pa.string()).take(encoded.indices)


def _read_texts(
    column: Column, texts: pa.Array, reading: Reading, wanted: str | None, *, is_text: bool
) -> None:
    # Words that the user chose mean missing in numbers and dates too; NA is neither in any case.
    if reading.na_values is not None:
        texts = without_missing(texts, reading)
    if wanted in ("category", "text"):
        set_words(column, without_missing(texts, reading) if is_text else texts, wanted)
        return
    taken = None
    if wanted in (None, "number"):
        taken = take_plain_numbers(column, texts, reading, forced=wanted == "number")
    if taken:
        return
    sample = sampled(texts, reading)
    if wanted in (None, "date") and take_plain_dates(column, texts, sample, reading):
        return
    readers = (("number", read_number_texts), ("date", read_date_texts))
    # Codes are no numbers in another form either.
    is_likely = wanted is None and may_be_data(sample)
    for kind, read in readers if taken is None else readers[1:]:
        if (is_likely or wanted == kind) and read(
            column, texts, sample, reading, forced=wanted == kind
        ):
            return
        if column.problem is not None:
            return
    # What is done to words is done once to each, not to each cell.
    encoded = texts.dictionary_encode()
    if is_text:
        present = without_missing(encoded.dictionary, reading)
        if present.null_count:
            found = encoded.dictionary.filter(pc.is_null(present)).to_pylist()
            if words := sorted(word for word in found if word.strip()):
                # In a column of words, None may be a word like the others.
                n_cells = pc.sum(pc.is_in(texts, pa.array(words, texts.type))).as_py()
                column.notes["missing_words"] = {"words": words, "n_cells": n_cells}
            texts = without_missing(texts, reading)
            encoded = texts.dictionary_encode()
    if sample and all(word.lower() in ("true", "false") for word in sample):
        lower = pc.utf8_lower(pc.utf8_trim_whitespace(encoded.dictionary))
        if set(lower.to_pylist()) <= {"true", "false"}:
            column.notes["booleans"] = {}
            texts = pc.utf8_capitalize(lower).take(encoded.indices)
            encoded = texts.dictionary_encode()
    set_words(column, texts, "text" if is_free_text(encoded) else "category", encoded)


def _merge_notes(columns: Sequence[Column]) -> list[Treatment]:
    merged: dict[tuple[str, Any], tuple[list[str], dict[str, Any]]] = {}
    for column in columns:
        for code, facts in column.notes.items():
            # Examples are those of one way of writing, and words those of their columns.
            same: Any = column.form if code in OF_ONE_FORM else None
            key = code, tuple(facts.get("words", ())) or same
            names, known = merged.setdefault(key, ([], {}))
            names.append(column.name)
            for fact, value in facts.items():
                is_count = fact.startswith("n_")
                known[fact] = known.get(fact, 0) + value if is_count else known.get(fact, value)
    for (code, _), (_, facts) in merged.items():
        if code == "missing_words":
            facts["override"] = override_word("dataset.na_values", [])
    return [make_treatment(code, names, **facts) for (code, _), (names, facts) in merged.items()]


def _merge_problems(columns: Sequence[Column]) -> list[UserError]:
    merged: dict[type[UserError], tuple[list[str], dict[str, Any]]] = {}
    for column in columns:
        if column.problem is not None:
            kind, facts = column.problem
            merged.setdefault(kind, ([], facts))[0].append(column.name)
    return [kind(columns=names, **facts) for kind, (names, facts) in merged.items()]
