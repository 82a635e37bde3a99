"""Rows and columns that are no part of a table: footers, counters of rows, columns without a name.

For tables of any format: columns may be strings or have types.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabproof.errors import UserError
from tabproof.reading.layout import is_data
from tabproof.reading.raw_table import ReadOptions
from tabproof.schema import Treatment, make_treatment

# Lines that a message names.
N_SHOWN = 10
# A larger share of rows that do not fit means that the file is read in a wrong way.
MAX_BAD_SHARE = 0.1
# Rows at the end that are looked at.
MAX_FOOTER = 20
# A row of a footer has at most as many cells, of at least FEW_CELLS.
MAX_FILLED, FEW_CELLS = 2, 4
TOTAL = re.compile(
    r"(grand |sub)?totals?\b.*|sum\b.*|mean|average|合計.*|総計.*|小計.*|総合計.*|計|平均.*",
    re.IGNORECASE,
)
# What pandas calls a column without a name when it has written and read a table.
UNNAMED = re.compile(r"(Unnamed: \d+)?")


class BadRowsError(UserError):
    """Rows with too few or too many cells."""

    template = "{name}: {n_bad:,} of {n_rows:,} rows do not have {n_cells} cells: {lines}; {remedy}"


def join_numbers(numbers: Sequence[int]) -> str:
    """Return the first of some numbers of lines as text."""
    more = ", …" if len(numbers) > N_SHOWN else ""
    return ", ".join(map(str, numbers[:N_SHOWN])) + more


def check_bad_rows(
    shown: Sequence[tuple[int, int]],
    n_bad: int,
    n_rows: int,
    n_cells: int,
    options: ReadOptions,
    name: str,
) -> tuple[Treatment, ...]:
    """Return how rows of another length are left out; raise BadRowsError if they must not be.

    shown : the line of each of the first such rows, and its number of cells.
    """
    lines = ", ".join(f"line {line} has {n}" for line, n in shown[:N_SHOWN])
    lines += ", …" if n_bad > N_SHOWN else ""
    remedy = ""
    if n_bad > MAX_BAD_SHARE * n_rows:
        remedy = f"that is too much to leave out: correct them, or give {options.key}separator=…"
    elif options.bad_rows == "error":
        remedy = f"correct them, or leave them out: {options.key}bad_rows=skip"
    if remedy:
        raise BadRowsError(name, n_bad, n_rows, n_cells, lines, remedy)
    return (make_treatment("bad_rows", (), n=n_bad, n_rows=n_rows, n_cells=n_cells, lines=lines),)


def find_footer(
    table: pa.Table, places: NDArray[np.int64], bad: Mapping[int, Sequence[str]]
) -> set[int]:
    """Return the places of rows at the end that are no rows of the table.

    places : of the table's rows among all rows. bad : cells of rows of another length, by place.
    """
    n_cells = table.num_columns
    if table.num_rows == 0:
        return set()
    row_of = {int(place): i for i, place in enumerate(places[-MAX_FOOTER:], -MAX_FOOTER)}
    if table.num_rows < MAX_FOOTER:
        row_of = {int(place): i for i, place in enumerate(places)}
    # A header that is repeated was taken out, so places may have gaps.
    last = sorted({*row_of, *bad})[-MAX_FOOTER:]
    for allow_sparse in (True, False):
        footer: set[int] = set()
        for place in reversed(last):
            if place == 0:
                break
            if place in bad:
                cells = [cell.strip() for cell in bad[place]]
                is_footer = _is_short_footer(cells, n_cells)
            else:
                row = row_of[place] % table.num_rows
                cells = [
                    "" if (v := column[row].as_py()) is None else str(v) for column in table.columns
                ]
                is_footer = _is_footer(cells, table, allow_sparse=allow_sparse)
            if not is_footer:
                break
            footer.add(place)
        if not allow_sparse or _others_are_full(table, sum(place not in bad for place in footer)):
            return footer
    return set()


def _is_short_footer(cells: Sequence[str], n_cells: int) -> bool:
    filled = [cell for cell in cells if cell]
    if not filled or TOTAL.fullmatch(filled[0]):
        return True
    # A row that was cut off begins with data.
    limit = MAX_FILLED if n_cells >= FEW_CELLS else 1
    return len(filled) <= limit and len(cells) < n_cells and not is_data(filled[0])


def _is_footer(cells: Sequence[str], table: pa.Table, *, allow_sparse: bool) -> bool:
    filled = [place for place, cell in enumerate(cells) if cell]
    if not filled:
        return True
    first = cells[filled[0]]
    if len(cells) > 1 and TOTAL.fullmatch(first):
        # A category of that name occurs in other rows too.
        column = table.column(filled[0])
        if not pa.types.is_string(column.type) or pc.sum(pc.equal(column, first)).as_py() == 1:
            return True
    if not allow_sparse or len(cells) < 3 or filled[0] > 0:
        return False
    # A row of the table has its target, which is last in most tables.
    is_note = 1 < len(filled) <= MAX_FILLED <= len(cells) - MAX_FILLED and not cells[-1]
    return len(filled) == 1 or (is_note and not is_data(first))


def _others_are_full(table: pa.Table, n_footer: int) -> bool:
    """Return whether no other row has as few cells as a footer, and most have most of them."""
    if n_footer == 0:
        return True
    n_filled = np.zeros(table.num_rows, dtype=np.int32)
    for column in table.columns:
        n_filled += column.is_valid().to_numpy()
    others = n_filled[: table.num_rows - n_footer]
    limit = MAX_FILLED if table.num_columns >= FEW_CELLS else 1
    return len(others) > 0 and others.min() > limit and np.median(others) > table.num_columns / 2


# --- Columns.


def tidy_columns(table: pa.Table, names: Sequence[str]) -> tuple[pa.Table, tuple[Treatment, ...]]:
    """Leave out columns without a name that hold nothing, or count rows; give unique names."""
    treatments = []
    stripped = [name.strip().strip("\ufeff") for name in names]
    keep = list(range(len(names)))
    while len(keep) > 1 and not stripped[keep[-1]] and _is_empty(table.column(keep[-1])):
        keep.pop()
    if n_empty := len(names) - len(keep):
        treatments.append(make_treatment("empty_last_column", (), n=n_empty))
    first = stripped[0]
    if len(keep) > 1 and UNNAMED.fullmatch(first) and _counts_rows(table.column(0)):
        keep = keep[1:]
        treatments.append(make_treatment("index_column", (), name=first or "column_1"))
    changed = [stripped[i] for i in keep if stripped[i] != names[i] and stripped[i]]
    if changed:
        treatments.append(make_treatment("stripped_names", changed, n=len(changed)))
    unique, unnamed, numbered = _unique_names([stripped[i] for i in keep], keep)
    if unnamed:
        treatments.append(make_treatment("unnamed_columns", unnamed, n=len(unnamed)))
    if numbered:
        treatments.append(make_treatment("duplicate_names", numbered, n=len(numbered)))
    return table.select(keep).rename_columns(unique), tuple(treatments)


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names that a table with these columns gets, none of which is left out."""
    stripped = [name.strip().strip("\ufeff") for name in names]
    return _unique_names(stripped, range(len(names)))[0]


