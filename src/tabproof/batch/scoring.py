"""Score some rows: from cells to probabilities and labels, and the reasons of bad rows."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tabproof.batch.cells import (
    CellReader,
    Fault,
    Rows,
    WantedColumn,
    count_outside,
    count_unseen,
    is_string,
    numbers_array,
    texts_array,
    value_type,
)
from tabproof.batch.errors import KeptColumnError

ROW, LABEL, PROBA = "row", "label", "proba_"
BASE, CONTRIBUTION = "base_value", "contribution_"
NO_PROBABILITY = "has numbers so extreme that no probability comes out"

Floats = NDArray[np.float64]


class Contributions(Protocol):
    """What each column adds to the base in each row."""

    @property
    def base(self) -> Floats:
        """The base of each row."""
        ...

    @property
    def values(self) -> Floats:
        """What columns add, of shape (n_rows, n_columns)."""
        ...


@dataclass(frozen=True)
class Model:
    """A model for batch scoring.

    Attributes
    ----------
    fingerprint : identifies everything that its numbers depend on
    codes_of : returns the index of the predicted label for probabilities
    name_category : returns the name that training gave to a value
    explain : returns contributions for columns and probabilities; None if not asked for
    """

    fingerprint: str
    columns: tuple[WantedColumn, ...]
    labels: tuple[str, ...]
    predict_proba: Callable[[Sequence[NDArray[Any]]], Floats]
    codes_of: Callable[[Floats], NDArray[np.intp]]
    name_category: Callable[[object], str]
    explain: Callable[[Sequence[NDArray[Any]], Floats], Contributions] | None = None

    @property
    def added_columns(self) -> list[str]:
        """The output columns of contributions."""
        if self.explain is None:
            return []
        return [BASE, *(f"{CONTRIBUTION}{column.name}" for column in self.columns)]


@dataclass(frozen=True)
class Part:
    """Scored rows of one input. Row numbers begin with the part, and include bad rows.

    Attributes
    ----------
    source, end : the index of the input, and the end of the part in it
    unseen, outside : counts of unseen categories and of numbers out of range, by column
    """

    table: pa.Table
    n_rows: int
    source: int
    end: int
    faults: tuple[Fault, ...]
    unseen: Mapping[str, int]
    outside: Mapping[str, int]


def output_schema(model: Model, kept: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the schema of an output; raise KeptColumnError for a name that is taken."""
    own = [(ROW, pa.int64()), *((f"{PROBA}{label}", pa.float64()) for label in model.labels)]
    own.append((LABEL, pa.string()))
    own += [(name, pa.float64()) for name in model.added_columns]
    for name in kept:
        if name in dict(own):
            reason = "the output has a column of that name itself"
            raise KeptColumnError(name=name, reason=reason)
    return pa.schema([*own, *((name, _as_kept(kind)) for name, kind in kept.items())])


def _as_kept(kind: pa.DataType) -> pa.DataType:
    # However texts are stored.
    return pa.string() if is_string(value_type(kind)) else kind


def score(
    model: Model, reader: CellReader, rows: Rows, schema: pa.Schema, source: int, end: int
) -> Part:
    """Score rows; those with a bad cell are left out and listed as faults."""
    encoded = reader.encode(rows)
    faults = encoded.faults
    good = np.delete(np.arange(rows.table.num_rows), list(faults))
    columns = [cells[good] for cells in encoded.columns] if faults else encoded.columns
    proba = np.empty((0, len(model.labels)))
    if len(good):
        proba = model.predict_proba(columns)
    undecided = np.isnan(proba).any(axis=1)
    if undecided.any():
        faults |= {int(place): ("", NO_PROBABILITY) for place in good[undecided]}
        good, proba = good[~undecided], proba[~undecided]
        columns = [cells[~undecided] for cells in columns]
    found = [Fault(int(rows.positions[place]), *fault) for place, fault in faults.items()]
    return Part(
        table=_as_table(model, rows, good, columns, proba, schema),
        n_rows=rows.n_rows,
        source=source,
        end=end,
        faults=tuple(sorted([*rows.faults, *found], key=lambda fault: fault.row)),
        unseen=count_unseen(model.columns, columns),
        outside=count_outside(model.columns, columns),
    )


