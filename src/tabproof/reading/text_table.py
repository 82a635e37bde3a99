"""Cells of a text as a table of strings; rows that do not fit, and lines below the table.

pyarrow cuts the text. Rows that it refuses are found again with the numbers of their lines, which
costs time only where something is wrong.
"""

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from tabproof.errors import UserError, printable
from tabproof.reading import number_columns
from tabproof.reading.encoding import UTF_8_NAMES, is_ascii
from tabproof.reading.layout import Dialect, Record, find_layout, records_of
from tabproof.reading.lending import read_lent
from tabproof.reading.raw_table import AUTO, RawTable, ReadOptions, shown_separator
from tabproof.reading.tidying import (
    N_SHOWN,
    check_bad_rows,
    find_footer,
    join_numbers,
    tidy_columns,
)
from tabproof.schema import Treatment, make_treatment

QUOTE, LINE_BREAK, RETURN, SPACE, TAB = b'"'[0], b"\n"[0], b"\r"[0], b" "[0], b"\t"[0]
# Spaces that are not ASCII, in UTF-8: no-break and ideographic.
WIDE_SPACES = (b"\xc2\xa0", b"\xe3\x80\x80")
CHUNK_BYTES = 2**24
# What pyarrow cuts at a time; of many columns more, since each costs more than a few cells.
BLOCK_BYTES, BLOCK_BYTES_OF_COLUMN, MAX_BLOCK_BYTES = 2**20, 2**11, 2**31 - 1
# Stands for a separator that is not ASCII, which pyarrow does not take.
UNIT_SEPARATOR = b"\x1f"
NOT_BLANK = re.compile(rb"[^\r\n]")
# What is in quotes, and other runs of spaces.
SPACES = re.compile(rb'("(?:[^"]|"")*")|[ \t]+')
SPACES_AT_ENDS = re.compile(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)")


class UnclosedQuoteError(UserError):
    """A quote that is opened and not closed where its cell ends."""

    template = (
        '{name}: the quote (") that opens in line {line} is not closed before line {end}; close'
        " it, or remove it"
    )


@dataclass(frozen=True)
class _Body:
    """A text as pyarrow takes it, whose rows begin at offset."""

    content: bytes
    offset: int
    separator: str
    dialect: Dialect

    @cached_property
    def has_quotes(self) -> bool:
        """Whether there is a quote; cells may hold line breaks then."""
        return QUOTE in self.content

    @property
    def letters(self) -> NDArray[np.uint8]:
        """The bytes of the rows."""
        return np.frombuffer(self.content, dtype=np.uint8, offset=self.offset)


@dataclass(frozen=True)
class _BadRow:
    """A row of another length; place : among all rows, from 0."""

    place: int
    cells: list[str]
    text: str


def read_text(content: bytes, encoding: str, options: ReadOptions, name: str) -> RawTable:
    """Return the table in a text in UTF-8; raise an error where a cell would have to be guessed.

    encoding : the one that it was in.
    """
    dialect = find_layout(content, encoding, options, name)
    body = _body(content, dialect)
    del content
    table, bad = _with_numbers(body, options.keep_texts) or _parsed(body)
    n_rows = table.num_rows + len(bad)
    spans_lines = body.has_quotes and _n_lines(body) != n_rows
    if spans_lines:
        _refuse_unclosed(body, bad, name)
    has_quoted_tabs = body.separator == "\t" and body.has_quotes
    if spans_lines or has_quoted_tabs or _has_outer_spaces(body):
        table = _stripped(table)
    places = np.arange(n_rows, dtype=np.int64)
    if bad:
        places = np.delete(places, [row.place for row in bad])
    table, places, bad = _with_repaired(table, places, bad)
    treatments = list(_treatments_of(dialect, options))
    if dialect.names and (repeated := _find_repeated(table, dialect.names)):
        lines = join_numbers(_lines_of(body, places[repeated].tolist()))
        treatments.append(make_treatment("repeated_header", (), n=len(repeated), lines=lines))
        kept = np.delete(np.arange(len(places)), repeated)
        table, places = table.take(kept), places[kept]
    blank = {row.place for row in bad if not any(row.cells)}
    footer = find_footer(table, places, {row.place: row.cells for row in bad})
    if footer:
        keep = ~np.isin(places, sorted(footer))
        table, places = table.slice(0, int(keep.sum())), places[keep]
        if below := sorted(footer - blank):
            lines = join_numbers(_lines_of(body, below))
            treatments.append(make_treatment("footer", (), n=len(below), lines=lines))
    if bad := [row for row in bad if row.place not in footer | blank]:
        numbers = _lines_of(body, [row.place for row in bad[:N_SHOWN]])
        shown = [(line, len(row.cells)) for line, row in zip(numbers, bad, strict=False)]
        n_kept = n_rows - len(footer | blank)
        treatments += check_bad_rows(shown, len(bad), n_kept, dialect.n_cells, options, name)
    names = dialect.names or [f"column_{i + 1}" for i in range(dialect.n_cells)]
    table, tidied = tidy_columns(table, names)
    resolved = {}
    if options.separator == AUTO:
        resolved["separator"] = shown_separator(dialect.separator)
    if options.encoding == AUTO:
        resolved["encoding"] = dialect.encoding
    return RawTable(table, True, places, resolved, (*treatments, *tidied))


