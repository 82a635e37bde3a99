"""Make one output from its inputs, part by part; parts of a killed command are not repeated."""

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabproof.batch import outputs
from tabproof.batch.cells import CellReader, Rows, number_scalar
from tabproof.batch.checking import CheckedTask, Inputs, Settings
from tabproof.batch.errors import InputChangedError
from tabproof.batch.outputs import BadRows
from tabproof.batch.parts import Parts
from tabproof.batch.plan import InputFile
from tabproof.batch.scoring import ROW, Model, Part, Tally, score
from tabproof.errors import listed

# Called with the number of rows done, and their share of all.
Show = Callable[[int, float], None]


@contextmanager
def shown(*, bar: bool) -> Iterator[Show]:
    """Show a progress bar on a terminal, and nothing elsewhere."""
    if not (bar and sys.stderr.isatty()):
        yield lambda _rows, _share: None
        return
    # Importing rich takes a tenth of the start time, which most runs can save.
    from rich import progress
    from rich.console import Console

    columns = (
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[rows]} rows"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("scoring", total=1.0, rows="0")
        yield lambda rows, share: display.update(task, completed=share, rows=f"{rows:,}")


# --- Calls in threads or on machines: results in order, few in memory.

Piece = TypeVar("Piece")
Result = TypeVar("Result")

# Larger than the arrays of scoring, smaller than what glibc never keeps (32 MB).
LARGEST_KEPT = 24 * 2**20


class Future(Protocol):
    """The result of a call, later."""

    def result(self) -> Any:
        """Wait for the result and return it."""
        ...

    def cancel(self) -> object:
        """Cancel the call, if it has not begun."""
        ...


class Executor(Protocol):
    """Runs several calls at a time, in threads or on a cluster."""

    def submit(self, function: Callable[..., Any], piece: Any, /) -> Future:
        """Schedule a call."""
        ...


@dataclass(frozen=True)
class Pool:
    """An executor, and the number of pieces that are read or scored ahead."""

    executor: Executor
    n_ahead: int


def in_order(
    pool: Pool, pieces: Iterable[Piece], function: Callable[[Piece], Result]
) -> Generator[Result]:
    """Yield the result of each piece in order; at most n_ahead others are held."""
    waiting: deque[Future] = deque()
    try:
        for piece in pieces:
            waiting.append(pool.executor.submit(function, piece))
            if len(waiting) > pool.n_ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def keep_freed_memory() -> None:
    """Make the C library reuse freed memory instead of returning it to the system.

    glibc does so for blocks up to the largest that was ever freed. Without this, a third of the
    time of scoring is spent on returning pages and asking for them again.
    """
    np.empty(LARGEST_KEPT, dtype=np.uint8)


class Job:
    """Scores tasks with one model; `parts` is None if no parts are kept."""

    def __init__(
        self, model: Model, inputs: Inputs, settings: Settings, parts: Parts | None, pool: Pool
    ) -> None:
        self._model, self._inputs, self._settings = model, inputs, settings
        self._parts, self._pool = parts, pool

    def run(self, number: int, checked: CheckedTask, show: Show) -> Tally:
        """Write an output and its bad rows; raise InputChangedError."""
        task, tally = checked.task, Tally()
        if task.output is not None:
            task.output.parent.mkdir(exist_ok=True)
        before = [file.identity() for file in task.inputs]
        scratch = None if self._parts is None else self._parts.scratch
        with (
            # Closed last, so that the bad rows exist when the output appears.
            outputs.opened(
                task.output, scratch and scratch("output"), task.kind, checked.schema
            ) as output,
            BadRows(task.bad_rows) as bad,
            closing(self._parts_of(number, checked, show)) as parts,
        ):
            for part in parts:
                rows = pc.add(part.table[ROW], number_scalar(tally.n_rows))
                output.write(part.table.set_column(0, checked.schema.field(ROW), rows))
                bad.write(part, tally.n_rows)
                tally.add(part)
            if before != [file.identity() for file in task.inputs]:
                names = listed([file.name for file in task.inputs], 3)
                raise InputChangedError(names=names)
        if self._parts is not None and task.output is not None:
            self._parts.finish(number, task.output, tally)
        return tally

    def _parts_of(self, number: int, checked: CheckedTask, show: Show) -> Generator[Part]:
        """Yield the finished parts, then make the others."""
        n_parts, source, end = 0, 0, 0
        for part in () if self._parts is None else self._parts.finished(number):
            n_parts, source, end = n_parts + 1, part.source, part.end
            yield part
        for place, file in enumerate(checked.task.inputs[source:], start=source):
            for part in self._score(checked, file, place, end if place == source else 0, show):
                if self._parts is not None:
                    self._parts.add(number, n_parts, part)
                n_parts += 1
                yield part

    def _score(
        self, checked: CheckedTask, file: InputFile, place: int, start: int, show: Show
    ) -> Generator[Part]:
        settings = self._settings
        source = self._inputs.open(file)
        needed = self._inputs.needed(source, checked.kept)
        lookups = [name for name in self._inputs.lookups if name in needed]
        reader = CellReader(
            self._model.columns,
            self._model.name_category,
            is_text=source.is_text,
            decimal=settings.form.decimal,
        )
        score_piece = partial(
            _score_piece,
            self._model,
            reader,
            source.to_rows(needed, lookups),
            checked.schema,
            place,
        )
        n_columns = len(needed) + len(self._model.added_columns)
        with closing(source):
            pieces = source.pieces(start, settings.rows_of_batch(n_columns), needed)
            with closing(in_order(self._pool, pieces, score_piece)) as parts:
                for part in parts:
                    show(part.n_rows, (place + source.share_read()) / len(checked.task.inputs))
                    yield part


def _score_piece(
    model: Model,
    reader: CellReader,
    to_rows: Callable[[Any], Rows],
    schema: pa.Schema,
    source: int,
    piece: Any,
) -> Part:
    # All arguments can be pickled: another machine may do this.
    return score(model, reader, to_rows(piece), schema, source, piece.end)
