"""From Arrow's columns to what a model takes: numbers as floats, categories as places.

A file's cells mean what they meant in training. No loop goes over rows: categories are
looked up once per distinct value.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from src.batch.arrays import as_numpy, number_scalar
from src.batch.columns import WantedColumn, is_string
from src.batch.texts import MISSING_TEXTS, TRUTHS, as_spelled, read_numbers

SHOWN_LETTERS = 60

Cells = NDArray[Any]


@dataclass(frozen=True)
class Fault:
    """Why a row cannot be scored; column is empty where it is no single one."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True)
class Rows:
    """Some rows of an input, by the names of its columns.

    positions: of the table's rows among n_rows, of which faults has the others.
    """

    table: pa.Table
    n_rows: int
    positions: NDArray[np.int64]
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        """Keep the two in step: a shifted row would get another row's probability."""
        if len(self.positions) != self.table.num_rows:
            raise ValueError("as many positions as rows")


@dataclass(frozen=True)
class Encoded:
    """columns: what a model takes, of all rows. faults: by row of the table, the first of each."""

    columns: list[Cells]
    faults: dict[int, tuple[str, str]] = field(default_factory=dict)


class CellReader:
    """Reads cells of one kind of input for the columns of one model.

    name_category: names a value that is no text as training did.
    """

    def __init__(
        self,
        wanted: Sequence[WantedColumn],
        name_category: Callable[[object], str],
        *,
        is_text: bool,
        decimal: str = ".",
    ) -> None:
        self._wanted = tuple(wanted)
        self._name = name_category
        self._is_text = is_text
        self._decimal = decimal
        self._places = {
            column.name: _places(column, is_text=is_text)
            for column in wanted
            if column.categories is not None
        }

    def encode(self, rows: Rows) -> Encoded:
        """Encode the wanted columns; those that are not there are missing in each row."""
        columns: list[Cells] = []
        faults: dict[int, tuple[str, str]] = {}
        for wanted in self._wanted:
            if wanted.name not in rows.table.column_names:
                missing = np.nan if wanted.categories is None else wanted.missing
                columns.append(np.full(rows.table.num_rows, missing))
                continue
            column = rows.table[wanted.name]
            if wanted.categories is None:
                columns.append(self._read_numbers(column, wanted.name, faults))
            else:
                places = [self._read_places(chunk, wanted) for chunk in column.chunks]
                columns.append(np.concatenate([np.empty(0, dtype=np.intp), *places]))
        return Encoded(columns, faults)

    def _read_places(self, cells: pa.Array, wanted: WantedColumn) -> Cells:
        encoded = cells if types.is_dictionary(cells.type) else cells.dictionary_encode()
        place_of = self._places[wanted.name]
        # Nothing, and the float that says so: the only value that differs from itself.
        places = [
            wanted.missing
            if value is None or value != value
            else place_of.get(self._known_name(value, place_of), wanted.unseen)
            for value in encoded.dictionary.to_pylist()
        ]
        # The last place is that of cells that hold nothing.
        lookup = np.array([*places, wanted.missing], dtype=np.intp)
        indices = pc.fill_null(encoded.indices.cast(pa.int64()), number_scalar(len(places)))
        found: Cells = lookup[as_numpy(indices)]
        return found

    def _known_name(self, value: object, known: Container[str]) -> str:
        name = self._name(value)
        if not isinstance(value, str):
            return name
        return as_spelled(name, known, decimal=self._decimal)

    def _read_numbers(
        self, column: pa.ChunkedArray, name: str, faults: dict[int, tuple[str, str]]
    ) -> Cells:
        if types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        cells = column.combine_chunks()
        if is_string(cells.type):
            values, refused = read_numbers(
                cells.cast(pa.string()), decimal=self._decimal, with_missing_texts=self._is_text
            )
        else:
            values = _as_floats(cells)
            refused = np.isinf(values)
        for place in np.flatnonzero(refused).tolist():
            fault = "infinite" if np.isinf(values[place]) else "no number"
            faults.setdefault(place, (name, f"{shown(cells[place].as_py())} is {fault}"))
        return values


def _as_floats(cells: pa.Array) -> NDArray[np.float64]:
    if types.is_decimal(cells.type):
        # Arrow's direct way is off in the last bit for some.
        cells = cells.cast(pa.string())
    return as_numpy(cells.cast(pa.float64(), safe=False))


def _places(column: WantedColumn, *, is_text: bool) -> dict[str, int]:
    places = {name: place for place, name in enumerate(column.categories or ())}
    if not is_text:
        return places
    if places.keys() <= set(TRUTHS.values()):
        places |= {text: places[name] for text, name in TRUTHS.items() if name in places}
    # A category that the model knows is no missing one, whatever it is called.
    return {**dict.fromkeys(MISSING_TEXTS, column.missing), **places}


def shown(value: object) -> str:
    """Show a cell's text in one line."""
    text = str(value)
    text = text if len(text) <= SHOWN_LETTERS else f"{text[:SHOWN_LETTERS]}…"
    return repr(text)


def count_unseen(wanted: Sequence[WantedColumn], columns: Sequence[Cells]) -> Mapping[str, int]:
    """Count, by column, cells with a category that training never saw."""
    counts = {
        column.name: int((cells == column.unseen).sum())
        for column, cells in zip(wanted, columns, strict=True)
        if column.categories is not None
    }
    return {name: count for name, count in counts.items() if count}


def count_outside(wanted: Sequence[WantedColumn], columns: Sequence[Cells]) -> Mapping[str, int]:
    """Count, by column, numbers outside of the range that training saw."""
    counts = {}
    for column, cells in zip(wanted, columns, strict=True):
        if column.minimum is not None and column.maximum is not None:
            # Missing numbers compare as neither.
            outside = (cells < column.minimum) | (cells > column.maximum)
            counts[column.name] = int(outside.sum())
    return {name: count for name, count in counts.items() if count}
