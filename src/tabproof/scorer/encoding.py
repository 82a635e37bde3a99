"""From a column's cells to the features that a model was trained on.

A number stays one feature, after a few steps of arithmetic in the order in which training
took them: floating point knows no other way to the same bits. A category is a place in a
table of features; the last two places are those of a category never seen, and of nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.errors import ScorerDamagedError
from tabproof.scorer.form import Arrays, CategorySpec, ColumnSpec, NumberSpec, Operation

# --- What a cell of JSON or of text means: a number, a category, or neither.

# What people write as a number. Python's float() would also take nan, inf and 1_000.
NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*", re.ASCII)


def as_number(text: str) -> float | None:
    """Read a finite number; None where the text is none."""
    if len(text) > 400 or NUMBER.fullmatch(text) is None:
        return None
    number = float(text)
    return number if isfinite(number) else None


def as_category(value: object) -> str:
    """Name a category as training did."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


Floats = NDArray[np.float64]
FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class NumberEncoding:
    """One number, one feature. A missing number is NaN."""

    name: str
    steps: tuple[tuple[Operation, float], ...]
    width: int = 1

    def apply(self, value: float) -> float:
        """Take the steps for one number: the arithmetic of apply_to_all, so the same bits."""
        for operation, operand in self.steps:
            match operation:
                case "fill":
                    value = operand if value != value else value
                case "add":
                    value += operand
                case "subtract":
                    value -= operand
                case "multiply":
                    value *= operand
                case "divide":
                    value /= operand
                case "clip_float32":
                    value = min(max(value, -FLOAT32_MAX), FLOAT32_MAX) if value == value else value
                case "float32":
                    value = float(np.float32(value))
        return value

    def apply_to_all(self, values: Floats) -> Floats:
        """Take the steps for many numbers at once."""
        # Beyond the largest float lies infinity, for one number as for many: no news.
        with np.errstate(over="ignore", invalid="ignore"):
            for operation, operand in self.steps:
                values = _take(operation, operand, values)
        return values

    def features(self, values: Floats) -> Floats:
        """Give a matrix of one column."""
        return self.apply_to_all(values)[:, np.newaxis]


def _take(operation: Operation, operand: float, values: Floats) -> Floats:
    match operation:
        case "fill":
            return np.where(np.isnan(values), operand, values)
        case "add":
            return values + operand
        case "subtract":
            return values - operand
        case "multiply":
            return values * operand
        case "divide":
            return values / operand
        case "clip_float32":
            return np.clip(values, -FLOAT32_MAX, FLOAT32_MAX)
        case "float32":
            return values.astype(np.float32).astype(np.float64)


@dataclass(frozen=True)
class CategoryEncoding:
    """A category is a place in `codes`, of shape (n_categories + 2, width)."""

    name: str
    categories: tuple[str, ...]
    codes: Floats
    place_of: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        """Prepare to find places by name."""
        places = {category: place for place, category in enumerate(self.categories)}
        object.__setattr__(self, "place_of", places)

    @property
    def width(self) -> int:
        """How many features it becomes."""
        return int(self.codes.shape[1])

    @property
    def unseen(self) -> int:
        """The place of categories that training never saw."""
        return len(self.categories)

    @property
    def missing(self) -> int:
        """The place of a missing cell."""
        return len(self.categories) + 1

    def features(self, places: NDArray[np.intp]) -> Floats:
        """Give a matrix of `width` columns."""
        return self.codes[places]


Encoding = NumberEncoding | CategoryEncoding


def make_encodings(specs: Sequence[ColumnSpec], arrays: Arrays) -> tuple[Encoding, ...]:
    """Join each column's spec with its array; refuse what does not fit."""
    if not specs or len({spec.name for spec in specs}) < len(specs):
        raise ScorerDamagedError("columns are missing, or stand there twice")
    return tuple(_make(place, spec, arrays) for place, spec in enumerate(specs))


def make_bare_encodings(specs: Sequence[ColumnSpec]) -> tuple[Encoding, ...]:
    """Make the columns of a vote: what a client sends; its members make the features."""
    for spec in specs:
        if isinstance(spec, NumberSpec) and spec.steps:
            raise ScorerDamagedError(f"column '{spec.name}' has steps, which are its members' here")
    tables: Arrays = {
        codes_name(place): bare_codes(len(spec.categories))
        for place, spec in enumerate(specs)
        if isinstance(spec, CategorySpec)
    }
    return make_encodings(specs, tables)


def bare_codes(n_categories: int) -> Floats:
    """Make a table of places without a feature."""
    return np.empty((n_categories + 2, 0))


def make_member_encodings(
    columns: Sequence[Encoding], steps: Sequence[list[tuple[Operation, float]]], arrays: Arrays
) -> tuple[Encoding, ...]:
    """Make a member's encodings of a vote's columns; refuse what does not fit."""
    if len(steps) != len(columns):
        raise ScorerDamagedError(f"a member has steps for {len(steps)} of {len(columns)} columns")
    specs: list[ColumnSpec] = []
    for column, taken in zip(columns, steps, strict=True):
        if isinstance(column, NumberEncoding):
            specs.append(NumberSpec(column.name, taken))
        elif taken:
            raise ScorerDamagedError(f"column '{column.name}' of categories has steps")
        else:
            specs.append(CategorySpec(column.name, list(column.categories)))
    return make_encodings(specs, arrays)


def _make(place: int, spec: ColumnSpec, arrays: Arrays) -> Encoding:
    if isinstance(spec, NumberSpec):
        if any(operation == "divide" and operand == 0 for operation, operand in spec.steps):
            raise ScorerDamagedError(f"column '{spec.name}' is divided by zero")
        operations = [operation for operation, _ in spec.steps]
        for before, operation in zip(["", *operations], operations, strict=False):
            if operation == "float32" and before != "clip_float32":
                raise ScorerDamagedError(f"column '{spec.name}' is rounded before it is clipped")
        return NumberEncoding(spec.name, tuple(spec.steps))
    codes = arrays.get(codes_name(place))
    n_rows = len(spec.categories) + 2
    if codes is None or codes.dtype != np.float64 or codes.ndim != 2 or len(codes) != n_rows:
        raise ScorerDamagedError(f"column '{spec.name}' has no table of {n_rows} rows")
    if len(set(spec.categories)) < len(spec.categories):
        raise ScorerDamagedError(f"column '{spec.name}' has a category twice")
    return CategoryEncoding(spec.name, tuple(spec.categories), codes)


def codes_name(place: int) -> str:
    """Name the array of the column at a place."""
    return f"codes.{place}"


def tables_of(encodings: Sequence[Encoding]) -> Arrays:
    """Give the tables of the columns of categories, by the names of their arrays."""
    return {
        codes_name(place): encoding.codes
        for place, encoding in enumerate(encodings)
        if isinstance(encoding, CategoryEncoding)
    }


def as_spec(encoding: Encoding) -> ColumnSpec:
    """Give what scorer.json says of a column."""
    if isinstance(encoding, NumberEncoding):
        return NumberSpec(encoding.name, list(encoding.steps))
    return CategorySpec(encoding.name, list(encoding.categories))
