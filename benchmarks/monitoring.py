"""False alarms and delays of drift alarms: `python -m benchmarks.monitoring`, five minutes.

Rows are simulated as counts by day. A table has 14 columns and a model of two labels. Its training
rows are a sample, so its reference has the error of a sample, another one in every few years. What
comes in every day is drawn from the same source, in which the days of a week differ (Sunday from
Wednesday, and the number of rows of both), and which changes from some day on, or not.

Of 30 % of the rows the label comes seven days later. What is held out is a sample, too.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from time import perf_counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from tabproof.artifacts.reference import CategoryReference, NumberReference, Reference
from tabproof.drift.cells import make_cells
from tabproof.drift.e_detector import Detector, EValues, Tolerance
from tabproof.drift.streams import LABELLED, Source, Stream, make_label_streams, make_streams
from tabproof.monitoring.alarms import (
    SHARE_OF_LABELS,
    SHARE_OF_TODAY,
    UNITS,
    DetectorName,
    log_limit,
)
from tabproof.steps.reference import make_reference

Floats = NDArray[np.float64]
Counts = dict[Source, NDArray[np.int64]]

TRAFFIC, REFERENCES = (50, 1_000, 10_000, 100_000), (500, 5_000, 50_000)
# Years with one reference; a change begins on a Thursday.
N_YEARS, N_DAYS, CHANGED_AT = 5, 364, 7 * 8 + 3
# Of the drift: a year has this many days.
N_DAYS_OF_DRIFT = 7 * 40
# Labels come for this share of the rows, so many days later.
LABELLED_SHARE, LATE = 0.3, 7
# The probability of `yes` is expit(SHARPNESS z), where the model predicts it for z > 0.
SHARPNESS, CELLS = 3.0, make_cells({"no": 1, "yes": 1})
NORMAL = norm.ppf((np.arange(4_000) + 0.5) / 4_000)
# Rows by day of the week, Monday first, in units of their mean.
VOLUME = np.array([1.2, 1.1, 1.1, 1.1, 1.2, 0.7, 0.6])
# How much a day of the week differs; its mean over rows is 0.
WEEKLY = np.array([0.3, 0.1, 0.0, 0.0, 0.1, -0.5, -0.6])
WEEKLY -= VOLUME @ WEEKLY / VOLUME.sum()


@dataclass(frozen=True)
class Number:
    """Numbers: transformed normal ones. weekly : standard deviations that WEEKLY is multiplied by.

    zeros : share of rows with 0. missing : share of rows without a value. form : "normal",
    "lognormal" or "count". shift, scale : of the normal numbers. unit : of the values.
    """

    form: str = "normal"
    weekly: float = 0.0
    zeros: float = 0.0
    missing: float = 0.0
    shift: float = 0.0
    scale: float = 1.0
    unit: float = 1.0

    def draw(self, rng: np.random.Generator, weekday: NDArray[np.int64]) -> pd.Series:
        """Return a value per row."""
        n = len(weekday)
        values = rng.normal(self.shift + self.weekly * WEEKLY[weekday], self.scale)
        if self.form != "normal":
            values = np.exp(values)
        if self.form == "count":
            values = np.floor(2 * values)
        values = np.where(rng.random(n) < self.zeros, 0, values) * self.unit
        return pd.Series(np.where(rng.random(n) < self.missing, np.nan, values))

    def shares(self, edges: Sequence[float], weekday: int) -> Floats:
        """Return the share of each bin among the rows with a value."""
        ends = np.array(edges) / self.unit
        normal = np.floor(ends) + 1 if self.form == "count" else ends
        normal = normal / 2 if self.form == "count" else normal
        if self.form != "normal":
            normal = np.log(np.maximum(normal, 1e-300))
        below = norm.cdf(normal, self.shift + self.weekly * WEEKLY[weekday], self.scale)
        below = self.zeros * (ends >= 0) + (1 - self.zeros) * below
        return np.diff([0, *below, 1])


@dataclass(frozen=True)
class Category:
    """Categories c0, c1, …; other : share of those that training has not seen."""

    given: tuple[float, ...]
    weekly: float = 0.0
    missing: float = 0.0
    other: float = 0.0

    def probabilities(self, weekday: int) -> Floats:
        """Return the share of each category among the rows that have one of them."""
        shares = np.array(self.given) / sum(self.given)
        # What the last category gains, all others lose; its mean over the rows of a week is 0.
        gained = self.weekly * WEEKLY[weekday] * shares[-1]
        return np.array([*(shares[:-1] * (1 - gained / (1 - shares[-1]))), shares[-1] + gained])

    def draw(self, rng: np.random.Generator, weekday: NDArray[np.int64]) -> pd.Series:
        """Return a category per row."""
        sums = np.cumsum([self.probabilities(day) for day in range(7)], axis=1)
        places = (rng.random(len(weekday))[:, None] > sums[weekday, :-1]).sum(axis=1)
        names = np.array([f"c{place}" for place in range(len(self.given))], dtype=object)
        values = np.where(rng.random(len(weekday)) < self.missing, None, names[places])
        return pd.Series(values, dtype="category")

    def shares(self, categories: Sequence[str], weekday: int) -> Floats:
        """Return the share of each category of a reference, and of others."""
        shares = self.probabilities(weekday) * (1 - self.other)
        named = shares[[int(name[1:]) for name in categories]]
        return np.array([*named, max(1 - named.sum(), 0)])


@dataclass(frozen=True)
class World:
    """Where rows come from. answer : normal numbers; a probability is its inverse logit.

    other_truth : share of rows whose label is the other one. more_yes : what the share of labels
    `yes` is multiplied by; the model is as good at each label as before.
    """

    columns: dict[str, Number | Category]
    answer: Number
    warned: float = 0.0
    other_truth: float = 0.0
    more_yes: float = 1.0

    def cells(self, weekday: int) -> Floats:
        """Return the shares of true and predicted labels on a day of the week, (4,)."""
        z = self.answer.shift + self.answer.weekly * WEEKLY[weekday] + self.answer.scale * NORMAL
        yes, above = expit(SHARPNESS * z), z > 0
        found = np.array([[np.mean(p * ~above), np.mean(p * above)] for p in (1 - yes, yes)])
        share = found[1].sum()
        found[1] *= self.more_yes
        found[0] *= (1 - share * self.more_yes) / (1 - share)
        found = (1 - self.other_truth) * found + self.other_truth * found[::-1]
        return found.ravel()

    def held_out(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """Return counts of held-out rows by cell, a quarter of n rows."""
        return rng.multinomial(n // 4, mean_cells(self))

    def sample(self, rng: np.random.Generator, n: int) -> Reference:
        """Return the reference of a run on n rows; a quarter as many are held out."""
        weekday = rng.choice(7, n, p=VOLUME / VOLUME.sum())
        X = pd.DataFrame({name: column.draw(rng, weekday) for name, column in self.columns.items()})
        held_out = rng.choice(7, n // 4, p=VOLUME / VOLUME.sum())
        positive = expit(self.answer.draw(rng, held_out).to_numpy())
        y = np.arange(n) % 2
        return make_reference(X, y, ["no", "yes"], np.column_stack([1 - positive, positive]), 0.5)

    def shares(self, reference: Reference, weekday: int) -> dict[Source, Floats]:
        """Return the shares of all bins on a day of the week."""
        found: dict[Source, Floats] = {}
        for each in reference.columns:
            column = self.columns[each.name]
            if isinstance(column, Category) and isinstance(each, CategoryReference):
                present = column.shares(each.categories, weekday)
            elif isinstance(column, Number) and isinstance(each, NumberReference):
                present = column.shares(each.edges, weekday)
            else:
                raise TypeError(each.name)
            bins = [*((1 - column.missing) * present), column.missing]
            found["column", each.name] = np.array(bins)
        edges = logit(np.array(reference.probabilities["yes"].edges))
        found["probability", "yes"] = self.answer.shares(edges.tolist(), weekday)
        above = 1 - norm.cdf(0, self.answer.shift + self.answer.weekly * WEEKLY[weekday])
        found["labels", ""] = np.array([1 - above, above])
        found["warned", ""] = np.array([1 - self.warned, self.warned])
        return found


WORLD = World(
    columns={
        "n0": Number(weekly=0.4),
        "n1": Number(),
        "n2": Number("lognormal"),
        "n3": Number("lognormal", weekly=0.3),
        "n4": Number("count"),
        "n5": Number("lognormal", zeros=0.9),
        "n6": Number(missing=0.1),
        "n7": Number("normal", missing=0.5),
        "n8": Number("count", weekly=0.2),
        "c0": Category((0.5, 0.5), weekly=0.3),
        "c1": Category((0.4, 0.25, 0.2, 0.1, 0.05), missing=0.05),
        "c2": Category(tuple(1 / place for place in range(1, 41)), weekly=0.3),
        "c3": Category((0.7, 0.2, 0.1), weekly=0.5),
        "c4": Category((0.97, 0.03)),
    },
    answer=Number(shift=-1.0, scale=1.0, weekly=0.3),
)


def changed(world: World, name: str, **changes: object) -> World:
    """Return a world in which one column is another."""
    column = replace(world.columns[name], **changes)  # type: ignore[arg-type]
    return replace(world, columns={**world.columns, name: column})


@dataclass(frozen=True)
class Drift:
    """A change. at : the world so many days after it began; the same one unless gradual."""

    name: str
    at: Callable[[int], World]
    is_gradual: bool = False

    def worlds(self) -> list[World]:
        """Return the world of each day."""
        days = range(N_DAYS_OF_DRIFT - CHANGED_AT)
        after = [self.at(d) for d in days] if self.is_gradual else [self.at(0)] * len(days)
        return [WORLD] * CHANGED_AT + after


# Of the labels; the rows are as before.
LABEL_DRIFTS = (
    Drift("a tenth of the right answers change", lambda _: replace(WORLD, other_truth=0.1)),
    Drift("a fifth of the right answers change", lambda _: replace(WORLD, other_truth=0.2)),
    Drift("a quarter more labels yes", lambda _: replace(WORLD, more_yes=1.25)),
    Drift("half more labels yes", lambda _: replace(WORLD, more_yes=1.5)),
    Drift("days of the week differ", lambda _: WORLD),
)
NO_DRIFT = Drift("days of the week differ", lambda _: WORLD)
DRIFTS = (
    Drift("a mean shifts by 1 sd", lambda _: changed(WORLD, "n1", shift=1.0)),
    Drift("a mean shifts by 0.5 sd", lambda _: changed(WORLD, "n1", shift=0.5)),
    Drift("a mean shifts by 0.25 sd", lambda _: changed(WORLD, "n1", shift=0.25)),
    Drift("a new category, 20 % of rows", lambda _: changed(WORLD, "c1", other=0.2)),
    Drift("a new category, 5 % of rows", lambda _: changed(WORLD, "c1", other=0.05)),
    Drift("a unit changes: x 1000", lambda _: changed(WORLD, "n2", unit=1000.0)),
    Drift("× 1000, nine in ten are 0", lambda _: changed(WORLD, "n5", unit=1000.0)),
    Drift("a column is missing", lambda _: changed(WORLD, "n4", missing=1.0)),
    Drift("20 % of cells are missing", lambda _: changed(WORLD, "n4", missing=0.2)),
    Drift("5 % of cells are missing", lambda _: changed(WORLD, "n4", missing=0.05)),
    Drift(
        "probabilities shift by 0.5 sd",
        lambda _: replace(WORLD, answer=replace(WORLD.answer, shift=-0.5)),
    ),
    Drift(
        "a trend of 0.1 sd a month",
        lambda day: changed(WORLD, "n1", shift=0.1 * day / 30),
        is_gradual=True,
    ),
    Drift("a standard deviation x 1.5", lambda _: changed(WORLD, "n1", scale=1.5)),
    Drift("two categories swap", lambda _: changed(WORLD, "c1", given=(0.25, 0.4, 0.2, 0.1, 0.05))),
    NO_DRIFT,
)


def draw_counts(
    rng: np.random.Generator,
    reference: Reference,
    worlds: Sequence[World],
    n_rows: float,
    n_histories: int,
) -> Counts:
    """Return counts, (n_histories, n_days, n_bins) by source; a world for each day."""
    weekdays = np.arange(len(worlds)) % 7
    known: dict[tuple[int, int], dict[Source, Floats]] = {}
    by_day = []
    for world, weekday in zip(worlds, weekdays.tolist(), strict=True):
        key = id(world), weekday
        if key not in known:
            known[key] = world.shares(reference, weekday)
        by_day.append(known[key])
    volume = rng.poisson(n_rows * VOLUME[weekdays], (n_histories, len(worlds)))
    found: Counts = {}
    for source in by_day[0]:
        shares = np.array([each[source] for each in by_day])
        shares = np.maximum(shares, 0) / np.maximum(shares, 0).sum(axis=1, keepdims=True)
        found[source] = rng.multinomial(volume, shares)
    return found


def draw_labels(
    rng: np.random.Generator, worlds: Sequence[World], n_rows: float, n_histories: int
) -> Counts:
    """Return counts of labelled rows, (n_histories, n_days, n_cells), on the days they come."""
    known: dict[tuple[int, int], Floats] = {}
    shares = np.zeros((len(worlds), CELLS.n_bins))
    for day, world in enumerate(worlds):
        key = id(world), day % 7
        if key not in known:
            known[key] = world.cells(day % 7)
        shares[day] = known[key]
    volume = n_rows * LABELLED_SHARE * VOLUME[np.arange(len(worlds)) % 7]
    found = rng.multinomial(rng.poisson(volume, (n_histories, len(worlds))), shares)
    # The labels of the last days are still to come.
    late = np.zeros_like(found)
    late[:, LATE:] = found[:, :-LATE]
    return {LABELLED: late}


def find_alarms(
    streams: Sequence[Stream], counts: Counts, tolerances: Sequence[Tolerance], share: float = 1.0
) -> dict[DetectorName, NDArray[np.bool_]]:
    """Return (n_histories, n_days) by detector, True where an alarm is raised.

    share : of the promised false alarms.
    """
    streams = [stream for stream in streams if stream.source in counts]
    found: dict[DetectorName, NDArray[np.bool_]] = {}
    for kind, tolerance in zip(UNITS, tolerances, strict=True):
        e_values, n_in_unit = EValues(streams, tolerance), kind.n_days
        n_histories, n_days, _ = next(iter(counts.values())).shape
        n_units = n_days // n_in_unit
        detector = Detector(e_values, log_limit(n_in_unit, 1.0), kind.patience, (n_histories,))
        raised = np.zeros((n_histories, n_days), dtype=bool)
        for unit in range(n_units):
            days = slice(unit * n_in_unit, (unit + 1) * n_in_unit)
            summed = {source: each[:, days].sum(axis=1) for source, each in counts.items()}
            step = detector.step(*e_values.evidence(summed, (n_histories,)), np.log(share))
            raised[:, days.stop - 1] = step.raised
        found[kind.name] = raised
    return found


def find_label_alarms(
    held_out: NDArray[np.int64], counts: Counts, tolerances: Sequence[Tolerance]
) -> dict[DetectorName, NDArray[np.bool_]]:
    """Return the same of labelled rows, which have a part of the promised false alarms."""
    streams = make_label_streams(CELLS, held_out)
    return find_alarms(streams, counts, tolerances, SHARE_OF_LABELS)


def as_in_training(_: np.random.Generator, world: World) -> list[World]:
    """Return the same world for every day."""
    return [world] * N_DAYS


def at_the_edge(_: np.random.Generator, world: World) -> list[World]:
    """Return a world in which every number has shifted by all that weeks tolerate."""
    return [shifted(world, 0.1)] * N_DAYS


def with_days_that_vary(rng: np.random.Generator, world: World) -> list[World]:
    """Return days on which all numbers are higher or lower, by 0.1 standard deviations."""
    return [shifted(world, shift) for shift in rng.normal(0, 0.1, N_DAYS)]


def with_labels_at_the_edge(_: np.random.Generator, world: World) -> list[World]:
    """Return a world in which labels have changed by all that weeks tolerate."""
    *_, tolerance = (kind.tolerance for kind in UNITS)
    streams = make_label_streams(CELLS, (1e6 * mean_cells(world)).astype(np.int64))

    def is_tolerated(share: float) -> bool:
        cells = mean_cells(replace(world, other_truth=share))
        apart = [
            abs(float(cells[known] @ each.values[known]) / cells[known].sum() - each.mean)
            <= tolerance.of(each)
            for each in streams
            for known in [~np.isnan(each.values)]
        ]
        return all(apart)

    share = max(share for share in np.arange(0, 0.1, 0.001).tolist() if is_tolerated(share))
    return [replace(world, other_truth=share)] * N_DAYS


def mean_cells(world: World) -> Floats:
    """Return the shares of true and predicted labels in a week."""
    shares: Floats = VOLUME / VOLUME.sum() @ np.array([world.cells(day) for day in range(7)])
    return shares


def shifted(world: World, shift: float) -> World:
    """Return a world in which all numbers have shifted, and the probabilities."""
    columns = {
        name: replace(column, shift=column.shift + shift) if isinstance(column, Number) else column
        for name, column in world.columns.items()
    }
    answer = replace(world.answer, shift=world.answer.shift + shift)
    return replace(world, columns=columns, answer=answer)


# What is no change; for which numbers of rows a day, and of training rows.
NO_CHANGES = (
    ("as in training", as_in_training, TRAFFIC, REFERENCES),
    ("all numbers shift by 0.1 sd", at_the_edge, (1_000, 100_000), (500, 50_000)),
    ("days vary by 0.1 sd", with_days_that_vary, (1_000, 100_000), (500, 50_000)),
    ("labels at the edge", with_labels_at_the_edge, (1_000, 100_000), (500, 50_000)),
)


def count_false_alarms(
    rng: np.random.Generator, years: int, tolerances: Sequence[Tolerance], seed: int
) -> int:
    """Print false alarms per year; return how many cases exceed the promise."""
    each = (1 - SHARE_OF_TODAY) / 2
    print(f"False alarms a year, without drift; promised: {each:.2f} of days and of weeks each, of")
    print("rows alone, and half of it each of rows and of labels from the first label on")
    print(f"{'':<28}{'rows a day':>12}{'training rows':>15}{'years':>7}", end="")
    print("".join(f"{name:>9}" for name in ("days", "weeks", "labels d", "labels w")))
    of_labels = np.random.default_rng(seed + 1)
    n_wrong, total_years, totals = 0, 0, np.zeros(4, np.int64)
    for name, worlds_of, traffic, references in NO_CHANGES:
        for n_rows, n_reference in product(traffic, references):
            n_found = np.zeros(4, np.int64)
            n_references = max(1, years // (N_YEARS * len(TRAFFIC) * len(REFERENCES)))
            for _ in range(n_references):
                reference = WORLD.sample(rng, n_reference)
                world = replace(WORLD, warned=expected_warnings(n_reference))
                worlds = worlds_of(rng, world)
                counts = draw_counts(rng, reference, worlds, n_rows, N_YEARS)
                labels = draw_labels(of_labels, worlds, n_rows, N_YEARS)
                held_out = WORLD.held_out(of_labels, n_reference)
                raised = [
                    *find_alarms(make_streams(reference), counts, tolerances).values(),
                    *find_label_alarms(held_out, labels, tolerances).values(),
                ]
                n_found += [int(each.sum()) for each in raised]
            n_years = n_references * N_YEARS
            rates = n_found / n_years
            limits = [each, each, each * SHARE_OF_LABELS, each * SHARE_OF_LABELS]
            n_wrong += int((rates > limits).sum())
            totals, total_years = totals + n_found, total_years + n_years
            shown = "".join(f"{rate:>9.3f}" for rate in rates)
            print(f"{name:<28}{n_rows:>12,}{n_reference:>15,}{n_years:>7}{shown}", flush=True)
    print(
        f"in all {totals[:2].sum()} false alarms of rows and {totals[2:].sum()} of labels in"
        f" {total_years:,} years; promised: {total_years:,}"
    )
    return n_wrong


def expected_warnings(n_reference: int) -> float:
    """Return the share of rows that are outside the range of the training rows somewhere."""
    return min(18 / n_reference, 1.0)


def measure_delays(
    rng: np.random.Generator, n_references: int, tolerances: Sequence[Tolerance]
) -> int:
    """Print the days until a change is found; return how many alarms there are without one."""
    print("\nDays until a change is found: median, and 90 % of cases; 5,000 training rows")
    traffic = (100, 1_000, 10_000)
    print(f"{'':<32}" + "".join(f"{f'{n:,} rows a day':>22}" for n in traffic))
    n_wrong = 0
    for drift in DRIFTS:
        shown = ""
        for n_rows in traffic:
            delays: list[float] = []
            for _ in range(n_references):
                reference = WORLD.sample(rng, 5_000)
                counts = draw_counts(rng, reference, drift.worlds(), n_rows, N_YEARS)
                streams = make_streams(reference)
                raised = np.any(list(find_alarms(streams, counts, tolerances).values()), axis=0)
                is_late = raised[:, CHANGED_AT:]
                first = np.where(is_late.any(axis=1), is_late.argmax(axis=1) + 1.0, np.inf)
                delays += first.tolist()
                n_wrong += int(raised.sum()) if drift is NO_DRIFT else 0
            ends = [quantile(delays, 0.5), quantile(delays, 0.9)]
            texts = ["never" if end == np.inf else f"{end:.0f}" for end in ends]
            shown += f"{', '.join(texts):>22}"
        print(f"{drift.name:<32}{shown}", flush=True)
    print(f"{n_wrong} alarms while only the days of the week differ")
    return n_wrong


def measure_delays_of_labels(
    rng: np.random.Generator, n_references: int, tolerances: Sequence[Tolerance]
) -> int:
    """Print the days until labels tell of a change; return how many alarms there are without one.

    Days begin when the first labels of changed rows come.
    """
    print("\nDays from the first labels of changed rows on: median, and 90 % of cases")
    held_out_rows, traffic, n_wrong = (1_250, 12_500), (100, 1_000, 10_000), 0
    heads = [f"{n:,} of {of:,}" for of in held_out_rows for n in traffic]
    print(f"{'rows a day, of held-out rows':<38}" + "".join(f"{each:>18}" for each in heads))
    begin = CHANGED_AT + LATE
    for drift in LABEL_DRIFTS:
        shown = ""
        for n_held_out, n_rows in product(held_out_rows, traffic):
            delays: list[float] = []
            for _ in range(n_references):
                held_out = WORLD.held_out(rng, 4 * n_held_out)
                counts = draw_labels(rng, drift.worlds(), n_rows, N_YEARS)
                found = find_label_alarms(held_out, counts, tolerances)
                raised = np.any(list(found.values()), axis=0)
                first = raised[:, begin:].argmax(axis=1) + 1.0
                delays += np.where(raised[:, begin:].any(axis=1), first, np.inf).tolist()
                n_wrong += int(raised[:, : begin if drift is not LABEL_DRIFTS[-1] else None].sum())
            ends = [quantile(delays, 0.5), quantile(delays, 0.9)]
            texts = ["never" if end == np.inf else f"{end:.0f}" for end in ends]
            shown += f"{', '.join(texts):>18}"
        print(f"{drift.name:<38}{shown}", flush=True)
    print(f"{n_wrong} alarms of labels before a change, and without one")
    return n_wrong


def quantile(values: Sequence[float], share: float) -> float:
    """Return a value that at least this share of all values reaches."""
    return sorted(values)[max(int(np.ceil(share * len(values))) - 1, 0)]


def main() -> int:
    """Print all tables; return 1 where the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=1200)
    parser.add_argument("--references", type=int, default=10, help="per kind of drift")
    parser.add_argument("--day", type=float, nargs=3, help="tolerance: share, least, most")
    parser.add_argument("--week", type=float, nargs=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    tolerances = [
        Tolerance(*asked) if (asked := getattr(arguments, kind.name)) else kind.tolerance
        for kind in UNITS
    ]
    rng, began = np.random.default_rng(arguments.seed), perf_counter()
    with threadpool_limits(1):
        n_wrong = count_false_alarms(rng, arguments.years, tolerances, arguments.seed)
        measure_delays(rng, arguments.references, tolerances)
        measure_delays_of_labels(rng, arguments.references, tolerances)
    print(f"{perf_counter() - began:.0f} s")
    return int(n_wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
