"""Make one output from its inputs, part by part; parts of a killed command are not repeated."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabproof.batch import outputs
from tabproof.batch.cells import (
    CellReader,
    ColumnsDifferError,
    find_wrong_types,
    numbers_array,
    refuse_similar_columns,
)
from tabproof.batch.csv_file import CsvFile
from tabproof.batch.options import Options
from tabproof.batch.parquet_file import ParquetFile
from tabproof.batch.parts import Parts
from tabproof.batch.plan import InputFile, Task
from tabproof.batch.scoring import ROW, KeptColumnError, Model, Part, Tally, output_schema, score
from tabproof.errors import ColumnMissingError, DuplicateColumnsError, UserError, listed

# Rows and cells of a piece: larger ones are no faster, and several are in memory at a time.
BATCH_ROWS, BATCH_CELLS = 2**15, 2**19

Source = CsvFile | ParquetFile
# Called with the number of rows done, and their share of all.
Show = Callable[[int, float], None]


class InputChangedError(UserError):
    """An input that was changed while it was read."""

    template = (
        "{names} changed while it was scored, so nothing was written;"
        " score it again when nothing writes to it"
    )


@dataclass(frozen=True)
class Pool:
    """Runs calls in threads or on a cluster; n_ahead pieces are read or scored ahead.

    submit returns an object with `result()` and `cancel()`, as executors do.
    """

    submit: Callable[..., Any]
    n_ahead: int

    def in_order(self, pieces: Iterable[Any], function: Callable[[Any], Part]) -> Generator[Part]:
        """Yield the result of each piece in order; at most n_ahead others are held."""
        waiting: deque[Any] = deque()
        try:
            for piece in pieces:
                waiting.append(self.submit(function, piece))
                if len(waiting) > self.n_ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@dataclass(frozen=True)
class CheckedTask:
    """A task that can begin, the kept columns, and columns that inputs lack or have too many."""

    task: Task
    schema: pa.Schema
    kept: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]


class Job:
    """Scores tasks with one model. target: the column it predicts, which an input may have."""

    def __init__(self, model: Model, options: Options, target: str, pool: Pool) -> None:
        self._model, self._options, self._target, self._pool = model, options, target, pool
        self._names = [column.name for column in model.columns]
        self._lookups = [c.name for c in model.columns if c.categories is not None]
        # Standard input cannot be opened again.
        self._stdin: CsvFile | None = None

    def check(self, task: Task) -> CheckedTask:
        """Compare the columns of a task's inputs; raise an error if they cannot be scored."""
        first, types = task.inputs[0], dict[str, pa.DataType]()
        columns, strict = self._model.columns, self._options.strict
        missing, unknown = list[str](), list[str]()
        for file in task.inputs:
            source = self._open(file)
            # Standard input is read on.
            with nullcontext() if file.path is None else closing(source):
                names = source.names if self._options.keep is None else self._options.keep
                for name in names:
                    if name not in source.types:
                        raise ColumnMissingError(f"keep, {file.name}", name, source.names)
                needed = self._needed(source, names)
                if twice := [name for name in needed if source.names.count(name) > 1]:
                    raise DuplicateColumnsError(twice)
                kept = {name: source.types[name] for name in names}
                lacks = [name for name in self._names if name not in source.types]
                foreign = {*source.types} - {*self._names, self._target}
                refuse_similar_columns(file.name, lacks, sorted(foreign))
                known = {*self._names, self._target, *kept}
                others = [name for name in source.types if name not in known]
                # All cells of a CSV are text.
                wrong = (
                    {} if source.is_text else find_wrong_types(columns, source.types, strict=strict)
                )
                if wrong or (strict and (lacks or others)) or len(lacks) == len(columns):
                    mistyped = ", ".join(f"'{name}' ({kind})" for name, kind in wrong.items())
                    lists = {"missing": listed(lacks, 20), "unknown": listed(others, 20)}
                    lists["wrong type"] = mistyped
                    found = "; ".join(f"{what} {text}" for what, text in lists.items() if text)
                    asked = "columns, and strict=true" if strict else "columns"
                    raise ColumnsDifferError(
                        f"{file.name} does not have the model's {asked}: {found}"
                    )
                missing += lacks
                unknown += others
                if file is first:
                    types = kept
                elif kept != types:
                    name = next(n for n in {**types, **kept} if types.get(n) != kept.get(n))
                    both = f"{first.name} and {file.name}"
                    raise KeptColumnError(
                        name, f"is not the same in {both}, which go to one output"
                    )
        schema = output_schema(self._model, types)
        return CheckedTask(task, schema, tuple(types), tuple(missing), tuple(unknown))

    def _open(self, file: InputFile) -> Source:
        if file.kind == "parquet":
            return ParquetFile(file, self._lookups)
        if file.path is None and self._stdin is not None:
            return self._stdin
        source = CsvFile(file, self._options.separator, self._options.encoding)
        self._stdin = source if file.path is None else None
        return source

    def _needed(self, source: Source, kept: Sequence[str]) -> list[str]:
        """Return the columns to read."""
        return list(dict.fromkeys([*(n for n in self._names if n in source.types), *kept]))

    def run(self, number: int, checked: CheckedTask, parts: Parts | None, show: Show) -> Tally:
        """Write an output and its bad rows; without `parts`, none are kept."""
        task, tally = checked.task, Tally()
        if task.output is not None:
            task.output.parent.mkdir(exist_ok=True)
        before = [file.identity() for file in task.inputs]
        scratch = None if parts is None else parts.scratch("output")
        with (
            # Closed last, so that the bad rows exist when the output appears.
            outputs.opened(task.output, scratch, checked.schema) as write,
            outputs.bad_rows(task.bad_rows) as write_bad,
            closing(self._parts_of(number, checked, parts, show)) as found,
        ):
            for part in found:
                n_before = numbers_array(np.array([tally.n_rows]))[0]
                rows = pc.add(part.table[ROW], n_before)
                write(part.table.set_column(0, checked.schema.field(ROW), rows))
                write_bad(part, tally.n_rows)
                tally.add(part)
            if before != [file.identity() for file in task.inputs]:
                raise InputChangedError(names=listed([file.name for file in task.inputs], 3))
        if parts is not None and task.output is not None:
            parts.finish(number, task.output, tally)
        return tally

    def _parts_of(
        self, number: int, checked: CheckedTask, parts: Parts | None, show: Show
    ) -> Generator[Part]:
        """Yield the finished parts, then make the others."""
        n_parts, first, end = 0, 0, 0
        for part in () if parts is None else parts.finished(number):
            n_parts, first, end = n_parts + 1, part.source, part.end
            yield part
        inputs, model = checked.task.inputs, self._model
        for place, file in enumerate(inputs[first:], start=first):
            source = self._open(file)
            needed = self._needed(source, checked.kept)
            reader = CellReader(model.columns, decimal=self._options.decimal)
            to_rows = source.to_rows(needed, [name for name in self._lookups if name in needed])
            fewer = max(BATCH_CELLS // (len(needed) + len(model.added_columns)), 1)
            batch_rows = self._options.batch_rows or min(BATCH_ROWS, fewer)
            start = end if place == first else 0
            pieces = source.pieces(start, batch_rows, needed)
            make = partial(score, model, reader, to_rows, checked.schema, place)
            with closing(source), closing(self._pool.in_order(pieces, make)) as scored:
                for part in scored:
                    show(part.n_rows, (place + source.share_read()) / len(inputs))
                    if parts is not None:
                        parts.add(number, n_parts, part)
                    n_parts += 1
                    yield part
