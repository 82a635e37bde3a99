"""Make one output of its inputs, part by part; what a killed command finished is not repeated."""

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
from tabproof.batch.cells import CellReader, number_scalar
from tabproof.batch.checking import CheckedTask, Inputs, Settings, ToRows
from tabproof.batch.errors import InputChangedError
from tabproof.batch.outputs import BadRows
from tabproof.batch.parts import Parts
from tabproof.batch.plan import InputFile
from tabproof.batch.scoring import ROW, Model, Part, Tally, score

# --- A bar on a terminal, and silence elsewhere.

# Takes the rows done so far, and their share of all.
Show = Callable[[int, float], None]


@contextmanager
def shown(*, bar: bool) -> Iterator[Show]:
    """Show how far the work is, where somebody watches."""
    if not (bar and sys.stderr.isatty()):
        yield lambda _rows, _share: None
        return
    # A tenth of the start of this program, that most runs of it need not wait for.
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


# --- Work shared among threads or machines, its results in order, little of it in memory.

Piece = TypeVar("Piece")
Result = TypeVar("Result")

# Above all arrays that scoring makes and drops, below what glibc would never keep (32 MB).
LARGEST_KEPT = 24 * 2**20


class Answer(Protocol):
    """What a call will give."""

    def result(self) -> Any:
        """Wait for it."""
        ...

    def cancel(self) -> object:
        """Take the call back, if it has not begun."""
        ...


class Executor(Protocol):
    """Makes calls, several at a time: threads do, and the machines of a cluster."""

    def submit(self, function: Callable[..., Any], piece: Any, /) -> Answer:
        """Have a function called."""
        ...


@dataclass(frozen=True)
class Pool:
    """Who works; n_ahead: pieces that are read or scored already while others are."""

    executor: Executor
    n_ahead: int


def in_order(
    pool: Pool, pieces: Iterable[Piece], function: Callable[[Piece], Result]
) -> Generator[Result]:
    """Give the result of each piece; at most n_ahead of them are held beside the one given."""
    waiting: deque[Answer] = deque()
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
    """Let the C library use freed memory again instead of giving it back to the system.

    glibc does so for blocks up to the largest that was ever freed. Without, a third of the time
    of scoring goes into pages that are given back and asked for anew.
    """
    np.empty(LARGEST_KEPT, dtype=np.uint8)


# Takes how many rows were scored, and the share of all of a task's inputs that was read.


class Job:
    """Scores tasks with one model; parts is None where nothing is kept on the way."""

    def __init__(
        self, model: Model, inputs: Inputs, settings: Settings, parts: Parts | None, pool: Pool
    ) -> None:
        self._model, self._inputs, self._settings = model, inputs, settings
        self._parts, self._pool = parts, pool

    def run(self, number: int, checked: CheckedTask, show: Show) -> Tally:
        """Make an output, and set its bad rows aside; raises InputChangedError."""
        task, tally = checked.task, Tally()
        if task.output is not None:
            # A directory of outputs need not be there yet.
            task.output.parent.mkdir(exist_ok=True)
        before = [file.identity() for file in task.inputs]
        scratch = None if self._parts is None else self._parts.scratch
        with (
            # Closed last: who sees the output finds its bad rows too.
            outputs.opened(
                task.output, scratch and scratch("output"), task.kind, checked.schema
            ) as output,
            BadRows(task.bad_rows) as bad,
            closing(self._parts_of(number, checked, show)) as parts,
        ):
            for part in parts:
                rows = pc.add(part.table[ROW], number_scalar(tally.n_rows))
                output.write(part.table.set_column(0, checked.schema.field(ROW), rows))
                bad.set_aside(part, tally.n_rows)
                tally.add(part)
            if before != [file.identity() for file in task.inputs]:
                raise InputChangedError([file.name for file in task.inputs])
        if self._parts is not None and task.output is not None:
            self._parts.finish(number, task.output, tally)
        return tally

    def _parts_of(self, number: int, checked: CheckedTask, show: Show) -> Generator[Part]:
        """Give the parts that are there, then make the others."""
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
    to_rows: ToRows,
    schema: pa.Schema,
    source: int,
    piece: Any,
) -> Part:
    # All that it is given can travel: another machine may be who scores.
    return score(model, reader, to_rows(piece), schema, source, piece.end)
