"""The prediction log of one process: what was answered, written in the background.

Answers are never held up: `record` appends to a list, and what there is no room for is dropped and
counted. One thread makes columns and files of the rows, another one stores the files.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from secrets import token_hex
from time import monotonic
from typing import Any
from zlib import crc32

import numpy as np
from arro3.core import RecordBatch
from numpy.typing import NDArray

from tabproof.prediction_log import layout, segments
from tabproof.prediction_log.delivery import Delivery, Place, Segment
from tabproof.prediction_log.layout import LoggedModel, Role
from tabproof.prediction_log.segments import LabelEntry
from tabproof.prediction_log.stream import Choices, Chunk, Failed, Observer, Stream, Warned

# Seconds between looks at what was recorded, between looks for old partitions, and between lines
# about what was dropped.
PAUSE, RETENTION_SECONDS, REPORT_SECONDS = 0.1, 3600.0, 60.0
# About how many bytes of rows are held until a file is made of them.
SEGMENT_BYTES = 2 * 2**20
# Seconds after which a stream without rows is forgotten: its model is no longer served.
IDLE_SECONDS = 600.0

log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class LogOptions:
    """How predictions are logged.

    share: of all requests, from 0 to 1. days: older partitions are removed; 0: never.
    max_bytes: of all that waits.
    """

    choices: Choices = field(default_factory=Choices)
    share: float = 1.0
    days: int = 0
    flush_seconds: float = 5.0
    max_bytes: int = 16 * 2**20


class PredictionLog:
    """Log predictions; `start` and `stop` bound its life.

    counted: called with a reason and a number of rows that were not logged, and with an empty
    reason and the number of those that were.
    """

    def __init__(
        self,
        place: Place,
        options: LogOptions,
        counted: Callable[[str, int], None] = lambda _reason, _n_rows: None,
    ) -> None:
        self._place, self._options, self._counted = place, options, counted
        self._streams: dict[tuple[LoggedModel, Role], Stream] = {}
        self._making = threading.Lock()
        # When streams last had rows, and those that are looked at once more.
        self._used: dict[Stream, float] = {}
        self._retired: list[Stream] = []
        # Of the hash of a request's id, where only a share of the requests is logged.
        self._limit = None if options.share >= 1 else int(options.share * 2**32)
        self._pending: dict[tuple[str, Stream], list[Chunk]] = {}
        self._n_pending = 0
        self._numbers = count()
        self._writer = token_hex(6)
        self._stopping = threading.Event()
        self._dropped: Counter[str] = Counter()
        self._dropping = threading.Lock()
        self._failures: set[type] = set()
        self._observers: dict[Role, Observer] = {}
        self._delivery = Delivery(place, options.max_bytes // 2, self._count)
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    # --- Where answers are made

    def record(
        self,
        model: LoggedModel,
        request_id: str,
        values: Sequence[Any],
        proba: Sequence[float],
        label: str,
        warnings: Sequence[Warned] = (),
        role: Role = "champion",
    ) -> None:
        """Log the prediction of one row; never raise or wait for a full queue, disk or network.

        Callable from any thread. What is given must not change afterwards.

        Parameters
        ----------
        model : what the log has to know; the same object for each prediction of a model.
        request_id : that of the response.
        values : the cells as they were scored, in the order of `model.columns`: a number, the code
            of a category, seconds since 1970 of a date (NaN if missing), a text or None.
        proba : a probability for each of `model.labels`, in their order.
        label : the predicted one.
        warnings : what was changed about the row.
        role : "champion" for answers of the promoted model; "canary" for those of a challenger;
            "challenger" for what was scored in the background and never sent.
        """
        if self._limit is not None and self._is_left_out(request_id):
            return
        try:
            stream = self._streams.get((model, role)) or self._open(model, role)
            stream.add_row(request_id, values, proba, label, warnings)
        except Exception as error:  # whatever it is, the answer is sent
            self._fail(1, error)

    def record_batch(
        self,
        model: LoggedModel,
        request_id: str,
        columns: Sequence[NDArray[Any]],
        proba: NDArray[np.float64],
        labels: Sequence[str],
        warnings: Sequence[Warned] = (),
        role: Role = "champion",
    ) -> None:
        """Log the predictions of many rows of one request; see `record`.

        Parameters
        ----------
        columns : the cells by column, in the order of `model.columns`; shape (n_rows,) each.
        proba : probabilities of shape (n_rows, n_labels).
        labels : the predicted label of each row.
        warnings : each with the number of its row.
        """
        if self._limit is not None and self._is_left_out(request_id):
            return
        try:
            stream = self._streams.get((model, role)) or self._open(model, role)
            stream.add_batch(request_id, columns, proba, labels, warnings)
        except Exception as error:  # whatever it is, the answer is sent
            self._fail(len(labels), error)

    def _is_left_out(self, request_id: str) -> bool:
        # All workers and replicas take the same requests, and all rows of a request.
        return crc32(request_id.encode()) >= (self._limit or 0)

    def _open(self, model: LoggedModel, role: Role) -> Stream:
        with self._making:
            found = self._streams.get((model, role))
            if found is None:
                observer = self._observers.get(role)
                found = Stream(model, role, self._options.choices, observer)
                found.set_room(self._options.max_bytes // 2)
                self._streams[model, role] = found
            return found

    def write_labels(self, entries: Sequence[LabelEntry]) -> None:
        """Store labels that came later, so that they survive a power cut; raise if they do not.

        To be called in a thread: it waits for the disk or the bucket.
        """
        now = datetime.now(UTC)
        content = segments.encode_labels(entries, now)
        self._place.store(f"{layout.labels_folder(now.date())}/{self._name(now)}", content)

    # --- The life of the log

    def observe(self, role: Role, observer: Observer) -> None:
        """Have rows of a role observed in the writing thread; to be called before any is logged."""
        self._observers[role] = observer

    def start(self) -> None:
        """Start the threads."""
        self._delivery.start()
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Write what was recorded, for some seconds at most."""
        end = monotonic() + seconds
        self._stopping.set()
        self._thread.join(seconds)
        self._delivery.stop(max(end - monotonic(), 0.1))
        self._report()

    def _run(self) -> None:
        # What was recorded a moment after a look waits until the next one.
        every = max(self._options.flush_seconds - PAUSE, 0.0)
        pause = min(PAUSE, self._options.flush_seconds)
        flushed = reported = cleaned = monotonic()
        self._clean()
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(pause)
            now = monotonic()
            is_due = is_last or now - flushed >= every
            try:
                self._collect(is_due=is_due)
                if is_due:
                    flushed = now
                    self._flush()
            except BaseException:  # whatever it is, the thread goes on
                log.exception("prediction log: a step failed")
            if now - reported >= REPORT_SECONDS:
                reported = now
                self._report()
            if now - cleaned >= RETENTION_SECONDS:
                cleaned = now
                self._clean()

    def _clean(self) -> None:
        if self._options.days:
            self._place.remove_before(self._oldest_kept())

    def _oldest_kept(self) -> date:
        return datetime.now(UTC).date() - timedelta(days=self._options.days)

    @property
    def _segment_bytes(self) -> int:
        return min(SEGMENT_BYTES, self._options.max_bytes // 4)

    def _collect(self, *, is_due: bool) -> None:
        """Make columns of what was recorded: of all of it if a file is due."""
        retired, self._retired = self._retired, []
        for stream in retired:
            self._take(stream)
        now = monotonic()
        for key, stream in [*self._streams.items()]:
            if not stream.is_empty:
                self._used[stream] = now
            if is_due or stream.is_long:
                self._take(stream)
            stream.set_room(self._options.max_bytes // 2 - self._n_pending)
            if now - self._used.setdefault(stream, now) > IDLE_SECONDS:
                # A row may have been added this moment: the next look takes it.
                self._retired.append(self._streams.pop(key))
                del self._used[stream]

    def _take(self, stream: Stream) -> None:
        for chunk in stream.take():
            if isinstance(chunk, Failed):
                self._fail(chunk.n_rows, chunk.error)
                continue
            folder = layout.predictions_folder(chunk.day, stream.model.name)
            self._pending.setdefault((folder, stream), []).append(chunk)
            self._n_pending += chunk.n_bytes
            if self._n_pending >= self._segment_bytes:
                self._flush()
        if n_dropped := stream.newly_dropped():
            self._count("queue_full", n_dropped)

    def _flush(self) -> None:
        """Make files of the columns, and have them stored."""
        pending, self._pending, self._n_pending = self._pending, {}, 0
        for (folder, _), chunks in pending.items():
            n_rows = sum(chunk.n_rows for chunk in chunks)
            batches: list[RecordBatch] = [chunk.columns for chunk in chunks]
            try:
                content = segments.encode(batches)
            except BaseException as error:  # a panic of arro3 is no Exception
                self._fail(n_rows, error)
                continue
            name = f"{folder}/{self._name(datetime.now(UTC))}"
            self._delivery.put(Segment(name, content, n_rows))

    def _name(self, when: datetime) -> str:
        return layout.segment_name(when, self._writer, next(self._numbers))

    def _fail(self, n_rows: int, error: BaseException) -> None:
        self._count("failed", n_rows)
        if type(error) not in self._failures:
            self._failures.add(type(error))
            log.error("prediction log: rows could not be encoded", exc_info=error)

    def _count(self, reason: str, n_rows: int) -> None:
        self._counted(reason, n_rows)
        if reason:
            with self._dropping:
                self._dropped[reason] += n_rows

    def _report(self) -> None:
        """Say in one line what was dropped since the last one, and what cannot be written."""
        with self._dropping:
            dropped, self._dropped = self._dropped, Counter()
        failure = self._delivery.failure
        parts = [f"{n:,} rows were dropped ({reason})" for reason, n in sorted(dropped.items())]
        if failure:
            parts.append(f"it cannot be written: {failure}")
        if parts:
            log.warning("prediction log: %s", "; ".join(parts))
