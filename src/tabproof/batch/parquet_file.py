"""Read a Parquet file: its columns, and its rows piece by piece."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tabproof.batch.cells import Rows, is_string
from tabproof.batch.errors import BatchInputError
from tabproof.batch.plan import InputFile, refuse_duplicates

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


def _from_stream(content: bytes, end: int) -> Slice:
    with pa.ipc.open_stream(content) as reader:
        return Slice(reader.read_all(), end)


class ParquetFile:
    """A file whose columns have types; texts are read as dictionaries."""

    is_text = False

    def __init__(self, file: InputFile, lookups: Sequence[str]) -> None:
        self.file = file
        with _refusing(file):
            schema = pq.read_schema(file.path)
            texts = [name for name in lookups if schema.names.count(name) == 1]
            texts = [name for name in texts if is_string(schema.field(name).type)]
            self._file = pq.ParquetFile(
                file.path, read_dictionary=texts, pre_buffer=False, buffer_size=BUFFER_BYTES
            )
        self.names: list[str] = schema.names
        self.types = dict(zip(schema.names, schema.types, strict=True))
        self.n_rows: int = self._file.metadata.num_rows
        self._n_read = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def share_read(self) -> float:
        """Return the share of the file that was read."""
        return self._n_read / self.n_rows if self.n_rows else 1.0

    def check(self, needed: Sequence[str]) -> None:
        """Refuse duplicate names among the needed columns."""
        refuse_duplicates(self.names, needed)

    def pieces(self, start: int, batch_rows: int, needed: Sequence[str]) -> Iterator[Slice]:
        """Yield batch_rows rows at a time, from row start on."""
        groups, passed = self._groups_from(start)
        waiting: list[pa.RecordBatch] = []
        n_waiting, skipped = 0, start - passed
        with _refusing(self.file):
            for batch in self._file.iter_batches(
                batch_rows, groups, list(needed), use_threads=False
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
            self._n_read = self.n_rows
            yield Slice(pa.Table.from_batches(waiting), start + n_waiting)

    def to_rows(self, _needed: Sequence[str], _lookups: Sequence[str]) -> Callable[[Slice], Rows]:
        """Return the function that makes rows of a slice."""
        return _as_rows

    def _groups_from(self, start: int) -> tuple[list[int], int]:
        """Return the row groups from row start on, and the number of rows before them."""
        metadata, passed = self._file.metadata, 0
        for group in range(metadata.num_row_groups):
            n_rows = metadata.row_group(group).num_rows
            if start < passed + n_rows:
                return list(range(group, metadata.num_row_groups)), passed
            passed += n_rows
        return [], passed


def _as_rows(piece: Slice) -> Rows:
    n_rows = piece.table.num_rows
    return Rows(piece.table, n_rows, np.arange(n_rows))


@contextmanager
def _refusing(file: InputFile) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise BatchInputError(name=file.name, reason=str(error).splitlines()[0]) from error
    except OSError as error:
        # Arrow's errors for a damaged file have no errno.
        if error.errno is not None:
            raise
        raise BatchInputError(name=file.name, reason=str(error).splitlines()[0]) from error
