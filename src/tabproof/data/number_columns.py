"""Columns of numbers that are written as text, in any form; and digits that are codes."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabproof.data.cells import Floats, plain_numbers, read_numbers
from tabproof.data.column import SAMPLE, Column, Reading, ends_of, has_fraction, set_numbers
from tabproof.data.date_columns import read_as_epoch
from tabproof.data.evidence import (
    check_most,
    find_distinct,
    looks_like,
    missing_words,
    some_distinct,
    without_missing,
    without_missing_numbers,
)
from tabproof.errors import UserError
from tabproof.forms import (
    HOURS_MINUTES,
    MOST,
    PLACEHOLDERS,
    SEPARATORS,
    TIMES,
    NumberForm,
    find_number_form,
    is_exact,
    parse_number,
    plain,
)
from tabproof.text import override_word, shell_word

# How programs write numbers: read so, without a treatment.
USUAL = re.compile(r"[+-]?[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]+)?", re.ASCII)


class AmbiguousNumbersError(UserError):
    """Numbers with two readings, and nothing that decides between them."""

    template = (
        "column(s) {columns}: '{example}' may be {grouped} or {decimal}, and no cell decides;"
        " {thousands} reads the first, {decimal_key} the second"
    )


def take_plain_numbers(
    column: Column, texts: pa.Array, reading: Reading, *, forced: bool
) -> bool | None:
    """Set the values of a column to numbers that are written as programs write them.

    No other form reads them. Return whether they were taken; None if some are written otherwise.
    """
    if reading.decimal is not None or reading.thousands is not None:
        return None
    numbers = plain_numbers(texts)
    if numbers is None or texts.null_count == len(texts):
        return None
    return _take_numbers(column, texts, numbers, NumberForm(), reading, forced=forced)


def read_number_texts(
    column: Column, texts: pa.Array, sample: list[str], reading: Reading, *, forced: bool
) -> bool:
    """Set the values of a column to numbers; return whether most of its cells are."""
    present = without_missing(texts, reading)
    if sample and present is not texts:
        taken = take_plain_numbers(column, present, reading, forced=forced)
        if taken is not None:
            return taken
    wishes: dict[str, str | None] = {"decimal": reading.decimal, "thousands": reading.thousands}
    numbers, form, tried = None, None, sample
    forms: tuple[NumberForm, ...] = ()
    for _ in range(2):
        forms = find_number_form(tried, **wishes, forced=forced)
        if len(forms) == 2 and len(tried) < len(texts):
            tried = find_distinct(texts)
            forms = find_number_form(tried, **wishes, forced=forced)
        if not forms:
            break
        # A column that is no longer than a sample is read once, if all of it can be.
        whole = read_numbers(texts, forms[0]) if len(texts) <= SAMPLE else None
        if whole is not None and np.isnan(whole).sum() == texts.null_count:
            numbers, form = whole, forms[0]
            break
        looked = pa.array(tried[:SAMPLE], texts.type)
        n_read = max(int(np.isfinite(read_numbers(looked, each)).sum()) for each in forms)
        if not forced and not looks_like(tried[:SAMPLE], n_read):
            break
        form = forms[0]
        numbers = read_numbers(texts, form) if whole is None else whole
        unread = texts.filter(pa.array(np.isnan(numbers))).drop_null()
        more = [text for text in some_distinct(unread) if text not in missing_words(reading)]
        # The sample may have missed what decides.
        if not set(more) - set(tried) or all(text in PLACEHOLDERS for text in more):
            break
        tried = [*tried, *more]
    if numbers is None or form is None or not forms:
        if not forced:
            _note_differing(column, sample)
        return False
    if len(forms) == 2 and (facts := _ambiguous(tried, forms)):
        column.problem = AmbiguousNumbersError, facts
        return False
    if not check_most(
        column, texts, np.isnan(numbers), reading, "cells_not_numbers", forced=forced
    ):
        _note_differing(column, sample)
        return False
    _note_form(column, tried, form)
    return _take_numbers(column, texts, numbers, form, reading, forced=forced)


def _ambiguous(texts: Sequence[str], forms: Sequence[NumberForm]) -> dict[str, Any] | None:
    """Return the facts of the question; None if both forms read each text alike."""
    sign = forms[1].decimal
    for example in texts:
        grouped, other = (parse_number(example, form) for form in forms)
        if grouped is not None and other is not None and grouped != other:
            return {
                "example": example,
                "grouped": f"{grouped:.15g}",
                "decimal": f"{other:.15g}",
                "thousands": shell_word(f"dataset.thousands={sign}"),
                "decimal_key": shell_word(f"dataset.decimal={sign}"),
            }
    return None


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
    if not form.time and read_as_epoch(column, numbers, reading.kinds.get(column.name)):
        return True
    set_numbers(column, numbers)
    column.form = form
    return True


def _note_differing(column: Column, sample: Sequence[str]) -> None:
    """Add a note if cells are numbers, or times, that are not all written in one way."""
    forms = find_number_form(sample, forced=True)
    if not forms:
        return
    form = forms[0]
    numbers = [parse_number(text, form) for text in sample]
    read = [text for text, number in zip(sample, numbers, strict=True) if number is not None]
    unread = [text for text, number in zip(sample, numbers, strict=True) if number is None]
    others = [text for text in unread if _is_number(text, form)]
    if not read or len(read) + len(others) < MOST * len(sample):
        return
    code = "times_differ" if form.time else "numbers_differ"
    example = read[0]
    if form.marks and not find_number_form(sample):
        code = "marks_differ"
        example = next(text for text in read if form.marks[0] in plain(text))
        others = [text for text in [*read, *others] if form.marks[0] not in plain(text)]
    if others:
        override = override_word("dataset.column_types", {column.name: "number"})
        column.notes[code] = {"example": example, "other": others[0], "override": override}


def _is_number(text: str, form: NumberForm) -> bool:
    """Return whether a text is a number with the marks of a form, or a time, in any spelling."""
    alike = [replace(form, decimal=point, thousands=sign) for point, sign in SEPARATORS]
    if form.time:
        alike = [NumberForm(time=written) for written in TIMES]
    return any(parse_number(text, each) is not None for each in alike)


def _note_form(column: Column, texts: Sequence[str], form: NumberForm) -> None:
    for text in sorted(texts, key=len, reverse=True):
        if not USUAL.fullmatch(text) and (value := parse_number(text, form)) is not None:
            code = {"": "numbers_written", HOURS_MINUTES: "times_h_mm"}.get(form.time, "times")
            column.notes[code] = {"example": text, "value": value}
            break


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
