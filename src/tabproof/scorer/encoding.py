"""Encode a column's cells as the features that the model was trained on.

A number goes through a few arithmetic steps in the order of training: another order would give
other last bits. It stays one feature, or becomes the ramps of a spline. A category is an index into
a table of features, whose last two rows are for unseen categories and for missing cells.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from operator import add, mul, sub, truediv
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.features import spline_features
from tabproof.scorer import format as specs
from tabproof.scorer.format import Arrays, Floats, ScorerDamagedError

ARITHMETIC: dict[str, Callable[[Any, float], Any]]
ARITHMETIC = {"add": add, "subtract": sub, "multiply": mul, "divide": truediv}
FLOAT32_MAX = float(np.finfo(np.float32).max)
# What people write as a number. Python's float() would also take nan, inf and 1_000.
NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*", re.ASCII)


def as_number(text: str) -> float | None:
    """Parse a finite number; return None if the text is not one."""
    if len(text) > 400 or NUMBER.fullmatch(text) is None:
        return None
    number = float(text)
    return number if isfinite(number) else None


def as_category(value: object) -> str:
    """Return the name that training gave to this value as a category."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


@dataclass(frozen=True)
class NumberEncoding:
    """A numeric column: one feature. A missing number is NaN."""

    name: str
    steps: tuple[tuple[specs.Operation, float], ...]

    @property
    def width(self) -> int:
        """The number of features."""
        return 1

    def apply(self, value: float) -> float:
        """Apply the steps to one number, with the same bits as `apply_to_all`."""
        for operation, operand in self.steps:
            if operation == "fill":
                value = operand if value != value else value
            elif operation == "clip_float32":
                value = min(max(value, -FLOAT32_MAX), FLOAT32_MAX) if value == value else value
            elif operation == "float32":
                value = float(np.float32(value))
            else:
                value = ARITHMETIC[operation](value, operand)
        return value

    def apply_to_all(self, values: Floats) -> Floats:
        """Apply the steps to many numbers."""
        # An overflow is infinity, for one number as for many: not worth a warning.
        with np.errstate(over="ignore", invalid="ignore"):
            for operation, operand in self.steps:
                if operation == "fill":
                    values = np.where(np.isnan(values), operand, values)
                elif operation == "clip_float32":
                    values = np.clip(values, -FLOAT32_MAX, FLOAT32_MAX)
                elif operation == "float32":
                    values = values.astype(np.float32).astype(np.float64)
                else:
                    values = ARITHMETIC[operation](values, operand)
        return values

    def features(self, values: NDArray[Any]) -> Floats:
        """Return a matrix of one column."""
        return self.apply_to_all(values.astype(np.float64, copy=False))[:, np.newaxis]


@dataclass(frozen=True)
class SplineEncoding(NumberEncoding):
    """A numeric column whose features are lines between knots, for linear models.

    `codes` are the features at each knot, and in a last row those of a missing cell. There are no
    steps. Without any feature no model uses the column.
    """

    knots: Floats
    codes: Floats

    @property
    def width(self) -> int:
        """The number of features."""
        return int(self.codes.shape[1])

    def features(self, values: NDArray[Any]) -> Floats:
        """Return a matrix of `width` columns."""
        return spline_features(values.astype(np.float64, copy=False), self.knots, self.codes)


@dataclass(frozen=True)
class CategoryEncoding:
    """A categorical column. `codes` has the shape (n_categories + 2, width)."""

    name: str
    categories: tuple[str, ...]
    codes: Floats

    @cached_property
    def index_of(self) -> dict[str, int]:
        """The index of each category by its name."""
        return {category: index for index, category in enumerate(self.categories)}

    @property
    def width(self) -> int:
        """The number of features."""
        return int(self.codes.shape[1])

    @property
    def unseen(self) -> int:
        """The index for categories that training never saw."""
        return len(self.categories)

    @property
    def missing(self) -> int:
        """The index for a missing cell."""
        return len(self.categories) + 1

    def features(self, indices: NDArray[Any]) -> Floats:
        """Return a matrix of `width` columns."""
        features: Floats = self.codes[indices.astype(np.intp, copy=False)]
        return features


Encoding = NumberEncoding | CategoryEncoding


def make_encodings(columns: Sequence[specs.ColumnSpec], arrays: Arrays) -> tuple[Encoding, ...]:
    """Make the encodings; raise ScorerDamagedError where columns and arrays do not fit."""
    if not columns or len({spec.name for spec in columns}) < len(columns):
        raise ScorerDamagedError("it has no columns, or duplicate column names")
    encodings: list[Encoding] = []
    for index, spec in enumerate(columns):
        if isinstance(spec, specs.NumberSpec):
            operations = [operation for operation, _ in spec.steps]
            if ("divide", 0) in spec.steps:
                raise ScorerDamagedError(f"column '{spec.name}' is divided by zero")
            for before, operation in zip(["", *operations], operations, strict=False):
                if operation == "float32" and before != "clip_float32":
                    raise ScorerDamagedError(
                        f"column '{spec.name}' is rounded before it is clipped"
                    )
            if f"knots.{index}" in arrays:
                encodings.append(_make_spline(spec, arrays, index))
            else:
                encodings.append(NumberEncoding(spec.name, tuple(spec.steps)))
            continue
        codes, n_rows = arrays.get(f"codes.{index}"), len(spec.categories) + 2
        if codes is None or codes.dtype != np.float64 or codes.ndim != 2 or len(codes) != n_rows:
            raise ScorerDamagedError(f"column '{spec.name}' has no table of {n_rows} rows")
        if len(set(spec.categories)) < len(spec.categories):
            raise ScorerDamagedError(f"column '{spec.name}' has duplicate categories")
        encodings.append(CategoryEncoding(spec.name, tuple(spec.categories), codes))
    return tuple(encodings)


def _make_spline(spec: specs.NumberSpec, arrays: Arrays, index: int) -> SplineEncoding:
    knots, codes = arrays[f"knots.{index}"], arrays.get(f"codes.{index}")
    where = f"column '{spec.name}'"
    if knots.dtype != np.float64 or knots.ndim != 1 or not len(knots):
        raise ScorerDamagedError(f"the knots of {where} are not a list of 64-bit floats")
    with np.errstate(over="ignore", invalid="ignore"):
        widths = np.diff(knots)
    if not (np.isfinite(knots).all() and np.isfinite(widths).all() and (widths > 0).all()):
        raise ScorerDamagedError(f"the knots of {where} do not increase")
    n_rows = len(knots) + 1
    if codes is None or codes.dtype != np.float64 or codes.ndim != 2 or len(codes) != n_rows:
        raise ScorerDamagedError(f"{where} has no table of {n_rows} rows")
    if not (np.abs(codes) <= FLOAT32_MAX).all():
        raise ScorerDamagedError(f"the table of {where} has numbers that are not finite")
    if spec.steps:
        raise ScorerDamagedError(f"{where} has knots, so it has no steps")
    return SplineEncoding(spec.name, (), knots, codes)