def _as_table(
    model: Model,
    rows: Rows,
    good: NDArray[np.intp],
    columns: Sequence[NDArray[Any]],
    proba: Floats,
    schema: pa.Schema,
) -> pa.Table:
    own = [numbers_array(rows.positions[good]), *map(numbers_array, proba.T)]
    own.append(texts_array(model.labels).take(numbers_array(model.codes_of(proba))))
    if model.explain is not None:
        found = model.explain(columns, proba)
        own += [numbers_array(found.base), *map(numbers_array, found.values.T)]
    kept = []
    for column_field in list(schema)[len(own) :]:
        column = rows.table[column_field.name]
        if pa.types.is_dictionary(column.type) and not pa.types.is_dictionary(column_field.type):
            column = column.cast(column.type.value_type)
        column = column.cast(column_field.type)
        kept.append(
            column if len(good) == rows.table.num_rows else column.take(numbers_array(good))
        )
    # One chunk, as after reading a part: pages of Parquet may follow chunks.
    return pa.Table.from_arrays([*own, *kept], schema=schema).combine_chunks()


# --- Counts.

SHOWN_COLUMNS = 5


@dataclass
class Tally:
    """Counts of rows; of cells with unseen categories and numbers outside the range, by column."""

    n_rows: int = 0
    n_bad: int = 0
    unseen: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)

    def add(self, part: Part) -> None:
        """Count a part."""
        self.n_rows += part.n_rows
        self.n_bad += len(part.faults)
        self.unseen.update(part.unseen)
        self.outside.update(part.outside)

    def join(self, other: "Tally") -> None:
        """Add other counts."""
        self.n_rows += other.n_rows
        self.n_bad += other.n_bad
        self.unseen.update(other.unseen)
        self.outside.update(other.outside)

    def as_plain(self) -> dict[str, Any]:
        """Return a dictionary for from_plain."""
        return {
            "n_rows": self.n_rows,
            "n_bad": self.n_bad,
            "unseen": dict(self.unseen),
            "outside": dict(self.outside),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Tally":
        """Make counts from a dictionary of as_plain."""
        counts = Counter(plain["unseen"]), Counter(plain["outside"])
        return cls(plain["n_rows"], plain["n_bad"], *counts)

    def warnings(self) -> list[str]:
        """Return warnings about the cells."""
        lines = []
        if self.unseen:
            lines.append(f"categories that training never saw: {_counts(self.unseen)}")
        if self.outside:
            lines.append(f"numbers outside of the training range: {_counts(self.outside)}")
        return lines

    def result_line(self, seconds: float, n_missing_columns: int, output: str) -> str:
        """Return the last line; scripts read it, so its format is fixed."""
        return (
            f"[SCORED] rows={self.n_rows} elapsed_sec={seconds:.2f}"
            f" rows_per_sec={round(self.n_rows / max(seconds, 1e-9))} bad={self.n_bad}"
            f" unseen={self.unseen.total()} outside={self.outside.total()}"
            f" missing_columns={n_missing_columns} output={output}"
        )


def _counts(counts: Counter[str]) -> str:
    shown = [f"'{name}' ({count:,})" for name, count in counts.most_common(SHOWN_COLUMNS)]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more column(s)" if more > 0 else "")


def listed(names: Sequence[str]) -> str:
    """Return the first few names of columns."""
    shown = ", ".join(f"'{name}'" for name in names[:SHOWN_COLUMNS])
    more = len(names) - SHOWN_COLUMNS
    return f"{shown} and {more} more" if more > 0 else shown