def _find_repeated(table: pa.Table, names: Sequence[str]) -> list[int]:
    """Return rows that are the header again, as where files were put one after the other."""
    if table.num_rows == 0 or table.num_columns == 1:
        return []
    stripped = [name.strip() for name in names]
    if not all(pa.types.is_string(column.type) for column in table.columns):
        # No number is the name of its column.
        return []
    first = pc.equal(table.column(0), stripped[0] or None)
    if not pc.any(first).as_py():
        return []
    rows = np.flatnonzero(pc.fill_null(first, False).to_numpy()).tolist()
    columns = table.columns
    return [
        row
        for row in rows
        if all((c[row].as_py() or "") == name for c, name in zip(columns, stripped, strict=True))
    ]


def _treatments_of(dialect: Dialect, options: ReadOptions) -> Iterator[Treatment]:
    is_utf_8 = dialect.encoding.lower() in UTF_8_NAMES
    is_found = AUTO in (options.separator, options.encoding)
    if is_found and (dialect.separator != "," or not is_utf_8):
        separator = shown_separator(dialect.separator)
        yield make_treatment("read_as", (), separator=separator, encoding=dialect.encoding)
    if above := dialect.above:
        header = dialect.header_line or dialect.line
        first = printable(above[0][1])
        yield make_treatment("title_lines", (), header=header, n=len(above), first=first)
    if comments := dialect.comments:
        lines, first = join_numbers([number for number, _ in comments]), printable(comments[0][1])
        yield make_treatment("comment_lines", (), n=len(comments), lines=lines, first=first)
    if dialect.names is None:
        yield make_treatment("no_header", (), n=dialect.n_cells)


# --- From bytes to columns.


def _body(content: bytes, dialect: Dialect) -> _Body:
    separator = dialect.separator
    if separator == " ":
        rows = SPACES_AT_ENDS.sub(b"", content[dialect.offset :])
        return _Body(SPACES.sub(lambda run: run[1] or b" ", rows), 0, separator, dialect)
    if dialect.quotes.spaces:
        mark = separator.encode()
        spaces = re.compile(b'("(?:[^"]|"")*")|' + re.escape(mark) + b' +(?=")')
        rows = spaces.sub(lambda run: run[1] or mark, content[dialect.offset :])
        return _Body(rows, 0, separator, dialect)
    if not separator.isascii():
        rows = content[dialect.offset :].replace(separator.encode(), UNIT_SEPARATOR)
        return _Body(rows, 0, UNIT_SEPARATOR.decode(), dialect)
    return _Body(content, dialect.offset, separator, dialect)


def _parsed(body: _Body) -> tuple[pa.Table, list[_BadRow]]:
    """Return the rows that fit, as strings, and the others."""
    names = [str(place) for place in range(body.dialect.n_cells)]
    if NOT_BLANK.search(body.content, body.offset) is None:
        return pa.schema([(name, pa.string()) for name in names]).empty_table(), []
    # What is a number is decided later, by the whole column.
    types = dict.fromkeys(names, pa.string())
    found: list[pa_csv.InvalidRow] = []

    def skip(row: pa_csv.InvalidRow) -> str:
        found.append(row)
        return "skip"

    try:
        table = _cut(body, types)
    except pa.ArrowInvalid:
        table = _cut(body, types, skip)
    bad = []
    for row in found:
        record = next(records_of([row.text], body.separator, body.dialect.quotes), None)
        cells = [] if record is None else [cell.strip() for cell in record.cells]
        bad.append(_BadRow(row.number - 1, cells, row.text))
    return table, bad


def _with_numbers(
    body: _Body, keep_texts: Collection[str] | None
) -> tuple[pa.Table, list[_BadRow]] | None:
    """Return a large table whose columns of plain numbers are numbers; None if there is none."""
    if keep_texts is None or len(body.content) < number_columns.LARGE:
        return None
    names, n_cells = body.dialect.names, body.dialect.n_cells
    fractions, wholes = number_columns.find_number_columns(
        body.content, body.offset, body.separator, names, n_cells, keep_texts
    )
    numbers = fractions | wholes
    if not numbers:
        return None
    types = {str(i): pa.float64() if i in numbers else pa.string() for i in range(n_cells)}
    try:
        # Each column is replaced in turn: both copies of all would take twice the memory.
        columns = _cut(body, types).columns
    except pa.ArrowInvalid:
        # A cell that is no number, or a row of another length.
        return None
    for place in numbers:
        plain = number_columns.plain_numbers(columns[place], is_whole=place in wholes)
        if plain is None:
            return None
        columns[place] = plain
    if wholes and number_columns.has_padded(body.letters, body.separator):
        return None
    return pa.table(columns, names=list(types)), []


def _cut(
    body: _Body,
    types: Mapping[str, pa.DataType],
    on_bad_row: Callable[[pa_csv.InvalidRow], str] | None = None,
) -> pa.Table:
    """Return the cells; raise ArrowInvalid for a row of another length, or call on_bad_row."""
    # One thread numbers rows, and does not wait for others that wait for Python's lock.
    is_alone = on_bad_row is not None
    # A row may be longer than a block.
    block = len(body.content) if is_alone else BLOCK_BYTES_OF_COLUMN * len(types)
    read = partial(
        pa_csv.read_csv,
        read_options=pa_csv.ReadOptions(
            use_threads=not is_alone,
            column_names=list(types),
            block_size=min(max(block, BLOCK_BYTES), MAX_BLOCK_BYTES),
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter=body.separator,
            newlines_in_values=body.has_quotes,
            escape_char="\\" if body.dialect.quotes.escapes else False,
            invalid_row_handler=on_bad_row,
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            # The encoding was checked before.
            check_utf8=False,
        ),
    )
    return read_lent(read, body.content, body.offset)


def _with_repaired(
    table: pa.Table, places: NDArray[np.int64], bad: list[_BadRow]
) -> tuple[pa.Table, NDArray[np.int64], list[_BadRow]]:
    """Put back rows that are only too long by empty cells."""
    n_cells = table.num_columns
    long = [r for r in bad if len(r.cells) > n_cells and not any(r.cells[n_cells:])]
    if not long:
        return table, places, bad
    columns = zip(*(row.cells[:n_cells] for row in long), strict=True)
    arrays = [pa.array([cell or None for cell in column], pa.string()) for column in columns]
    both = pa.concat_tables([table, pa.table(arrays, names=table.column_names)])
    all_places = np.concatenate([places, np.array([row.place for row in long], dtype=np.int64)])
    order = np.argsort(all_places)
    repaired = {row.place for row in long}
    return both.take(order), all_places[order], [row for row in bad if row.place not in repaired]


