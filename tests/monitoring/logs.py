"""Logs as the service writes them, made of a run's own table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tabproof import artifacts
from tabproof.prediction_log import layout

# A Monday at noon.
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
NUMBERS = count()


@dataclass(frozen=True)
class Answers:
    """Rows with the probabilities of a run, repeated and shuffled from its table."""

    run: Path
    rows: pd.DataFrame
    truth: Sequence[str]
    proba: np.ndarray
    labels: Sequence[str]
    run_id: str
    threshold: float | None

    def take(self, places: Sequence[int] | slice) -> "Answers":
        """Return some of the rows."""
        index = np.arange(len(self.rows))[places]
        rows = self.rows.iloc[index].reset_index(drop=True)
        truth = [self.truth[i] for i in index]
        return Answers(
            self.run, rows, truth, self.proba[index], self.labels, self.run_id, self.threshold
        )

    def predicted(self) -> list[str]:
        """Return the labels that the run predicts."""
        if self.threshold is None:
            return [self.labels[code] for code in self.proba.argmax(axis=1)]
        return [self.labels[int(p > self.threshold)] for p in self.proba[:, 1]]


def answers_of(run: Path, table: pd.DataFrame, n_rows: int, seed: int = 0) -> Answers:
    """Return answers that the run would have given to rows drawn from its table."""
    rows = table.sample(n_rows, replace=True, random_state=seed, ignore_index=True)
    found = artifacts.read_complete_run(run)
    truth = rows.pop("label").astype(str).tolist()
    return scored(run, rows, truth, found)


def scored(
    run: Path, rows: pd.DataFrame, truth: Sequence[str], found: artifacts.CompleteRun | None = None
) -> Answers:
    """Return answers that the run gives to these rows."""
    found = found or artifacts.read_complete_run(run)
    estimator = joblib.load(run / "estimator.joblib")
    typed = {}
    if "job" in rows:
        typed["job"] = pd.Categorical(rows["job"], ["clerk", "farmer", "smith"])
    proba = estimator.predict_proba(rows.assign(**typed))
    summary = found.summary
    return Answers(run, rows, truth, proba, summary.labels, found.run_id, summary.threshold)


@dataclass
class Log:
    """A log that is being written; ids: of the requests so far, a row each."""

    root: Path
    ids: list[str] = field(default_factory=list)

    def write(
        self,
        answers: Answers,
        when: datetime | Sequence[datetime],
        *,
        model: str = "table",
        role: str = "champion",
        ids: Sequence[str] | None = None,
        warnings: Sequence[str | None] | None = None,
        run_id: str | None = None,
        columns: Mapping[str, pa.Array] | None = None,
    ) -> list[str]:
        """Write one segment of answers, each a request; return the request ids.

        when : of the first row, the others follow by a second; or of all. columns : instead of
        the features.
        """
        n = len(answers.rows)
        moments = (
            [when + timedelta(seconds=i) for i in range(n)]
            if isinstance(when, datetime)
            else list(when)
        )
        number = next(NUMBERS)
        ids = [f"r{number}-{i}" for i in range(n)] if ids is None else list(ids)
        features = {
            f"{layout.FEATURE}{name}": pa.array(column, from_pandas=True)
            for name, column in answers.rows.items()
        }
        content: dict[str, Any] = {
            "time": pa.array(moments, pa.timestamp("us", "UTC")),
            "request_id": ids,
            "row": pa.array(np.zeros(n), pa.int32()),
            "run_id": [run_id or answers.run_id] * n,
            "role": [role] * n,
            "threshold": pa.array([answers.threshold] * n, pa.float64()),
            "label": answers.predicted(),
            **{f"proba_{label}": answers.proba[:, i] for i, label in enumerate(answers.labels)},
            "warnings": pa.array(warnings or [None] * n, pa.string()),
            **(features if columns is None else columns),
        }
        folder = self.root / layout.predictions_folder(moments[0].date(), model)
        self.save(content, folder, moments[0], number)
        self.ids += ids
        return ids

    def label(
        self, ids: Sequence[str], labels: Sequence[str], received: datetime, *, row: int = 0
    ) -> None:
        """Write one segment of labels, as the service would have received them."""
        n = len(ids)
        content = {
            "request_id": list(ids),
            "row": pa.array([row] * n, pa.int32()),
            "label": list(labels),
            "at": pa.array([None] * n, pa.timestamp("us", "UTC")),
            "received": pa.array([received] * n, pa.timestamp("us", "UTC")),
        }
        folder = self.root / layout.labels_folder(received.date())
        self.save(content, folder, received, next(NUMBERS))

    @staticmethod
    def save(content: Mapping[str, Any], folder: Path, when: datetime, number: int) -> Path:
        """Write a file of the log."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / layout.segment_name(when, "0123abcd", number)
        pq.write_table(pa.table(dict(content)), path, compression="zstd")
        return path

    def fill(self, answers: Answers, days: int, *, end: datetime = NOW, **options: Any) -> None:
        """Write the answers in order over the days up to the end, a segment a day."""
        n_days = len(answers.rows) / days
        for day in range(days):
            part = answers.take(slice(round(day * n_days), round((day + 1) * n_days)))
            self.write(part, end - timedelta(days=days - 1 - day, hours=6), **options)
