"""Count the answered rows of a run by day, in the bins of its reference.

Each query reads only the columns it needs. Its result is as large as days times bins, whatever the
number of rows.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.artifacts.reference import CategoryReference, ColumnReference, Reference
from tabproof.drift.daily import Daily
from tabproof.monitoring.database import Table, quoted, text
from tabproof.monitoring.result import LeftOut
from tabproof.prediction_log.layout import FEATURE, PROBABILITY, Role

# Roles of rows that were answers; a challenger's rows never were.
ANSWERS: tuple[Role, ...] = ("champion", "canary")
CHALLENGER: Role = "challenger"
DAY = 86_400_000_000
HASH = re.compile(r"[0-9a-f]{16}")

Counts = NDArray[np.int64]


def microseconds(moment: datetime) -> int:
    """Return a time as microseconds since 1970, UTC."""
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))


def day_number(day: date) -> int:
    """Return the number of a day since 1970-01-01."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Window:
    """The times that count: all days from the first one, up to now, in microseconds since 1970."""

    first: int
    end: int

    @property
    def condition(self) -> str:
        """As SQL has it."""
        return f"epoch_us(time) >= {self.first} AND epoch_us(time) < {self.end}"

    def of_answers(self, run_id: str) -> str:
        """Return the condition of rows that a run answered."""
        roles = ", ".join(map(text, ANSWERS))
        return f"run_id = {text(run_id)} AND role IN ({roles}) AND {self.condition}"


@dataclass(frozen=True)
class Counted:
    """Counts by day, what could not be counted, and the warnings of the columns.

    warnings : by code and column, (n_days,) rows that were answered with that warning.
    missing_before : by column, the share of training rows without a value.
    """

    daily: Daily
    warnings: Mapping[tuple[str, str], Counts]
    missing_before: Mapping[str, float]
    left_out: Sequence[LeftOut] = field(default_factory=tuple)

    def days_from(self, first: date) -> slice:
        """Return the place of the days from one on."""
        return slice(sum(day < first for day in self.daily.days), None)


def count_run(table: Table, run_id: str, window: Window, reference: Reference) -> Counted | None:
    """Count the rows that a run answered; None where there is none.

    Raises LogUnreadableError.
    """
    where = window.of_answers(run_id)
    warned = _warnings_by_day(table, where)
    if not warned:
        return None
    first, last = min(warned), max(warned)
    days = tuple(date(1970, 1, 1) + timedelta(days=number) for number in range(first, last + 1))
    n_rows, n_warned = (np.zeros(len(days), np.int64) for _ in range(2))
    by_warning: dict[tuple[str, str], Counts] = {}
    for number, found in warned.items():
        n_rows[number - first] = found.total()
        for words, n in found.items():
            n_warned[number - first] += n if words else 0
            for key in words:
                counts = by_warning.setdefault(key, np.zeros(len(days), np.int64))
                counts[number - first] += n
    columns, left_out = {}, []
    for column in reference.columns:
        unseen = by_warning.get(("unseen_category", column.name))
        counted = _count_column(table, where, column, first, n_rows, unseen)
        if isinstance(counted, str):
            left_out.append(LeftOut(f"column {column.name}", counted))
        else:
            columns[column.name] = counted
    probabilities = {}
    for label, histogram in reference.probabilities.items():
        name = PROBABILITY + label
        if table.type_of(name) is None:
            left_out.append(LeftOut(f"probability of {label}", "it is not in the log"))
            continue
        bins = _bin_of(_number(table, name), histogram.edges)
        counts = _counts(table, where, bins, first, len(days), len(histogram.counts))
        probabilities[label] = counts[:, :-1]
    labels = {label: np.zeros(len(days), np.int64) for label in reference.predicted}
    others = Counter[str]()
    for day, label, n in table.rows(_by_day(table, "label", where)):
        if label in labels:
            labels[label][day - first] += n
        else:
            others[str(label)] += n
    if others:
        reason = f"{others.total():,} rows have one that the run does not have: {min(others)}"
        left_out.append(LeftOut("some predicted labels", reason))
    daily = Daily(days, n_rows, columns, probabilities, labels, n_warned)
    missing = {
        column.name: column.n_missing / max(reference.n_rows, 1) for column in reference.columns
    }
    return Counted(daily, by_warning, missing, left_out)


def _by_day(table: Table, expression: str, where: str) -> str:
    return (
        f"SELECT epoch_us(time) // {DAY} AS day, {expression} AS value, count(*)"
        f" FROM {table.name} WHERE {where} GROUP BY ALL"
    )


def _warnings_by_day(table: Table, where: str) -> dict[int, Counter[tuple[tuple[str, str], ...]]]:
    """Return by number of the day how many rows have which warnings, by code and column.

    A warning without a column has an empty one.
    """
    found: dict[int, Counter[tuple[tuple[str, str], ...]]] = {}
    for day, words, n in table.rows(_by_day(table, "warnings", where)):
        found.setdefault(day, Counter())[parsed_warnings(words)] += n
    return found


