"""Score some rows: from cells to probabilities and labels, and the reasons of bad rows."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from tabproof.batch.cells import (
    CellReader,
    Fault,
    Rows,
    WantedColumn,
    count_unusual,
    is_string,
    numbers_array,
    texts_array,
    value_type,
)
from tabproof.errors import UserError
from tabproof.scorer import Contributions

ROW, LABEL, PROBA = "row", "label", "proba_"
BASE, CONTRIBUTION = "base_value", "contribution_"
NO_PROBABILITY = "has numbers so extreme that no probability comes out"

Floats = NDArray[np.float64]


class KeptColumnError(UserError):
    """A column that cannot be kept in the output."""

    template = "keep: '{name}' {reason}"


@dataclass(frozen=True)
class Model:
    """A model for batch scoring.

    fingerprint: identifies everything that its numbers depend on. codes_of: returns the index of
    the predicted label. explain: returns contributions for columns and probabilities; None if not
    asked for.
    """

    fingerprint: str
    columns: tuple[WantedColumn, ...]
    labels: tuple[str, ...]
    predict_proba: Callable[[Sequence[NDArray[Any]]], Floats]
    codes_of: Callable[[Floats], NDArray[np.intp]]
    explain: Callable[[Sequence[NDArray[Any]], Floats], Contributions] | None = None

    @property
    def added_columns(self) -> list[str]:
        """The output columns of contributions."""
        names = [BASE, *(f"{CONTRIBUTION}{column.name}" for column in self.columns)]
        return [] if self.explain is None else names


@dataclass(frozen=True)
class Part:
    """Scored rows of one input. Row numbers begin with the part, and include bad rows.

    source, end: the index of the input, and the end of the part in it. unseen, outside: counts of
    unseen categories and of numbers out of range, by column.
    """

    table: pa.Table
    n_rows: int
    source: int
    end: int
    faults: tuple[Fault, ...]
    unseen: Mapping[str, int]
    outside: Mapping[str, int]


@dataclass
class Tally:
    """Counts of rows; of cells with unseen categories and numbers outside the range, by column."""

    n_rows: int = 0
    n_bad: int = 0
    unseen: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally | Part") -> None:
        """Add other counts."""
        self.n_rows += other.n_rows
        self.n_bad += other.n_bad if isinstance(other, Tally) else len(other.faults)
        self.unseen.update(other.unseen)
        self.outside.update(other.outside)


def output_schema(model: Model, kept: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the schema of an output; raise KeptColumnError for a name that is taken."""
    fields = [(ROW, pa.int64()), *((f"{PROBA}{label}", pa.float64()) for label in model.labels)]
    fields.append((LABEL, pa.string()))
    fields += [(name, pa.float64()) for name in model.added_columns]
    own = {name for name, _ in fields}
    for name, kind in kept.items():
        if name in own:
            raise KeptColumnError(name=name, reason="the output has a column of that name itself")
        # However texts are stored.
        fields.append((name, pa.string() if is_string(value_type(kind)) else kind))
    return pa.schema(fields)


def score(
    model: Model,
    reader: CellReader,
    to_rows: Callable[[Any], Rows],
    schema: pa.Schema,
    source: int,
    piece: Any,
) -> Part:
    """Score a piece of an input; rows with a bad cell are left out and listed as faults.

    All arguments can be pickled: another machine may do this.
    """
    rows = to_rows(piece)
    columns, faults = reader.encode(rows)
    good = np.delete(np.arange(rows.table.num_rows), list(faults))
    if faults:
        columns = [cells[good] for cells in columns]
    proba = model.predict_proba(columns) if len(good) else np.empty((0, len(model.labels)))
    undecided = np.isnan(proba).any(axis=1)
    if undecided.any():
        faults |= {int(place): ("", NO_PROBABILITY) for place in good[undecided]}
        good, proba = good[~undecided], proba[~undecided]
        columns = [cells[~undecided] for cells in columns]
    arrays = [numbers_array(rows.positions[good]), *map(numbers_array, proba.T)]
    arrays.append(texts_array(model.labels).take(numbers_array(model.codes_of(proba))))
    if model.explain is not None:
        found = model.explain(columns, proba)
        arrays += [numbers_array(found.base), *map(numbers_array, found.values.T)]
    for kept in list(schema)[len(arrays) :]:
        column = rows.table[kept.name]
        if types.is_dictionary(column.type) and not types.is_dictionary(kept.type):
            column = column.cast(column.type.value_type)
        column = column.cast(kept.type)
        is_whole = len(good) == rows.table.num_rows
        arrays.append(column if is_whole else column.take(numbers_array(good)))
    all_faults = [*rows.faults, *(Fault(int(rows.positions[p]), *f) for p, f in faults.items())]
    unseen, outside = count_unusual(model.columns, columns)
    return Part(
        # One chunk, as after reading a part: pages of Parquet may follow chunks.
        table=pa.Table.from_arrays(arrays, schema=schema).combine_chunks(),
        n_rows=rows.n_rows,
        source=source,
        end=piece.end,
        faults=tuple(sorted(all_faults, key=lambda fault: fault.row)),
        unseen=unseen,
        outside=outside,
    )
