"""Write outputs as Parquet or CSV, to a file or standard output, and bad rows as CSV."""

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, cast

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from pyarrow import types

from tabproof.artifacts.files import atomic_file
from tabproof.batch.errors import KeptColumnError
from tabproof.batch.scoring import PROBA, ROW, Part

# From 1 to 9; higher levels take twice the time for a tenth less.
GZIP_LEVEL = 4
STDOUT = 1


class Output(Protocol):
    """Writes tables of one schema, one after the other."""

    def write(self, table: pa.Table) -> None:
        """Append a table."""
        ...


@contextmanager
def opened(
    path: Path | None, scratch: Path | None, kind: str, schema: pa.Schema
) -> Iterator[Output]:
    """Open an output, which appears when it is complete; stdout has no path and no scratch."""
    if kind != "parquet":
        _refuse_nested(schema)
    if path is None or scratch is None:
        # Not sys.stdout, which would write again when Python ends.
        with open(STDOUT, "wb", closefd=False) as file:
            yield _CsvOutput(file, schema)
        return
    with atomic_file(path, scratch) as file:
        if kind == "parquet":
            with _parquet_writer(file, schema) as writer:
                yield _ParquetOutput(writer)
        elif kind == "csv.gz":
            # Without name and time the same rows give the same bytes.
            with gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as compressed:
                yield _CsvOutput(cast(IO[bytes], compressed), schema)
        else:
            yield _CsvOutput(file, schema)


class _ParquetOutput:
    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))


def _parquet_writer(file: IO[bytes], schema: pa.Schema) -> pq.ParquetWriter:
    """Use what was smallest for probabilities of a million rows: 14 MB, 0.07 s.

    Plain Snappy took 20 MB and 0.06 s, dictionaries of numbers 21 MB and 0.15 s.
    """
    texts = [field.name for field in schema if types.is_string(field.type)]
    probabilities = [name for name in schema.names if name.startswith(PROBA) and name not in texts]
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=texts,
        column_encoding={
            ROW: "DELTA_BINARY_PACKED",
            **dict.fromkeys(probabilities, "BYTE_STREAM_SPLIT"),
        },
    )


class _CsvOutput:
    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._file = file
        file.write(csv_line(schema.names))

    def write(self, table: pa.Table) -> None:
        options = pa_csv.WriteOptions(include_header=False, quoting_style="needed")
        pa_csv.write_csv(table, self._file, options)
        # So that the reader of a pipe does not wait for more.
        self._file.flush()


def csv_line(cells: Sequence[object]) -> bytes:
    """Return a line of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()


def _refuse_nested(schema: pa.Schema) -> None:
    for field in schema:
        if types.is_nested(field.type):
            reason = f"holds {field.type}, which CSV cannot; take output=….parquet"
            raise KeptColumnError(name=field.name, reason=reason)


# --- Rows that cannot be scored, as a CSV: row, column, reason.


class BadRows:
    """A file that is written only if there are bad rows; path None: never."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "BadRows":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._path is not None and self._file is None:
            # Bad rows of an earlier command would be mistaken for this one's.
            self._path.unlink(missing_ok=True)
            _scratch(self._path).unlink(missing_ok=True)
        self._stack.__exit__(kind, error, trace)

    def write(self, part: Part, n_before: int) -> None:
        """Write a part's bad rows; n_before rows precede the part."""
        if self._path is None or not part.faults:
            return
        if self._file is None:
            self._file = self._stack.enter_context(atomic_file(self._path, _scratch(self._path)))
            self._file.write(csv_line(["row", "column", "reason"]))
        for fault in part.faults:
            self._file.write(csv_line([n_before + fault.row, fault.column, fault.reason]))


def _scratch(path: Path) -> Path:
    # Not among the parts, which may be on another disk.
    return path.with_name(f".{path.name}.tmp")
