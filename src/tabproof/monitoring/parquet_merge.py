"""Read small Parquet files of a log, and write one of their rows, in bounded memory.

Rows, types and nulls stay as they are. Dictionaries become plain values, and a column that has no
nulls may have some afterwards: files that differ in this only have the same columns.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tabproof.errors import UserError, first_line
from tabproof.prediction_log import layout

# Of a group of rows in a file, whichever is reached first: a writer holds one in memory.
GROUP_ROWS, GROUP_BYTES = 100_000, 32 << 20
# Of a column's distinct values in a group. With more of them, plain values are smaller.
DICTIONARY_BYTES = 128 << 10
# Cells that are decoded at a time; of a file that has no more, all are.
CELLS = 500_000
# Columns of which each row has its own value, and their encodings.
UNLIKE = re.compile(rf"{layout.TIME}|{layout.REQUEST_ID}|{layout.PROBABILITY}.*", re.DOTALL)
ENCODINGS = {
    layout.TIME: "DELTA_BINARY_PACKED",
    layout.REQUEST_ID: "DELTA_LENGTH_BYTE_ARRAY",
}


class DamagedFileError(Exception):
    """A file that cannot be read to its end, and why."""


class RowsMissingError(UserError):
    """A merged file that has not the rows of its files."""

    template = (
        "a merged file of {partition} would have {found:,} rows and not the {expected:,} of its"
        " files; nothing was written or removed"
    )


@dataclass(frozen=True)
class Source:
    """A file that can be read to its end; schema : without dictionaries and metadata."""

    name: str
    schema: pa.Schema
    n_rows: int
    batches: Iterable[pa.RecordBatch]


def opened_source(name: str, content: bytes) -> Source:
    """Return a file whose bytes were read; raise DamagedFileError."""
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            schema, n_rows = _plain(file.schema_arrow), file.metadata.num_rows
        batches: Iterable[pa.RecordBatch] = _batches(content, len(schema))
        if n_rows * len(schema) <= CELLS:
            batches = list(batches)
        else:
            # It is found here that a page is damaged, before any row of the file is written.
            for _ in batches:
                pass
            batches = _batches(content, len(schema))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedFileError(first_line(error)) from error
    return Source(name, schema, n_rows, batches)


def _batches(content: bytes, n_columns: int) -> Iterable[pa.RecordBatch]:
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        yield from file.iter_batches(max(CELLS // max(n_columns, 1), 1), use_threads=False)


def _plain(schema: pa.Schema) -> pa.Schema:
    """Return the names and types of columns, which all may have nulls."""
    return pa.schema(
        (each.name, each.type.value_type if pa.types.is_dictionary(each.type) else each.type)
        for each in schema
    )


class Writer:
    """Write sources with the same schema into a file, one after the other; a context manager."""

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._schema, self._file = schema, file
        self._pending: list[pa.RecordBatch] = []
        self._n_pending = self._n_bytes_pending = self._n_rows = 0
        # pyarrow adds the metadata of the file when it is closed.
        self._written: list[Any] = []
        names = schema.names
        self._writer = pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=[name for name in names if UNLIKE.fullmatch(name) is None],
            dictionary_pagesize_limit=DICTIONARY_BYTES,
            column_encoding={name: ENCODINGS[name] for name in names if name in ENCODINGS},
            # Readers take the types of Parquet, as of the files that the service writes.
            store_schema=False,
            metadata_collector=self._written,
        )

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        # Not when it is collected: the file is closed then.
        self._writer.close()

    @property
    def n_bytes(self) -> int:
        """Bytes that are written; those of the last group of rows are not."""
        return self._file.tell()

    def add(self, source: Source) -> None:
        """Write the rows of a file after those of the others."""
        self._n_rows += source.n_rows
        for batch in source.batches:
            columns = [
                column if column.type == each.type else column.cast(each.type)
                for column, each in zip(batch.columns, self._schema, strict=True)
            ]
            self._pending.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))
            self._n_pending += batch.num_rows
            self._n_bytes_pending += batch.nbytes
            if self._n_pending >= GROUP_ROWS or self._n_bytes_pending >= GROUP_BYTES:
                self._write_group()

    def _write_group(self) -> None:
        if self._n_pending:
            table = pa.Table.from_batches(self._pending, self._schema)
            self._writer.write_table(table, row_group_size=self._n_pending)
        self._pending, self._n_pending, self._n_bytes_pending = [], 0, 0

    def finish(self, partition: str, metadata: Mapping[str, bytes]) -> None:
        """Write what is left, and the metadata; raise RowsMissingError."""
        self._write_group()
        self._writer.add_key_value_metadata(dict(metadata))
        self._writer.close()
        n_rows = self._written[0].num_rows
        if n_rows != self._n_rows:
            raise RowsMissingError(partition=partition, found=n_rows, expected=self._n_rows)
