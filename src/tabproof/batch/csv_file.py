"""Read a CSV: its header, its blocks, and the rows in each."""

import codecs
import csv
import gzip
import io
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import IO, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from tabproof.batch.cells import Fault, Rows, as_numpy, numbers_array
from tabproof.batch.errors import (
    BatchEncodingError,
    BatchInputError,
    BatchSeparatorError,
    EndlessRecordError,
)
from tabproof.batch.plan import InputFile, refuse_duplicates

# --- Blocks of whole records, for threads to parse.

QUOTE, RETURN, LINE_BREAK = b'"'[0], b"\r"[0], b"\n"[0]
# A longer record means that a quote is never closed.
MAX_RECORD_BYTES = 64 * 2**20

Places = NDArray[np.intp]


class Stream(Protocol):
    """Bytes to read; an empty result is the end."""

    def read(self, size: int) -> bytes:
        """Return at most size bytes."""
        ...


@dataclass(frozen=True)
class Block:
    """Whole records, up to the offset `end` of the stream.

    If `unclosed`, the last record has a quote that is never closed, and is left out.
    """

    content: bytes
    end: int
    unclosed: bool = False


def blocks(stream: Stream, start: int, size: int, separator: str, name: str) -> Iterator[Block]:
    """Cut the rest of a stream, which is at offset start, into blocks of about size bytes.

    Their ends depend on start and size only, however few bytes a pipe gives at a time.
    """
    kept, wanted = b"", size
    while True:
        # The same number of bytes from the start of a block, also after a command was killed.
        buffer = kept + _read_whole(stream, max(wanted - len(kept), 0))
        at_end = len(buffer) < wanted
        end, unclosed = last_record_end(buffer[:wanted], separator)
        if at_end and not unclosed:
            end = len(buffer)
        if at_end:
            if buffer:
                yield Block(buffer[:end], start + len(buffer), unclosed=end < len(buffer))
            return
        if end:
            yield Block(buffer[:end], start + end)
            kept, wanted, start = buffer[end:], size, start + end
        elif wanted >= MAX_RECORD_BYTES:
            raise EndlessRecordError(name=name, offset=start, limit=MAX_RECORD_BYTES)
        else:
            kept, wanted = buffer, 2 * wanted


def _read_whole(stream: Stream, size: int) -> bytes:
    parts, left = [], size
    while left and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def last_record_end(buffer: bytes, separator: str) -> tuple[int, bool]:
    """Return the end of the last whole record, and whether a quote is open after it."""
    # The second half of '\r\n' may come in the next block.
    line_break, limit = (
        (b"\n", len(buffer)) if b"\n" in buffer else (b"\r", max(len(buffer) - 1, 0))
    )
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


def _true_quotes(buffer: bytes, separator: str) -> Places:
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


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNDECODABLE, error.end


STAND_IN = "tabproof.batch.stand_in"
codecs.register_error(STAND_IN, _stand_in)


