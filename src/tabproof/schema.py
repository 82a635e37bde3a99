"""schema.json: columns, types, categories, ranges and labels of the training rows.

Plain data; needs no pandas, since the service reads it too.
"""

import json
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from tabproof.errors import NewerFormatError, UserError


class SchemaDamagedError(UserError):
    """A schema.json that does not have its form."""

    template = "schema.json cannot be read: {reason}"


FORMAT = 1


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers; minimum and maximum are those of the training rows, if any."""

    name: str
    minimum: float | None
    maximum: float | None
    missing_share: float
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


Column = NumberColumn | CategoryColumn


@dataclass(frozen=True)
class Schema:
    """The columns that a model was trained on, in order, and the labels it predicts.

    labels are in the order of the pipeline's classes 0, 1, …; of two, the second is positive.
    """

    columns: tuple[Column, ...]
    target: str
    labels: tuple[str, ...]
    n_rows: int

    def to_json(self) -> str:
        """Return the schema as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Schema":
        """Read what to_json returned; raises SchemaDamagedError or NewerFormatError."""
        try:
            content = json.loads(text)
            if content["format"] != FORMAT:
                raise NewerFormatError("schema.json", content["format"], FORMAT)
            return cls(
                columns=tuple(_column(column) for column in content["columns"]),
                target=str(content["target"]),
                labels=tuple(map(str, content["labels"])),
                n_rows=int(content["n_rows"]),
            )
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise SchemaDamagedError(reason=reason) from error


def _column(content: dict[str, Any]) -> Column:
    name, missing_share = str(content["name"]), float(content["missing_share"])
    if content["kind"] == "category":
        return CategoryColumn(name, tuple(map(str, content["categories"])), missing_share)
    low, high = (None if (v := content[k]) is None else float(v) for k in ("minimum", "maximum"))
    if not all(end is None or isfinite(end) for end in (low, high)):
        raise ValueError("a range that is not finite")
    return NumberColumn(name, low, high, missing_share)
