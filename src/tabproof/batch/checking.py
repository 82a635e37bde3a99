"""Every input is opened and its columns are compared before the first row is scored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from tabproof.batch.cells import Difference, Rows, compare
from tabproof.batch.csv_file import CsvFile, CsvForm
from tabproof.batch.errors import ColumnsDifferError, KeptColumnError
from tabproof.batch.parquet_file import ParquetFile
from tabproof.batch.plan import InputFile, Task
from tabproof.batch.scoring import Model, output_schema
from tabproof.errors import ColumnMissingError

# Rows and cells of a piece: larger ones are no faster, and a few lie in memory at a time.
BATCH_ROWS, BATCH_CELLS = 2**15, 2**19


@dataclass(frozen=True)
class Settings:
    """How inputs are read and what is kept of them; keep is None for all columns.

    batch_rows: None for as many as keep memory small, however wide a table is.
    target: the column that the model predicts, which may stand in an input.
    """

    form: CsvForm
    keep: tuple[str, ...] | None
    strict: bool
    batch_rows: int | None
    target: str

    def rows_of_batch(self, n_columns: int) -> int:
        """Give how many rows make a piece of so many columns."""
        fewer = max(BATCH_CELLS // max(n_columns, 1), 1)
        return self.batch_rows or min(BATCH_ROWS, fewer)


# Makes rows of a piece, in any thread or process: it holds no file.
ToRows = Callable[[Any], Rows]


class Source(Protocol):
    """An opened input: pieces come one after the other, rows are made of them anywhere."""

    @property
    def is_text(self) -> bool:
        """Whether a cell is a text, whatever it stands for."""
        ...

    names: list[str]
    types: dict[str, pa.DataType]

    def check(self, needed: Sequence[str]) -> None:
        """Refuse a name that stands twice."""
        ...

    def pieces(self, start: int, batch_rows: int, needed: Sequence[str]) -> Iterator[Any]:
        """Give what to_rows takes, with its end, behind the piece that ended at start."""
        ...

    def to_rows(self, needed: Sequence[str], lookups: Sequence[str]) -> ToRows:
        """Say how the needed columns of a piece become rows."""
        ...

    def share_read(self) -> float:
        """Tell how much was read, from 0 to 1."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


@dataclass(frozen=True)
class CheckedTask:
    """A task that can begin. differences: of each input; kept: columns of the input."""

    task: Task
    schema: pa.Schema
    kept: tuple[str, ...]
    differences: tuple[Difference, ...]


class Inputs:
    """Opens inputs for one model."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self.lookups = [c.name for c in model.columns if c.categories is not None]
        self._model, self._settings = model, settings
        # Standard input cannot be opened again.
        self._stdin: dict[InputFile, Source] = {}

    def open(self, file: InputFile) -> Source:
        """Open an input."""
        if file in self._stdin:
            return self._stdin[file]
        if file.kind == "parquet":
            return ParquetFile(file, self.lookups)
        source = CsvFile(file, self._settings.form)
        if file.path is None:
            self._stdin[file] = source
        return source

    def needed(self, source: Source, kept: Sequence[str]) -> list[str]:
        """List the columns to be read."""
        wanted = [c.name for c in self._model.columns if c.name in source.types]
        return list(dict.fromkeys([*wanted, *kept]))

    def check(self, task: Task) -> CheckedTask:
        """Compare the columns of a task's inputs; raises where they cannot be scored."""
        found, first = [], task.inputs[0]
        types: dict[str, pa.DataType] = {}
        for file in task.inputs:
            source = self.open(file)
            kept = {name: source.types[name] for name in self._kept(source, file)}
            source.check(self.needed(source, list(kept)))
            found.append(self._compare(source, file, kept))
            if file is first:
                types = kept
            elif kept != types:
                name = next(n for n in {**types, **kept} if types.get(n) != kept.get(n))
                reason = f"is not the same in {first.name} and {file.name}, which go to one output"
                raise KeptColumnError(name, reason)
            if file.path is not None:
                source.close()
        schema = output_schema(self._model, types)
        return CheckedTask(task, schema, tuple(types), tuple(found))

    def _kept(self, source: Source, file: InputFile) -> Sequence[str]:
        if self._settings.keep is None:
            source.check(source.names)
            return source.names
        for name in self._settings.keep:
            if name not in source.types:
                raise ColumnMissingError(f"keep, {file.name}", name, source.names)
        return self._settings.keep

    def _compare(
        self, source: Source, file: InputFile, kept: Mapping[str, pa.DataType]
    ) -> Difference:
        difference = compare(self._model.columns, source.types, is_text=source.is_text)
        expected = {*kept, self._settings.target}
        unknown = tuple(name for name in difference.unknown if name not in expected)
        is_nothing = len(difference.missing) == len(self._model.columns)
        wrong = dict(difference.unreadable)
        if self._settings.strict:
            wrong |= difference.doubtful
        differs = self._settings.strict and (difference.missing or unknown)
        if wrong or differs or is_nothing:
            raise ColumnsDifferError(
                file.name, difference.missing, unknown, wrong, strict=self._settings.strict
            )
        return Difference(difference.missing, unknown)