def is_utf8(encoding: str) -> bool:
    """Return whether the encoding needs no conversion, with or without a byte order mark."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def cleaned(content: bytes) -> tuple[bytes, bool]:
    """Return valid UTF-8, and whether it may contain UNDECODABLE."""
    marked = UNDECODABLE.encode()
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode(errors=STAND_IN).encode(), True
    return content, marked in content


class Utf8Stream:
    """Reads forward; offsets are counted in UTF-8, after the byte order mark."""

    def __init__(self, file: InputFile, encoding: str) -> None:
        self._raw = _open(file)
        self._is_plain = file.kind == "csv" and file.path is not None and is_utf8(encoding)
        self._decoder = None
        self._ahead = b""
        self._offset = 0
        self._mark = 0
        if not is_utf8(encoding):
            self._decoder = codecs.getincrementaldecoder(encoding)(STAND_IN)
        elif self.head(3) == codecs.BOM_UTF8:
            self._mark = len(self._ahead[:3])
            self._ahead = self._ahead[3:]

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

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    @property
    def raw_offset(self) -> int:
        """The number of bytes read from the file, before decompression; 0 for a pipe."""
        file = getattr(self._raw, "fileobj", self._raw)
        offset: int = file.tell() if file.seekable() else 0
        return offset

    def _next(self, size: int) -> bytes:
        if self._decoder is None:
            return self._raw.read(size)
        while True:
            raw = self._raw.read(size)
            text = self._decoder.decode(raw, final=not raw)
            # A few bytes may not be a whole character yet.
            if text or not raw:
                return text.encode(errors="surrogatepass")


def _open(file: InputFile) -> IO[bytes]:
    if file.path is None:
        return sys.stdin.buffer
    if file.kind == "csv.gz":
        return cast(IO[bytes], gzip.open(file.path))
    return file.path.open("rb")


SEPARATORS = ",;\t|"
HEAD_BYTES = 2**20
# Of a block: enough for threads to share, and several fit into memory.
MIN_BLOCK_BYTES, MAX_BLOCK_BYTES = 2**16, 2**22


@dataclass(frozen=True)
class CsvForm:
    """The format of a CSV."""

    separator: str = ","
    encoding: str = "utf-8"
    decimal: str = "."


class CsvFile:
    """A file, or a stream that can be read once; `names` are those of the header."""

    is_text = True

    def __init__(self, file: InputFile, form: CsvForm) -> None:
        self.file, self.form = file, form
        with _refusing(file):
            self._stream = Utf8Stream(file, form.encoding)
            head = self._stream.head(HEAD_BYTES)
        self.names, self._first = _read_header(head, file, form)
        self._bytes_per_row = _bytes_per_row(head[self._first :])
        self.types = dict.fromkeys(self.names, pa.string())

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def share_read(self) -> float:
        """Return the share of the file that was read; 0 if its size is unknown."""
        return self._stream.raw_offset / self.file.size if self.file.size else 0.0

    def check(self, needed: Sequence[str]) -> None:
        """Refuse duplicate names among the needed columns."""
        refuse_duplicates(self.names, needed)

    def pieces(self, start: int, batch_rows: int, _needed: Sequence[str]) -> Iterator[Block]:
        """Yield blocks of about batch_rows rows after the one that ended at start."""
        start = max(start, self._first)
        size = min(max(batch_rows * self._bytes_per_row, MIN_BLOCK_BYTES), MAX_BLOCK_BYTES)
        with _refusing(self.file):
            self._stream.skip_to(start)
            yield from blocks(self._stream, start, size, self.form.separator, self.file.name)

    def to_rows(self, needed: Sequence[str], lookups: Sequence[str]) -> "CsvRows":
        """Return a parser of blocks: needed columns as text, lookups as dictionaries."""
        return CsvRows(tuple(self.names), self.form.separator, tuple(needed), frozenset(lookups))


@dataclass(frozen=True)
class CsvRows:
    """Parses blocks of a CSV whose header has these names."""

    names: tuple[str, ...]
    separator: str
    needed: tuple[str, ...]
    lookups: frozenset[str]

    def __call__(self, block: Block) -> Rows:
        """Parse a block."""
        content, has_undecodable = cleaned(block.content)
        table, refused = self._parse(content)
        n_rows = table.num_rows + len(refused)
        positions = np.delete(np.arange(n_rows), list(refused))
        faults = [
            Fault(row, "", f"{n_fields} field(s) instead of {len(self.names)}")
            for row, n_fields in refused.items()
        ]
        if block.unclosed:
            faults.append(Fault(n_rows, "", "a quote is opened here and never closed"))
            n_rows += 1
        if has_undecodable:
            wrong = _undecodable(table)
            reason = "holds bytes that are no text in this encoding"
            faults += [Fault(int(positions[p]), name, reason) for p, name in wrong.items()]
            good = np.delete(np.arange(len(positions)), list(wrong))
            table, positions = table.take(numbers_array(good)), positions[good]
        return Rows(table, n_rows, positions, tuple(faults))

    def _parse(self, content: bytes) -> tuple[pa.Table, dict[int, int]]:
        """Return a table, and the number of fields of each row that does not fit, by row."""
        refused: dict[int, int] = {}

        def skip(row: pa_csv.InvalidRow) -> str:
            refused[row.number - 1] = row.actual_columns
            return "skip"

        text = pa.string()
        by_value = pa.dictionary(pa.int32(), text)
        types = {name: by_value if name in self.lookups else text for name in self.needed}
        if not content.strip(b"\r\n"):
            return pa.schema(list(types.items())).empty_table(), refused
        # By index: columns that are not needed may have duplicate names.
        places = {name: str(self.names.index(name)) for name in self.needed}
        table = pa_csv.read_csv(
            pa.BufferReader(content),
            pa_csv.ReadOptions(
                use_threads=False,
                block_size=len(content) + 1,
                column_names=[str(place) for place in range(len(self.names))],
            ),
            pa_csv.ParseOptions(
                delimiter=self.separator,
                newlines_in_values=True,
                invalid_row_handler=skip,
            ),
            pa_csv.ConvertOptions(
                include_columns=list(places.values()),
                column_types={places[name]: kind for name, kind in types.items()},
                # Which texts are missing depends on the column, and is decided later.
                strings_can_be_null=False,
            ),
        )
        return table.rename_columns(list(places)), refused


def _undecodable(table: pa.Table) -> dict[int, str]:
    """Return the rows with undecodable bytes, and the first such column of each."""
    found: dict[int, str] = {}
    for name in table.column_names:
        texts = table[name].cast(pa.string()).combine_chunks()
        hit = as_numpy(pc.match_substring(texts, UNDECODABLE))
        for place in np.flatnonzero(hit).tolist():
            found.setdefault(place, name)
    return found


def _read_header(head: bytes, file: InputFile, form: CsvForm) -> tuple[list[str], int]:
    """Return the names, and the offset after them."""
    content, has_undecodable = cleaned(head)
    lines = io.StringIO(content.decode(), newline="")
    n_characters = 0

    def counted() -> Iterator[str]:
        nonlocal n_characters
        for line in lines:
            n_characters += len(line)
            yield line

    try:
        reader = csv.reader(counted(), delimiter=form.separator)
        names = next((row for row in reader if row), None)
    except csv.Error as error:
        reason = f"its header is no CSV ({error})"
        raise BatchInputError(name=file.name, reason=reason) from error
    if names is None:
        raise BatchInputError(name=file.name, reason="it is empty; a header is needed")
    header = content.decode()[:n_characters]
    if has_undecodable and UNDECODABLE in header:
        raise BatchEncodingError(file.name, form.encoding, _encoding_that_reads(file))
    if len(names) == 1:
        seen = max(SEPARATORS, key=names[0].count)
        if seen != form.separator and seen in names[0] and not header.startswith('"'):
            shown = "\\t" if seen == "\t" else seen
            raise BatchSeparatorError(name=file.name, separator=form.separator, seen=shown)
    return names, len(header.encode())


def _encoding_that_reads(file: InputFile) -> str | None:
    if file.path is None:
        return None
    # It loads pandas, which nothing else here needs.
    from tabproof.data.file import encoding_that_reads

    with closing(_open(file)) as raw:
        return encoding_that_reads(raw.read(HEAD_BYTES).lstrip(b"\r\n").splitlines()[0])


def _bytes_per_row(body: bytes) -> int:
    n_lines = body.count(b"\n") or body.count(b"\r") or 1
    return max(len(body) // n_lines, 1)


@contextmanager
def _refusing(file: InputFile) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowInvalid) as error:
        raise BatchInputError(name=file.name, reason=str(error).splitlines()[0]) from error
