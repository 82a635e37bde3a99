"""reference.json: how often the training rows have which values. Its only writer and reader.

It holds no row: numbers, dates and lengths of texts are counts of bins, each of several rows, and
categories that few rows have are counted together. The rows of a log are compared with it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct

from tabproof.artifacts import files
from tabproof.artifacts.manifest import read_manifest, verified
from tabproof.artifacts.run_directory import REFERENCE
from tabproof.errors import UserError

FORMAT = 1
MAX_SIZE = 32 << 20
# A column has at most this many bins, or categories that are named.
MAX_BINS, MAX_CATEGORIES = 20, 100
# Fewer rows may identify a person.
MIN_ROWS = 5

Count = Annotated[int, Meta(ge=0, le=1 << 53)]


class ReferenceDamagedError(UserError):
    """A reference.json that does not have its form, or that was changed."""

    template = "{path} {reason}: what is logged cannot be compared with it; train the model again"


class _Binned(Struct, frozen=True, kw_only=True):
    """Bin i holds edges[i-1] < value <= edges[i]; the first is open below, the last above."""

    name: str
    counts: Annotated[tuple[Count, ...], Meta(min_length=1, max_length=MAX_BINS)]
    n_missing: Count

    @property
    def n_rows(self) -> int:
        """The number of rows, those without a value among them."""
        return sum(self.counts) + self.n_missing


class NumberReference(_Binned, frozen=True, kw_only=True, tag_field="kind", tag="number"):
    """A column of numbers."""

    kind: ClassVar[str] = "number"
    edges: tuple[float, ...]


class DateReference(_Binned, frozen=True, kw_only=True, tag_field="kind", tag="date"):
    """A column of dates; edges : microseconds since 1970, by the clock of the column."""

    kind: ClassVar[str] = "date"
    edges: tuple[int, ...]


class TextReference(_Binned, frozen=True, kw_only=True, tag_field="kind", tag="text"):
    """A column of free text; edges : lengths in characters."""

    kind: ClassVar[str] = "text"
    edges: tuple[int, ...]


class CategoryReference(Struct, frozen=True, kw_only=True, tag_field="kind", tag="category"):
    """A column of categories, the most frequent first; n_other : rows of those not named."""

    kind: ClassVar[str] = "category"
    name: str
    categories: Annotated[tuple[str, ...], Meta(max_length=MAX_CATEGORIES)]
    counts: Annotated[tuple[Count, ...], Meta(max_length=MAX_CATEGORIES)]
    n_other: Count
    n_missing: Count

    @property
    def n_rows(self) -> int:
        """The number of rows, those without a value among them."""
        return sum(self.counts) + self.n_other + self.n_missing


ColumnReference = NumberReference | DateReference | TextReference | CategoryReference


class Histogram(Struct, frozen=True):
    """Counts of probabilities; bin i holds edges[i-1] < p <= edges[i]."""

    edges: tuple[float, ...]
    counts: Annotated[tuple[Count, ...], Meta(min_length=1, max_length=MAX_BINS)]


@dataclass(frozen=True)
class Reference:
    """Counts of the training rows, by column in the order of the schema, and of the held-out rows.

    n_rows : training rows. probabilities : those of the held-out rows, by label. labels : training
    rows by label. predicted : held-out rows by the label that the run predicts for them.
    """

    n_rows: Count
    columns: tuple[ColumnReference, ...]
    probabilities: dict[str, Histogram]
    labels: dict[str, Count]
    predicted: dict[str, Count]

    def to_json(self) -> str:
        """Return the content of the file: a line per column."""

        def dumped(value: Any) -> str:
            return json.dumps(msgspec.to_builtins(value), ensure_ascii=False)

        columns = ",\n".join(dumped(column) for column in self.columns)
        return (
            f'{{"format": {FORMAT}, "n_rows": {self.n_rows},\n"columns": [\n{columns}],\n'
            f'"probabilities": {dumped(self.probabilities)},\n'
            f'"labels": {dumped(self.labels)},\n"predicted": {dumped(self.predicted)}}}\n'
        )

    @classmethod
    def from_json(cls, content: bytes) -> "Reference":
        """Read what to_json returned; raise ValueError or NewerFormatError."""
        found = files.read_json(content, cls, REFERENCE, FORMAT)
        if problem := next(_problems(found), None):
            raise ValueError(f"has the wrong form: {problem}")
        return found


def _problems(reference: Reference) -> Iterator[str]:
    names = [column.name for column in reference.columns]
    if len(set(names)) < len(names):
        yield "two columns have one name"
    for column in reference.columns:
        if column.n_rows != reference.n_rows:
            yield f"the counts of a column add up to {column.n_rows:,}, not {reference.n_rows:,}"
        if not isinstance(column, CategoryReference):
            yield from _problems_of_bins(column.edges, column.counts)
        elif not len(set(column.categories)) == len(column.categories) == len(column.counts):
            yield "a column has other categories than counts, or one twice"
    for histogram in reference.probabilities.values():
        yield from _problems_of_bins(histogram.edges, histogram.counts)
    n_holdout = sum(reference.predicted.values())
    if any(sum(each.counts) != n_holdout for each in reference.probabilities.values()):
        yield "the probabilities are of other rows than the predicted labels"
    labels = reference.labels.keys()
    if not labels == reference.probabilities.keys() == reference.predicted.keys():
        yield "the labels of training, prediction and probabilities differ"


def _problems_of_bins(edges: tuple[float, ...], counts: tuple[int, ...]) -> Iterator[str]:
    if len(counts) != len(edges) + 1:
        yield f"{len(edges)} edges and {len(counts)} counts"
    if not all(map(isfinite, edges)) or any(a >= b for a, b in pairwise(edges)):
        yield "edges that do not ascend"


def read_reference(run: Path) -> Reference | None:
    """Read the reference of a run or a promoted version; None where the run has none.

    Runs of earlier versions have none, and neither has a directory that is no complete run.

    Raises
    ------
    ReferenceDamagedError
        It does not have its form, is missing, or is not the file of the manifest.
    NewerFormatError
        A later version wrote it.
    """
    manifest = read_manifest(run)
    entry = None if manifest is None else manifest.files.get(REFERENCE)
    if entry is None:
        return None
    try:
        content = files.read_limited(run / REFERENCE, MAX_SIZE)
        return Reference.from_json(b"".join(verified([content], entry)))
    except FileNotFoundError as error:
        raise ReferenceDamagedError(path=run / REFERENCE, reason="is missing") from error
    except ValueError as error:
        raise ReferenceDamagedError(path=run / REFERENCE, reason=str(error)) from error
