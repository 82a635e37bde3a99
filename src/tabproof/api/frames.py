"""Tables in memory: what is one, and as a file."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tabproof.batch.frames import are_records, as_arrow

# Characters of the hash in the name of a frame without one.
SHORT_HASH = 8


def is_frame(value: object) -> bool:
    """Return whether a value is a table in memory."""
    ways = ("__arrow_c_stream__", "__dataframe__")
    is_series = isinstance(value, (pd.Series, pa.ChunkedArray))
    is_known = isinstance(value, pd.DataFrame) or any(hasattr(value, way) for way in ways)
    return (is_known and not is_series) or are_records(value)


@contextmanager
def stored(frame: Any, name: str | None) -> Iterator[Path]:
    """Write a frame to a temporary file for the block; yield its path.

    name : of the data set in lists of runs; None: made from the hash of the content.
    """
    content = BytesIO()
    pq.write_table(as_arrow(frame), content)
    name = name or f"frame_{hashlib.sha256(content.getbuffer()).hexdigest()[:SHORT_HASH]}"
    with TemporaryDirectory(prefix="tabproof_") as folder:
        path = Path(folder) / f"{name}.parquet"
        path.write_bytes(content.getbuffer())
        yield path
