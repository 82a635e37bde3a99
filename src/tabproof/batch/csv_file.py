"""Read a CSV: its header, its blocks, and the rows in each."""

import codecs
import gzip
import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import IO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from tabproof.batch.cells import Fault, Rows, as_numpy, numbers_array
from tabproof.batch.plan import (
    GZIP_MARK,
    HEAD_BYTES,
    OTHER_MARKS,
    PARQUET_MARK,
    BatchInputError,
    InputFile,
)
from tabproof.errors import UserError
from tabproof.reading import (
    AUTO,
    MixedEncodingsError,
    ReadOptions,
    UnknownEncodingError,
    find_layout,
    shown_separator,
    sniff_encoding,
    unique_names,
)
from tabproof.reading.layout import USUAL

# --- Blocks of whole records, for threads to parse.

LINE_BREAK_OF_ANY_KIND = re.compile(rb"\r\n|\n|\r")
QUOTE, RETURN, LINE_BREAK = b'"'[0], b"\r"[0], b"\n"[0]
# A longer record means that a quote is never closed.
MAX_RECORD_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Block:
    """Whole records up to an offset; unclosed: a last one, with an open quote, is left out."""

    content: bytes
    end: int
    unclosed: bool = False


def blocks(
    read: Callable[[int], bytes], start: int, size: int, separator: str, name: str
) -> Iterator[Block]:
    """Cut the rest of a stream, which is at offset start, into blocks of about size bytes.

    Their ends depend on start and size only, however few bytes a pipe gives at a time.
    """
    buffer, wanted = b"", size
    while True:
        # The same number of bytes from the start of a block, also after a command was killed.
        parts, left = [buffer], wanted - len(buffer)
        while left > 0 and (part := read(left)):
            parts.append(part)
            left -= len(part)
        buffer = b"".join(parts)
        end, unclosed = last_record_end(buffer[:wanted], separator)
        if len(buffer) < wanted:
            if buffer:
                content = buffer[:end] if unclosed else buffer
                yield Block(content, start + len(buffer), unclosed and end < len(buffer))
            return
        if end:
            yield Block(buffer[:end], start + end)
            buffer, wanted, start = buffer[end:], size, start + end
        elif wanted >= MAX_RECORD_BYTES:
            reason = f"the record at byte {start:,} does not end within {MAX_RECORD_BYTES:,} bytes;"
            raise BatchInputError(name, f"{reason} a quote that is opened there is never closed")
        else:
            wanted *= 2


def last_record_end(buffer: bytes, separator: str) -> tuple[int, bool]:
    """Return the end of the last whole record, and whether a quote is open after it."""
    # The second half of '\r\n' may come in the next block.
    line_break, limit = b"\n", len(buffer)
    if line_break not in buffer:
        line_break, limit = b"\r", max(limit - 1, 0)
    if QUOTE not in buffer:
        return buffer.rfind(line_break, 0, limit) + 1, False
    quotes = _true_quotes(buffer, separator)
    while True:
        end = buffer.rfind(line_break, 0, limit) + 1
        n_before = int(np.searchsorted(quotes, end))
        if n_before % 2 == 0:
            return end, len(quotes) % 2 == 1
        # Inside of quotes: continue before the opening one.
        limit = int(quotes[n_before - 1])


def _true_quotes(buffer: bytes, separator: str) -> NDArray[np.intp]:
    """Return the opening and closing quotes in turn; a doubled one closes and opens again."""
    letters = np.frombuffer(buffer, dtype=np.uint8)
    quotes = np.flatnonzero(letters == QUOTE)
    opening = quotes[::2]
    before = letters[opening - 1]
    at_start = np.isin(before, [ord(separator), RETURN, LINE_BREAK, QUOTE]) | (opening == 0)
    if at_start.all():
        return quotes
    true: list[int] = []
    is_open, starts = False, {ord(separator), RETURN, LINE_BREAK}
    for place in quotes.tolist():
        doubled = bool(true) and true[-1] == place - 1
        if is_open or doubled or place == 0 or buffer[place - 1] in starts:
            is_open = not is_open
            true.append(place)
    return np.array(true, dtype=np.intp)


# --- A text file of any encoding and compression as a stream of UTF-8.

# Replaces bytes that cannot be decoded; Unicode reserves this code point as no character.
UNDECODABLE = "\ufdd0"
CHUNK_BYTES = 2**20
STAND_IN = "tabproof.batch.stand_in"
codecs.register_error(STAND_IN, lambda error: (UNDECODABLE, cast(UnicodeDecodeError, error).end))


def cleaned(content: bytes) -> tuple[bytes, bool]:
    """Return valid UTF-8, and whether it may contain UNDECODABLE."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode(errors=STAND_IN).encode(), True
    return content, UNDECODABLE.encode() in content


def _open(file: InputFile) -> IO[bytes]:
    if file.path is None:
        pipe = sys.stdin.buffer
        head = cast(io.BufferedReader, pipe).peek(len(GZIP_MARK))
        if head.startswith(GZIP_MARK):
            return cast(IO[bytes], gzip.open(pipe))
        if head.startswith((PARQUET_MARK, *OTHER_MARKS)):
            reason = "it is neither text nor compressed by gzip; save it in a file, or convert it"
            raise BatchInputError(file.name, reason)
        return pipe
    return cast(IO[bytes], gzip.open(file.path)) if file.kind == "csv.gz" else file.path.open("rb")


class Peeked:
    """A stream whose first bytes were read already; it gives them again."""

    def __init__(self, raw: IO[bytes], size: int) -> None:
        self._raw = raw
        self.head = raw.read(size)
        self._left = self.head

    def read(self, size: int) -> bytes:
        """Return at most size bytes; none at the end."""
        if not self._left:
            return self._raw.read(size)
        content, self._left = self._left[:size], self._left[size:]
        return content

    def seek(self, offset: int) -> None:
        """Go to an offset."""
        self._left = b""
        self._raw.seek(offset)


class Utf8Stream:
    """Reads forward; offsets are counted in UTF-8, after the byte order mark."""

    def __init__(self, raw: IO[bytes] | Peeked, encoding: str, *, can_seek: bool) -> None:
        self._raw = raw
        self._ahead, self._offset, self._mark = b"", 0, 0
        # UTF-8 needs no conversion, with or without a byte order mark.
        is_utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
        self._is_plain = can_seek and is_utf8
        self._decoder = None if is_utf8 else codecs.getincrementaldecoder(encoding)(STAND_IN)
        if is_utf8 and self.head(3) == codecs.BOM_UTF8:
            self._mark, self._ahead = 3, self._ahead[3:]

    def head(self, size: int) -> bytes:
        """Return the next bytes without consuming them; fewer at the end."""
        while len(self._ahead) < size and (more := self._next(size - len(self._ahead))):
            self._ahead += more
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """Return at most size bytes; none at the end."""
        if not self._ahead:
            self._ahead = self._next(size)
        content, self._ahead = self._ahead[:size], self._ahead[size:]
        self._offset += len(content)
        return content

    def skip_to(self, offset: int) -> None:
        """Go to an offset ahead."""
        if self._is_plain and offset > self._offset + len(self._ahead):
            self._raw.seek(self._mark + offset)
            self._ahead, self._offset = b"", offset
        while self._offset < offset and self.read(min(CHUNK_BYTES, offset - self._offset)):
            pass

    def _next(self, size: int) -> bytes:
        if self._decoder is None:
            return self._raw.read(size)
        while True:
            raw = self._raw.read(size)
            text = self._decoder.decode(raw, final=not raw)
            # A few bytes may not be a whole character yet.
            if text or not raw:
                return text.encode(errors="surrogatepass")


# Of a block: enough for threads to share, and several fit into memory.
MIN_BLOCK_BYTES, MAX_BLOCK_BYTES = 2**16, 2**22


class CsvFile:
    """A file, or a stream that can be read once; `names` are those of the header."""

    is_text = True

    def __init__(self, file: InputFile, separator: str, encoding: str) -> None:
        self.file = file
        raw = _open(file)
        self.close, self._file = raw.close, getattr(raw, "fileobj", raw)
        try:
            with file.reading():
                can_seek = file.kind == "csv" and file.path is not None
                peeked = Peeked(raw, HEAD_BYTES)
                if encoding == AUTO:
                    encoding = _find_encoding(peeked.head, file.name)
                self._stream = Utf8Stream(peeked, encoding, can_seek=can_seek)
                head = self._stream.head(HEAD_BYTES)
            layout = _find_layout(head, peeked.head, separator, encoding, file.name)
            self.names, self._first, self._separator = layout
        except UserError:
            self.close()
            raise
        body = head[self._first :]
        n_lines = body.count(b"\n") or body.count(b"\r") or 1
        self._bytes_per_row = max(len(body) // n_lines, 1)
        self._size = file.path.stat().st_size if file.path else 0
        self.types = dict.fromkeys(self.names, pa.string())

    def share_read(self) -> float:
        """Return the share of the file that was read; 0 if its size is unknown."""
        # Before decompression.
        return self._file.tell() / self._size if self._size else 0.0

    def pieces(self, start: int, batch_rows: int, _needed: Sequence[str]) -> Iterator[Block]:
        """Yield blocks of about batch_rows rows after the one that ended at start."""
        start = max(start, self._first)
        size = min(max(batch_rows * self._bytes_per_row, MIN_BLOCK_BYTES), MAX_BLOCK_BYTES)
        with self.file.reading():
            self._stream.skip_to(start)
            yield from blocks(self._stream.read, start, size, self._separator, self.file.name)

    def to_rows(self, needed: Sequence[str], lookups: Sequence[str]) -> Callable[[Block], Rows]:
        """Return a parser of blocks: needed columns as text, lookups as dictionaries."""
        text, by_value = pa.string(), pa.dictionary(pa.int32(), pa.string())
        types = {name: by_value if name in lookups else text for name in needed}
        return partial(_read_block, self.names, self._separator, types)


def _read_block(
    names: list[str], separator: str, types: dict[str, pa.DataType], block: Block
) -> Rows:
    content, has_undecodable = cleaned(block.content)
    # The number of fields of each row that does not fit.
    refused: dict[int, int] = {}

    def skip(row: pa_csv.InvalidRow) -> str:
        refused[row.number - 1] = row.actual_columns
        return "skip"

    if content.strip(b"\r\n"):
        # By index: columns that are not needed may have duplicate names.
        places = {name: str(names.index(name)) for name in types}
        columns, size = [str(place) for place in range(len(names))], len(content) + 1
        kinds = {places[name]: kind for name, kind in types.items()}
        table = pa_csv.read_csv(
            pa.BufferReader(content),
            pa_csv.ReadOptions(use_threads=False, block_size=size, column_names=columns),
            pa_csv.ParseOptions(
                delimiter=separator, newlines_in_values=True, invalid_row_handler=skip
            ),
            # Which texts are missing depends on the column, and is decided later.
            pa_csv.ConvertOptions(
                include_columns=list(kinds), column_types=kinds, strings_can_be_null=False
            ),
        ).rename_columns(list(places))
    else:
        table = pa.schema(list(types.items())).empty_table()
    n_rows = table.num_rows + len(refused)
    positions = np.delete(np.arange(n_rows), list(refused))
    wanted = f"field(s) instead of {len(names)}"
    faults = [Fault(row, "", f"{n_fields} {wanted}") for row, n_fields in refused.items()]
    if block.unclosed:
        faults.append(Fault(n_rows, "", "a quote is opened here and never closed"))
        n_rows += 1
    if has_undecodable:
        # The first such column of each row.
        wrong: dict[int, str] = {}
        for name in table.column_names:
            texts = table[name].cast(pa.string()).combine_chunks()
            hit = as_numpy(pc.match_substring(texts, UNDECODABLE))
            wrong = dict.fromkeys(np.flatnonzero(hit).tolist(), name) | wrong
        reason = "holds bytes that are no text in this encoding"
        faults += [Fault(int(positions[p]), name, reason) for p, name in wrong.items()]
        good = np.delete(np.arange(len(positions)), list(wrong))
        table, positions = table.take(numbers_array(good)), positions[good]
    return Rows(table, n_rows, positions, tuple(faults))


def _find_encoding(head: bytes, name: str) -> str:
    """Return the encoding of a file, of which head is the beginning."""
    try:
        return sniff_encoding(head, name, key="")
    except (MixedEncodingsError, UnknownEncodingError):
        # Rows that are no UTF-8 are bad rows; with such a header no column could be found.
        with suppress(UnicodeDecodeError, IndexError):
            head.lstrip(b"\r\n").splitlines()[0].decode()
            return "utf-8"
        raise


def _find_layout(
    head: bytes, raw: bytes, separator: str, encoding: str, name: str
) -> tuple[list[str], int, str]:
    """Return the names, as training gives them, the offset after them, and the separator."""
    content, has_undecodable = cleaned(head)
    options = ReadOptions(separator, encoding, key="")
    if not content.strip():
        raise BatchInputError(name=name, reason="it is empty; a header is needed")
    layout = find_layout(content, encoding, options, name)
    names = layout.names or tuple(f"column_{place + 1}" for place in range(layout.n_cells))
    if has_undecodable and any(UNDECODABLE in each for each in names):
        works = None
        with suppress(UserError, IndexError):
            works = sniff_encoding(raw.lstrip(b"\r\n").splitlines()[0], name, key="")
        remedy = f"encoding={works} reads its header" if works else "say which: encoding=…"
        raise BatchInputError(name, f"it is not encoded in {encoding}; {remedy}")
    if len(names) == 1 and separator != AUTO:
        seen = max(USUAL, key=names[0].count)
        if seen != separator and seen in names[0] and not head.lstrip().startswith(b'"'):
            reason = f"it has one column only when cut at '{separator}'; its header holds '{seen}':"
            shown = shown_separator(seen)
            raise BatchInputError(name=name, reason=f"{reason} try 'separator={shown}'")
    # Not of cleaned content: what replaces a byte is longer.
    ends = (match.end() for match in LINE_BREAK_OF_ANY_KIND.finditer(head))
    n_above = layout.line - 1
    offset = next(islice(ends, n_above - 1, None), len(head)) if n_above else 0
    return unique_names(names), offset, layout.separator
