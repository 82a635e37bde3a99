"""A CSV as an input: its header, its blocks, and the rows in each."""

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
from tabproof.batch.plan import InputFile
from tabproof.errors import DuplicateColumnsError

# --- Cut a stream of CSV into blocks that end where a record ends, for threads to parse.

QUOTE, RETURN, LINE_BREAK = b'"'[0], b"\r"[0], b"\n"[0]
# A record that is longer: a quote was opened that nobody closed.
MAX_RECORD_BYTES = 64 * 2**20

Places = NDArray[np.intp]


class Stream(Protocol):
    """Bytes to read; an empty answer is the end."""

    def read(self, size: int) -> bytes:
        """Give at most size bytes."""
        ...


@dataclass(frozen=True)
class Block:
    """Whole records. end: where it ends in the stream.

    unclosed: the last record's opening quote has no other; it is left out here.
    """

    content: bytes
    end: int
    unclosed: bool = False


def blocks(stream: Stream, start: int, size: int, separator: str, name: str) -> Iterator[Block]:
    """Cut what follows in a stream, which stands at start, into blocks of about size bytes.

    Where they end depends on start and size alone, however few bytes a pipe gives at a time.
    """
    kept, wanted = b"", size
    while True:
        # As many bytes from where a block begins, also where a killed command goes on.
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
            raise EndlessRecordError(name, start, MAX_RECORD_BYTES)
        else:
            kept, wanted = buffer, 2 * wanted


def _read_whole(stream: Stream, size: int) -> bytes:
    parts, left = [], size
    while left and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def last_record_end(buffer: bytes, separator: str) -> tuple[int, bool]:
    """Find where the last whole record ends, and whether a quote is open behind it."""
    # The second half of '\r\n' may be yet to come.
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
        # Inside of quotes: go on before the one that opened them.
        limit = int(quotes[n_before - 1])


def _true_quotes(buffer: bytes, separator: str) -> Places:
    """Give the quotes that open and close, in turn; a doubled one closes and opens again."""
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


# --- A text file as a stream of UTF-8, whatever its encoding and compression.

# Stands for bytes that are no text: a code point that Unicode reserves as no character.
UNDECODABLE = "\ufdd0"
CHUNK_BYTES = 2**20


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNDECODABLE, error.end


STAND_IN = "tabproof.batch.stand_in"
codecs.register_error(STAND_IN, _stand_in)


