"""Logs of a few rows in many small files, as the service writes them, and the rows that count."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from arro3.core import RecordBatch

from tabproof.monitoring.log_files import being_read, find_files
from tabproof.prediction_log import layout
from tabproof.prediction_log.segments import LabelEntry, encode, encode_labels

# The days of the log: all of them are over for a day.
FIRST, SECOND = date(2026, 11, 2), date(2026, 11, 3)
BEFORE = date(2026, 11, 28)
PARTITION = layout.predictions_folder(FIRST, "adult")
LABELS = layout.labels_folder(SECOND)

Rows = Counter[tuple[str, str, str]]


def columns(n: int, seed: int) -> dict[str, pa.Array]:
    """Return columns of a predictions file, with nulls, an empty text and a date."""
    rng = np.random.default_rng(seed)
    when = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(seconds=5 * seed)
    return {
        "time": pa.array([when] * n, pa.timestamp("us", "UTC")),
        "request_id": pa.array([f"r{seed}-{i}" for i in range(n)]),
        "row": pa.array(range(n), pa.int32()),
        "run_id": pa.array(["abcd"] * n),
        "role": pa.array(["champion"] * n),
        "threshold": pa.array([None] * n, pa.float64()),
        "label": pa.array(rng.choice(["no", "yes"], n).tolist()),
        "proba_no": pa.array(rng.random(n)),
        "warnings": pa.array([None, '["unseen_category:job"]', None][:n], pa.string()),
        "x_age": pa.array([40.5, None, -0.0][:n], pa.float64()),
        "x_since": pa.array([None, datetime(2020, 2, 29, 12), None][:n], pa.timestamp("us")),
        "x_job.of a, name": pa.array(["clerk", "", "日本"][:n], pa.string()),
    }  # fmt: skip


def segment(number: int, **others: pa.Array | None) -> bytes:
    """Return a file of three rows; others: columns that are different, or None to leave out."""
    found = {k: v for k, v in {**columns(3, number), **others}.items() if v is not None}
    batch = pa.RecordBatch.from_arrays(list(found.values()), names=list(found))
    return encode([RecordBatch.from_arrow(batch)])


def name_of(number: int) -> str:
    """Return the name of a file of the log."""
    when = datetime(2026, 11, 2, tzinfo=UTC) + timedelta(seconds=5 * number)
    return layout.segment_name(when, "0123456789ab", number)


def write(root: Path, partition: str, number: int, content: bytes | None = None) -> Path:
    """Write a file into a partition."""
    path = root / partition / name_of(number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(segment(number) if content is None else content)
    return path


def labels(number: int) -> bytes:
    """Return a file of two labels."""
    received = datetime(2026, 11, 3, 1, number, tzinfo=UTC)
    at = datetime(2026, 11, 2, 9, tzinfo=UTC)
    entries = [LabelEntry(f"r{number}-0", 0, "yes", at), LabelEntry(f"r{number}-1", 1, "no", None)]
    return encode_labels(entries, received)


def small_log(root: Path, n_files: int = 4) -> Path:
    """Write a log of two days, two models, and labels; return its directory."""
    for day in (FIRST, SECOND):
        for model in ("adult", "a/b"):
            for number in range(n_files):
                write(root, layout.predictions_folder(day, model), number)
    for number in range(n_files):
        write(root, LABELS, number, labels(number))
    return root


def rows_of(root: Path) -> Rows:
    """Return the rows that count: how often each, with its partition and the types of columns."""
    found: Rows = Counter()
    with being_read(root):
        files = find_files(root)
        for path in (
            *(path for paths in files.predictions.values() for path in paths),
            *files.labels,
        ):
            partition = Path(path).parent.relative_to(root).as_posix()
            found.update(rows_in(partition, path))
    return found  # fmt: skip


def rows_in(partition: str, path: str | Path) -> Iterable[tuple[str, str, str]]:
    """Yield the rows of a file."""
    with pq.ParquetFile(path) as file:
        table = file.read()
    types = str([(each.name, str(each.type)) for each in table.schema])
    for row in table.to_pylist():
        yield partition, types, repr(row)


def values(root: Path, partition: str, column: str) -> list[Any]:
    """Return a column of a partition's files, in the order of their names."""
    paths = sorted((root / partition).glob("*.parquet"))
    return [each for path in paths for each in pq.ParquetFile(path).read()[column].to_pylist()]


def names(root: Path) -> list[str]:
    """Return all files of the partitions, hidden ones too."""
    return sorted(
        path.relative_to(root).as_posix()
        for tree in (layout.PREDICTIONS, layout.LABELS)
        for path in (root / tree).rglob("*")
        if path.is_file()
    )
