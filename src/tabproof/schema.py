"""schema.json: columns, types, categories, ranges and labels of the training rows.

Plain data; needs no pandas, since the service reads it too.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

from tabproof.errors import NewerFormatError, UserError, listed, printable
from tabproof.forms import ALL_SCALES, TIMES, DateForm, NumberForm


class SchemaDamagedError(UserError):
    """A schema.json that does not have its form."""

    template = "schema.json cannot be read: {reason}"


# 1 had numbers and categories only, and no treatments.
FORMAT = 2
TREATMENTS = Path(__file__).parent / "texts" / "treatments.toml"
# Columns named in the text of a treatment; its field has all of them.
N_NAMED, MAX_MESSAGE = 8, 2000


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers; minimum and maximum are those of the training rows, if any."""

    name: str
    minimum: float | None
    maximum: float | None
    missing_share: float
    form: NumberForm = field(default_factory=NumberForm)
    kind: str = "number"

    @property
    def span(self) -> tuple[float, float] | None:
        """Minimum and maximum; None if the training rows have no number."""
        if self.minimum is None or self.maximum is None:
            return None
        return self.minimum, self.maximum


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories, sorted as text."""

    name: str
    categories: tuple[str, ...]
    missing_share: float
    kind: str = "category"


@dataclass(frozen=True)
class DateColumn:
    """A column of dates; minimum and maximum are seconds since 1970, by the clock of its form."""

    name: str
    minimum: float | None
    maximum: float | None
    missing_share: float
    form: DateForm = field(default_factory=DateForm)
    kind: str = "date"


@dataclass(frozen=True)
class TextColumn:
    """A column of free text; longest : characters of the longest cell in training."""

    name: str
    longest: int
    missing_share: float
    kind: str = "text"


Column = NumberColumn | CategoryColumn | DateColumn | TextColumn


@dataclass(frozen=True)
class Treatment:
    """What was done to columns or rows of the table before training.

    code : its text in texts/treatments.toml, such as `left_out_constant`. columns : concerned.
    facts : plain JSON values for the places of the text. message : the English text.
    """

    code: str
    message: str
    columns: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_loss(self) -> bool:
        """Whether rows are lost, or a label: logged as a warning."""
        return bool(_treatments().get(self.code, {}).get("loss"))


def make_treatment(code: str, columns: Sequence[str] = (), **facts: Any) -> Treatment:
    """Return a treatment worded in English. facts : plain JSON values for the places of its text.

    The text may also have the places `columns` (the first of them in quotes) and `n_columns`.
    """
    return Treatment(code, treatment_text(code, columns, facts), tuple(columns), facts)


def treatment_text(
    code: str, columns: Sequence[str], facts: Mapping[str, Any], language: str = "en"
) -> str:
    """Return a text of the catalogue, on one line; a list among the facts is shown in quotes."""
    words = {
        name: listed(fact, N_NAMED) if isinstance(fact, list | tuple) else fact
        for name, fact in facts.items()
    }
    words |= {"columns": listed(columns, N_NAMED), "n_columns": len(columns)}
    return printable(str(_treatments()[code][language]).format_map(words), MAX_MESSAGE)


@cache
def _treatments() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(TREATMENTS.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Schema:
    """The columns that a model was trained on, in order, and the labels it predicts.

    labels are in the order of the pipeline's classes 0, 1, …; of two, the second is positive.
    na_values : words that meant missing in training; none in files with types, unless the user
    chose some.
    """

    columns: tuple[Column, ...]
    target: str
    labels: tuple[str, ...]
    n_rows: int
    treatments: tuple[Treatment, ...] = ()
    na_values: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the schema as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Schema":
        """Read what to_json returned; raises SchemaDamagedError or NewerFormatError."""
        try:
            content = json.loads(text)
            if content["format"] not in (1, FORMAT):
                raise NewerFormatError("schema.json", content["format"], FORMAT)
            return cls(
                columns=tuple(_column(column) for column in content["columns"]),
                target=str(content["target"]),
                labels=tuple(map(str, content["labels"])),
                n_rows=int(content["n_rows"]),
                treatments=tuple(_treatment(each) for each in content.get("treatments", ())),
                na_values=tuple(map(str, content.get("na_values", ()))),
            )
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as error:
            reason = f"{type(error).__name__}: {error}"
            raise SchemaDamagedError(reason=reason) from error


def _column(content: dict[str, Any]) -> Column:
    name, missing_share = str(content["name"]), float(content["missing_share"])
    kind, form = content["kind"], content.get("form")
    if kind == "category":
        return CategoryColumn(name, tuple(map(str, content["categories"])), missing_share)
    if kind == "text":
        return TextColumn(name, int(content["longest"]), missing_share)
    if kind not in ("number", "date"):
        raise ValueError(f"a column of the kind {kind!r}")
    low, high = (None if (v := content[k]) is None else float(v) for k in ("minimum", "maximum"))
    if not all(end is None or isfinite(end) for end in (low, high)):
        raise ValueError("a range that is not finite")
    if kind == "date":
        return DateColumn(name, low, high, missing_share, _date_form(form or {}))
    return NumberColumn(name, low, high, missing_share, _number_form(form or {}))


def _number_form(content: dict[str, Any]) -> NumberForm:
    decimal, thousands = str(content.get("decimal", ".")), str(content.get("thousands", ""))
    scales, time = tuple(map(str, content.get("scales", ()))), str(content.get("time", ""))
    if len(decimal) != 1 or decimal in thousands:
        raise ValueError("invalid separators of numbers")
    if not ALL_SCALES.keys() >= {*scales} or time not in ("", *TIMES):
        raise ValueError("a form of numbers that is not known")
    return NumberForm(decimal, thousands, tuple(map(str, content.get("marks", ()))), scales, time)


def _date_form(content: dict[str, Any]) -> DateForm:
    offset = content.get("offset")
    offset = None if offset is None else int(offset)
    return DateForm(str(content.get("pattern", "iso")), offset, bool(content.get("has_time")))


def _treatment(content: dict[str, Any]) -> Treatment:
    columns = tuple(map(str, content["columns"]))
    return Treatment(str(content["code"]), str(content["message"]), columns, dict(content["facts"]))
