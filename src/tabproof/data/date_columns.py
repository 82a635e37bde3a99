"""Columns of dates: written as text, as numbers of seconds or digits, or of a typed file."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabproof.data.cells import Floats, plain_dates, read_dates, read_epochs, read_numbers
from tabproof.data.column import SAMPLE, Column, Reading
from tabproof.data.evidence import (
    check_most,
    find_distinct,
    looks_like,
    missing_words,
    some_distinct,
    without_missing,
)
from tabproof.errors import UserError
from tabproof.forms import (
    DAY_FIRST,
    DIGITS,
    FIRST_SHORT_YEAR,
    MAX_EPOCH,
    MIN_EPOCH,
    MONTH_FIRST,
    MOST,
    SHORT_YEAR_FIRST,
    DateForm,
    NumberForm,
    find_date_form,
    plain,
    read_moment,
)

FULL_YEAR = re.compile("[0-9]{4}")
CHOOSES = {
    DAY_FIRST: "dataset.day_first=true",
    MONTH_FIRST: "dataset.day_first=false",
    SHORT_YEAR_FIRST: "dataset.year_first=true",
}
# Names of columns whose numbers may be times.
NAMED_TIME = re.compile(
    r"(?:^|_)(?:ts|at|time|date|dt|day|ymd|epoch)$|[a-z](?:At|Time|Date)$|timestamp|epoch|datetime"
    r"|[^_\W]date$|日時|日付|年月日|時刻",
)


class AmbiguousDatesError(UserError):
    """Dates with two readings, and nothing that decides between them."""

    template = "column(s) {columns}: '{example}' may be {dates}, and no cell decides; {override}"


def take_plain_dates(column: Column, texts: pa.Array, sample: list[str], reading: Reading) -> bool:
    """Set the values of a column to dates where all are written as 2024-01-31; return whether."""
    if not sample or not FULL_YEAR.match(sample[0]):
        return False
    found = plain_dates(without_missing(texts, reading))
    if found is None:
        return False
    times, has_time = found
    first = int(np.flatnonzero(~np.isnat(times))[0])
    _note_date(column, texts[first].as_py(), times[first])
    column.kind, column.values, column.form = "date", times, DateForm(has_time=has_time)
    return True


def read_date_texts(
    column: Column, texts: pa.Array, sample: list[str], reading: Reading, *, forced: bool
) -> bool:
    """Set the values of a column to dates; return whether most of its cells are."""
    if forced and _read_numbers_as_dates(column, texts, sample, reading):
        return True
    tried, times = sample, None
    wishes = {"day_first": reading.day_first, "year_first": reading.year_first}
    forms: tuple[DateForm, ...] = ()
    for _ in range(2):
        forms = find_date_form(tried, **wishes)
        if len(forms) > 1 and len(tried) < len(texts):
            tried = find_distinct(texts)
            forms = find_date_form(tried, **wishes)
        if not forms:
            return False
        # A column that is no longer than a sample is read once, if all of it can be.
        whole = read_dates(texts, forms[0]) if len(texts) <= SAMPLE else None
        if whole is not None and np.isnat(whole).sum() == texts.null_count:
            times = whole
            break
        looked = read_dates(pa.array(tried[:SAMPLE], texts.type), forms[0])
        if not forced and not looks_like(tried[:SAMPLE], int((~np.isnat(looked)).sum())):
            return False
        times = read_dates(texts, forms[0]) if whole is None else whole
        unread = texts.filter(pa.array(np.isnat(times))).drop_null()
        if not (more := set(some_distinct(unread)) - set(tried) - set(missing_words(reading))):
            break
        tried = [*tried, *sorted(more)]
    if times is None:
        return False
    form = forms[0]
    if len(forms) > 1 and (problem := _ambiguous(tried, forms)):
        column.problem = AmbiguousDatesError, problem
        return False
    is_unread = np.isnat(times)
    if not check_most(column, texts, is_unread, reading, "cells_not_dates", forced=forced):
        return False
    form = _whole_form(texts, form)
    if form.offset is not None:
        times = read_dates(texts, form)
    first = int(np.flatnonzero(~np.isnat(times))[0])
    _note_date(column, texts[first].as_py(), times[first])
    if any(not FULL_YEAR.search(plain(text)) and read_moment(text, form.pattern) for text in tried):
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
    (whole, *_) = find_date_form(find_distinct(texts), **wishes) or (form,)
    return DateForm(form.pattern, whole.offset, whole.has_time)


def _read_numbers_as_dates(
    column: Column, texts: pa.Array, sample: list[str], reading: Reading
) -> bool:
    """Read digits as dates, in a column that is meant as dates."""
    numbers = read_numbers(texts, NumberForm())
    n_digits = sum(plain(text).isdecimal() for text in sample)
    if not sample or n_digits < MOST * len(sample):
        return False
    before = dict(column.notes)
    is_most = check_most(column, texts, np.isnan(numbers), reading, "cells_not_dates", forced=True)
    if is_most and read_as_epoch(column, numbers, "date"):
        return True
    column.notes = before
    return False


def read_as_epoch(column: Column, numbers: Floats, wanted: str | None) -> bool:
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


def _note_date(column: Column, example: str, value: np.datetime64) -> None:
    shown = str(value.astype("datetime64[s]")).replace("T", " ").removesuffix(" 00:00:00")
    column.notes["dates"] = {"example": example, "value": shown}


def set_times(column: Column, cells: pa.Array) -> None:
    """Make a column one of dates, of cells that are such."""
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
