"""A log in a directory, a model with a column of each kind, and a reader of the log."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tabproof.prediction_log.delivery import LocalPlace, Place
from tabproof.prediction_log.layout import LoggedColumn, LoggedModel
from tabproof.prediction_log.writer import LogOptions, PredictionLog

MODEL = LoggedModel(
    "adult",
    "run-1",
    ("no", "yes"),
    0.5,
    (
        LoggedColumn("age", "number"),
        LoggedColumn("job", "category", ("clerk", "smith")),
        LoggedColumn("since", "date"),
        LoggedColumn("note", "text"),
    ),
)
# The last two codes of job are those of an unseen category and of a missing cell.
CELLS: list[list[Any]] = [
    [41.0, 0, 0.5, "a b"],
    [nan, 1, nan, None],
    [1e300, 2, -1.0, ""],
    [-0.1, 3, 1e9, "é"],
]
PROBA = [[0.25, 0.75], [0.5, 0.5], [1.0, 0.0], [0.1, 0.9]]
LABELS = ["yes", "no", "no", "yes"]


@dataclass
class Noted:
    """A warning of a row."""

    column: str
    kind: str
    row: int | None = None


@dataclass
class Written:
    """A log that is being written, and what it counted by reason."""

    log: PredictionLog
    path: Path
    counts: Counter[str]

    def record(self, n_rows: int = len(CELLS), **options: Any) -> None:
        for n in range(n_rows):
            cells = CELLS[n % len(CELLS)], PROBA[n % len(CELLS)], LABELS[n % len(CELLS)]
            self.log.record(MODEL, f"r{n}", *cells, **options)

    def record_batch(self, request_id: str = "batch", **options: Any) -> None:
        kinds: list[Any] = [float, np.intp, float, object]
        columns = [
            np.array(cells, dtype=kind)
            for cells, kind in zip(zip(*CELLS, strict=True), kinds, strict=True)
        ]
        self.log.record_batch(MODEL, request_id, columns, np.array(PROBA), LABELS, **options)


Write = Callable[..., AbstractContextManager[Written]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return what opens a log and closes it at the end of a block."""

    @contextmanager
    def opened(
        place: Place | None = None, *, seconds: float = 5.0, **options: Any
    ) -> Iterator[Any]:
        counts: Counter[str] = Counter()

        def count(reason: str, n_rows: int) -> None:
            counts[reason] += n_rows

        local = LocalPlace(tmp_path / "log")
        local.check()
        log = PredictionLog(place or local, LogOptions(**options), count)
        log.start()
        try:
            yield Written(log, local.path, counts)
        finally:
            log.stop(seconds)

    return opened


def files(path: Path, folder: str = "predictions") -> list[Path]:
    return sorted((path / folder).rglob("*.parquet"))


def read(path: Path) -> pd.DataFrame:
    """Read all predictions, in the order of requests and rows, with pandas."""
    table = pd.read_parquet(path / "predictions")
    return table.sort_values(["request_id", "row"], ignore_index=True)


def read_types(path: Path) -> dict[str, pa.DataType]:
    schema = pq.read_schema(files(path)[0])
    return {field.name: field.type for field in schema}


def wait_for(what: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)