def parsed_warnings(content: str | None) -> tuple[tuple[str, str], ...]:
    """Return the warnings of a row, by code and column; one that has no form has an odd code."""
    if content is None:
        return ()
    try:
        words = json.loads(content)
    except ValueError:
        words = None
    if not isinstance(words, list):
        return (("unreadable", ""),)
    pairs = (str(word).partition(":") for word in words)
    return tuple(dict.fromkeys((code, column) for code, _, column in pairs))


# --- One column.


def _count_column(
    table: Table,
    where: str,
    column: ColumnReference,
    first: int,
    n_rows: Counts,
    unseen: Counts | None,
) -> Counts | str:
    """Return (n_days, n_bins + 1) counts of a column, or why they cannot be given."""
    name = FEATURE + column.name
    kind = table.type_of(name)
    if name in table.ambiguous:
        return "another column's name differs by capitals only"
    if kind is None:
        return "it is not in the log"
    if isinstance(column, CategoryReference):
        return _count_categories(table, where, column, first, n_rows, unseen)
    is_text = kind == "VARCHAR"
    if column.kind == "text":
        value = f"length({quoted(name)})" if is_text else None
    elif column.kind == "date":
        value = (
            f"epoch_us(TRY_CAST({quoted(name)} AS TIMESTAMP))"
            if is_text
            else (f"epoch_us({quoted(name)})" if kind.startswith("TIMESTAMP") else None)
        )
    else:
        value = _number(table, name)
    if value is None:
        return f"it is logged as {kind.lower()}, and was a {column.kind} in training"
    if is_text and column.kind != "text":
        # A hash is a text, and no number. After the column's type has changed, there are numbers.
        query = f"SELECT count({quoted(name)}), count({value}) FROM {table.name} WHERE {where}"
        ((n_cells, n_cast),) = table.rows(query)
        if n_cast < n_cells:
            return f"it is hashed in the log, or was no {column.kind} there"
    bins = _bin_of(value, column.edges)
    return _counts(table, where, bins, first, len(n_rows), len(column.counts))


def _number(table: Table, name: str) -> str:
    if table.type_of(name) == "VARCHAR":
        return f"TRY_CAST({quoted(name)} AS DOUBLE)"
    return f"CAST({quoted(name)} AS DOUBLE)"


def _bin_of(value: str, edges: Sequence[float]) -> str:
    """Return the number of a value's bin as SQL has it, by halving; null where it is missing."""

    def halved(low: int, high: int) -> str:
        if low == high:
            return str(low)
        middle = (low + high) // 2
        below, above = halved(low, middle), halved(middle + 1, high)
        return f"CASE WHEN {value} <= {edges[middle]!r} THEN {below} ELSE {above} END"

    # NaN is above all numbers in SQL.
    is_missing = f"{value} IS NULL OR {value} = 'NaN'::DOUBLE"
    return f"CASE WHEN {is_missing} THEN NULL ELSE {halved(0, len(edges))} END"


def _counts(table: Table, where: str, bins: str, first: int, n_days: int, n_bins: int) -> Counts:
    """Return counts by day and bin, (n_days, n_bins + 1), the rows without a value last."""
    counts = np.zeros((n_days, n_bins + 1), np.int64)
    for day, place, n in table.rows(_by_day(table, bins, where)):
        counts[day - first, n_bins if place is None else place] += n
    return counts


def _count_categories(
    table: Table,
    where: str,
    column: CategoryReference,
    first: int,
    n_rows: Counts,
    unseen: Counts | None,
) -> Counts | str:
    """Return counts by day and category, then of others or unseen ones, then of missing cells."""
    n_named = len(column.categories)
    place_of: dict[Any, int] = {name: place for place, name in enumerate(column.categories)}
    counts = np.zeros((len(n_rows), n_named + 2), np.int64)
    is_hashed = True
    value = f"CAST({quoted(FEATURE + column.name)} AS VARCHAR)"
    for day, name, n in table.rows(_by_day(table, value, where)):
        is_hashed &= name is None or (HASH.fullmatch(name) is not None and name not in place_of)
        counts[day - first, n_named + 1 if name is None else place_of.get(name, n_named)] += n
    if is_hashed and counts[:, n_named].any():
        return "it is hashed in the log"
    if unseen is not None:
        # A category that training did not have is logged as missing, with a warning.
        moved = np.minimum(unseen, counts[:, n_named + 1])
        counts[:, n_named] += moved
        counts[:, n_named + 1] -= moved
    return counts


def names_of_bins(column: ColumnReference) -> Iterator[str]:
    """Yield a text for each bin of a column, and for those of others and of missing cells."""
    if isinstance(column, CategoryReference):
        yield from (*column.categories, "(other)", "(missing)")
        return
    edges: Sequence[float | int | str] = column.edges
    if column.kind == "date":
        edges = [str(np.datetime64(int(edge), "us")).removesuffix(".000000") for edge in edges]
    yield from (*names_between(edges), "(missing)")


def names_between(edges: Sequence[float | int | str]) -> Iterator[str]:
    """Yield a text for each bin between edges: of numbers up to and with the upper one."""
    shown = [edge if isinstance(edge, str) else f"{edge:.6g}" for edge in edges]
    if not shown:
        yield "all"
        return
    yield f"≤ {shown[0]}"
    for low, high in pairwise(shown):
        yield f"{low} … {high}"
    yield f"> {shown[-1]}"
