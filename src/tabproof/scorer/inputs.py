"""What a client sends, where the model takes other columns: dates, texts, and many categories.

A date is a number of seconds, a text a str or None; numbers and categories are as in `encoding`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.features import ARITHMETIC, Feature, FeatureMaker, Floats, TextTable
from tabproof.scorer import format as specs
from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.format import Arrays, Columns, ScorerDamagedError

MAX_BUCKETS = 2**31


@dataclass(frozen=True)
class DateInput:
    """A column of dates."""

    name: str


@dataclass(frozen=True)
class TextInput:
    """A column of texts."""

    name: str


Input = Encoding | DateInput | TextInput


@dataclass(frozen=True)
class Inputs:
    """The columns of a client, and what makes the columns of the model of them."""

    columns: tuple[Input, ...]
    maker: FeatureMaker

    def of_row(self, row: Sequence[Any]) -> list[float]:
        """Return one row as the model takes it."""
        return self.maker.of_row(row)

    def of_columns(self, columns: Columns) -> Columns:
        """Return many rows as the model takes them."""
        return self.maker.of_columns(columns)

    def shares(self, values: Floats) -> Floats:
        """Return contributions of the client's columns, given those of the model's columns.

        What is made of two inputs counts half for each.
        """
        found = np.zeros((len(values), len(self.columns)))
        for place, feature in enumerate(self.maker.features):
            for column in feature.of:
                found[:, column] += values[:, place] / len(feature.of)
        return found


def read_inputs(
    spec: specs.ScorerSpec, arrays: Arrays, encodings: Sequence[Encoding]
) -> Inputs | None:
    """Make the inputs; raise ScorerDamagedError where they do not fit the model's columns."""
    if not spec.inputs and not spec.features:
        return None
    if len({column.name for column in spec.inputs}) < len(spec.inputs):
        raise ScorerDamagedError("duplicate names of inputs")
    if len(spec.features) != len(encodings):
        raise ScorerDamagedError(f"{len(spec.features)} features for {len(encodings)} columns")
    codes: dict[int, Floats] = {}
    texts: dict[int, TextTable] = {}
    values: dict[int, Floats] = {}
    columns: list[Input] = []
    for index, column in enumerate(spec.inputs):
        if isinstance(column, specs.TextSpec):
            texts[index] = _read_text(index, column, arrays)
            columns.append(TextInput(column.name))
        elif isinstance(column, specs.DateSpec):
            columns.append(DateInput(column.name))
        elif isinstance(column, specs.NumberSpec):
            if column.steps:
                raise ScorerDamagedError(f"input '{column.name}' has steps; columns have them")
            columns.append(NumberEncoding(column.name, ()))
            known = arrays.get(f"inputs.{index}.values")
            if known is not None:
                values[index], codes[index] = known, _read_values(index, column, known, arrays)
        else:
            n_rows = len(column.categories) + 2
            if len(set(column.categories)) < len(column.categories):
                raise ScorerDamagedError(f"input '{column.name}' has duplicate categories")
            table = arrays.get(f"inputs.{index}.codes", np.empty((n_rows, 0)))
            if table.dtype != np.float64 or table.ndim != 2 or len(table) != n_rows:
                raise ScorerDamagedError(f"input '{column.name}' has no table of {n_rows} rows")
            codes[index] = table
            columns.append(CategoryEncoding(column.name, tuple(column.categories), table))
    features = [Feature(f.take, f.of, f.index, f.newest, f.means) for f in spec.features]
    pairs: dict[tuple[int, int], Floats] = {}
    for feature, encoding in zip(features, encodings, strict=True):
        if feature.take == "pair_code":
            _read_pair(feature, columns, arrays, pairs)
        _check_feature(feature, encoding, columns, codes, texts, pairs)
    return Inputs(tuple(columns), FeatureMaker(features, codes, texts, pairs, values))


def _read_values(
    index: int, column: specs.NumberSpec, known: NDArray[Any], arrays: Arrays
) -> Floats:
    """Return the codes of a column of numbers."""
    if known.dtype != np.float64 or known.ndim != 1 or not np.isfinite(known).all():
        raise ScorerDamagedError(f"the values of input '{column.name}' are no numbers")
    if len(known) == 0 or not (np.diff(known) > 0).all():
        raise ScorerDamagedError(f"the values of input '{column.name}' do not increase")
    table = arrays.get(f"inputs.{index}.codes", np.empty((0, 0)))
    if table.dtype != np.float64 or table.ndim != 2 or len(table) != len(known) + 2:
        raise ScorerDamagedError(f"input '{column.name}' has no table of {len(known) + 2} rows")
    return table


