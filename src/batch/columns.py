"""The columns that a model wants beside those that an input has."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from pyarrow import types


@dataclass(frozen=True)
class WantedColumn:
    """A column of a model: of numbers, or of categories, whose places the model takes.

    minimum and maximum are those of the training rows, if they are known.
    """

    name: str
    categories: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None

    @property
    def unseen(self) -> int:
        """The place of categories that training never saw."""
        return len(self.categories or ())

    @property
    def missing(self) -> int:
        """The place of a missing category."""
        return self.unseen + 1


@dataclass(frozen=True)
class Difference:
    """What an input's columns are beside what is wanted.

    unreadable: columns, and what they hold, of which no cell can be used. doubtful: those that
    are read cell by cell, though their type is not the model's.
    """

    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unreadable: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, str] = field(default_factory=dict)


def compare(
    wanted: Sequence[WantedColumn], found: dict[str, pa.DataType], *, is_text: bool
) -> Difference:
    """Compare by name and, unless all cells are text as in a CSV, by type."""
    names = {column.name for column in wanted}
    unreadable, doubtful = {}, {}
    for column in wanted:
        if column.name not in found or is_text:
            continue
        kind = value_type(found[column.name])
        if not _is_readable(kind):
            unreadable[column.name] = str(kind)
        elif column.categories is None and (is_string(kind) or types.is_boolean(kind)):
            doubtful[column.name] = str(kind)
    return Difference(
        missing=tuple(column.name for column in wanted if column.name not in found),
        unknown=tuple(name for name in found if name not in names),
        unreadable=unreadable,
        doubtful=doubtful,
    )


def value_type(kind: pa.DataType) -> pa.DataType:
    """Give the type of the cells, however they are stored."""
    return kind.value_type if types.is_dictionary(kind) else kind


def is_string(kind: pa.DataType) -> bool:
    """Tell every way to store text."""
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_readable(kind: pa.DataType) -> bool:
    # As in training: times, bytes, lists and records are neither numbers nor categories.
    return bool(
        is_string(kind)
        or types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )
