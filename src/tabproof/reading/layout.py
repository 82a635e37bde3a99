"""Find how a text is laid out: its separator, what stands above the header, and the header.

Only the beginning of a text is looked at. For each separator the text is cut into records; the
right one gives rows of the same length whose cells look like data.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from tabproof.errors import UserError
from tabproof.reading.encoding import find_encoding, to_utf_8
from tabproof.reading.raw_table import (
    AUTO,
    NEEDED,
    FileUnreadableError,
    ReadOptions,
    shown_separator,
)

# Bytes of a text that are looked at; more where they hold few lines.
HEAD_BYTES, MAX_HEAD_BYTES, ENOUGH_LINES = 2**18, 2**24, 20
# Records by which separators are compared, and cells whose form is looked at.
N_RECORDS, N_CELL_RECORDS = 2000, 200
# Usual separators; the others are tried only where none of these gives a table.
USUAL, UNUSUAL = ",;\t|", " :^~\x01\x1f"
# Share of rows that must have the same number of cells.
REGULAR = 0.7
# How much better than the second a separator must be.
CLEARLY = 1.2
# A share of cells by which a column is one of data, such as numbers or dates.
MOSTLY = 0.9
# A share of likely cells for separators that also stand in sentences.
LIKELY = 0.6
MAX_CELL = 2**31 - 1
COMMENTS = ("#",)
BLANK = ' \t\r\n,;|"'
SEP_LINE = re.compile(r'\s*"?sep=(.)"?\s*', re.IGNORECASE)
DATA = re.compile(
    r"[-+(]?\s?[$€£¥₩₹]?\s?[-+]?(\d[\d.,'\u00a0\u202f ]*|\.\d+)([eE][-+]?\d+)?\s?[%‰$€£¥₩₹円)]?"
    r"|\d{1,4}[-/.年]\s?\d{1,2}[-/.月]\s?\d{1,4}日?([T ].*)?"
    r"|\d{1,2}:\d{2}(:\d{2})?(\.\d+)?"
    r"|[-+]?(inf|infinity)",
    re.IGNORECASE,
)
# Cells that say nothing about their column.
EMPTY = frozenset({"", "NA", "N/A", "n/a", "na", "NaN", "nan", "null", "NULL", "None", "?", "-"})
YEARS = range(1900, 2101)
# A header of numbers in equal steps has at least as many of them.
FEW_NUMBERS, MANY_NUMBERS = 3, 10


class AmbiguousSeparatorError(UserError):
    """A text that two separators cut into equally likely tables."""

    template = "{name} can be cut in two ways: {ways}; say which: {words}"


class HeaderDiffersError(UserError):
    """A header with another number of names than its rows have cells."""

    template = (
        "{name} has {n_names} names in its header (line {line}) and {n_cells} cells in its rows;"
        " correct the header"
    )


@dataclass(frozen=True)
class Quotes:
    """How cells are quoted: inner quotes after a backslash; spaces in front of the first quote."""

    escapes: bool = False
    spaces: bool = False


@dataclass(frozen=True)
class Dialect:
    """How a text is laid out.

    names : as they stand in the header; None where there is no header. offset : bytes of UTF-8 up
    to the first row. line : number of its line. header_line : of the header. above : numbers and
    texts of the lines above the header; comments : of those that are comments. n_cells : of a row.
    """

    encoding: str
    separator: str
    names: tuple[str, ...] | None
    n_cells: int
    offset: int = 0
    line: int = 1
    header_line: int = 0
    above: tuple[tuple[int, str], ...] = ()
    comments: tuple[tuple[int, str], ...] = ()
    quotes: Quotes = Quotes()


@dataclass(frozen=True)
class Record:
    """Cells, and the numbers of their first and last line."""

    cells: list[str]
    first: int
    last: int


@dataclass(frozen=True)
class _Cut:
    """A text as cut by one separator; share : of records with n_cells cells."""

    separator: str
    quotes: Quotes
    records: list[Record]
    n_cells: int
    share: float
    likeness: float

    @property
    def score(self) -> float:
        return self.share * self.likeness * (1 - 1 / self.n_cells)


def sniff(head: bytes, options: ReadOptions, name: str = "the file") -> Dialect:
    """Return how a text is laid out, of which head is the beginning, in its own encoding."""
    head, encoding = head[:MAX_HEAD_BYTES], options.encoding
    if encoding == AUTO:
        encoding = sniff_encoding(head, name, options.key)
    wide = encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32"))
    content = head[: len(head) - len(head) % 4] if wide else _whole_lines(head)
    content, encoding = to_utf_8(content, encoding, name, options.key)
    return find_layout(content, encoding, options, name)


def sniff_encoding(head: bytes, name: str, key: str) -> str:
    """Return the encoding of a text, of which head is the beginning."""
    return find_encoding(_whole_lines(head), name, key)


def _whole_lines(head: bytes) -> bytes:
    end = max(head.rfind(b"\n"), head.rfind(b"\r")) + 1
    return head[:end] if end else head


def find_layout(content: bytes, encoding: str, options: ReadOptions, name: str) -> Dialect:
    """Return how a text in UTF-8 is laid out."""
    lines, is_whole = _first_lines(content)
    if not any(line.strip() for line in lines):
        raise FileUnreadableError(name, "holds nothing", NEEDED)
    separator = "\t" if options.separator == "\\t" else options.separator
    if separator == AUTO and (declared := SEP_LINE.fullmatch(lines[0])):
        separator = declared[1]
    cut = _find_cut(lines, separator, name, options.key, is_whole=is_whole)
    return _find_header(lines, cut, encoding, name)


def _first_lines(content: bytes) -> tuple[list[str], bool]:
    """Return the first lines, with their ends, and whether they are all."""
    size = HEAD_BYTES
    while True:
        head = content[:size]
        is_whole = len(head) == len(content)
        # The last line may be cut.
        text = (head if is_whole else _whole_lines(head)).decode(errors="ignore")
        lines = list(io.StringIO(text, newline=""))
        if is_whole or len(lines) >= ENOUGH_LINES or size >= MAX_HEAD_BYTES:
            return lines, is_whole
        size *= 4


# --- Which separator.


def _find_cut(lines: list[str], separator: str, name: str, key: str, *, is_whole: bool) -> _Cut:
    if separator != AUTO:
        return _best_quotes(lines, separator, is_whole=is_whole)
    for separators in (USUAL, UNUSUAL):
        cuts = [
            _best_quotes(lines, each, is_whole=is_whole)
            for each in separators
            if any(each in line for line in lines)
        ]
        cuts = [cut for cut in cuts if cut.n_cells > 1 and cut.share >= REGULAR]
        cuts.sort(key=lambda cut: -cut.score)
        if separators == UNUSUAL:
            # Words of a sentence are no cells: nearly all of them must be data.
            cuts = [cut for cut in cuts if cut.share >= MOSTLY and cut.likeness >= LIKELY]
        if not cuts:
            continue
        if len(cuts) > 1 and cuts[0].score < CLEARLY * cuts[1].score:
            _refuse_ambiguous(cuts[0], cuts[1], name, key)
        return cuts[0]
    # One column, or rows of any length: the separator of most records.
    present = [each for each in USUAL if any(each in line for line in lines)] or [","]
    tried = [_best_quotes(lines, each, is_whole=is_whole) for each in present]
    return max(tried, key=lambda cut: (cut.n_cells > 1, cut.share))


def _refuse_ambiguous(one: _Cut, other: _Cut, name: str, key: str) -> None:
    ways = " or ".join(
        f"at '{shown_separator(cut.separator)}' into {cut.n_cells} columns" for cut in (one, other)
    )
    words = " or ".join(
        f"'{key}separator={shown_separator(cut.separator)}'" for cut in (one, other)
    )
    raise AmbiguousSeparatorError(name=name, ways=ways, words=words)


def _best_quotes(lines: list[str], separator: str, *, is_whole: bool) -> _Cut:
    """Cut lines with the usual quotes, with escaped ones, or with spaces in front of them."""
    best = _cut(lines, separator, Quotes(), is_whole=is_whole)
    if any('\\"' in line for line in lines):
        escaped = _cut(lines, separator, Quotes(escapes=True), is_whole=is_whole)
        best = escaped if escaped.share > best.share else best
    spaced_quote = re.compile(re.escape(separator) + ' +"')
    if separator not in " \t" and any(spaced_quote.search(line) for line in lines):
        spaced = _cut(lines, separator, Quotes(spaces=True), is_whole=is_whole)
        best = spaced if spaced.share >= best.share else best
    return best


def records_of(
    lines: Iterable[str], separator: str, quotes: Quotes, first: int = 0
) -> Iterator[Record]:
    """Yield the records in lines that are not blank; first : the number of the first line."""
    reader = csv.reader(
        lines,
        delimiter=separator,
        doublequote=not quotes.escapes,
        escapechar="\\" if quotes.escapes else None,
        skipinitialspace=quotes.spaces,
    )
    start = first
    # Documents may be longer than the module's limit, which is one for all of the process.
    limit = csv.field_size_limit(MAX_CELL)
    try:
        for cells in reader:
            end = first + reader.line_num
            if cells:
                yield Record(cells, start, end - 1)
            start = end
    finally:
        csv.field_size_limit(limit)


def _split(lines: list[str], separator: str, quotes: Quotes) -> list[Record]:
    if separator == " ":
        # Columns that are aligned by spaces, of any number.
        lines = [re.sub(r"[ \t]+", " ", line.strip(" \t")) for line in lines]
    found = records_of(lines, separator, quotes)
    records = (r for r in found if len(r.cells) > 1 or r.cells[0].strip())
    return list(islice(records, N_RECORDS))


def _cut(lines: list[str], separator: str, quotes: Quotes, *, is_whole: bool) -> _Cut:
    records = _split(lines, separator, quotes)
    if not is_whole and len(records) > 1:
        # The last one may go on.
        records = records[:-1]
    body = [r for r in records if not _is_comment(lines, r)] or records
    counts = Counter(len(record.cells) for record in body)
    # Of equally frequent lengths the longest: titles are shorter than rows.
    n_cells = max(counts, key=lambda length: (counts[length], length), default=1)
    start = next(i for i, r in enumerate(body) if len(r.cells) == n_cells) if body else 0
    rows = body[start:]
    share = sum(len(record.cells) == n_cells for record in rows) / max(len(rows), 1)
    regular = [record.cells for record in rows if len(record.cells) == n_cells]
    likeness = _likeness(regular[1 : 1 + N_CELL_RECORDS] or regular)
    return _Cut(separator, quotes, records, n_cells, share, likeness)


def _is_comment(lines: list[str], record: Record) -> bool:
    return lines[record.first].lstrip().startswith(COMMENTS)


def _likeness(rows: list[list[str]]) -> float:
    """Return how much cells look like whole cells: numbers, dates, words; not cut quotes."""
    points, n = 0.0, 0
    for cells in rows:
        for cell in cells:
            text = cell.strip()
            n += 1
            # The cheap looks first.
            if text in EMPTY or text.isalnum() or is_data(text):
                points += 1
            elif text.count('"') % 2:
                continue
            else:
                points += 0.5 if any(sign in text for sign in USUAL) else 0.9
    return points / max(n, 1)


def is_data(text: str) -> bool:
    """Return whether a cell is a number, a date or a time: what is no name of a column."""
    return DATA.fullmatch(text) is not None


# --- Which line is the header.


def find_header_of_rows(rows: Sequence[Sequence[str]], name: str) -> Dialect:
    """Return where the header is in rows of the same length, as in a sheet."""
    lines = [",".join(cells) for cells in rows]
    records = [Record(list(cells), i, i) for i, cells in enumerate(rows) if any(cells)]
    cut = _Cut(",", Quotes(), records[:N_RECORDS], len(rows[0]), 1.0, 1.0)
    return _find_header(lines, cut, "", name)


def _find_header(lines: list[str], cut: _Cut, encoding: str, name: str) -> Dialect:
    n_cells = cut.n_cells
    comments = [record for record in cut.records if _is_comment(lines, record)]
    body = [record for record in cut.records if not _is_comment(lines, record)]
    if body and SEP_LINE.fullmatch(lines[body[0].first]):
        body = body[1:]
    if not body:
        # Names in a comment, and no rows; or a line that only declares the separator.
        if not comments:
            raise FileUnreadableError(name, "holds nothing", NEEDED)
        body, comments = comments[-1:], comments[:-1]
    place = next((i for i, record in enumerate(body) if _may_be_header(record, n_cells)), None)
    if place is None:
        place = next(i for i, record in enumerate(body) if len(record.cells) == n_cells)
    # Titles of several cells have empty ones too, and the header below them has none.
    below = place
    while below + 1 < len(body) and not all(map(str.strip, body[below].cells)):
        below += 1
    after = [record.cells for record in body[below + 1 :] if len(record.cells) == n_cells]
    if _names_data(body[below].cells, after, n_cells):
        place = below
    first, before = body[place], body[place - 1] if place else None
    rows = [record.cells for record in body[place + 1 :] if len(record.cells) == n_cells]
    # `#id,x,y`: a header that is written as a comment.
    hashed = next((r for r in comments[::-1] if r.last == first.first - 1), None)
    if hashed is not None and len(hashed.cells) != n_cells:
        hashed = None
    is_header = looks_like_header(first.cells, rows)
    header: Record | None = first
    cells = first.cells
    if hashed and (not is_header or hashed.cells[0].strip() in COMMENTS):
        header, cells = hashed, hashed.cells
        cells = [cells[0].strip().removeprefix("#") or cells[0], *cells[1:]]
        comments = [record for record in comments if record is not hashed]
    elif not is_header and before is not None and sum(map(bool, map(str.strip, before.cells))) > 1:
        header, cells = before, _padded(before, [first.cells, *rows], n_cells, name)
    elif not is_header:
        header = None
    end = first.first if header is None else header.last + 1
    commented = {i for record in comments for i in range(record.first, record.last + 1)}
    # Lines with separators alone say nothing.
    above = [(i, text) for i in range(end) if (text := lines[i].strip(BLANK))]
    above = [(i, text) for i, text in above if header is None or i < header.first]
    return Dialect(
        encoding=encoding,
        separator=cut.separator,
        names=None if header is None else tuple(cells),
        n_cells=n_cells,
        offset=sum(len(line.encode()) for line in lines[:end]),
        line=end + 1,
        header_line=0 if header is None else header.first + 1,
        above=tuple(
            (i + 1, text)
            for i, text in above
            if i not in commented and not SEP_LINE.fullmatch(lines[i])
        ),
        comments=tuple((i + 1, text) for i, text in above if i in commented),
        quotes=cut.quotes,
    )


def _padded(header: Record, rows: list[list[str]], n_cells: int, name: str) -> list[str]:
    """Return as many names as rows have cells, empty ones for columns without a name."""
    cells = list(header.cells)
    while len(cells) > n_cells and not cells[-1].strip():
        cells.pop()
    if len(cells) == n_cells - 1:
        # Separators at the end of rows, or a first column of row names.
        return [*cells, ""] if not any(row[-1].strip() for row in rows) else ["", *cells]
    if len(cells) != n_cells:
        raise HeaderDiffersError(name, len(cells), header.first + 1, n_cells)
    return cells


def _may_be_header(record: Record, n_cells: int) -> bool:
    """Return whether a record has enough names: a title fills the first cell only."""
    filled = [bool(cell.strip()) for cell in record.cells]
    if len(filled) != n_cells:
        # Separators at the end of the header, or of the rows.
        return False
    is_title = n_cells > 1 and filled[0] and not any(filled[1:])
    return not is_title and sum(filled) >= max(n_cells / 2, 1)


def looks_like_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether a record names columns rather than being one of their rows.

    Names are no data above columns of data, and do not occur below themselves.
    """
    if not rows:
        return True
    numbers, n_new, n_known = [], 0, 0
    for place, cell in enumerate(map(str.strip, first)):
        column = [text for row in rows if (text := row[place].strip()) not in EMPTY]
        if not column:
            continue
        if _are_mostly_data(column):
            if is_data(cell):
                numbers.append(cell)
            elif cell not in EMPTY:
                return True
        elif cell not in EMPTY and len(column) >= 5 and len(set(column)) <= len(column) / 2:
            n_known += cell in column
            n_new += cell not in column
    if not numbers:
        return n_new > 0 or n_known < 2
    return _are_steps(numbers, len(first)) or (n_new > 0 and n_known == 0)


