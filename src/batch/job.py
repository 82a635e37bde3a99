"""Make one output of its inputs, part by part; what a killed command finished is not repeated."""

from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from src.batch import outputs
from src.batch.arrays import number_scalar
from src.batch.bad_rows import BadRows
from src.batch.cells import CellReader
from src.batch.checking import CheckedTask, Inputs, Settings, ToRows
from src.batch.inputs import InputFile
from src.batch.parts import Parts
from src.batch.scoring import ROW, Model, Part, score
from src.batch.tally import Tally
from src.batch.work import Pool, in_order
from src.errors import InputChangedError

# Takes how many rows were scored, and the share of all of a task's inputs that was read.
Show = Callable[[int, float], None]


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
