"""Canaries taken back by chance, and rows and days until a change is found: three minutes.

`python -m benchmarks.canary_drift` draws the rows of `benchmarks.monitoring`, one by one, and
counts them as the service does.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from time import perf_counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from threadpoolctl import threadpool_limits

from benchmarks.monitoring import (
    DRIFTS,
    NO_DRIFT,
    WORLD,
    Category,
    World,
    quantile,
)
from tabproof.artifacts.reference import Reference
from tabproof.drift.running import RowsTest

LABELS = ("no", "yes")
# The codes of a category that training has not seen, and of a missing one, follow those of others.
CATEGORIES = {
    name: tuple(f"c{place}" for place in range(len(column.given)))
    for name, column in WORLD.columns.items()
    if isinstance(column, Category)
}


# The smallest and the largest number of each column of numbers.
Ranges = Mapping[str, tuple[float, float]]


def ranges_of(rng: np.random.Generator, n_rows: int) -> Ranges:
    """Return the ranges of training rows: a number outside of them is a warning."""
    weekday = np.arange(n_rows) % 7
    return {
        name: (drawn.min(), drawn.max())
        for name, column in WORLD.columns.items()
        if not isinstance(column, Category)
        for drawn in [column.draw(rng, weekday)]
    }


class Rows:
    """Rows of a world on a day of the week."""

    def __init__(
        self, rng: np.random.Generator, world: World, n_rows: int, ranges: Ranges, weekday_no: int
    ) -> None:
        weekday = np.full(n_rows, weekday_no)
        self.columns: dict[str, NDArray[np.float64]] = {}
        self.warned = np.zeros(n_rows, dtype=bool)
        for name, column in world.columns.items():
            drawn = column.draw(rng, weekday)
            if isinstance(column, Category):
                n_known = len(column.given)
                codes = pd.Categorical(drawn, categories=CATEGORIES[name]).codes
                is_other = rng.random(n_rows) < column.other
                drawn = np.where(codes < 0, n_known + 1, np.where(is_other, n_known, codes))
                self.warned |= is_other
            else:
                low, high = ranges[name]
                self.warned |= np.asarray((drawn < low) | (drawn > high))
            self.columns[name] = np.asarray(drawn)
        positive = expit(world.answer.draw(rng, weekday).to_numpy())
        self.proba = np.column_stack([1 - positive, positive])
        self.labels = (positive > 0.5).astype(np.int64)

    def add_to(self, test: RowsTest, start: int, end: int) -> None:
        """Count some of the rows."""
        part = slice(start, end)
        for name, cells in self.columns.items():
            test.add_column(name, cells[part])
        test.add_answers(self.proba[part], self.labels[part], self.warned[part])


# Rows of a canary in a day, and those between two looks at their quality.
N_PER_DAY, AT_ONCE = 1_000, 20


def days_until(
    rng: np.random.Generator, test: RowsTest, worlds: Sequence[World], ranges: Ranges, at_once: int
) -> tuple[float, float]:
    """Return after how many rows and days a change is found; a world for each day; inf for never.

    Days of the week differ. Rows of a change whose values alone differ are found at midnight.
    """
    for day, world in enumerate(worlds):
        if test.change_before(day) is not None:
            return day * N_PER_DAY, day
        rows = Rows(rng, world, N_PER_DAY, ranges, day % 7)
        for start in range(0, N_PER_DAY, at_once):
            rows.add_to(test, start, start + at_once)
            if test.change() is not None:
                return day * N_PER_DAY + start + at_once, day + 1
    return np.inf, np.inf


def references(rng: np.random.Generator, n: int, n_reference: int) -> Sequence[Reference]:
    """Return the references of several runs."""
    return [WORLD.sample(rng, n_reference) for _ in range(n)]


def main() -> int:
    """Print both tables; return 1 where the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--canaries", type=int, default=300)
    parser.add_argument("--level", type=float, default=0.001)
    arguments = parser.parse_args()
    rng, began = np.random.default_rng(0), perf_counter()
    n_back = n_canaries = 0
    with threadpool_limits(1):
        print(f"Canaries of 4 weeks, taken back by chance; promised: {arguments.level:.1%}")
        for n_reference in (500, 5_000, 50_000):
            n_case, n_of_each = 0, -(-arguments.canaries // 30)
            for reference in references(rng, 10, n_reference):
                ranges = ranges_of(rng, n_reference)
                for _ in range(n_of_each):
                    test = RowsTest(reference, LABELS, CATEGORIES, arguments.level)
                    n_days, _ = days_until(rng, test, [WORLD] * 28, ranges, 100)
                    n_case += n_days < np.inf
            print(f"{n_reference:>7,} training rows: {n_case} of {10 * n_of_each}", flush=True)
            n_back, n_canaries = n_back + n_case, n_canaries + 10 * n_of_each
        print("\nA change, after 7 days without one: median, and 90 % of cases")
        print(f"{'':<32}{'rows':>16}{'days':>16}")
        ranges = ranges_of(rng, 5_000)
        for drift in DRIFTS:
            if drift.is_gradual or drift is NO_DRIFT:
                continue
            found: list[tuple[float, float]] = []
            for reference in references(rng, 20, 5_000):
                test = RowsTest(reference, LABELS, CATEGORIES, arguments.level)
                worlds = [WORLD] * 7 + [drift.at(0)] * 22
                n_rows, n_days = days_until(rng, test, worlds, ranges, AT_ONCE)
                found.append((n_rows - 7 * N_PER_DAY, n_days - 7))
            shown = "".join(f"{shown_ends(list(each)):>16}" for each in zip(*found, strict=True))
            print(f"{drift.name:<32}{shown}", flush=True)
    print(f"{n_back} of {n_canaries:,} taken back by chance; {perf_counter() - began:.0f} s")
    # Three standard errors above what is promised.
    most = arguments.level * n_canaries
    return int(n_back > most + 3 * most**0.5)


def shown_ends(values: Sequence[float]) -> str:
    """Return the median and the end of 90 % as text."""
    ends = quantile(values, 0.5), quantile(values, 0.9)
    return ", ".join("never" if end == np.inf else f"{end:,.0f}" for end in ends)


if __name__ == "__main__":
    sys.exit(main())
