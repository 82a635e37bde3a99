"""A column of a table: its kind, its values, and what is to be said about it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tabproof.data.cells import Floats
from tabproof.errors import UserError
from tabproof.forms import FLOAT32_MAX, DateForm, NumberForm

# Cells looked at before a whole column is parsed.
SAMPLE = 2000
# pandas looks for a type by its name for longer than it takes to make a column.
OBJECTS = np.dtype("object")
TEXTS: Any = pd.api.types.pandas_dtype("str")


@dataclass(frozen=True)
class Reading:
    """How the user says that cells are to be read; None or empty: as they are found.

    kinds : by column, `number`, `category`, `date` or `text`. keep : columns that are no ids.
    na_values : words that mean missing. thousands : an empty text for none.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    keep: Collection[str] = ()
    na_values: Collection[str] | None = None
    decimal: str | None = None
    thousands: str | None = None
    day_first: bool | None = None
    year_first: bool | None = None


@dataclass
class Column:
    """A column as it is read; notes : treatments of it, by code, with their facts."""

    name: str
    kind: str = ""
    values: Any = None
    form: NumberForm | DateForm | None = None
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    problem: tuple[type[UserError], dict[str, Any]] | None = None


def has_fraction(numbers: Floats) -> bool:
    """Return whether some number is not whole."""
    # Most columns of fractions show one at once.
    parts = (numbers[:SAMPLE], numbers[SAMPLE:])
    return any(bool((np.floor(part) < part).any()) for part in parts)


def ends_of(numbers: Floats) -> tuple[float, float]:
    """Return the least and the greatest number; infinite ones where all are missing."""
    if len(numbers) == 0:
        return np.inf, -np.inf
    # fmin leaves missing cells out.
    low, high = float(np.fmin.reduce(numbers)), float(np.fmax.reduce(numbers))
    return (np.inf, -np.inf) if np.isnan(low) else (low, high)


def set_numbers(column: Column, numbers: Floats) -> None:
    """Make a column one of numbers that every model can hold."""
    low, high = ends_of(numbers)
    if max(-low, high) > FLOAT32_MAX:
        is_beyond = np.abs(numbers) > FLOAT32_MAX
        is_infinite = np.isinf(numbers)
        if n_infinite := int(is_infinite.sum()):
            n_before = column.notes.get("infinite", {}).get("n_cells", 0)
            column.notes["infinite"] = {"n_cells": n_infinite + n_before}
        if n_beyond := int(is_beyond.sum()) - n_infinite:
            column.notes["bounded"] = {"n_cells": n_beyond}
        numbers = np.where(is_infinite, np.nan, np.clip(numbers, -FLOAT32_MAX, FLOAT32_MAX))
    column.kind, column.values, column.form = "number", numbers, NumberForm()


def set_words(
    column: Column, words: pa.Array, kind: str, encoded: pa.DictionaryArray | None = None
) -> None:
    """Make a column one of categories, or of free text."""
    column.kind, column.form = kind, None
    if kind == "text":
        column.notes["free_text"] = {}
        column.values = pd.array(words.cast(pa.large_string()), dtype=TEXTS)
        return
    encoded = words.dictionary_encode() if encoded is None else encoded
    names = encoded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    # One more place for missing cells, whose code is -1.
    place = np.full(len(names) + 1, -1, dtype=np.min_scalar_type(-len(names) - 1))
    place[order] = np.arange(len(names))
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    in_order = np.array([names[i] for i in order], dtype=OBJECTS)
    categories = pd.Index(in_order, dtype=OBJECTS, copy=False)
    column.values = pd.Categorical.from_codes(place[codes], categories, validate=False)
