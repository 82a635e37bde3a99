"""From a client's JSON to rows that the scorer takes, with a warning for all that was changed.

Ordinary cells take the short way; everything else goes through `_unusual`, where each
surprise is named. A cell is never echoed: it may be personal.
"""

import sys
from collections.abc import Mapping, Sequence
from math import inf, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.schema import Column, NumberColumn, Schema
from tabproof.scorer import Scorer, as_category, as_number
from tabproof.scorer.encoding import CategoryEncoding, Encoding
from tabproof.service.answers import RefusedError, RowWarning, WarningKind

Cell = str | int | float | bool | None
Row = Mapping[str, Cell]

ABSENT: Any = object()
MOST = sys.float_info.max
# Of one kind in one column, so many are told one by one; the rest is counted.
MOST_WARNINGS = 100
# Columns that the model does not know, in one row: more are no row of a table.
MOST_UNKNOWN = 1000


class RowReader:
    """Reads rows for one model."""

    def __init__(self, schema: Schema, scorer: Scorer) -> None:
        self._columns = [
            _Column(column, encoding)
            for column, encoding in zip(schema.columns, scorer.columns, strict=True)
        ]
        self._names = {column.name for column in self._columns}

    def _check_width(self, row: Row, place: int | None = None) -> None:
        most = MOST_UNKNOWN + len(self._columns)
        if len(row) > most:
            where = "features" if place is None else f"rows[{place}]"
            raise RefusedError(422, f"{where} holds {len(row):,} cells, more than {most:,}")

    def read(self, row: Row, warnings: list[RowWarning]) -> list[float]:
        """Give one row's values; raises RefusedError for what cannot be a cell."""
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
                # As a batch has it: beyond 2**53 an int is finer than a float.
                values.append(value if kind is float else float(value))
                continue
            if value is ABSENT:
                n_absent += 1
            values.append(column.unusual(value, warnings))
        if len(row) + n_absent > len(self._columns):
            self._check_width(row)
            warnings += [
                RowWarning(name, "unknown_column", "is no column: ignored")
                for name in sorted(row.keys() - self._names)[:MOST_WARNINGS]
            ]
        return values

    def read_many(
        self, rows: Sequence[Row], warnings: list[RowWarning]
    ) -> list[NDArray[np.generic]]:
        """Give values column by column, and warnings with the places of rows."""
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
            self._warn_of_unknown(rows, warnings)
        return columns

    def _warn_of_unknown(self, rows: Sequence[Row], warnings: list[RowWarning]) -> None:
        counts: dict[str, tuple[int, int]] = {}
        for place, row in enumerate(rows):
            for name in row.keys() - self._names:
                first, count = counts.get(name, (place, 0))
                counts[name] = (first, count + 1)
        for name, (first, count) in sorted(counts.items())[:MOST_WARNINGS]:
            message = f"is no column: ignored in {count} row(s)"
            warnings.append(RowWarning(name, "unknown_column", message, first))

    def check_strictly(self, row: Row, place: int | None = None) -> None:
        """Refuse a row that has not exactly the columns, of the right types."""
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
                f" {len(wrong_type)} of the wrong type; without strict=true they would be mended",
                difference={"missing": missing, "unknown": unknown, "wrong_type": wrong_type},
            )


class _Column:
    """What is known of one column. A column without a range takes every number."""

    def __init__(self, column: Column, encoding: Encoding) -> None:
        self.name = column.name
        self.place_of: dict[str, int] | None = None
        self._unseen = self._missing = nan
        self.low, self.high = -MOST, MOST
        if isinstance(encoding, CategoryEncoding):
            self.place_of = encoding.place_of
            self._unseen, self._missing = encoding.unseen, encoding.missing
        elif isinstance(column, NumberColumn) and column.span is not None:
            self.low, self.high = column.span
        self.kind_wanted = "number" if self.place_of is None else "text"

    def is_of_type(self, value: Cell) -> bool:
        """Tell whether a cell is null or of the column's own JSON type."""
        if value is None:
            return True
        if self.place_of is None:
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        return isinstance(value, str)

    def unusual(self, value: Cell, warnings: list[RowWarning], row: int | None = None) -> float:
        """Give the value of a cell that is not as it should be, and say what it was."""
        if value is None:
            return self._missing

        def warn(kind: WarningKind, message: str) -> None:
            warnings.append(RowWarning(self.name, kind, message, row))

        if value is ABSENT:
            warn("missing_column", "is not there: treated as missing")
            return self._missing
        if self.place_of is not None:
            place = self.place_of.get(as_category(value))
            if place is None:
                warn("unseen_category", "holds a category that training never saw")
                return self._unseen
            return place
        if isinstance(value, bool):
            raise RefusedError(422, f"{self._at(row)} takes a number, and got true or false")
        return self._unusual_number(value, warn, row)

    def _unusual_number(self, value: Any, warn: Any, row: int | None) -> float:
        number = as_number(value) if isinstance(value, str) else _as_float(value)
        if number is None:
            if isinstance(value, str):
                warn("not_a_number", "holds a text that is no number: treated as missing")
                return nan
            raise RefusedError(422, f"{self._at(row)} holds a number beyond what 64 bits can")
        if not self.low <= number <= self.high:
            warn(
                "out_of_range", f"lies outside of the training range, {self.low:g} to {self.high:g}"
            )
        return number

    def _at(self, row: int | None) -> str:
        return f"features.{self.name}" if row is None else f"rows[{row}].{self.name}"

    def usual_array(self, cells: Sequence[Any]) -> NDArray[np.generic] | None:
        """Convert a column without surprises at once; None where there is one."""
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
        """Convert cell by cell; give the number of absent ones too."""
        found: list[RowWarning] = []
        values = [self.unusual(cell, found, row) for row, cell in enumerate(cells)]
        warnings += _summed_up(found)
        n_absent = sum(cell is ABSENT for cell in cells)
        return np.array(values, dtype=np.float64 if self.place_of is None else np.intp), n_absent


def _summed_up(warnings: Sequence[RowWarning]) -> list[RowWarning]:
    counts: dict[WarningKind, int] = {}
    shown = []
    for warning in warnings:
        counts[warning.kind] = counts.get(warning.kind, 0) + 1
        if counts[warning.kind] <= MOST_WARNINGS:
            shown.append(warning)
    for kind, count in counts.items():
        if count > MOST_WARNINGS:
            column = warnings[0].column
            shown.append(RowWarning(column, kind, f"and in {count - MOST_WARNINGS} more rows"))
    return shown


def _as_float(value: int | float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if -inf < number < inf else None
