"""Write outputs as Parquet or CSV, to a file or standard output, and bad rows as CSV."""

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from pyarrow import types

from tabproof.artifacts.files import atomic_file, named_when_full
from tabproof.batch.plan import STDOUT, kind_of
from tabproof.batch.scoring import PROBA, ROW, KeptColumnError, Part

# From 1 to 9; higher levels take twice the time for a tenth less.
GZIP_LEVEL = 4

# Appends a table.
Write = Callable[[pa.Table], None]


@contextmanager
def opened(path: Path | None, scratch: Path | None, schema: pa.Schema) -> Iterator[Write]:
    """Open an output, which appears when it is complete; stdout has no path and no scratch."""
    kind = kind_of(path) if path else "csv"
    for field in schema:
        if kind != "parquet" and types.is_nested(field.type):
            reason = f"holds {field.type}, which CSV cannot; take output=….parquet"
            raise KeptColumnError(name=field.name, reason=reason)
    if path is None or scratch is None:
        # Not sys.stdout, which would write again when Python ends.
        name = "standard output"
        with named_when_full(name), open(STDOUT, "wb", closefd=False) as stdout:
            yield _csv_writer(stdout, schema, name)
        return
    with atomic_file(path, scratch) as file:
        if kind == "parquet":
            # What was smallest for probabilities of a million rows: 14 MB, 0.07 s. Plain Snappy
            # took 20 MB and 0.06 s, dictionaries of numbers 21 MB and 0.15 s.
            texts = [field.name for field in schema if types.is_string(field.type)]
            own = [name for name in schema.names if name.startswith(PROBA) and name not in texts]
            encodings = {ROW: "DELTA_BINARY_PACKED", **dict.fromkeys(own, "BYTE_STREAM_SPLIT")}
            options = {"compression": "zstd", "compression_level": 1, "use_dictionary": texts}
            with pq.ParquetWriter(file, schema, column_encoding=encodings, **options) as writer:

                def write(table: pa.Table) -> None:
                    with named_when_full(path):
                        writer.write_table(table, row_group_size=max(table.num_rows, 1))

                yield write
        elif kind == "csv.gz":
            # Without name and time the same rows give the same bytes.
            with gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as compressed:
                yield _csv_writer(cast(IO[bytes], compressed), schema, path)
        else:
            yield _csv_writer(file, schema, path)


def _csv_writer(file: IO[bytes], schema: pa.Schema, name: str | Path) -> Write:
    file.write(_csv_line(schema.names))

    def write(table: pa.Table) -> None:
        options = pa_csv.WriteOptions(include_header=False, quoting_style="needed")
        with named_when_full(name):
            pa_csv.write_csv(table, file, options)
            # So that the reader of a pipe does not wait for more.
            file.flush()

    return write


def _csv_line(cells: Sequence[object]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()


@contextmanager
def bad_rows(path: Path | None) -> Iterator[Callable[[Part, int], None]]:
    """Yield a function that writes a part's bad rows as CSV: row, column, reason.

    Its second argument is the number of rows before the part. The file is written only if there
    are bad rows; without a path, never.
    """
    file: IO[bytes] | None = None
    # Not among the parts, which may be on another disk.
    scratch = path and path.with_name(f".{path.name}.tmp")
    with ExitStack() as stack:

        def write(part: Part, n_before: int) -> None:
            nonlocal file
            if path is None or not part.faults:
                return
            if file is None:
                file = stack.enter_context(atomic_file(path, scratch))
                file.write(_csv_line(["row", "column", "reason"]))
            with named_when_full(path):
                for fault in part.faults:
                    file.write(_csv_line([n_before + fault.row, fault.column, fault.reason]))

        yield write
        if path and scratch and file is None:
            # Bad rows of an earlier command would be mistaken for this one's.
            path.unlink(missing_ok=True)
            scratch.unlink(missing_ok=True)
