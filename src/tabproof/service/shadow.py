"""The shadow: a thread that scores requests with their challenger after they were answered.

It works in small portions and rests after each, so that it takes at most one part in `REST` of the
interpreter's time. A thread of low priority would do the opposite: suspended while it holds the
interpreter's lock, it holds up every answer.
"""

import logging
import threading
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tabproof.service.answers import RowWarning
from tabproof.service.challengers import Challenger, Counted
from tabproof.service.rows import Row
from tabproof.service.served_model import ServedModel

if TYPE_CHECKING:
    from tabproof.prediction_log.writer import PredictionLog

# Requests, and rows, that may wait; more are dropped. One request of any size may always wait.
MAX_REQUESTS, MAX_WAITING_ROWS = 5000, 20_000
# Rows that are scored at a time: as many as take PORTION_SECONDS. Answers wait for a portion.
MAX_PORTION, PORTION_SECONDS = 64, 0.0003
# The thread rests for REST times the processor time of a portion.
REST = 39
# Factor of the rest while more than half of MAX_REQUESTS wait: such a load leaves no room.
LONGER = 5
# Seconds between looks at an empty queue, and before the thread sleeps until it is woken up:
# waking it up for each request would take longer than scoring it.
LOOK_SECONDS, IDLE_SECONDS = 0.01, 1.0
STOP_SECONDS = 5.0

log = logging.getLogger("uvicorn.error")


@dataclass(slots=True)
class _Waiting:
    """A request that was answered by the champion."""

    challenger: Challenger
    request_id: str
    rows: Sequence[Row]


