"""The coverage of intervals of importances: `python -m benchmarks.importance_intervals`.

Hold-outs are drawn from a distribution under which the true drops have a formula: a normal column
that is shifted in positive rows, and a rare mark that positive rows have more often.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from tabproof.evaluation.importance import importances

Floats = NDArray[np.float64]
COLUMNS = ("normal", "mark")


@dataclass(frozen=True)
class Law:
    """marked: the shares of negative and of positive rows that have the mark."""

    positive: float
    shift: float
    marked: tuple[float, float]
    effect: float

    def draw(self, n_rows: int, rng: np.random.Generator) -> tuple[pd.DataFrame, NDArray[np.int64]]:
        """Draw a hold-out."""
        y = (rng.random(n_rows) < self.positive).astype(np.int64)
        normal = rng.normal(size=n_rows) + self.shift * y
        mark = rng.random(n_rows) < np.where(y == 1, self.marked[1], self.marked[0])
        return pd.DataFrame({"normal": normal, "mark": mark.astype(float)}), y

    def predict(self, X: pd.DataFrame) -> Floats:
        """Score by the sum of both; only the order counts."""
        scores = X["normal"].to_numpy() + self.effect * X["mark"].to_numpy()
        return np.column_stack([-scores, scores])

    def true_drops(self) -> list[float]:
        """Return the drop of each column: differences of two rows' scores are normals, mixed."""
        mixed = self.marked[0] + self.positive * (self.marked[1] - self.marked[0])
        lost = self.positive * (1 - self.positive)
        kept, shuffled = {self.shift: 1.0}, {self.shift: lost, -self.shift: lost, 0: 1 - 2 * lost}
        whole = self._area(self.marked, kept)
        return [whole - self._area(self.marked, shuffled), whole - self._area((mixed, mixed), kept)]

    def _area(self, marked: tuple[float, float], shifts: dict[float, float]) -> float:
        negative, positive = marked
        more, less = positive * (1 - negative), (1 - positive) * negative
        marks = {1: more, -1: less, 0: 1 - more - less}
        return sum(
            p * q * float(norm.cdf((shift + self.effect * mark) / 2**0.5))
            for mark, p in marks.items()
            for shift, q in shifts.items()
        )


LAWS = {
    "a usual mark": Law(0.3, 1.0, (0.1, 0.4), 2.0),
    "a rare mark": Law(0.3, 1.0, (0.02, 0.10), 4.0),
    "few positive rows": Law(0.1, 1.5, (0.1, 0.4), 2.0),
}


def coverage(law: Law, n_rows: int, n_repeats: int, n_hold_outs: int, seed: int) -> Floats:
    """Return by column how often the interval covered, of shape (2,)."""
    rng, truth = np.random.default_rng(seed), law.true_drops()
    covered = np.zeros(len(COLUMNS))
    for number in range(n_hold_outs):
        X, y = law.draw(n_rows, rng)
        found = {
            one.column: one.drop.interval
            for one in importances(law.predict, X, y, n_repeats=n_repeats, seed=number)
        }
        for place, name in enumerate(COLUMNS):
            low, high = found[name] or (-np.inf, np.inf)
            covered[place] += low <= truth[place] <= high
    return covered / n_hold_outs


def main() -> None:
    """Print a line per distribution, size and number of repeats."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hold-outs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name, law in LAWS.items():
        drops = "  ".join(f"{drop:.3f}" for drop in law.true_drops())
        print(f"{name}: true drops of {', '.join(COLUMNS)}: {drops}")
        for n_rows, n_repeats in ((200, 10), (1000, 1), (1000, 10), (1000, 50), (5000, 10)):
            shares = coverage(law, n_rows, n_repeats, options.hold_outs, options.seed)
            shown = "  ".join(f"{share:6.1%}" for share in shares)
            print(f"  {n_rows:>5,} rows, {n_repeats:>2} repeats: covered {shown}", flush=True)


if __name__ == "__main__":
    main()
