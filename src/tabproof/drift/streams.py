"""What alarms look at: statistics of a row between 0 and 1, and their means in training.

A statistic is a number per bin of the reference, so that counts of bins are all that is needed.
A row in a bin without a number, such as one without a value, does not count.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tabproof.artifacts.reference import CategoryReference, ColumnReference, Reference
from tabproof.drift.cells import MAX_NAMED, Cells
from tabproof.drift.daily import Daily
from tabproof.errors import printable

Floats = NDArray[np.float64]
# Where the counts of a stream are: a column, the probability of a label, the predicted labels, the
# rows with a warning, or the rows whose label is known.
Source = tuple[Literal["column", "probability", "labels", "warned", "labelled"], str]
LABELLED: Source = ("labelled", "")

# A bin of numbers with at least this share of the rows has a stream of its own, as a category has.
FREQUENT = 0.1
# With a bin of more than this share, the other bins have streams of their own: of a number that is
# mostly 0, what the rest is can change while the mean hardly moves.
DOMINANT = 0.5
# Standard errors by which a mean of the training rows may be wrong.
STANDARD_ERRORS = 2.5


@dataclass(frozen=True)
class Stream:
    """One statistic of a row.

    values : (n_bins,) between 0 and 1; NaN where a row of the bin does not count. mean, deviation :
    mean and standard deviation of the statistic in the reference. error : by how much that mean
    may be wrong, because the reference is a sample. is_quality : whether it is a share of cells or
    rows that are not as they should be: missing, unseen, or with a warning. Hours of a day, which
    may have quite different values, hardly differ in it.
    """

    name: str
    column: str | None
    measures: str
    source: Source
    values: Floats
    mean: float
    deviation: float
    error: float
    is_quality: bool = False


def make_streams(reference: Reference) -> list[Stream]:
    """Return the streams of all columns, of the probabilities, the labels and the warnings."""
    found: list[Stream] = []
    for column in reference.columns:
        found += _streams_of_column(column)
    labels = list(reference.labels)
    # Of two labels, the second determines the first.
    watched = labels[1:] if len(labels) == 2 else labels[:MAX_NAMED]
    for label in watched:
        histogram = reference.probabilities[label]
        of = f"the probability of '{printable(label)}'"
        name, among = f"probability {label}", "among those of the held-out rows"
        source: Source = ("probability", label)
        found += _places(name, None, source, histogram.counts, of, among)
    predicted = np.array([reference.predicted[label] for label in labels])
    at: Source = ("labels", "")
    for place, label in enumerate(labels):
        if label in watched:
            measures = f"share of rows for which '{printable(label)}' is predicted"
            values = np.eye(len(labels))[place]
            found += _stream(f"predicted {label}", None, measures, at, values, predicted)
    found += _warned(reference)
    return found


def make_label_streams(cells: Cells, held_out: NDArray[np.int64]) -> list[Stream]:
    """Return the streams of rows whose label is known.

    held_out : (n_bins,) held-out rows of the run, by cell.
    """
    n_groups, n_named = cells.n_groups, len(cells.named)
    true, predicted = (each.ravel() for each in np.indices((n_groups, n_groups)))
    is_right = np.where(true == predicted, 1.0, 0.0)
    if cells.n_bins > n_groups**2:
        true, predicted = np.append(true, n_named), np.append(predicted, n_named)
        is_right = np.append(is_right, 0.0)
    found: list[Stream] = []

    def add(name: str, measures: str, values: Floats) -> None:
        found.extend(_stream(name, None, measures, LABELLED, values, held_out))

    add("accuracy", "share of rows that were predicted correctly (accuracy)", is_right)
    # Of two labels, the second and the accuracy determine all others.
    for group, code in list(enumerate(cells.named))[1 if len(cells.labels) == 2 else 0 :]:
        label = cells.labels[code]
        shown = printable(label, 60)
        of_label = np.where(true == group, 1.0, 0.0)
        add(f"true {label}", f"share of rows whose true label is '{shown}'", of_label)
        add(
            f"precision {label}",
            f"share of correct ones among rows for which '{shown}' is predicted (precision)",
            np.where(predicted == group, of_label, nan),
        )
        add(
            f"recall {label}",
            f"share of correct ones among rows whose true label is '{shown}' (recall)",
            np.where(true == group, is_right, nan),
        )
    return found


def counts_by_source(
    streams: Sequence[Stream], daily: Daily, labels: Sequence[str]
) -> Mapping[Source, NDArray[np.int64]]:
    """Return the counts that the streams need and the days have: (n_days, n_bins) each."""
    found: dict[Source, NDArray[np.int64]] = {}
    for source in {stream.source: None for stream in streams}:
        kind, name = source
        if kind == "column" and name in daily.columns:
            found[source] = daily.columns[name]
        elif kind == "probability" and name in daily.probabilities:
            found[source] = daily.probabilities[name]
        elif kind == "labels" and daily.labels:
            none = np.zeros_like(daily.n_rows)
            found[source] = np.stack([daily.labels.get(each, none) for each in labels], axis=-1)
        elif kind == "warned" and daily.warned is not None:
            found[source] = np.stack([daily.n_rows - daily.warned, daily.warned], axis=-1)
        elif source == LABELLED and daily.labelled is not None:
            found[source] = daily.labelled
    return found


def _streams_of_column(column: ColumnReference) -> Iterator[Stream]:
    name = column.name
    source: Source = ("column", name)
    if isinstance(column, CategoryReference):
        counts = np.array([*column.counts, column.n_other])
        n_named = len(column.counts)
        for place, category in enumerate(column.categories[:MAX_NAMED]):
            shown = printable(category, 60)
            yield from _share(name, f"= {shown}", f"share of '{shown}'", counts, [place])
        if n_named > MAX_NAMED:
            rest = list(range(MAX_NAMED, n_named))
            yield from _share(name, "= a rarer category", "share of rarer categories", counts, rest)
        measures = "share of categories that few training rows have, or none"
        other = [n_named]
        yield from _share(name, "= another category", measures, counts, other, is_quality=True)
    else:
        counts = np.array(column.counts)
        of, among = "the values", "among those of the training rows"
        if column.kind == "text":
            of = "the lengths of the texts"
        yield from _places(name, name, source, counts, of, among, has_missing=True)
        if max(column.counts) > DOMINANT * counts.sum():
            yield from _places(
                f"{name}, the rest", name, source, counts, f"{of} but the most frequent", among,
                has_missing=True, without=int(counts.argmax()),
            )  # fmt: skip
        edges = ["-∞", *(f"{edge:g}" for edge in column.edges), "∞"]
        for place, n_rows in enumerate(column.counts):
            if column.kind == "number" and n_rows >= FREQUENT * counts.sum():
                between = f"above {edges[place]}, up to {edges[place + 1]}"
                yield from _share(name, between, f"share of values {between}", counts, [place])
    rows = np.array([*counts, column.n_missing])
    is_missing = np.eye(len(rows))[-1]
    measures = "share of missing cells"
    yield from _stream(
        f"{name}: missing", name, measures, source, is_missing, rows, is_quality=True
    )


def _share(
    column: str,
    which: str,
    measures: str,
    counts: NDArray[np.int64],
    places: Sequence[int],
    *,
    is_quality: bool = False,
) -> Iterator[Stream]:
    """Yield the share of some bins among the rows that have a value."""
    values = np.zeros(len(counts) + 1)
    values[places], values[-1] = 1, nan
    source: Source = ("column", column)
    of = f"{column} {which}", column, measures, source, values, [*counts, 0]
    yield from _stream(*of, is_quality=is_quality)


def _places(
    name: str,
    column: str | None,
    source: Source,
    counts: Sequence[int] | NDArray[np.int64],
    of: str,
    among: str,
    *,
    has_missing: bool = False,
    without: int | None = None,
) -> Iterator[Stream]:
    """Yield the mid-rank within the bins of the reference, and its distance from the middle.

    without : the place of a bin that does not count.
    """
    rows = np.array(counts, dtype=np.float64)
    if without is not None:
        rows[without] = 0
    ranks = (np.cumsum(rows) - rows / 2) / max(rows.sum(), 1)
    if without is not None:
        ranks[without] = nan
    end = [nan] if has_missing else []
    for which, values, measures in (
        ("place", ranks, f"mean place of {of} {among}, 0 the lowest, 1 the highest"),
        (
            "spread",
            abs(2 * ranks - 1),
            f"mean distance of {of} from the middle {among}, 0 in the middle, 1 at both ends",
        ),
    ):
        at, with_missing = np.array([*values, *end]), np.array([*rows, *np.zeros(len(end))])
        yield from _stream(f"{name}: {which}", column, measures, source, at, with_missing)


def _stream(
    name: str,
    column: str | None,
    measures: str,
    source: Source,
    values: Floats,
    counts: Sequence[int] | NDArray[np.generic],
    *,
    is_quality: bool = False,
) -> Iterator[Stream]:
    """Yield the stream, unless its reference has no rows or its statistic is a constant."""
    is_counted = ~np.isnan(values)
    rows, at = np.asarray(counts, dtype=np.float64)[is_counted], values[is_counted]
    n_rows = rows.sum()
    if not n_rows or np.ptp(at) == 0:
        return
    mean = float(rows @ at / n_rows)
    variance = float(rows @ (at - mean) ** 2 / n_rows)
    error = _error_of_mean(variance, n_rows)
    deviation = sqrt(variance)
    yield Stream(name, column, measures, source, values, mean, deviation, error, is_quality)


def _error_of_mean(variance: float, n_rows: float) -> float:
    """Return how far the mean of a sample may be from that of its source.

    For a share it is nearly Wilson's interval: of 0 in n rows it is not 0.
    """
    z = STANDARD_ERRORS
    return z * sqrt(variance / n_rows + z**2 / (4 * n_rows**2)) + z**2 / (2 * n_rows)


def _warned(reference: Reference) -> Iterator[Stream]:
    """Yield the share of rows with a warning.

    No training row has one, but fresh rows of the same source do: of n numbers, the next one is
    outside their range with a probability of 2 / (n + 1), and the next category is a new one with
    about the share of those that were seen once.
    """
    expected, n_least = 0.0, reference.n_rows
    for column in reference.columns:
        n_present = column.n_rows - column.n_missing
        if isinstance(column, CategoryReference):
            expected += column.n_other / max(n_present, 1)
        elif column.kind != "text":
            expected += 2 / (n_present + 1)
        n_least = min(n_least, n_present)
    mean = min(expected, 1.0)
    # The share outside the range of n numbers has a standard deviation of about √2 / n. Those of
    # several columns may be the same rows.
    error = STANDARD_ERRORS * mean / sqrt(2) + _error_of_mean(mean * (1 - mean), max(n_least, 1))
    measures = "share of rows that were answered with a warning"
    deviation = sqrt(mean * (1 - mean))
    values = np.array([0.0, 1.0])
    source: Source = ("warned", "")
    yield Stream("warnings", None, measures, source, values, mean, deviation, error, True)
