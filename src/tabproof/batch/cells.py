"""Convert Arrow's columns to the model's input: numbers to floats, categories to indices.

Cells mean what they meant in training. There is no loop over rows: each distinct category is
looked up once.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import nan
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from tabproof.errors import DuplicateColumnsError, UserError, listed
from tabproof.features import seconds_of
from tabproof.forms import (
    FLOAT32_MAX,
    NO_NUMBER_WORDS,
    DateForm,
    NumberForm,
    missing_numbers,
    parse_date,
    parse_number,
)
from tabproof.schema import Column, DateColumn, NumberColumn, TextColumn
from tabproof.scorer import CategoryReader, as_category

# --- From NumPy to Arrow and back, without pandas.

# pa.array(), pa.scalar() and to_numpy() import pandas, which takes longer than most scoring.
DTYPES = {pa.float64(): np.float64, pa.int64(): np.int64, pa.uint8(): np.uint8}


def numbers_array(values: NDArray[Any]) -> pa.Array:
    """Return an array of float64 or int64 without nulls, sharing memory if possible."""
    kind = pa.float64() if values.dtype.kind == "f" else pa.int64()
    content = np.ascontiguousarray(values, DTYPES[kind])
    return pa.Array.from_buffers(kind, len(content), [None, pa.py_buffer(content)])


def texts_array(texts: Sequence[str]) -> pa.Array:
    """Return an array of texts without nulls."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def as_numpy(array: pa.Array) -> NDArray[Any]:
    """Return float64, int64 or bool; nulls among floats become NaN."""
    if pa.types.is_boolean(array.type):
        return as_numpy(array.cast(pa.uint8())).view(np.bool_)
    if array.null_count:
        array = pc.fill_null(array, NAN)
    content = np.frombuffer(array.buffers()[1] or b"", DTYPES[array.type])
    return content[array.offset : array.offset + len(array)]


NAN = numbers_array(np.array([np.nan]))[0]
NOT_A_TIME = numbers_array(np.array([np.iinfo(np.int64).min]))[0]


# --- The model's columns and the input's.


@dataclass(frozen=True)
class WantedColumn:
    """A column of a model, categorical if it has categories; its range in training, if known.

    form : how its cells are written; of a date a DateForm. is_text : whether it is free text.
    na_values : words that mean missing in any input, and their numbers.
    """

    name: str
    categories: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    form: NumberForm | DateForm = NumberForm()  # noqa: RUF009 - it cannot be changed
    is_text: bool = False
    na_values: tuple[str, ...] = ()

    @property
    def unseen(self) -> int:
        """The index of categories that training never saw."""
        return len(self.categories or ())

    @property
    def missing(self) -> int:
        """The index of a missing cell."""
        return self.unseen + 1


class ColumnsDifferError(UserError):
    """All differences between an input's columns and the model's."""


def wanted_column(
    column: Column | None, name: str, categories: tuple[str, ...] | None, na_values: tuple[str, ...]
) -> WantedColumn:
    """Return a column of a model; column : that of the schema, if it has it."""
    if isinstance(column, NumberColumn | DateColumn):
        low, high, form = column.minimum, column.maximum, column.form
        return WantedColumn(name, categories, low, high, form, na_values=na_values)
    is_text = isinstance(column, TextColumn)
    return WantedColumn(name, categories, is_text=is_text, na_values=na_values)


# Columns named in an error.
MAX_SIMILAR = 5


def refuse_similar_columns(where: str, lacks: Sequence[str], names: Iterable[str]) -> None:
    """Refuse columns that differ from missing ones only by spaces or case."""
    found = {_without_spaces(name): name for name in names}
    pairs = [(found.get(_without_spaces(name)), name) for name in lacks]
    similar = [f"'{name}' instead of '{wanted}'" for name, wanted in pairs if name is not None]
    if similar:
        more = f", … ({len(similar)} in all)" if len(similar) > MAX_SIMILAR else ""
        raise ColumnsDifferError(
            f"{where} has {', '.join(similar[:MAX_SIMILAR])}{more}:"
            " names of columns must be the model's, with the same spaces and case; rename them"
        )


def _without_spaces(name: str) -> str:
    return "".join(name.split()).casefold()


