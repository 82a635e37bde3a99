"""Canaries taken back by chance, and rows until a change is found: two minutes.

`python -m benchmarks.canary_drift` draws the rows of `benchmarks.monitoring`, one by one, and
counts them as the service does.
"""

import argparse
import sys
from collections.abc import Sequence
from time import perf_counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from threadpoolctl import threadpool_limits

from benchmarks.monitoring import (
    DRIFTS,
    NO_DRIFT,
    VOLUME,
    WORLD,
    Category,
    World,
    expected_warnings,
    quantile,
)
from tabproof.artifacts.reference import Reference
from tabproof.drift.running import RunningTest

LABELS = ("no", "yes")
# The codes of a category that training has not seen, and of a missing one, follow those of others.
CATEGORIES = {
    name: tuple(f"c{place}" for place in range(len(column.given)))
    for name, column in WORLD.columns.items()
    if isinstance(column, Category)
}


class Rows:
    """Rows of a world, over a week from Monday to Sunday."""

    def __init__(self, rng: np.random.Generator, world: World, n_rows: int, warned: float) -> None:
        weekday = np.repeat(np.arange(7), rng.multinomial(n_rows, VOLUME / VOLUME.sum()))
        self.columns: dict[str, NDArray[np.float64]] = {}
        for name, column in world.columns.items():
            drawn = column.draw(rng, weekday)
            if isinstance(column, Category):
                n_known = len(column.given)
                codes = pd.Categorical(drawn, categories=CATEGORIES[name]).codes
                is_other = rng.random(n_rows) < column.other
                drawn = np.where(codes < 0, n_known + 1, np.where(is_other, n_known, codes))
            self.columns[name] = np.asarray(drawn)
        positive = expit(world.answer.draw(rng, weekday).to_numpy())
        self.proba = np.column_stack([1 - positive, positive])
        self.labels = (positive > 0.5).astype(np.int64)
        self.warned = rng.random(n_rows) < warned

    def add_to(self, test: RunningTest, start: int, end: int) -> None:
        """Count some of the rows."""
        part = slice(start, end)
        for name, cells in self.columns.items():
            test.add_column(name, cells[part])
        test.add_answers(self.proba[part], self.labels[part], self.warned[part])


def rows_until(test: RunningTest, rows: Rows, at_once: int) -> float:
    """Return after how many rows a change is found; inf for none. They come in equal portions."""
    for start in range(0, len(rows.labels), at_once):
        rows.add_to(test, start, start + at_once)
        if test.change() is not None:
            return start + at_once
    return np.inf


def references(rng: np.random.Generator, n: int, n_reference: int) -> Sequence[Reference]:
    """Return the references of several runs."""
    return [WORLD.sample(rng, n_reference) for _ in range(n)]


def main() -> int:
    """Print both tables; return 1 where the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--canaries", type=int, default=600)
    parser.add_argument("--level", type=float, default=0.001)
    arguments = parser.parse_args()
    rng, began = np.random.default_rng(0), perf_counter()
    n_back = n_canaries = 0
    with threadpool_limits(1):
        print(
            f"Canaries taken back by chance, of 10,000 rows each; promised: {arguments.level:.1%}"
        )
        for n_reference in (500, 5_000, 50_000):
            warned, n_case = expected_warnings(n_reference), 0
            n_of_each = -(-arguments.canaries // 30)
            for reference in references(rng, 10, n_reference):
                for _ in range(n_of_each):
                    test = RunningTest(reference, LABELS, CATEGORIES, arguments.level)
                    rows = Rows(rng, WORLD, 10_000, warned)
                    n_case += rows_until(test, rows, 100) < np.inf
            print(f"{n_reference:>7,} training rows: {n_case} of {10 * n_of_each}", flush=True)
            n_back, n_canaries = n_back + n_case, n_canaries + 10 * n_of_each
        print("\nRows until a change is found, after 5,000 rows: median, and 90 % of cases")
        warned = expected_warnings(5_000)
        for drift in DRIFTS:
            if drift.is_gradual or drift is NO_DRIFT:
                continue
            found: list[float] = []
            for reference in references(rng, 20, 5_000):
                test = RunningTest(reference, LABELS, CATEGORIES, arguments.level)
                rows_until(test, Rows(rng, WORLD, 5_000, warned), 100)
                rows = Rows(rng, drift.at(0), 20_000, warned)
                found.append(rows_until(test, rows, 20))
            ends = [quantile(found, 0.5), quantile(found, 0.9)]
            shown = ["not in 20,000" if end == np.inf else f"{end:,.0f}" for end in ends]
            print(f"{drift.name:<32}{', '.join(shown):>20}", flush=True)
    print(f"{n_back} of {n_canaries:,} taken back by chance; {perf_counter() - began:.0f} s")
    # Three standard errors above what is promised.
    most = arguments.level * n_canaries
    return int(n_back > most + 3 * most**0.5)


if __name__ == "__main__":
    sys.exit(main())