def _has_outer_spaces(body: _Body) -> bool:
    """Return whether some cell may begin or end with a space."""
    content = body.content
    if not is_ascii(content) and any(space in content for space in WIDE_SPACES):
        return True
    spaces = [space for space in (SPACE, TAB) if space != ord(body.separator)]
    edges = np.zeros(256, dtype=bool)
    edges[[ord(body.separator), LINE_BREAK, RETURN, QUOTE, *spaces]] = True
    letters = body.letters
    for space in spaces:
        if content.find(space, body.offset) < 0:
            continue
        for start in range(0, len(letters), CHUNK_BYTES):
            at = np.flatnonzero(letters[start : start + CHUNK_BYTES] == space) + start
            if len(at) and (at[0] == 0 or at[-1] == len(letters) - 1):
                return True
            if edges[letters[at - 1]].any() or edges[letters[at + 1]].any():
                return True
    return False


def _stripped(table: pa.Table) -> pa.Table:
    columns = []
    for column in table.columns:
        if not pa.types.is_string(column.type):
            columns.append(column)
            continue
        text = pc.utf8_trim_whitespace(column)
        columns.append(pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text))
    return pa.table(columns, names=table.column_names)


# --- Rows that do not fit.


def _lines_of(body: _Body, places: Sequence[int]) -> list[int]:
    """Return the numbers of the lines in which rows begin; places in order."""
    if not body.has_quotes:
        starts, ends = _line_bounds(body.letters)
        numbers = np.flatnonzero(ends > starts)
        return [int(numbers[place]) + body.dialect.line for place in places]
    wanted, found = set(places), []
    for place, record in enumerate(_records(body)):
        if place in wanted:
            found.append(record.first)
        if len(found) == len(wanted):
            break
    return found


def _line_bounds(letters: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the starts of all lines and their ends, without line breaks."""
    breaks = np.flatnonzero(letters == LINE_BREAK)
    if len(breaks) == 0:
        breaks = np.flatnonzero(letters == RETURN)
    starts = np.concatenate([[0], breaks + 1]).astype(np.int64)
    ends = np.concatenate([breaks, [len(letters)]]).astype(np.int64)
    has_return = (ends > starts) & (letters[np.maximum(ends - 1, 0)] == RETURN)
    return starts, ends - has_return


def _lines(body: _Body) -> Iterator[str]:
    file = io.BytesIO(body.content)
    file.seek(body.offset)
    return io.TextIOWrapper(file, encoding="utf-8", newline="")


def _records(body: _Body) -> Iterator[Record]:
    return records_of(
        _lines(body), body.separator, replace(body.dialect.quotes, spaces=False), body.dialect.line
    )


def _n_lines(body: _Body) -> int:
    """Return the number of lines that are not blank."""
    starts, ends = _line_bounds(body.letters)
    return int(np.count_nonzero(ends > starts))


def _refuse_unclosed(body: _Body, bad: Sequence[_BadRow], name: str) -> None:
    """Raise an error if a row goes over several lines because of a quote that does not close."""
    is_suspect = any("\n" in row.text or "\r" in row.text for row in bad)
    if not is_suspect and _quotes_are_paired(body):
        return
    all_lines = list(_lines(body))
    for record in _records(body):
        if record.first == record.last:
            continue
        some = all_lines[record.first - body.dialect.line : record.last - body.dialect.line + 1]
        try:
            list(csv.reader(some, delimiter=body.separator, strict=True))
        except csv.Error as error:
            raise UnclosedQuoteError(name, record.first, record.last) from error


def _quotes_are_paired(body: _Body) -> bool:
    """Return whether every quote opens or closes a whole cell, or is doubled inside of one."""
    if body.dialect.quotes.escapes:
        return True
    letters = body.letters
    quotes = np.flatnonzero(letters == QUOTE)
    if len(quotes) % 2:
        return False
    edges = np.zeros(256, dtype=bool)
    edges[[ord(body.separator), LINE_BREAK, RETURN, QUOTE]] = True
    opening, closing = quotes[::2], quotes[1::2]
    # The first and the last byte have no neighbour on one side.
    opening, closing = opening[opening > 0], closing[closing < len(letters) - 1]
    return bool(edges[letters[opening - 1]].all() and edges[letters[closing + 1]].all())