def _names_data(cells: Sequence[str], rows: Sequence[Sequence[str]], n_cells: int) -> bool:
    """Return whether all cells are names, some of them of columns of data."""
    if len(cells) != n_cells or not rows:
        return False
    if not all(text and text not in EMPTY and not is_data(text) for text in map(str.strip, cells)):
        return False
    columns = zip(*rows, strict=True)
    return any(_are_mostly_data([text.strip() for text in column]) for column in columns)


def _are_mostly_data(texts: Sequence[str]) -> bool:
    """Return whether nearly all cells are data; of words, the first few are looked at."""
    n_left, least = len(texts), MOSTLY * len(texts)
    for text in texts:
        n_left -= not is_data(text)
        if n_left < least:
            return False
    return True


def _are_steps(cells: Sequence[str], n_cells: int) -> bool:
    """Return whether numbers are names: years, positions, or wavelengths."""
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return False
    steps = {round(b - a, 9) for a, b in pairwise(numbers)}
    if len(numbers) >= 2 and all(n in YEARS for n in numbers) and len(set(numbers)) == len(numbers):
        return True
    if len(numbers) >= FEW_NUMBERS and len(steps) == 1 and steps != {0.0}:
        return len(numbers) >= n_cells - 2
    return len(numbers) >= MANY_NUMBERS and all(step > 0 for step in steps)
