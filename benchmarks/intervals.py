"""The coverage of 95 % intervals: `python -m benchmarks.intervals`, two minutes.

Data sets are simulated, so that the true values are known. Scores of two labels are normal, so that
a formula gives the area under their ROC curve. For other metrics, and for three labels, the true
value is that of a million rows. As in a stratified hold-out, each data set has the same share of
each label. Probabilities are calibrated, or overconfident (slope above 1).
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from tabproof.auc import auc_components, auc_of, estimate_of
from tabproof.evaluation import measure, score
from tabproof.evaluation_result import METRICS

# The standard error of a share is half a percent with 2,000 data sets, and one with 500.
N_DATA_SETS, N_DATA_SETS_OF_ALL = 2000, 500
N_LARGE, N_BOOTSTRAP = 1_000_000, 1000
LEAST, MOST = 0.93, 0.97

Rows = tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True)
class TwoLabels:
    """Rows of two labels: their number, the share of positive ones, the AUC, the slope."""

    n: int
    share: float
    area: float
    slope: float = 1.0

    def __str__(self) -> str:
        """Describe it in a line."""
        claim = "calibrated" if self.slope == 1 else f"slope {self.slope:g}"
        return f"n={self.n:,}, {self.share:.0%} positive, AUC {self.area}, {claim}"

    def draw(self, rng: np.random.Generator, n: int) -> Rows:
        """Draw n rows."""
        n_positive = round(n * self.share)
        y = np.repeat([0, 1], [n - n_positive, n_positive])
        shift = np.sqrt(2) * norm.ppf(self.area)
        scores = rng.normal(size=n) + shift * y
        evidence = shift * scores - shift**2 / 2 + logit(self.share)
        positive = expit(self.slope * evidence)
        return y, np.column_stack([1 - positive, positive])


@dataclass(frozen=True)
class ThreeLabels:
    """Rows of three labels: their number, the shares of labels, the distance between labels."""

    n: int
    shares: tuple[float, float, float]
    shift: float
    slope: float = 1.0

    def __str__(self) -> str:
        """Describe it in a line."""
        shares = ", ".join(f"{share:.0%}" for share in self.shares)
        return f"n={self.n:,}, three labels ({shares}), slope {self.slope:g}"

    def draw(self, rng: np.random.Generator, n: int) -> Rows:
        """Draw n rows."""
        y = np.repeat(np.arange(3), np.round(np.array(self.shares) * n).astype(int))
        scores = rng.normal(size=(len(y), 3)) + self.shift * np.eye(3)[y]
        evidence = self.shift * scores + np.log(self.shares)
        return y, softmax(self.slope * evidence, axis=1)


Simulation = TwoLabels | ThreeLabels

AREAS: Sequence[Simulation] = (
    TwoLabels(200, 0.3, 0.80),
    TwoLabels(200, 0.3, 0.95),
    TwoLabels(100, 0.5, 0.65),
    TwoLabels(1000, 0.3, 0.80),
    TwoLabels(1000, 0.1, 0.80),
    TwoLabels(1000, 0.05, 0.95),
    TwoLabels(10_000, 0.24, 0.93),
    ThreeLabels(150, (0.5, 0.3, 0.2), 1.0),
    ThreeLabels(1000, (0.6, 0.3, 0.1), 1.5),
)
ALL: Sequence[Simulation] = (
    TwoLabels(200, 0.3, 0.80),
    TwoLabels(200, 0.3, 0.95, slope=1.5),
    TwoLabels(1000, 0.3, 0.80, slope=1.5),
    TwoLabels(1000, 0.1, 0.80),
    ThreeLabels(300, (0.5, 0.3, 0.2), 1.0),
    ThreeLabels(1000, (0.6, 0.3, 0.1), 1.5, slope=1.5),
)


def coverage(
    simulation: Simulation, names: Sequence[str], n_data_sets: int, n_bootstrap: int
) -> dict[str, tuple[float, float, float]]:
    """Return by metric how often the true value is in the interval, below it, and above it."""
    rng = np.random.default_rng(0)
    truth = score(*simulation.draw(rng, N_LARGE), names=names)
    if isinstance(simulation, TwoLabels) and "roc_auc" in truth:
        truth["roc_auc"] = simulation.area
    sides: dict[str, list[float]] = {name: [] for name in names}
    for seed in range(n_data_sets):
        y, proba = simulation.draw(rng, simulation.n)
        found = measure(y, proba, names=names, n_bootstrap=n_bootstrap, seed=seed)
        for name in names:
            true, interval = truth[name], found[name].interval
            if true is None or interval is None:
                # Where there is no interval, it counts as one that contains the true value.
                sides[name].append(0)
            else:
                sides[name].append(-1.0 if true < interval[0] else float(true > interval[1]))
    return {
        name: (
            float(np.mean(np.array(values) == 0)),
            float(np.mean(np.array(values) < 0)),
            float(np.mean(np.array(values) > 0)),
        )
        for name, values in sides.items()
    }


def print_aucs(n_data_sets: int) -> list[bool]:
    """Print how often intervals of the AUC contain it; the documentation states this figure."""
    print(
        f"area under the ROC curve, {n_data_sets:,} data sets each; promised {LEAST:.0%}-{MOST:.0%}"
    )
    print(f"  {'':<52}{'held':>7}{'below':>7}{'above':>7}")
    met = []
    for simulation in AREAS:
        held, below, above = coverage(simulation, ["roc_auc"], n_data_sets, 0)["roc_auc"]
        met.append(LEAST <= held <= MOST)
        verdict = "met" if met[-1] else "MISSED"
        print(f"  {simulation!s:<52}{held:>7.1%}{below:>7.1%}{above:>7.1%}  {verdict}", flush=True)
    return met


# Rows of the positive and of the negative class, and the AUC of two equally good models.
PAIRS = ((12, 40, 0.8), (20, 980, 0.9), (60, 140, 0.8), (500, 500, 0.8))


def print_differences(n_data_sets: int) -> list[bool]:
    """Print how often intervals of the difference of two AUCs contain 0, its true value.

    Such an interval excludes 0 exactly where the test that compares models has p < 0.05.
    """
    print(f"\ndifference of two equal AUCs on the same rows, {n_data_sets:,} data sets each")
    rng, met = np.random.default_rng(0), []
    for n_positive, n_negative, auc in PAIRS:
        y = np.repeat([0, 1], [n_negative, n_positive])
        shift, n_held = np.sqrt(2) * norm.ppf(auc), 0
        for _ in range(n_data_sets):
            common = rng.normal(size=len(y))
            scores = [shift * y + (common + rng.normal(size=len(y))) / np.sqrt(2) for _ in range(2)]
            first, second = (auc_components(y, np.column_stack([-s, s])) for s in scores)
            interval = estimate_of(auc_of(first - second), y, first - second).interval
            n_held += interval is None or interval[0] <= 0 <= interval[1]
        held = n_held / n_data_sets
        met.append(LEAST <= held <= MOST)
        rows = f"{n_positive:,} positive, {n_negative:,} negative rows, AUC {auc}"
        print(f"  {rows:<52}{held:>7.1%}  {'met' if met[-1] else 'MISSED'}", flush=True)
    return met


def print_all(n_data_sets: int) -> None:
    """Print how often the intervals of every metric contain the true value."""
    print(f"\nall metrics, {n_data_sets} data sets each, {N_BOOTSTRAP:,} resamples")
    for number, simulation in enumerate(ALL, 1):
        print(f"  ({number}) {simulation}")
    print(f"  {'':<20}" + "".join(f"{f'({number})':>8}" for number in range(1, len(ALL) + 1)))
    found = []
    for simulation in ALL:
        names = [
            name for name in METRICS if name != "specificity" or isinstance(simulation, TwoLabels)
        ]
        found.append(coverage(simulation, names, n_data_sets, N_BOOTSTRAP))
    for name in METRICS:
        shares = [f"{each[name][0]:.1%}" if name in each else "-" for each in found]
        print(f"  {name:<20}" + "".join(f"{share:>8}" for share in shares), flush=True)


def print_time() -> None:
    """Print the time of all metrics for a hold-out of adult's size."""
    y, proba = TwoLabels(9769, 0.24, 0.93).draw(np.random.default_rng(0), 9769)
    start = perf_counter()
    measure(y, proba, names=METRICS, n_bootstrap=N_BOOTSTRAP, seed=0)
    print(f"\nall metrics of 9,769 rows, {N_BOOTSTRAP:,} resamples: {perf_counter() - start:.2f} s")


def main() -> int:
    """Print all; the exit code is 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=N_DATA_SETS, help="for AUCs")
    parser.add_argument("--all", type=int, default=N_DATA_SETS_OF_ALL, help="for all metrics")
    options = parser.parse_args()
    with threadpool_limits(1):
        met = [*print_aucs(options.data_sets), *print_differences(options.data_sets)]
        print_all(options.all)
        print_time()
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
