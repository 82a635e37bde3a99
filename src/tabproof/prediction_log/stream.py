"""The rows of one model in one role that wait to be written.

`add_row` and `add_batch` are called where answers are made, and cost less than a microsecond a row.
`take` is called by the writing thread, and makes columns of what was added.
"""

import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from operator import itemgetter
from struct import Struct
from time import time
from typing import Any, Protocol, TypeVar

import msgspec
import numpy as np
from arro3.core import Array, RecordBatch
from numpy.typing import NDArray

from tabproof.prediction_log import layout, segments
from tabproof.prediction_log.layout import LoggedColumn, LoggedModel, Role
from tabproof.prediction_log.segments import EPOCH

# Rows that become columns at once. Fewer than the first are left until a file is due.
MIN_CHUNK, MAX_CHUNK = 4096, 8192
DAY = 86_400_000_000
# Bytes of a request id in a packed row: those that the service makes have as many.
ID_BYTES = 16
# Fields of a packed row before those of the columns.
N_FIRST = 4
# Bytes of Python objects for one row, beside eight for each number and those of texts.
ROW_BYTES = 400
# Different sets of warnings whose texts are kept.
MAX_TEXTS = 1000

T = TypeVar("T")


class Warned(Protocol):
    """A warning of a row; `RowWarning` of the service is one."""

    @property
    def column(self) -> str:
        """The name of the column."""

    @property
    def kind(self) -> str:
        """What was changed or is doubtful."""

    @property
    def row(self) -> int | None:
        """The number of the row in a batch."""


@dataclass(frozen=True)
class Choices:
    """Which columns are left out, and which are hashed, with which key."""

    exclude: frozenset[str] = frozenset()
    hashed: frozenset[str] = frozenset()
    key: bytes = field(default=b"", repr=False)

    def hash(self, text: str) -> str:
        """Return the first 16 hexadecimal digits of HMAC-SHA-256 of a text."""
        return hmac.digest(self.key, text.encode("utf-8", "replace"), "sha256").hex()[:16]


@dataclass(frozen=True)
class Chunk:
    """Columns of rows of one day; n_bytes: about how much memory they take."""

    day: date
    columns: RecordBatch
    n_rows: int
    n_bytes: int


@dataclass(frozen=True)
class Failed:
    """Rows that could not be encoded."""

    n_rows: int
    error: BaseException


@dataclass(frozen=True)
class Scored:
    """Rows as they were scored.

    time : when the first of them was answered, in microseconds since 1970. columns : the cells by
    column, those that the log leaves out not among them: numbers, codes of categories, seconds
    since 1970, or texts. proba : (n_rows, n_labels). codes : (n_rows,) places of the predicted
    labels. warned : (n_rows,) whether a row has warnings; None if none has.
    """

    time: int
    columns: Mapping[str, Sequence[Any] | NDArray[Any]]
    proba: NDArray[np.float64]
    codes: NDArray[Any]
    warned: NDArray[np.bool_] | None


class Observer(Protocol):
    """Gets rows in the writing thread; its methods must not raise."""

    def observe(self, model: LoggedModel, rows: Scored) -> None:
        """Take in some rows: those with and without warnings come apart."""

    def look(self, model: LoggedModel) -> None:
        """Look at what was observed: all rows that were answered up to about now."""


@dataclass(frozen=True, slots=True)
class _Batch:
    time: float
    request_id: str
    columns: Sequence[NDArray[Any]]
    proba: NDArray[np.float64]
    labels: Sequence[str]
    warnings: Sequence[Warned]
    n_bytes: int