def is_utf8(encoding: str) -> bool:
    """Tell the encoding that needs no conversion, with or without Excel's mark."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def cleaned(content: bytes) -> tuple[bytes, bool]:
    """Give valid UTF-8, and whether UNDECODABLE may stand in it."""
    marked = UNDECODABLE.encode()
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode(errors=STAND_IN).encode(), True
    return content, marked in content


class Utf8Stream:
    """Reads on from its beginning; offsets are counted in UTF-8, behind the byte order mark."""

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
        """Give what comes next, without going on; less at the end."""
        while len(self._ahead) < size and (more := self._next(size - len(self._ahead))):
            self._ahead += more
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """Give at most size bytes; none at the end."""
        if not self._ahead:
            self._ahead = self._next(size)
        content, self._ahead = self._ahead[:size], self._ahead[size:]
        self._offset += len(content)
        return content

    def skip_to(self, offset: int) -> None:
        """Go on to an offset that was not passed yet."""
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
        """How many bytes of the file were read, compressed as they may be; 0 of a pipe."""
        file = getattr(self._raw, "fileobj", self._raw)
        offset: int = file.tell() if file.seekable() else 0
        return offset

    def _next(self, size: int) -> bytes:
        if self._decoder is None:
            return self._raw.read(size)
        while True:
            raw = self._raw.read(size)
            text = self._decoder.decode(raw, final=not raw)
            # A few bytes may be no whole letter yet.
            if text or not raw:
                return text.encode(errors="surrogatepass")


def _open(file: InputFile) -> IO[bytes]:
    if file.path is None:
        return sys.stdin.buffer
    if file.kind == "csv.gz":
        return cast(IO[bytes], gzip.open(file.path))
    return file.path.open("rb")


# In the order in which they are tried when the given one fails.
ENCODINGS = ("utf-8", "cp932", "euc_jp", "cp1252")
SEPARATORS = ",;\t|"
HEAD_BYTES = 2**20
# Of a block: so that threads have enough to share, and a few of them fit into memory.
MIN_BLOCK_BYTES, MAX_BLOCK_BYTES = 2**16, 2**22


@dataclass(frozen=True)
class CsvForm:
    """How a CSV is written."""

    separator: str = ","
    encoding: str = "utf-8"
    decimal: str = "."


class CsvFile:
    """A file, or a stream that can be read once; its names are those of the header."""

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
        """Tell how much of the file was read; 0 where nobody knows its size."""
        return self._stream.raw_offset / self.file.size if self.file.size else 0.0

    def check(self, needed: Sequence[str]) -> None:
        """Refuse a name that stands twice where it is needed."""
        twice = [name for name in needed if self.names.count(name) > 1]
        if twice:
            raise DuplicateColumnsError(list(dict.fromkeys(twice)))

    def pieces(self, start: int, batch_rows: int, _needed: Sequence[str]) -> Iterator[Block]:
        """Give blocks of about batch_rows rows behind the one that ended at start."""
        start = max(start, self._first)
        size = min(max(batch_rows * self._bytes_per_row, MIN_BLOCK_BYTES), MAX_BLOCK_BYTES)
        with _refusing(self.file):
            self._stream.skip_to(start)
            yield from blocks(self._stream, start, size, self.form.separator, self.file.name)

    def to_rows(self, needed: Sequence[str], lookups: Sequence[str]) -> "CsvRows":
        """Say how blocks become rows: needed columns as text, those of lookups by dictionary."""
        return CsvRows(tuple(self.names), self.form.separator, tuple(needed), frozenset(lookups))


@dataclass(frozen=True)
class CsvRows:
    """Parses blocks of a CSV; names are those of its header."""

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
        """Give a table, and by place the number of fields of rows that do not fit into it."""
        refused: dict[int, int] = {}

        def set_aside(row: pa_csv.InvalidRow) -> str:
            refused[row.number - 1] = row.actual_columns
            return "skip"

        text = pa.string()
        by_value = pa.dictionary(pa.int32(), text)
        types = {name: by_value if name in self.lookups else text for name in self.needed}
        if not content.strip(b"\r\n"):
            return pa.schema(list(types.items())).empty_table(), refused
        # By place: names may stand twice in columns that nobody needs.
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
                invalid_row_handler=set_aside,
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
    """Find places of rows, and the first column of each, with bytes that are no text."""
    found: dict[int, str] = {}
    for name in table.column_names:
        texts = table[name].cast(pa.string()).combine_chunks()
        hit = as_numpy(pc.match_substring(texts, UNDECODABLE))
        for place in np.flatnonzero(hit).tolist():
            found.setdefault(place, name)
    return found


def _read_header(head: bytes, file: InputFile, form: CsvForm) -> tuple[list[str], int]:
    """Give the names, and the offset behind them."""
    content, has_undecodable = cleaned(head)
    lines = io.StringIO(content.decode(), newline="")
    n_letters = 0

    def counted() -> Iterator[str]:
        nonlocal n_letters
        for line in lines:
            n_letters += len(line)
            yield line

    try:
        reader = csv.reader(counted(), delimiter=form.separator)
        names = next((row for row in reader if row), None)
    except csv.Error as error:
        raise BatchInputError(file.name, f"its header is no CSV ({error})") from error
    if names is None:
        raise BatchInputError(file.name, "it is empty; a header is needed")
    header = content.decode()[:n_letters]
    if has_undecodable and UNDECODABLE in header:
        raise BatchEncodingError(file.name, form.encoding, _encoding_that_reads(file))
    if len(names) == 1:
        seen = max(SEPARATORS, key=names[0].count)
        if seen != form.separator and seen in names[0] and not header.startswith('"'):
            raise BatchSeparatorError(file.name, form.separator, seen)
    return names, len(header.encode())


def _encoding_that_reads(file: InputFile) -> str | None:
    if file.path is None:
        return None
    for encoding in ENCODINGS:
        with closing(Utf8Stream(file, encoding)) as stream:
            first_line = stream.head(HEAD_BYTES).splitlines()[0]
            if not cleaned(first_line)[1]:
                return encoding
    return None


def _bytes_per_row(body: bytes) -> int:
    n_lines = body.count(b"\n") or body.count(b"\r") or 1
    return max(len(body) // n_lines, 1)


@contextmanager
def _refusing(file: InputFile) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowInvalid) as error:
        raise BatchInputError(file.name, str(error).splitlines()[0]) from error