def _read_pair(
    feature: Feature,
    columns: Sequence[Input],
    arrays: Arrays,
    pairs: dict[tuple[int, int], Floats],
) -> None:
    """Add the table of two columns of categories, where there is one that fits."""
    if len(feature.of) != 2 or not all(0 <= place < len(columns) for place in feature.of):
        return
    first, second = feature.of
    table, inputs = arrays.get(f"inputs.{first}.{second}.codes"), (columns[first], columns[second])
    if table is None or table.dtype != np.float64 or table.ndim != 2:
        return
    sizes = [len(c.categories) + 2 for c in inputs if isinstance(c, CategoryEncoding)]
    if len(sizes) == 2 and len(table) == sizes[0] * sizes[1]:
        pairs[first, second] = table.reshape(*sizes, table.shape[1])


def _read_text(index: int, spec: specs.TextSpec, arrays: Arrays) -> TextTable:
    found = []
    for name, dtype, n_dimensions in (
        ("buckets", np.int32, 1),
        ("idf", np.float64, 1),
        ("table", np.float64, 2),
    ):
        array = arrays.get(f"inputs.{index}.{name}")
        if array is None or array.dtype != dtype or array.ndim != n_dimensions:
            raise ScorerDamagedError(f"'inputs.{index}.{name}' is missing, or of another type")
        found.append(array)
    buckets, idf, table = found
    if not len(buckets) == len(idf) == len(table):
        raise ScorerDamagedError(f"the arrays of input '{spec.name}' differ in length")
    buckets = buckets.astype(np.int64)
    inside = (buckets >= 0) & (buckets < spec.n_buckets)
    if not (1 <= spec.n_buckets <= MAX_BUCKETS and inside.all() and (np.diff(buckets) > 0).all()):
        raise ScorerDamagedError(f"the buckets of input '{spec.name}' do not increase")
    is_weight = np.isfinite(idf) & (idf > 1e-100) & (idf < 1e100)
    if not is_weight.all() or not np.isfinite(table).all():
        raise ScorerDamagedError(f"the weights of input '{spec.name}' are not finite, or too small")
    return TextTable(spec.n_buckets, buckets, idf, table)


def _check_feature(
    feature: Feature,
    encoding: Encoding,
    columns: Sequence[Input],
    codes: dict[int, Floats],
    texts: dict[int, TextTable],
    pairs: dict[tuple[int, int], Floats],
) -> None:
    where = f"the feature of column '{encoding.name}'"
    of_two = ("days_between", "pair_code", "product", *ARITHMETIC)
    n_inputs = 2 if feature.take in of_two else 1
    if len(feature.of) != n_inputs or not all(0 <= i < len(columns) for i in feature.of):
        raise ScorerDamagedError(f"{where} does not name {n_inputs} of the inputs")
    inputs, is_number = [columns[i] for i in feature.of], isinstance(encoding, NumberEncoding)
    if feature.take == "cell":
        fits = is_number and isinstance(inputs[0], NumberEncoding)
        if isinstance(inputs[0], CategoryEncoding) and isinstance(encoding, CategoryEncoding):
            fits = inputs[0].categories == encoding.categories
    elif feature.take in ("code", "value_code"):
        table = codes.get(feature.of[0], np.empty((0, 0)))
        is_value = isinstance(inputs[0], NumberEncoding)
        fits = is_number and 0 <= feature.index < table.shape[1]
        fits = fits and is_value == (feature.take == "value_code")
    elif feature.take == "text":
        text = texts.get(feature.of[0])
        fits = is_number and text is not None and 0 <= feature.index <= text.width
    elif feature.take == "pair_code":
        pair = pairs.get((feature.of[0], feature.of[1]), np.empty((0, 0, 0)))
        fits = is_number and 0 <= feature.index < pair.shape[-1]
    elif feature.take in ("product", *ARITHMETIC):
        fits = is_number and all(isinstance(each, NumberEncoding) for each in inputs)
        if feature.take == "product":
            fits = fits and len(feature.means) == 2 and bool(np.isfinite(feature.means).all())
    else:
        fits = is_number and all(isinstance(each, DateInput) for each in inputs)
        fits = fits and bool(np.isfinite(feature.newest))
    if not fits:
        raise ScorerDamagedError(f"{where} does not fit what it is made of")
