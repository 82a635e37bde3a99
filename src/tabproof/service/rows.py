"""Decode request bodies, and convert their rows to values for the scorer.

Bodies are decoded strictly; errors name the field that is wrong. Cells that are changed get a
warning. Ordinary cells take a fast path; all others go through `_Column.unusual`. Messages never
contain a cell's value, which may be personal data.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import inf, isinf, nan
from types import NoneType
from typing import Any, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from tabproof.errors import printable
from tabproof.features import FIRST, LAST
from tabproof.forms import (
    FLOAT32_MAX,
    NO_NUMBER_WORDS,
    NUMERIC_DATES,
    DateForm,
    NumberForm,
    bounded,
    missing_numbers,
    parse_date,
    parse_number,
)
from tabproof.schema import Column, DateColumn, NumberColumn, Schema, TextColumn
from tabproof.scorer import CategoryReader, Scorer, as_category
from tabproof.scorer.encoding import CategoryEncoding
from tabproof.scorer.inputs import Input
from tabproof.service.answers import Difference, RefusedError, RowWarning, WarningKind
from tabproof.text import counted

Cell = str | int | float | bool | None
Row = Mapping[str, Cell]
Body = TypeVar("Body")

ABSENT: Any = object()
# Maximum warnings of one kind in one column; the others are only counted.
MAX_WARNINGS = 100
# Maximum columns in one row that the model does not know.
MAX_UNKNOWN = 1000
# Columns that an error names as examples.
N_NAMED = 3
# A longer text is neither a number nor a date.
MAX_NUMBER_TEXT = 400
TOO_DEEP = "the body is nested too deeply"


class RowReader:
    """Convert rows for one model; allow_empty: also those without any column of the model."""

    def __init__(self, schema: Schema, scorer: Scorer, *, allow_empty: bool = False) -> None:
        pairs = zip(schema.columns, scorer.columns, strict=True)
        self._columns = [_Column(*pair, schema.na_values) for pair in pairs]
        self._names = {column.name for column in self._columns}
        self._allow_empty = allow_empty

    def require_known(self, names: Iterable[str], where: str) -> None:
        """Refuse names of which none is a column of the model, unless the setting allows it."""
        if self._allow_empty or not self._names.isdisjoint(names):
            return
        few = [printable(column.name, 60) for column in self._columns[:N_NAMED]]
        of = f"of the model's {counted(len(self._columns), 'column')}"
        example = "/schema has all of them, and a row as an example"
        raise RefusedError(
            422,
            f"{where} has none {of}; send at least one, such as {', '.join(few)} ({example})."
            " With API_ALLOW_EMPTY=true a row without any is predicted",
        )

    def _check_width(self, row: Row, where: str) -> None:
        most = MAX_UNKNOWN + len(self._columns)
        if len(row) > most:
            raise RefusedError(422, f"{where} holds {len(row):,} cells, more than {most:,}")

    def read(self, row: Row, warnings: list[RowWarning]) -> list[Any]:
        """Return the values of one row; raise RefusedError for a cell that cannot be converted."""
        values: list[Any] = []
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
        if n_absent and n_absent == len(self._columns):
            self.require_known(row, "features")
        if len(row) + n_absent > len(self._columns):
            self._check_width(row, "features")
            warnings += [
                RowWarning(name, "unknown_column", "is not a column of the model: ignored")
                for name in sorted(row.keys() - self._names)[:MAX_WARNINGS]
            ]
        return values

    def read_many(
        self,
        rows: Sequence[Row],
        warnings: list[RowWarning],
        every: list[RowWarning] | None = None,
    ) -> list[NDArray[np.generic]]:
        """Return the values by column; warnings have the number of their row.

        every: also gets the warnings that are more than MAX_WARNINGS of a kind.
        """
        columns: list[NDArray[np.generic]] = []
        n_absent = 0
        for column in self._columns:
            cells = [row.get(column.name, ABSENT) for row in rows]
            kinds = set(map(type, cells))
            if object in kinds:
                n_absent += cells.count(ABSENT)
            columns.append(column.array(cells, kinds, warnings, every))
        # Rows are only looked at one by one if enough cells are absent for an empty one.
        if n_absent and n_absent >= len(self._columns):
            for place, row in enumerate(rows):
                self.require_known(row, f"rows[{place}]")
        if sum(map(len, rows)) + n_absent > len(rows) * len(self._columns):
            first: dict[str, int] = {}
            counts: Counter[str] = Counter()
            for place, row in enumerate(rows):
                self._check_width(row, f"rows[{place}]")
                unknown = row.keys() - self._names
                for name in unknown:
                    first.setdefault(name, place)
                    counts[name] += 1
                if unknown and every is not None:
                    every.append(RowWarning("", "unknown_column", "", place))
            for name, count in sorted(counts.items())[:MAX_WARNINGS]:
                message = f"is not a column of the model: ignored in {count} row(s)"
                warnings.append(RowWarning(name, "unknown_column", message, first[name]))
        return columns

    def check_strictly(self, row: Row, place: int | None = None) -> None:
        """Refuse a row that does not have exactly the columns, of the right types."""
        wrong_type = {
            column.name: column.expected
            for column in self._columns
            if type(row.get(column.name)) not in column.kinds
        }
        missing = [column.name for column in self._columns if column.name not in row]
        unknown = sorted(row.keys() - self._names)
        if missing or unknown or wrong_type:
            where = "" if place is None else f"rows[{place}]: "
            refusal = RefusedError(
                422,
                f"{where}the columns differ: {len(missing)} missing, {len(unknown)} unknown,"
                f" {len(wrong_type)} of the wrong type; without strict=true they are converted",
            )
            refusal.difference = Difference(missing, unknown, wrong_type)
            raise refusal


class _Column:
    """Convert the cells of one column. A column without a range accepts every number.

    na_values : words that mean missing, and their numbers.
    """

    def __init__(self, column: Column, encoding: Input, na_values: Sequence[str] = ()) -> None:
        self.name, self.expected = column.name, "number"
        self.kinds: set[type] = {float, int, NoneType}
        self.place_of: dict[str, int] | None = None
        self._categories: CategoryReader | None = None
        self._missing: float | None = nan
        self.low, self.high = -FLOAT32_MAX, FLOAT32_MAX
        self._number_form, self.date_form = NumberForm(), DateForm()
        self.is_text = self._is_date = False
        if isinstance(encoding, CategoryEncoding):
            self._categories = CategoryReader(encoding.categories, na_values)
            self.kinds, self.place_of = {str, NoneType}, self._categories.place_of
            self._missing, self.expected = encoding.missing, "text"
        elif isinstance(column, TextColumn):
            self.kinds, self._missing, self.expected = {str, NoneType}, None, "text"
            self.is_text = True
        elif isinstance(column, DateColumn):
            self.kinds, self.expected, self._is_date = {str, NoneType}, "date", True
            self.date_form = column.form
            if column.form.pattern in NUMERIC_DATES:
                self.kinds |= {int, float}
        elif isinstance(column, NumberColumn):
            self._number_form = column.form
        self._range: tuple[float, float] | None = None
        if isinstance(column, NumberColumn) and column.span is not None:
            self._range = self.low, self.high = column.span
        elif isinstance(column, DateColumn) and None not in (column.minimum, column.maximum):
            self._range = cast(tuple[float, float], (column.minimum, column.maximum))
        self._missing_words = frozenset(na_values)
        if not self.is_text:
            self._missing_words |= NO_NUMBER_WORDS
        self._missing_numbers = missing_numbers(na_values)
        if self.is_text or self._is_date or self._missing_numbers:
            # No cell is an ordinary number.
            self.low, self.high = inf, -inf

    def unusual(self, value: Cell, warnings: list[RowWarning], row: int | None = None) -> Any:
        """Convert a cell that is no ordinary number or known category; warn of what is lost."""
        if value is None:
            return self._missing

        def warn(kind: WarningKind, message: str) -> None:
            warnings.append(RowWarning(self.name, kind, message, row))

        if value is ABSENT:
            warn("missing_column", "is absent: treated as missing")
            return self._missing
        if self._categories is not None:
            place = self._categories.place(value)
            if place == self._categories.unseen:
                warn("unseen_category", "has a category that is not in the training data")
            return place
        words = self._missing_words if isinstance(value, str) else self._missing_numbers
        if value in words and not isinstance(value, bool):
            return self._missing
        if self.is_text:
            return value if isinstance(value, str) else as_category(value)
        if self._is_date:
            return self._date(value, warn)
        where = f"features.{self.name}" if row is None else f"rows[{row}].{self.name}"
        if isinstance(value, str):
            parsed = (
                None if len(value) > MAX_NUMBER_TEXT else parse_number(value, self._number_form)
            )
            if parsed is None:
                warn("not_a_number", "has a text that is not a number: treated as missing")
                return nan
            number = parsed
        else:
            try:
                number = float(value)
            except OverflowError:
                number = inf
            if not -inf < number < inf:
                raise RefusedError(422, f"{where} has a number that does not fit into 64 bits")
        if number in self._missing_numbers:
            return nan
        if self._range is not None and not self._range[0] <= number <= self._range[1]:
            low, high = self._range
            warn("out_of_range", f"is outside the training range, {low:g} to {high:g}")
        return bounded(number)

    def _date(self, value: Any, warn: Callable[[WarningKind, str], None]) -> float:
        try:
            is_long = isinstance(value, str) and len(value) > MAX_NUMBER_TEXT
            seconds = None if is_long else parse_date(value, self.date_form)
        except (OverflowError, ValueError):
            seconds = None
        if seconds is None:
            warn("not_a_date", "has a value that is not a date: treated as missing")
            return nan
        if self._range is not None and not self._range[0] <= seconds <= self._range[1]:
            low, high = (as_iso(end, self.date_form) for end in self._range)
            warn("out_of_range", f"is outside the training range, {low} to {high}")
        return seconds

    def array(
        self,
        cells: Sequence[Any],
        kinds: set[type],
        warnings: list[RowWarning],
        every: list[RowWarning] | None = None,
    ) -> NDArray[np.generic]:
        """Convert a column at once, or cell by cell if one of them needs `unusual`."""
        if self.is_text and kinds <= self.kinds:
            words = self._missing_words
            found_texts = [None if cell in words else cell for cell in cells]
            return np.array(found_texts, dtype=object)
        if self.place_of is not None and kinds <= self.kinds:
            if NoneType in kinds:
                places = [self._missing if c is None else self.place_of.get(c) for c in cells]
            else:
                places = list(map(self.place_of.get, cells))
            if None not in places:
                return np.array(places, dtype=np.intp)
        elif kinds <= self.kinds and not self._is_date and not self.is_text:
            with suppress(OverflowError):
                numbers = np.array(cells, dtype=np.float64)
                if not ((numbers < self.low) | (numbers > self.high)).any():
                    return numbers
        found: list[RowWarning] = []
        values = [self.unusual(cell, found, row) for row, cell in enumerate(cells)]
        if every is not None:
            every += found
        counts: Counter[WarningKind] = Counter()
        for warning in found:
            counts[warning.kind] += 1
            if counts[warning.kind] <= MAX_WARNINGS:
                warnings.append(warning)
        for kind, count in counts.items():
            if count > MAX_WARNINGS:
                message = f"and in {count - MAX_WARNINGS} more rows"
                warnings.append(RowWarning(self.name, kind, message))
        if self.is_text:
            return np.array(values, dtype=object)
        return np.array(values, dtype=np.float64 if self.place_of is None else np.intp)


def as_iso(seconds: float, form: DateForm) -> str:
    """Return a date in ISO 8601, with a time of day if the column has some."""
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(max(seconds, FIRST), LAST))
    return (time.replace(tzinfo=None) if form.has_time else time.date()).isoformat()


# --- Bodies


class _RowBody(msgspec.Struct, forbid_unknown_fields=True):
    features: dict[str, Cell]


class _RowsBody(msgspec.Struct, forbid_unknown_fields=True):
    rows: list[dict[str, Cell]]


_row_body = msgspec.json.Decoder(_RowBody).decode
_rows_body = msgspec.json.Decoder(_RowsBody).decode


def decode_row(content: bytes) -> Row:
    """Decode the body of /predict."""
    row = decode_body(_row_body, content, '{"features": {column: value, …}}').features
    # Each key has a colon. Fewer keys than colons may mean a duplicate key, of which the decoder
    # keeps the last. Colons inside texts only make this check run more often.
    if content.count(b":") != 1 + len(row):
        refuse_duplicates(content)
    return row


def decode_rows(content: bytes, max_rows: int) -> Sequence[Row]:
    """Decode the body of /predict_batch."""
    # A small body can hold millions of empty rows, and each of them takes memory. Each has a brace;
    # others can only be inside texts.
    if content.count(b"{") > 10 * (max_rows + 1):
        raise RefusedError(413, f"there are more than {max_rows:,} rows; send them in parts")
    rows = decode_body(_rows_body, content, '{"rows": [{column: value, …}, …]}').rows
    if content.count(b":") != 1 + sum(map(len, rows)):
        refuse_duplicates(content)
    return rows


def decode_body(decoder: Callable[[bytes], Body], content: bytes, form: str) -> Body:
    """Decode a body; form: what it should look like."""
    try:
        return decoder(content)
    except msgspec.ValidationError as error:
        raise RefusedError(422, f"{_with_field(str(error), content)}; a body is {form}") from None
    except RecursionError:
        raise RefusedError(400, TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, msgspec.DecodeError) else "invalid UTF-8"
        place = re.search(r"\(byte (\d+)\)$", reason)
        # What clients write that let a number without a value through.
        if place and content.startswith((b"NaN", b"Inf"), int(place[1])):
            reason += ", because JSON has no NaN and no Infinity: a missing number is null"
        raise RefusedError(400, f"the body is not valid JSON: {reason}; a body is {form}") from None


def _with_field(message: str, content: bytes) -> str:
    """Return the message with the field's name, which msgspec writes as `[...]`."""
    if "[...]" not in message:
        return message
    # All before the first invalid cell has the form that was expected.
    with suppress(ValueError, RecursionError, LookupError, AttributeError, TypeError):
        body = json.loads(content, parse_int=float)
        rows = {f"rows[{place}]": row for place, row in enumerate(body.get("rows", []))}
        for place, row in (rows or {"features": body["features"]}).items():
            for key, value in row.items():
                field = f"{place}.{printable(key, 60)}"
                if isinstance(value, (list, dict)):
                    found = "an array" if isinstance(value, list) else "an object"
                    return f"{field} takes a number, a text or null, not {found}"
                if isinstance(value, float) and isinf(value):
                    return f"{field} has a number that does not fit into 64 bits"
    return message


def refuse_duplicates(content: bytes) -> None:
    """Refuse a body with a key that appears twice in one object."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
            key = printable(twice, 60)
            raise RefusedError(400, f"the key '{key}' appears twice in one object")
        return found

    # The decoder has found all other errors before; json.loads only allows less nesting.
    try:
        json.loads(content, object_pairs_hook=unique, parse_int=float)
    except RecursionError:
        raise RefusedError(400, TOO_DEEP) from None
    except ValueError:
        # The decoder does not check fields that are not in the struct.
        raise RefusedError(400, "the body is not valid UTF-8") from None
