"""What a row looks like: columns, types, categories, ranges, labels. Plain data, as JSON.

Learned from the training rows alone. Needs no pandas: the service reads it too.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from src.errors import NewerFormatError

FORMAT = 1


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers; minimum and maximum are those of the training rows, if any."""

    name: str
    minimum: float | None
    maximum: float | None
    missing_share: float
    kind: str = "number"


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
    """The columns that a model was trained on, in order, and what it predicts.

    labels are in the order of the pipeline's classes 0, 1, …: of two, the second is positive.
    """

    columns: tuple[Column, ...]
    target: str
    labels: tuple[str, ...]
    n_rows: int

    def to_json(self) -> str:
        """Write as JSON, keys sorted."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Schema":
        """Read what to_json wrote."""
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise NewerFormatError("schema.json", content["format"], FORMAT)
        return cls(
            columns=tuple(_column(column) for column in content["columns"]),
            target=content["target"],
            labels=tuple(content["labels"]),
            n_rows=content["n_rows"],
        )


def _column(content: dict[str, Any]) -> Column:
    if content["kind"] == "category":
        return CategoryColumn(**{**content, "categories": tuple(content["categories"])})
    return NumberColumn(**content)
