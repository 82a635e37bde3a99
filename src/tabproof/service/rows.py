"""Convert the JSON rows of clients to values for the scorer, with a warning for each change.

Ordinary cells take a fast path; all others go through `_Column.unusual`. Messages never contain a
cell's value, which may be personal data.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.schema import Column, NumberColumn, Schema
from tabproof.scorer import Scorer, as_category, as_number
from tabproof.scorer.encoding import CategoryEncoding, Encoding
from tabproof.service.answers import Difference, RefusedError, RowWarning, WarningKind

Cell = str | int | float | bool | None
Row = Mapping[str, Cell]

ABSENT: Any = object()
MAX_FLOAT = sys.float_info.max
# Maximum warnings of one kind in one column; the others are only counted.
MAX_WARNINGS = 100
# Maximum columns in one row that the model does not know.
MAX_UNKNOWN = 1000


class RowReader:
    """Convert rows for one model."""

    def __init__(self, schema: Schema, scorer: Scorer) -> None:
        self._columns = [
            _Column(column, encoding)
            for column, encoding in zip(schema.columns, scorer.columns, strict=True)
        ]
        self._names = {column.name for column in self._columns}

    def _check_width(self, row: Row, place: int | None = None) -> None:
        most = MAX_UNKNOWN + len(self._columns)
        if len(row) > most:
            where = "features" if place is None else f"rows[{place}]"
            raise RefusedError(422, f"{where} holds {len(row):,} cells, more than {most:,}")

    def read(self, row: Row, warnings: list[RowWarning]) -> list[float]:
        """Return the values of one row; raise RefusedError for a cell that cannot be converted."""
        values: list[float] = []
        n_absent = 0
        for column in self._columns:
            value = row.get(column.name, ABSENT)
            kind = type(value)
            if column.place_of is not None:
                if kind is str and (place := column.place_of.get(value)) is not None:
                    values.append(place)
                    continue
            elif (kind is float or kind is int) and column.low <= value <= column.high:
                # As in a batch: beyond 2**53 an int is more precise than a float.
                values.append(value if kind is float else float(value))
                continue
            if value is ABSENT:
                n_absent += 1
            values.append(column.unusual(value, warnings))
        if len(row) + n_absent > len(self._columns):
            self._check_width(row)
            warnings += [
                RowWarning(name, "unknown_column", "is not a column of the model: ignored")
                for name in sorted(row.keys() - self._names)[:MAX_WARNINGS]
            ]
        return values

    def read_many(
        self, rows: Sequence[Row], warnings: list[RowWarning]
    ) -> list[NDArray[np.generic]]:
        """Return the values by column; warnings have the number of their row."""
        columns: list[NDArray[np.generic]] = []
        n_absent = 0
        for column in self._columns:
            cells = [row.get(column.name, ABSENT) for row in rows]
            found = column.usual_array(cells)
            if found is None:
                found, absent = column.unusual_array(cells, warnings)
                n_absent += absent
            columns.append(found)
        if sum(map(len, rows)) + n_absent > len(rows) * len(self._columns):
            for place, row in enumerate(rows):
                self._check_width(row, place)
            counts: dict[str, tuple[int, int]] = {}
            for place, row in enumerate(rows):
                for name in row.keys() - self._names:
                    first, count = counts.get(name, (place, 0))
                    counts[name] = (first, count + 1)
            for name, (first, count) in sorted(counts.items())[:MAX_WARNINGS]:
                message = f"is not a column of the model: ignored in {count} row(s)"
                warnings.append(RowWarning(name, "unknown_column", message, first))
        return columns

    def check_strictly(self, row: Row, place: int | None = None) -> None:
        """Refuse a row that does not have exactly the columns, of the right types."""
        wrong_type = {
            column.name: column.kind_wanted
            for column in self._columns
            if not column.is_of_type(row.get(column.name))
        }
        missing = [column.name for column in self._columns if column.name not in row]
        unknown = sorted(row.keys() - self._names)
        if missing or unknown or wrong_type:
            where = "" if place is None else f"rows[{place}]: "
            raise RefusedError(
                422,
                f"{where}the columns differ: {len(missing)} missing, {len(unknown)} unknown,"
                f" {len(wrong_type)} of the wrong type; without strict=true they are converted",
                difference=Difference(missing, unknown, wrong_type),
            )


class _Column:
    """Convert the cells of one column. A column without a range accepts every number."""

    def __init__(self, column: Column, encoding: Encoding) -> None:
        self.name = column.name
        self.place_of: dict[str, int] | None = None
        self._unseen = self._missing = nan
        self.low, self.high = -MAX_FLOAT, MAX_FLOAT
        if isinstance(encoding, CategoryEncoding):
            self.place_of = encoding.index_of
            self._unseen, self._missing = encoding.unseen, encoding.missing
        elif isinstance(column, NumberColumn) and column.span is not None:
            self.low, self.high = column.span
        self.kind_wanted = "number" if self.place_of is None else "text"

    def is_of_type(self, value: Cell) -> bool:
        """Return whether a cell is null or has the JSON type of the column."""
        if value is None:
            return True
        if self.place_of is None:
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        return isinstance(value, str)

    def unusual(self, value: Cell, warnings: list[RowWarning], row: int | None = None) -> float:
        """Convert a cell that is missing, unseen, out of range or of another type; warn of it."""
        if value is None:
            return self._missing

        def warn(kind: WarningKind, message: str) -> None:
            warnings.append(RowWarning(self.name, kind, message, row))

        if value is ABSENT:
            warn("missing_column", "is absent: treated as missing")
            return self._missing
        if self.place_of is not None:
            place = self.place_of.get(as_category(value))
            if place is None:
                warn("unseen_category", "has a category that is not in the training data")
                return self._unseen
            return place
        where = f"features.{self.name}" if row is None else f"rows[{row}].{self.name}"
        if isinstance(value, bool):
            raise RefusedError(422, f"{where} takes a number, not true or false")
        if isinstance(value, str):
            text = as_number(value)
            if text is None:
                warn("not_a_number", "has a text that is not a number: treated as missing")
                return nan
            number = text
        else:
            try:
                number = float(value)
            except OverflowError:
                number = inf
            if not -inf < number < inf:
                raise RefusedError(422, f"{where} has a number that does not fit into 64 bits")
        if not self.low <= number <= self.high:
            warn("out_of_range", f"is outside the training range, {self.low:g} to {self.high:g}")
        return number

    def usual_array(self, cells: Sequence[Any]) -> NDArray[np.generic] | None:
        """Convert a column at once; return None if a cell needs `unusual`."""
        kinds = set(map(type, cells))
        if self.place_of is None:
            if not kinds <= {float, int, type(None)}:
                return None
            try:
                numbers = np.array(cells, dtype=np.float64)
            except OverflowError:
                return None
            outside = (numbers < self.low) | (numbers > self.high)
            return None if outside.any() else numbers
        if not kinds <= {str, type(None)}:
            return None
        if type(None) in kinds:
            places = [self._missing if c is None else self.place_of.get(c) for c in cells]
        else:
            places = list(map(self.place_of.get, cells))
        return None if None in places else np.array(places, dtype=np.intp)

    def unusual_array(
        self, cells: Sequence[Any], warnings: list[RowWarning]
    ) -> tuple[NDArray[np.generic], int]:
        """Convert cell by cell; return the values and the number of absent cells."""
        found: list[RowWarning] = []
        values = [self.unusual(cell, found, row) for row, cell in enumerate(cells)]
        counts: Counter[WarningKind] = Counter()
        for warning in found:
            counts[warning.kind] += 1
            if counts[warning.kind] <= MAX_WARNINGS:
                warnings.append(warning)
        for kind, count in counts.items():
            if count > MAX_WARNINGS:
                message = f"and in {count - MAX_WARNINGS} more rows"
                warnings.append(RowWarning(self.name, kind, message))
        n_absent = sum(cell is ABSENT for cell in cells)
        return np.array(values, dtype=np.float64 if self.place_of is None else np.intp), n_absent
