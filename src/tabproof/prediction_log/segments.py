"""Columns of Arrow, and files of Parquet made of them, with arro3.

Importing this module imports arro3, which has no part in a service without a prediction log.
Each call of arro3 and numpy holds the interpreter: `Pauses.take` stands between them, so that an
answer waits for a fraction of a millisecond.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from time import perf_counter, sleep
from typing import Any

import numpy as np
from arro3.core import Array, ChunkedArray, DataType, RecordBatch, RecordBatchReader
from arro3.io import write_parquet
from numpy.typing import NDArray

from tabproof.prediction_log import layout

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Rows that are encoded without a pause, in less than a millisecond.
ROWS_AT_ONCE = 2048
# Seconds of work between two pauses, each of which costs ten microseconds.
WORK_SECONDS = 0.0003
STRING, FLOAT = DataType.string(), DataType.float64()
BINARY = DataType.binary()
INT32, INT64 = DataType.int32(), DataType.int64()
UTC_TIME, TIME = DataType.timestamp("us", tz="UTC"), DataType.timestamp("us")
OPTIONS: dict[str, Any] = {
    # zstd takes a fifth more time, and 0.2 MB of memory for each column while a file is made.
    "compression": "snappy",
    # A reader takes the types of Parquet, where dictionaries are plain strings.
    "skip_arrow_metadata": True,
    "key_value_metadata": {layout.FORMAT_KEY: layout.FORMAT},
    "data_page_row_count_limit": 4096,
    "write_batch_size": ROWS_AT_ONCE,
}
# Of columns that are different in each row; probabilities are plain.
ENCODINGS: dict[str, Any] = {
    layout.TIME: "delta_binary_packed",
    layout.REQUEST_ID: "delta_length_byte_array",
}


@dataclass(frozen=True)
class LabelEntry:
    """A label that came later, for the row of a request; at: when it was known."""

    request_id: str
    row: int
    label: str
    at: datetime | None


class Pauses:
    """Let other threads have the interpreter, when it was held for a while."""

    def __init__(self) -> None:
        self._until = perf_counter() + WORK_SECONDS

    def take(self) -> None:
        """Pause if it is time."""
        if perf_counter() > self._until:
            sleep(0)
            self._until = perf_counter() + WORK_SECONDS


def encode(batches: Sequence[RecordBatch]) -> bytes:
    """Return batches of the same columns as one Parquet file."""
    pauses = Pauses()

    def parts() -> Iterator[RecordBatch]:
        for batch in batches:
            for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                pauses.take()
                yield batch.slice(start, min(ROWS_AT_ONCE, batch.num_rows - start))

    names, content = batches[0].column_names, BytesIO()
    # Looking up what is different in each row would take a third of the time.
    unlike = [n for n in names if n in ENCODINGS or n.startswith(layout.PROBABILITY)]
    write_parquet(
        RecordBatchReader.from_batches(batches[0].schema, parts()),
        content,
        column_dictionary_enabled=dict.fromkeys(unlike, False),
        column_encoding={name: ENCODINGS[name] for name in names if name in ENCODINGS},
        **OPTIONS,
    )
    return content.getvalue()


def encode_labels(entries: Sequence[LabelEntry], received: datetime) -> bytes:
    """Return labels as one Parquet file; received: when the first came, in UTC.

    Each came a microsecond after the one before, so that the last one of a row is known.
    """
    came = _microseconds(received)
    columns = {
        layout.REQUEST_ID: strings([each.request_id for each in entries]),
        layout.ROW: Array([each.row for each in entries], INT32),
        layout.LABEL: strings([each.label for each in entries]),
        layout.AT: Array(
            [None if each.at is None else _microseconds(each.at) for each in entries], INT64
        ).cast(UTC_TIME),
        layout.RECEIVED: times(np.arange(came, came + len(entries))),
    }
    return encode([RecordBatch.from_arrays(list(columns.values()), names=list(columns))])


# --- Columns


def strings(texts: Sequence[str | None]) -> Array:
    """Return texts as a column; half a character becomes a question mark."""
    try:
        return Array(texts, STRING)
    except UnicodeEncodeError:
        whole = [None if t is None else t.encode("utf-8", "replace").decode() for t in texts]
        return Array(whole, STRING)


def short_strings(texts: NDArray[np.bytes_]) -> Array:
    """Return texts of few bytes as a column."""
    return Array(texts.tolist(), BINARY).cast(STRING)


def numbers(values: NDArray[np.float64]) -> Array:
    """Return numbers as a column; NaN becomes null."""
    column = np.ascontiguousarray(values)
    return _with_nulls(Array.from_numpy(column), np.isnan(column), FLOAT)


def times(microseconds: NDArray[np.int64]) -> Array:
    """Return microseconds since 1970 as times in UTC."""
    return Array.from_numpy(microseconds).cast(UTC_TIME)


def dates(seconds: NDArray[np.float64]) -> Array:
    """Return seconds since 1970 as times without a zone; NaN becomes null."""
    is_missing = np.isnan(seconds)
    whole = np.rint(np.where(is_missing, 0.0, seconds) * 1e6)
    # Beyond these bounds there is no 64-bit integer.
    found = np.clip(whole, -9e18, 9e18).astype(np.int64)
    return _with_nulls(Array.from_numpy(found), is_missing, INT64).cast(TIME)


def constant(value: object, kind: DataType, n_rows: int) -> Array:
    """Return a column that has the same value, or null, in all rows."""
    return Array([value], kind).take(Array.from_numpy(np.zeros(n_rows, np.int64)))


def dictionary(values: Sequence[str | None]) -> Array:
    """Return texts from which `take` makes columns that store a number for each row."""
    return strings(values).cast(DataType.dictionary(INT32, STRING))


def chosen(values: Array, codes: NDArray[Any]) -> Array:
    """Return for each row the value of its code."""
    return values.take(Array.from_numpy(np.ascontiguousarray(codes, dtype=np.int64)))


def _microseconds(when: datetime) -> int:
    return (when - EPOCH) // timedelta(microseconds=1)


def _with_nulls(column: Array, is_missing: NDArray[np.bool_], kind: DataType) -> Array:
    if not is_missing.any():
        return column
    # arro3 takes no mask: a null is added at the end, and is the value of each missing cell.
    places = np.arange(len(column))
    places[is_missing] = len(column)
    longer = ChunkedArray([column, Array([None], kind)]).combine_chunks()
    return longer.take(Array.from_numpy(places))