def _unique_names(
    names: Sequence[str], places: Sequence[int]
) -> tuple[list[str], list[str], list[str]]:
    """Return unique names; those given to columns without one, and those that were numbered."""
    taken, seen = set(names), set[str]()
    unique, unnamed, numbered = list[str](), list[str](), list[str]()
    for name, place in zip(names, places, strict=True):
        new, number = name or f"column_{place + 1}", 1
        if not name and new not in taken and new not in seen:
            unnamed.append(new)
        else:
            while new in seen or (new != name and new in taken):
                number += 1
                new = f"{name or f'column_{place + 1}'}_{number}"
            if not name:
                unnamed.append(new)
            elif new != name:
                numbered.append(new)
        seen.add(new)
        unique.append(new)
    return unique, unnamed, numbered


def _is_empty(column: pa.ChunkedArray) -> bool:
    return bool(column.null_count == len(column))


def _counts_rows(column: pa.ChunkedArray) -> bool:
    """Return whether a column holds distinct whole numbers from 0 up, as the index of a frame."""
    if column.null_count or len(column) == 0:
        return False
    try:
        numbers = column.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # Words, or a type without whole numbers, such as lists.
        return False
    values = numbers.to_numpy()
    return bool(values.min() >= 0 and len(np.unique(values)) == len(values))
