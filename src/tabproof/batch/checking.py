"""Open every input and compare its columns with the model's, before the first row is scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from tabproof.batch.cells import Difference, compare
from tabproof.batch.csv_file import CsvFile, CsvForm
from tabproof.batch.errors import ColumnsDifferError, KeptColumnError
from tabproof.batch.parquet_file import ParquetFile
from tabproof.batch.plan import InputFile, Task
from tabproof.batch.scoring import Model, output_schema
from tabproof.errors import ColumnMissingError

# Rows and cells of a piece: larger ones are no faster, and several are in memory at a time.
BATCH_ROWS, BATCH_CELLS = 2**15, 2**19


@dataclass(frozen=True)
class Settings:
    """How inputs are read and what is kept of them.

    Attributes
    ----------
    keep : the input columns to keep; None for all
    batch_rows : rows per piece; None for as many as keep memory small, however wide a table is
    target : the column that the model predicts; an input may contain it
    """

    form: CsvForm
    keep: tuple[str, ...] | None
    strict: bool
    batch_rows: int | None
    target: str

    def rows_of_batch(self, n_columns: int) -> int:
        """Return the number of rows of a piece with this number of columns."""
        fewer = max(BATCH_CELLS // max(n_columns, 1), 1)
        return self.batch_rows or min(BATCH_ROWS, fewer)


Source = CsvFile | ParquetFile


@dataclass(frozen=True)
class CheckedTask:
    """A task that can begin, the kept columns, and the differences of each input."""

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
        """Return the columns to read."""
        wanted = [c.name for c in self._model.columns if c.name in source.types]
        return list(dict.fromkeys([*wanted, *kept]))

    def check(self, task: Task) -> CheckedTask:
        """Compare the columns of a task's inputs; raise an error if they cannot be scored."""
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
                raise KeptColumnError(name=name, reason=reason)
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