def select_columns(table: pa.Table, wanted: Sequence[WantedColumn]) -> pa.Table:
    """Return those of the model's columns that a table has, in the model's order.

    Raises DuplicateColumnsError, or ColumnsDifferError where it has none, or one of a wrong type.
    """
    names, columns = table.column_names, [column.name for column in wanted]
    if twice := [name for name in columns if names.count(name) > 1]:
        raise DuplicateColumnsError(twice)
    found = {name: table.schema.field(name).type for name in columns if name in names}
    wrong = find_wrong_types(wanted, found, strict=False)
    if wrong or not found:
        mistyped = ", ".join(f"'{name}' ({kind})" for name, kind in wrong.items())
        reason = f"wrong type {mistyped}" if wrong else f"missing {listed(columns, 20)}"
        raise ColumnsDifferError(f"the table does not have the model's columns: {reason}")
    return table.select(list(found))


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the cells, also of a dictionary."""
    return kind.value_type if types.is_dictionary(kind) else kind


def is_string(kind: pa.DataType) -> bool:
    """Return whether this is one of the types of text."""
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def find_wrong_types(
    wanted: Sequence[WantedColumn], found: dict[str, pa.DataType], *, strict: bool
) -> dict[str, str]:
    """Return the columns of a type that cannot be used, and the type.

    strict: also those that are read cell by cell, because their type is not the model's.
    """
    wrong = {}
    for column in (column for column in wanted if column.name in found):
        kind = value_type(found[column.name])
        is_doubtful = is_string(kind) or types.is_boolean(kind)
        is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        # As in training, times, bytes, lists and records are neither numbers nor categories.
        is_readable = is_doubtful or is_number or types.is_null(kind)
        if types.is_time(kind) or types.is_duration(kind):
            is_readable = column.categories is None and not column.is_text
        if isinstance(column.form, DateForm):
            is_time = types.is_timestamp(kind) or types.is_date(kind)
            is_readable, is_doubtful = is_readable or is_time, not is_time
        elif column.is_text:
            is_doubtful = not is_string(kind)
        if not is_readable or (strict and column.categories is None and is_doubtful):
            wrong[column.name] = str(kind)
    return wrong


# --- Texts, read as in training.

# Arrow's conversion is faster but refuses spaces. Infinity is a number here, and refused later.
NUMBER = r"^\s*[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf(?:inity)?))\s*$"

Cells = NDArray[Any]

# What training takes for missing in columns of numbers and dates.
_NO_NUMBER = texts_array(sorted(NO_NUMBER_WORDS))
NOTHING, NO_NUMBER = pa.nulls(1, pa.string())[0], texts_array(["no number"])[0]


def read_numbers(
    texts: pa.Array,
    *,
    decimal: str = ".",
    form: NumberForm | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return numbers (NaN if missing), and which texts are no finite number.

    `form`: how numbers were written in training; another decimal point than `.` replaces that of
    the form.
    """
    missing = pc.or_(pc.is_null(texts), pc.is_in(texts, _NO_NUMBER))
    texts = pc.if_else(missing, NOTHING, texts)
    given, form = texts, form or NumberForm()
    if decimal not in (".", form.decimal):
        form = replace(form, decimal=decimal, thousands="")
    if form.time or form.scales:
        # 450 is no number in a column of 3万.
        return _read_each(texts, partial(parse_number, form=form))
    if form.decimal != ".":
        has_point = pc.match_substring(texts, ".")
        with_point = pc.replace_substring(texts, form.decimal, ".", max_replacements=1)
        texts = pc.if_else(has_point, NO_NUMBER, with_point)
    try:
        numbers = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        is_number = pc.match_substring_regex(texts, NUMBER)
        texts = pc.if_else(is_number, pc.ascii_trim_whitespace(texts), NOTHING)
        numbers = texts.cast(pa.float64())
    values = as_numpy(numbers)
    refused = ~np.isfinite(values) & ~as_numpy(missing)
    # Arrow knows neither marks nor thousands, and 1e999 is infinite to it.
    doubtful = np.flatnonzero(refused)
    if len(doubtful):
        values = values.copy()
        some = given.take(numbers_array(doubtful))
        numbers, refused[doubtful] = _read_each(some, partial(parse_number, form=form))
        values[doubtful] = np.where(refused[doubtful], values[doubtful], numbers)
    return values, refused


