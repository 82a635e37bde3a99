"""How far the counts of a period are from those of the reference, and how far chance takes them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from tabproof.artifacts.reference import CategoryReference, Reference
from tabproof.monitoring.counting import Counted, names_between, names_of_bins
from tabproof.monitoring.result import MIN_ROWS, Distribution

# Added to each bin, so that no logarithm is of 0.
HALF_A_ROW = 0.5
LEVEL = 0.95


def population_stability_index(reference: Sequence[int], period: Sequence[int]) -> float:
    """Return the sum of (p - q) log(p / q) over bins, with half a row added to each bin."""
    p, q = (
        (counts + HALF_A_ROW) / (counts + HALF_A_ROW).sum()
        for counts in (np.asarray(period, float), np.asarray(reference, float))
    )
    return float(((p - q) * np.log(p / q)).sum())


def index_by_chance(reference: Sequence[int], period: Sequence[int]) -> float:
    """Return what the index stays below in 95 of 100 periods in which nothing has changed.

    For independent rows it is about chi-square, over bins less one, times 1/n + 1/N (Yurdakul and
    Naranjo, 2020, "Statistical properties of the population stability index").
    """
    n_bins = sum(a + b > 0 for a, b in zip(reference, period, strict=True))
    if n_bins < 2:
        return 0.0
    scale = 1 / sum(period) + 1 / sum(reference)
    return float(chi2.ppf(LEVEL, n_bins - 1)) * scale


def total_variation(reference: Sequence[int], period: Sequence[int]) -> float:
    """Return half the sum of |p - q|: 0 for equal shares, 1 where no bin has rows of both."""
    p, q = (np.asarray(counts, float) / sum(counts) for counts in (period, reference))
    return float(np.abs(p - q).sum() / 2)


def distribution(
    name: str,
    kind: str,
    bins: Sequence[str],
    reference: Sequence[int],
    period: NDArray[np.int64],
) -> Distribution:
    """Return counts with their distances; without, where one side has fewer than MIN_ROWS rows."""
    counts = [int(n) for n in period]
    if min(sum(counts), sum(reference)) < MIN_ROWS:
        return Distribution(name, kind, tuple(bins), tuple(reference), counts)
    return Distribution(
        name,
        kind,
        tuple(bins),
        tuple(reference),
        counts,
        psi=population_stability_index(reference, counts),
        chance=index_by_chance(reference, counts),
        total_variation=total_variation(reference, counts),
    )


def of_columns(reference: Reference, counted: Counted, days: slice) -> Iterator[Distribution]:
    """Yield the distribution of each column that was counted, those most beyond chance first."""
    found = []
    for column in reference.columns:
        if (counts := counted.daily.columns.get(column.name)) is None:
            continue
        others = (column.n_other,) if isinstance(column, CategoryReference) else ()
        before = (*column.counts, *others, column.n_missing)
        bins = tuple(names_of_bins(column))
        found.append(distribution(column.name, column.kind, bins, before, counts[days].sum(axis=0)))
    yield from sorted(found, key=lambda each: (each.chance or 0.0) - (each.psi or 0.0))


def of_answers(reference: Reference, counted: Counted, days: slice) -> Iterator[Distribution]:
    """Yield the distribution of the predicted labels, then of the probabilities by label."""
    if labels := counted.daily.labels:
        period = np.array([counts[days].sum() for counts in labels.values()])
        before = [reference.predicted[label] for label in labels]
        yield distribution("", "label", tuple(labels), before, period)
    for label, counts in counted.daily.probabilities.items():
        histogram = reference.probabilities[label]
        bins = tuple(names_between(histogram.edges))
        period = counts[days].sum(axis=0)
        yield distribution(label, "probability", bins, histogram.counts, period)


def medians(reference: Reference, counted: Counted, since: date) -> Mapping[str, tuple[str, str]]:
    """Return by column the bin of its median in training, and in the rows since a day.

    Of columns that have bins, where there are values on both sides.
    """
    found = {}
    days = counted.days_from(since)
    for column in reference.columns:
        counts = counted.daily.columns.get(column.name)
        if counts is None or isinstance(column, CategoryReference):
            continue
        period = counts[days].sum(axis=0)[:-1]
        if sum(column.counts) and period.sum():
            names = list(names_of_bins(column))
            before, now = (
                names[int(np.searchsorted(np.cumsum(each), sum(each) / 2))]
                for each in (column.counts, period)
            )
            found[column.name] = before, now
    return found
