"""A CSV as an input: its header, its blocks, and the rows in each."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from src.batch.arrays import as_numpy, numbers_array
from src.batch.cells import Fault, Rows
from src.batch.inputs import InputFile
from src.batch.records import Block, blocks
from src.batch.streams import UNDECODABLE, Utf8Stream, cleaned
from src.errors import (
    BatchEncodingError,
    BatchInputError,
    BatchSeparatorError,
    DuplicateColumnsError,
)

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