def _without(column: pa.ChunkedArray, na_values: Sequence[str]) -> pa.ChunkedArray:
    """Return a column in which cells that mean missing are null."""
    kind = value_type(column.type)
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    if na_values and is_string(kind):
        column = column.cast(pa.string())
        missing = pc.is_in(column, texts_array(na_values))
    elif is_number and (numbers := missing_numbers(na_values)):
        column = column.cast(kind)
        some = numbers_array(np.array([*numbers], dtype=np.float64))
        missing = pc.is_in(column.cast(pa.float64(), safe=False), some)
    else:
        return column
    return pc.if_else(missing, pa.nulls(1, column.type)[0], column)


def _read_each(
    cells: pa.Array, parse: Callable[[Any], float | None]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Parse each distinct cell once; return numbers (NaN if missing), and which cells are none."""
    encoded = cells if types.is_dictionary(cells.type) else cells.dictionary_encode()
    parsed = [None if v is None else parse(v) for v in encoded.dictionary.to_pylist()]
    numbers = np.array([np.nan if number is None else number for number in [*parsed, None]])
    is_refused = np.array([number is None for number in parsed] + [False])
    last = numbers_array(np.array([len(parsed)]))[0]
    places = as_numpy(pc.fill_null(encoded.indices.cast(pa.int64()), last))
    return numbers[places], is_refused[places]


PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# Characters shown of a cell that is no number.
MAX_SHOWN = 60


class Fault(NamedTuple):
    """Why a row cannot be scored; `column` is empty if it is the whole row."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True)
class Rows:
    """Some rows of an input.

    `positions` are those of the table's rows among all n_rows; the others are in `faults`.
    """

    table: pa.Table
    n_rows: int
    positions: NDArray[np.int64]
    faults: tuple[Fault, ...] = ()


class CellReader:
    """Reads cells for one model. `decimal`: the decimal point of numbers in texts."""

    def __init__(self, wanted: Sequence[WantedColumn], *, decimal: str = ".") -> None:
        self._wanted, self._decimal = tuple(wanted), decimal
        self._categories = {
            column.name: CategoryReader(column.categories, column.na_values)
            for column in wanted
            if column.categories is not None
        }
        # Words that mean missing besides those of all columns of numbers and dates.
        self._words = {
            column.name: [word for word in column.na_values if word not in NO_NUMBER_WORDS]
            for column in wanted
        }

    def encode(self, rows: Rows) -> tuple[list[Cells], dict[int, tuple[str, str]]]:
        """Return the model's columns, and the first fault (column, reason) of bad rows.

        Absent columns are missing in each row.
        """
        columns: list[Cells] = []
        faults: dict[int, tuple[str, str]] = {}
        for wanted in self._wanted:
            if wanted.name not in rows.table.column_names:
                missing = np.nan if wanted.categories is None else wanted.missing
                n_rows, kind = rows.table.num_rows, object if wanted.is_text else None
                columns.append(np.full(n_rows, None if wanted.is_text else missing, kind))
            elif wanted.is_text:
                columns.append(self._read_texts(rows.table[wanted.name], wanted))
            elif isinstance(wanted.form, DateForm):
                column = _without(rows.table[wanted.name], self._words[wanted.name])
                columns.append(self._read_dates(column, wanted.name, wanted.form, faults))
            elif wanted.categories is None:
                column = _without(rows.table[wanted.name], self._words[wanted.name])
                columns.append(self._read_numbers(column, wanted, wanted.form, faults))
            else:
                chunks = rows.table[wanted.name].chunks
                places = [self._read_categories(chunk, wanted) for chunk in chunks]
                columns.append(np.concatenate([np.empty(0, dtype=np.intp), *places]))
        return columns, faults

    def _read_categories(self, cells: pa.Array, wanted: WantedColumn) -> Cells:
        encoded = cells if types.is_dictionary(cells.type) else cells.dictionary_encode()
        places = list(map(self._categories[wanted.name].place, encoded.dictionary.to_pylist()))
        # The last entry is for null cells.
        lookup = np.array([*places, wanted.missing], dtype=np.intp)
        last = numbers_array(np.array([len(places)]))[0]
        found: Cells = lookup[as_numpy(pc.fill_null(encoded.indices.cast(pa.int64()), last))]
        return found

    def _read_texts(self, column: pa.ChunkedArray, wanted: WantedColumn) -> Cells:
        if types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        cells = column.to_pylist()
        if not is_string(column.type):
            cells = [None if cell is None or cell != cell else as_category(cell) for cell in cells]
        if words := frozenset(wanted.na_values):
            cells = [None if cell in words else cell for cell in cells]
        found = np.empty(len(cells), dtype=object)
        found[:] = cells
        return found

    def _read_dates(
        self, column: pa.ChunkedArray, name: str, form: DateForm, faults: dict[int, tuple[str, str]]
    ) -> Cells:
        """Return seconds since 1970 by the clock of the form."""
        if types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        cells = column.combine_chunks()
        if types.is_timestamp(cells.type) or types.is_date(cells.type):
            zone, minutes = getattr(cells.type, "tz", None), 0
            if zone is not None and form.offset is None:
                cells, zone = pc.local_timestamp(cells), None
            elif zone is not None:
                minutes = form.offset or 0
            micros = cells.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
            values = as_numpy(pc.fill_null(micros, NOT_A_TIME))
            times = np.where(values == NOT_A_TIME.as_py(), values, values + minutes * 60 * 10**6)
            return seconds_of(times.astype("datetime64[us]"))
        if is_string(cells.type):
            cells = cells.cast(pa.string())
            cells = pc.if_else(pc.is_in(cells, _NO_NUMBER), NOTHING, cells)
        elif types.is_decimal(cells.type) or types.is_boolean(cells.type):
            cells = cells.cast(pa.string())

        def parse(value: str | float) -> float | None:
            try:
                return nan if value != value else parse_date(value, form)
            except (OverflowError, ValueError):
                return None

        values, refused = _read_each(cells, parse)
        for place in np.flatnonzero(refused).tolist():
            text = str(cells[place].as_py())
            text = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
            faults.setdefault(place, (name, f"{text!r} is no date"))
        return values

    def _read_numbers(
        self,
        column: pa.ChunkedArray,
        wanted: WantedColumn,
        form: NumberForm,
        faults: dict[int, tuple[str, str]],
    ) -> Cells:
        if types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        cells = column.combine_chunks()
        if is_string(cells.type):
            texts = cells.cast(pa.string())
            values, refused = read_numbers(texts, decimal=self._decimal, form=form)
        else:
            per_second = 1
            if types.is_time(cells.type) or types.is_duration(cells.type):
                per_second = PER_SECOND[cells.type.unit]
                cells = cells.cast(pa.int32() if cells.type.bit_width == 32 else pa.int64())
            # Arrow's direct conversion of decimals is wrong in the last bit for some values.
            cells = cells.cast(pa.string()) if types.is_decimal(cells.type) else cells
            values = as_numpy(cells.cast(pa.float64(), safe=False)) / per_second
            refused = np.isinf(values)
        for place in np.flatnonzero(refused).tolist():
            text = str(cells[place].as_py())
            text = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
            fault = "infinite" if np.isinf(values[place]) else "no number"
            faults.setdefault(place, (wanted.name, f"{text!r} is {fault}"))
        if missing := missing_numbers(wanted.na_values):
            # A text such as -999.0 is the number that -999 means.
            values = np.where(np.isin(values, [*missing]), np.nan, values)
        # Models hold no larger numbers; infinite ones are faults.
        return np.clip(values, -FLOAT32_MAX, FLOAT32_MAX)


def count_unusual(
    wanted: Sequence[WantedColumn], columns: Sequence[Cells]
) -> tuple[Counter[str], Counter[str]]:
    """Count, by column, categories that training never saw, and numbers outside of its range."""
    unseen, outside = Counter[str](), Counter[str]()
    for column, cells in zip(wanted, columns, strict=True):
        if column.categories is not None:
            unseen[column.name] = int((cells == column.unseen).sum())
        if column.minimum is not None and column.maximum is not None and not column.is_text:
            # Missing numbers compare as neither.
            outside[column.name] = int(((cells < column.minimum) | (cells > column.maximum)).sum())
    # Without the zeros.
    return +unseen, +outside
