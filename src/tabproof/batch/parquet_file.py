"""Read a Parquet file: its columns, and its rows piece by piece."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tabproof.batch.cells import Rows, is_string
from tabproof.batch.plan import InputFile

# Per column. Without it a whole row group is read at once, however large it is.
BUFFER_BYTES = 2**18


@dataclass(frozen=True)
class Slice:
    """Consecutive rows, up to row `end` of the file."""

    table: pa.Table
    end: int

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a stream: a table would include everything it was sliced from."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as writer:
            writer.write_table(self.table)
        return _from_stream, (sink.getvalue().to_pybytes(), self.end)

    def rows(self) -> Rows:
        """Return its rows, all of them whole."""
        return Rows(self.table, self.table.num_rows, np.arange(self.table.num_rows))


def _from_stream(content: bytes, end: int) -> Slice:
    with pa.ipc.open_stream(content) as reader:
        return Slice(reader.read_all(), end)


class ParquetFile:
    """A file whose columns have types; texts are read as dictionaries."""

    is_text = False

    def __init__(self, file: InputFile, lookups: Sequence[str]) -> None:
        self.file = file
        with file.reading():
            schema = pq.read_schema(file.path)
            texts = [name for name in lookups if schema.names.count(name) == 1]
            texts = [name for name in texts if is_string(schema.field(name).type)]
            self._file = pq.ParquetFile(
                file.path, read_dictionary=texts, pre_buffer=False, buffer_size=BUFFER_BYTES
            )
        self.names: list[str] = schema.names
        self.types = dict(zip(schema.names, schema.types, strict=True))
        self.close = self._file.close
        self._n_rows: int = self._file.metadata.num_rows
        self._n_read = 0

    def share_read(self) -> float:
        """Return the share of the file that was read."""
        return self._n_read / self._n_rows if self._n_rows else 1.0

    def pieces(self, start: int, batch_rows: int, needed: Sequence[str]) -> Iterator[Slice]:
        """Yield batch_rows rows at a time, from row start on."""
        metadata = self._file.metadata
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        ends = np.cumsum(sizes, dtype=np.int64)
        first = int(np.searchsorted(ends, start, side="right"))
        skipped = start - int(ends[first - 1] if first else 0)
        waiting, n_waiting = list[pa.RecordBatch](), 0
        with self.file.reading():
            for batch in self._file.iter_batches(
                batch_rows, list(range(first, len(sizes))), list(needed), use_threads=False
            ):
                kept = batch.slice(min(skipped, batch.num_rows))
                skipped -= batch.num_rows - kept.num_rows
                waiting.append(kept)
                n_waiting += kept.num_rows
                while n_waiting >= batch_rows:
                    table = pa.Table.from_batches(waiting)
                    start += batch_rows
                    self._n_read = start
                    yield Slice(table.slice(0, batch_rows), start)
                    waiting = table.slice(batch_rows).to_batches()
                    n_waiting -= batch_rows
        if n_waiting:
            self._n_read = self._n_rows
            yield Slice(pa.Table.from_batches(waiting), start + n_waiting)

    def to_rows(self, _needed: Sequence[str], _lookups: Sequence[str]) -> Callable[[Slice], Rows]:
        """Return the function that makes rows of a slice."""
        return Slice.rows
