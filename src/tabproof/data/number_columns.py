"""Columns of numbers that are written as text, in any form; and digits that are codes."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabproof.data.cells import Floats, plain_numbers, read_numbers
from tabproof.data.column import SAMPLE, Column, Reading, ends_of, has_fraction, set_numbers
from tabproof.data.date_columns import read_as_epoch
from tabproof.data.evidence import (
    MOST,
    check_most,
    find_distinct,
    looks_like,
    missing_words,
    some_distinct,
    without_missing_numbers,
)
from tabproof.errors import UserError
from tabproof.forms import PLACEHOLDERS, NumberForm, find_number_form, is_exact, plain
from tabproof.text import override_word, shell_word

# How programs write numbers: read so, without a treatment.
USUAL = re.compile(r"[+-]?[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]+)?", re.ASCII)


class AmbiguousNumbersError(UserError):
    """Numbers with two readings, and nothing that decides between them."""

    template = (
        "column(s) {columns}: '{example}' may be {grouped} or {decimal}, and no cell decides;"
        " {thousands} reads the first, {decimal_key} the second"
    )


def read_number_texts(
    column: Column, texts: pa.Array, sample: list[str], reading: Reading, *, forced: bool
) -> bool:
    """Set the values of a column to numbers; return whether most of its cells are."""
    is_open = reading.decimal is None and reading.thousands is None
    # What reads as programs write it is read by no other form.
    if is_open and (found := plain_numbers(texts)) is not None and texts.null_count < len(texts):
        return _take_numbers(column, texts, found, NumberForm(), reading, forced=forced)
    wishes: dict[str, str | None] = {"decimal": reading.decimal, "thousands": reading.thousands}
    numbers, form, tried = None, None, sample
    for _ in range(2):
        forms = find_number_form(tried, **wishes, forced=forced)
        if len(forms) == 2 and len(tried) < len(texts):
            tried = find_distinct(texts)
            forms = find_number_form(tried, **wishes, forced=forced)
        if not forms:
            break
        form = forms[0]
        looked = pa.array(tried[:SAMPLE], texts.type)
        if not forced and not looks_like(
            tried[:SAMPLE], int(np.isfinite(read_numbers(looked, form)).sum())
        ):
            break
        numbers = read_numbers(texts, form)
        unread = texts.filter(pa.array(np.isnan(numbers))).drop_null()
        more = [text for text in some_distinct(unread) if text not in missing_words(reading)]
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
    if not check_most(
        column, texts, np.isnan(numbers), reading, "cells_not_numbers", forced=forced
    ):
        return False
    _note_form(column, tried, form)
    return _take_numbers(column, texts, numbers, form, reading, forced=forced)


def _take_numbers(
    column: Column,
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
    numbers = without_missing_numbers(numbers, reading)
    if read_as_epoch(column, numbers, reading.kinds.get(column.name)):
        return True
    set_numbers(column, numbers)
    column.form = form
    return True


def _note_marks(column: Column, sample: list[str]) -> None:
    """Add a note if cells are numbers with different currency or percent signs."""
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


def _note_form(column: Column, texts: Sequence[str], form: NumberForm) -> None:
    values = read_numbers(pa.array(texts, pa.string()), form)
    odd = [
        (text, value)
        for text, value in zip(texts, values.tolist(), strict=True)
        if value == value and not USUAL.fullmatch(text)
    ]
    if odd:
        example, value = max(odd, key=lambda pair: len(pair[0]))
        column.notes["numbers_written"] = {"example": example, "value": value}


def _are_codes(column: Column, texts: pa.Array, numbers: Floats) -> bool:
    """Return whether whole numbers are codes: with leading zeros, or too many digits."""
    if has_fraction(numbers):
        return False
    has_zero = pc.fill_null(pc.starts_with(texts, "0"), fill_value=False)
    zeros = texts.filter(has_zero)
    padded = zeros.filter(pc.match_substring_regex(zeros, "^0[0-9]+$"))
    if len(padded):
        override = override_word("dataset.column_types", {column.name: "number"})
        column.notes["codes"] = {"example": padded[0].as_py(), "override": override}
        return True
    low, high = ends_of(numbers)
    if max(-low, high) < 2.0**53:
        return False
    large = texts.filter(pa.array(np.abs(numbers) >= 2.0**53))
    odd = next((text for text in large.to_pylist() if not is_exact(plain(text))), None)
    if odd is None:
        return False
    column.notes["too_many_digits"] = {"example": odd}
    return True