class Stream:
    """The rows of one model in one role.

    Nothing is taken until `set_room` is called. More rows are dropped, and counted in n_dropped.
    observer : gets all rows before columns are made of them.
    """

    def __init__(
        self, model: LoggedModel, role: Role, choices: Choices, observer: Observer | None = None
    ) -> None:
        self.model, self.role, self._observer = model, role, observer
        self.n_dropped = self._n_told = 0
        # Ordinary rows, packed; the others; and those of whole requests.
        self._packed = bytearray()
        self._rows: list[tuple[Any, ...]] = []
        self._batches: list[_Batch] = []
        # Those of batches and of texts: what was added, and what was taken since.
        self._added = self._taken = 0
        kept = [c for c in enumerate(model.columns) if c[1].name not in choices.exclude]
        kept_plain = [(place, column) for place, column in kept if column.kind != "text"]
        plain = [place for place, _ in kept_plain]
        texts = [place for place, column in kept if column.kind == "text"]
        # Of a row: the time, the probabilities, then numbers, and codes of categories.
        codes = "".join("i" if column.kind == "category" else "d" for _, column in kept_plain)
        packed = Struct(f"={ID_BYTES}si{1 + len(model.labels)}d{codes}")
        self._pack, self._packed_bytes = packed.pack, packed.size
        self._dtype = _dtype_of(len(model.labels), codes)
        self._has_all = len(plain) == len(model.columns)
        self._plain, self._texts = _getter(plain), _getter(texts) if texts else None
        self._columns = [_Column(place, column, choices) for place, column in kept]
        self._row_bytes = ROW_BYTES + 8 * (len(model.labels) + len(plain))
        self._max_rows = self._max_bytes = 0
        self._code_of = {label: code for code, label in enumerate(model.labels)}
        self._labels = segments.dictionary(model.labels)
        self._run_id = segments.dictionary([model.run_id])
        self._role = segments.dictionary([role])
        self._texts_of: dict[tuple[str, ...], str] = {}

    # --- Where answers are made

    def add_row(
        self,
        request_id: str,
        values: Sequence[Any],
        proba: Sequence[float],
        label: str,
        warnings: Sequence[Warned],
    ) -> None:
        """Add one row; see `PredictionLog.record`."""
        if len(self._packed) > self._max_bytes or len(self._rows) >= self._max_rows:
            self.n_dropped += 1
            return
        name, code, texts = request_id.encode(), self._code_of[label], None
        if self._has_all:
            packed = self._pack(name, code, time(), *proba, *values)
        else:
            packed = self._pack(name, code, time(), *proba, *self._plain(values))
            if self._texts is not None:
                texts = self._texts(values)
                n_bytes = sum(len(text) for text in texts if text is not None)
                if self._added + n_bytes - self._taken > self._max_bytes:
                    self.n_dropped += 1
                    return
                self._added += n_bytes
        if texts is None and not warnings and len(name) <= ID_BYTES:
            # A fifth of the memory of objects. Appending is one step for other threads.
            self._packed += packed
        else:
            self._rows.append((request_id, warnings or None, packed, texts))

    def add_batch(
        self,
        request_id: str,
        columns: Sequence[NDArray[Any]],
        proba: NDArray[np.float64],
        labels: Sequence[str],
        warnings: Sequence[Warned],
    ) -> None:
        """Add the rows of one request; see `PredictionLog.record_batch`."""
        n_bytes = proba.nbytes + sum(column.nbytes for column in columns) + 200 * len(warnings)
        for column in self._columns:
            if column.kind == "text":
                n_bytes += sum(len(each) for each in columns[column.place] if each is not None)
        # A batch that is larger than all room is taken if nothing waits.
        waiting = self._added - self._taken
        if (waiting and waiting + n_bytes > self._max_bytes) or not self._max_rows:
            self.n_dropped += len(labels)
            return
        self._added += n_bytes
        self._batches.append(_Batch(time(), request_id, columns, proba, labels, warnings, n_bytes))

    # --- In the writing thread

    def set_room(self, n_bytes: int) -> None:
        """Set how many bytes of rows may wait here."""
        self._max_bytes = max(n_bytes, 0)
        self._max_rows = self._max_bytes // self._row_bytes

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._packed and not self._rows and not self._batches

    def newly_dropped(self) -> int:
        """Return how many rows were dropped since the last call."""
        # The counter is only ever increased, so that another thread loses no increment.
        before, self._n_told = self._n_told, self.n_dropped
        return self._n_told - before

    @property
    def is_long(self) -> bool:
        """Whether enough waits to make columns of it now."""
        n_rows = len(self._rows) + len(self._packed) // self._packed_bytes
        return n_rows >= MIN_CHUNK or self._added > self._taken

    def take(self) -> Iterator[Chunk | Failed]:
        """Make columns of what was added, and forget it.

        Rows that cannot be encoded are not among the chunks.
        """
        # Others only append, so that no row is lost between a copy and its removal.
        while self._packed:
            part = bytes(self._packed[: MAX_CHUNK * self._packed_bytes])
            del self._packed[: len(part)]
            yield from _tried(self._of_packed, part, len(part) // self._packed_bytes)
        while self._rows:
            rows = self._rows[:MAX_CHUNK]
            del self._rows[: len(rows)]
            yield from _tried(self._of_rows, rows, len(rows))
        while self._batches:
            batch = self._batches.pop(0)
            yield from _tried(self._of_batch, batch, len(batch.labels))
        if self._observer is not None:
            self._observer.look(self.model)

    def _of_packed(self, packed: bytes) -> list[Chunk]:
        table = np.frombuffer(packed, self._dtype)
        return self._of_table(table, segments.short_strings(table["id"]), None, ())

    def _of_rows(self, rows: list[tuple[Any, ...]]) -> list[Chunk]:
        ids, warnings, packed, texts = zip(*rows, strict=True)
        if self._texts is not None:
            self._taken += sum(len(t) for row in texts for t in row if t is not None)
        noted = None
        if any(warnings):
            noted = [None if each is None else self._text_of(each) for each in warnings]
        table = np.frombuffer(b"".join(packed), self._dtype)
        return self._of_table(table, segments.strings(ids), noted, texts)

    def _of_table(
        self,
        table: NDArray[Any],
        ids: Array,
        noted: Sequence[str | None] | None,
        texts: Sequence[Sequence[str | None]],
    ) -> list[Chunk]:
        plain = (table[name] for name in (self._dtype.names or ())[N_FIRST:])
        cells = zip(*texts, strict=True) if self._texts is not None else iter(())
        values = [next(cells) if c.kind == "text" else next(plain) for c in self._columns]
        return self._chunks(
            np.rint(table["time"] * 1e6).astype(np.int64),
            ids,
            np.zeros(len(table), np.int32),
            table["proba"],
            table["label"],
            noted,
            values,
        )

    def _of_batch(self, batch: _Batch) -> list[Chunk]:
        self._taken += batch.n_bytes
        n_rows = len(batch.labels)
        noted: list[str | None] | None = None
        if batch.warnings:
            by_row: dict[int, list[Warned]] = {}
            for warning in batch.warnings:
                if warning.row is not None:
                    by_row.setdefault(warning.row, []).append(warning)
            noted = [None] * n_rows
            for row, warnings in by_row.items():
                noted[row] = self._text_of(warnings)
        codes = np.fromiter(map(self._code_of.__getitem__, batch.labels), np.int64, n_rows)
        return self._chunks(
            np.full(n_rows, round(batch.time * 1e6), np.int64),
            segments.constant(batch.request_id, segments.STRING, n_rows),
            np.arange(n_rows, dtype=np.int32),
            batch.proba,
            codes,
            noted,
            [batch.columns[column.place] for column in self._columns],
        )

    def _chunks(
        self,
        microseconds: NDArray[np.int64],
        ids: Array,
        places: NDArray[np.int32],
        proba: NDArray[np.float64],
        codes: NDArray[Any],
        noted: Sequence[str | None] | None,
        values: Sequence[Any],
    ) -> list[Chunk]:
        if self._observer is not None:
            columns = {c.name: cells for c, cells in zip(self._columns, values, strict=True)}
            warned = None if noted is None else np.array([each is not None for each in noted])
            first = int(microseconds[0])
            self._observer.observe(self.model, Scored(first, columns, proba, codes, warned))
        n_rows, pauses = len(codes), segments.Pauses()
        zeros = np.zeros(n_rows, np.int64)
        found = {
            layout.TIME: segments.times(microseconds),
            layout.REQUEST_ID: ids,
            layout.ROW: Array.from_numpy(places),
            layout.RUN_ID: segments.chosen(self._run_id, zeros),
            layout.ROLE: segments.chosen(self._role, zeros),
            layout.THRESHOLD: segments.constant(self.model.threshold, segments.FLOAT, n_rows),
            layout.LABEL: segments.chosen(self._labels, codes),
        }
        pauses.take()
        for place, label in enumerate(self.model.labels):
            found[layout.PROBABILITY + label] = segments.numbers(proba[:, place])
            pauses.take()
        if noted is None:
            found[layout.WARNINGS] = segments.constant(None, segments.STRING, n_rows)
        else:
            found[layout.WARNINGS] = segments.strings(noted)
        for column, cells in zip(self._columns, values, strict=True):
            found[layout.FEATURE + column.name] = column.array(cells)
            pauses.take()
        batch = RecordBatch.from_arrays(list(found.values()), names=list(found))
        n_bytes = n_rows * (100 + 8 * len(found))
        for column, cells in zip(self._columns, values, strict=True):
            if column.kind == "text":
                n_bytes += sum(len(each) for each in cells if each is not None)
        # Midnight may lie between two rows, and a clock may be set back.
        days = microseconds // DAY
        first = int(days[0])
        if (days == first).all():
            return [Chunk(_date(first), batch, n_rows, n_bytes)]
        parts = []
        for day in np.unique(days).tolist():
            rows = np.flatnonzero(days == day)
            part = batch.take(Array.from_numpy(rows))
            parts.append(Chunk(_date(day), part, len(rows), n_bytes * len(rows) // n_rows))
        return parts

    def _text_of(self, warnings: Sequence[Warned]) -> str:
        # The name of an unknown column is what a client typed.
        keys = tuple(
            w.kind if w.kind == "unknown_column" else f"{w.kind}:{w.column}" for w in warnings
        )
        text = self._texts_of.get(keys)
        if text is None:
            if len(self._texts_of) >= MAX_TEXTS:
                self._texts_of.clear()
            text = msgspec.json.encode([*dict.fromkeys(keys)]).decode()
            self._texts_of[keys] = text
        return text


class _Column:
    """Make a column of Arrow of the cells of a feature, as the log has them."""

    def __init__(self, place: int, column: LoggedColumn, choices: Choices) -> None:
        self.place, self.name, self.kind = place, column.name, column.kind
        self._hash = choices.hash if column.name in choices.hashed else None
        self._categories = column.categories

    @cached_property
    def _values(self) -> Array:
        # Made in the writing thread: there may be many categories, and a hash takes a microsecond.
        names = self._categories if self._hash is None else map(self._hash, self._categories)
        # The last two codes are those of an unseen category and of a missing cell.
        return segments.dictionary([*names, None, None])

    def array(self, cells: Any) -> Array:
        """Return the column; cells: codes of categories, numbers, seconds since 1970, or texts."""
        if self.kind == "category":
            return segments.chosen(self._values, cells)
        if self._hash is not None:
            return segments.strings(self._hashed(cells, self._hash))
        if self.kind == "text":
            return segments.strings(list(cells))
        numbers = np.asarray(cells, dtype=np.float64)
        return segments.numbers(numbers) if self.kind == "number" else segments.dates(numbers)

    def _hashed(self, cells: Any, hash_of: Callable[[str], str]) -> list[str | None]:
        if self.kind == "text":
            found = {cell: hash_of(cell) for cell in set(cells) if cell is not None}
            return [found.get(cell) for cell in cells]
        values = [None if cell != cell else cell for cell in np.asarray(cells).tolist()]
        texts = self._iso if self.kind == "date" else _as_text
        found = {cell: hash_of(texts(cell)) for cell in set(values) if cell is not None}
        return [found.get(cell) for cell in values]

    @staticmethod
    def _iso(seconds: float) -> str:
        return (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


def _tried(make: Callable[[T], list[Chunk]], rows: T, n_rows: int) -> list[Chunk | Failed]:
    try:
        return [*make(rows)]
    except BaseException as error:  # a panic of arro3 is no Exception; other rows are written
        return [Failed(n_rows, error)]


def _as_text(number: float) -> str:
    """Return a number as people write it: a whole one without a point."""
    return str(int(number)) if float(number).is_integer() else repr(number)


def _date(days: int) -> date:
    return (EPOCH + timedelta(days=days)).date()


def _dtype_of(n_labels: int, codes: str) -> np.dtype[Any]:
    """Return the type of packed rows, which ends with a field for each column."""
    first: list[Any] = [("id", f"S{ID_BYTES}"), ("label", "<i4"), ("time", "<f8")]
    fields: list[Any] = [*first, ("proba", "<f8", (n_labels,))]
    kinds = {"d": "<f8", "i": "<i4"}
    return np.dtype([*fields, *((str(place), kinds[code]) for place, code in enumerate(codes))])


def _getter(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return what takes the cells at these places."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[place] for place in places)