class Shadow:
    """Score requests in a thread of its own, which starts with the first of them."""

    def __init__(self, log: "PredictionLog", counted: Counted) -> None:
        self._log, self._counted = log, counted
        self._waiting: deque[_Waiting] = deque()
        self._n_rows, self._portion = 0, MAX_PORTION // 8
        self._wake, self._end = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._began = 0.0, 0.0
        # Of which runs a failure was logged.
        self._logged: set[str] = set()
        # The event loop and its worker thread put; this thread takes.
        self._lock = threading.Lock()

    def put(self, challenger: Challenger, request_id: str, rows: Sequence[Row]) -> None:
        """Let a request be scored later, or drop and count it where too many wait."""
        with self._lock:
            is_full = (
                len(self._waiting) >= MAX_REQUESTS
                or self._n_rows + len(rows) > MAX_WAITING_ROWS
                or self._end.is_set()
            )
            # One request of any size fits into an empty queue.
            if not is_full or not (self._waiting or self._end.is_set()):
                self._waiting.append(_Waiting(challenger, request_id, rows))
                self._n_rows += len(rows)
                is_full = False
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
                    self._thread.start()
        if is_full:
            self._counted.challenger(challenger.model.name, "dropped")
        elif not self._wake.is_set():
            self._wake.set()

    def stop(self) -> None:
        """End the thread; requests that still wait are dropped."""
        self._end.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        for each in self._waiting:
            self._counted.challenger(each.challenger.model.name, "dropped")
        self._waiting.clear()

    def _run(self) -> None:
        looks = 0
        while not self._end.is_set():
            portion = self._take()
            if not portion:
                looks += 1
                if looks * LOOK_SECONDS < IDLE_SECONDS:
                    self._end.wait(LOOK_SECONDS)
                    continue
                self._wake.clear()
                # A request that was put before `clear` did not wake this thread.
                if not self._waiting:
                    self._wake.wait()
                looks = 0
                continue
            looks = 0
            self._score(portion)

    def _take(self) -> list[_Waiting]:
        """Take requests of one challenger, of a portion together, or a larger one."""
        found: list[_Waiting] = []
        n_rows = 0
        with self._lock:
            while self._waiting:
                first = self._waiting[0]
                is_other = found and first.challenger is not found[0].challenger
                if is_other or (found and n_rows + len(first.rows) > self._portion):
                    break
                found.append(self._waiting.popleft())
                n_rows += len(first.rows)
            self._n_rows -= n_rows
        return found

    def _begin(self) -> None:
        self._began = perf_counter(), thread_time()

    def _rest(self) -> None:
        """Wait REST times the time of the work since `_begin`, and at least as long as it took.

        On a busy machine it takes longer than this thread works.
        """
        took, worked = perf_counter() - self._began[0], thread_time() - self._began[1]
        longer = LONGER if len(self._waiting) > MAX_REQUESTS // 2 else 1
        self._end.wait(max(longer * REST * worked, took))

    def _score(self, portion: list[_Waiting]) -> None:
        """Score and record requests; where one fails, each is scored alone."""
        model = portion[0].challenger.model
        rows = [row for each in portion for row in each.rows]
        self._begin()
        try:
            # Only a single request may have more rows than a portion.
            if len(portion) > 1 or len(rows) <= self._portion:
                found = self._predict(model, rows)
            else:
                found = self._predict_large(model, rows)
        except Exception:  # whatever it is, it has no answer to change
            if len(portion) == 1:
                self._count_failure(model)
            self._rest()
            for each in portion if len(portion) > 1 else ():
                self._score([each])
            return
        try:
            self._record(model, portion, found)
        except Exception:  # as above
            self._count_failure(model)
        else:
            self._counted.challenger(model.name, "scored", len(portion))
        self._rest()

    def _record(self, model: ServedModel, portion: Sequence[_Waiting], found: "_Predicted") -> None:
        """Log what was predicted for the rows of a portion, under the id of each request."""
        cells = list(zip(*(column.tolist() for column in found.columns), strict=True))
        proba, logged, start = found.proba.tolist(), model.logged, 0
        by_row: dict[int, list[RowWarning]] = defaultdict(list)
        for warning in found.warnings:
            by_row[warning.row or 0].append(warning)
        for each in portion:
            end = start + len(each.rows)
            warnings = [
                RowWarning(warning.column, warning.kind, "", row - start)
                for row in range(start, end)
                for warning in by_row.get(row, ())
            ]
            if end - start == 1:
                row = cells[start], proba[start], found.labels[start], warnings
                self._log.record(logged, each.request_id, *row, "challenger")
            else:
                columns = [column[start:end] for column in found.columns]
                rows = columns, found.proba[start:end], found.labels[start:end], warnings
                self._log.record_batch(logged, each.request_id, *rows, "challenger")
            start = end

    def _count_failure(self, model: ServedModel) -> None:
        self._counted.challenger(model.name, "failed")
        if model.run_id not in self._logged:
            self._logged.add(model.run_id)
            message = "the challenger of '%s', run %s, failed; its further failures are counted"
            log.exception(message, model.name, model.run_id)

    def _predict(self, model: ServedModel, rows: Sequence[Row]) -> "_Predicted":
        """Predict rows, and adapt how many of them are a portion."""
        # Of this thread alone: others may hold it up.
        started = thread_time()
        warnings: list[RowWarning] = []
        batch, columns, proba = model.score_rows(rows, strict=False, every=warnings)
        seconds = thread_time() - started
        if seconds > PORTION_SECONDS:
            self._portion = max(1, self._portion // 2)
        elif len(rows) >= self._portion and seconds < PORTION_SECONDS / 2:
            self._portion = min(MAX_PORTION, 2 * self._portion)
        return _Predicted(batch.label, columns, proba, warnings)

    def _predict_large(self, model: ServedModel, rows: Sequence[Row]) -> "_Predicted":
        """Predict the rows of a request in portions."""
        labels: list[str] = []
        warnings: list[RowWarning] = []
        columns, proba = [], []
        start = 0
        while start < len(rows):
            if start:
                self._rest()
                self._begin()
            part = self._predict(model, rows[start : start + self._portion])
            labels += part.labels
            columns.append(part.columns)
            proba.append(part.proba)
            for each in part.warnings:
                row = start + (each.row or 0)
                warnings.append(RowWarning(each.column, each.kind, "", row))
            start += len(part.labels)
        joined = [np.concatenate(parts) for parts in zip(*columns, strict=True)]
        return _Predicted(labels, joined, np.concatenate(proba), warnings)


@dataclass(frozen=True, slots=True)
class _Predicted:
    """What is logged of rows; warnings have the number of their row."""

    labels: list[str]
    columns: Sequence[NDArray[Any]]
    proba: NDArray[np.float64]
    warnings: list[RowWarning]
