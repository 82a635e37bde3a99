"""Ranks, win rates and targets, from the lines of a results file.

A system that failed on a split has no figures there: it loses against all that have some, and its
means are those of its other splits.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata

from benchmarks.verdict import print_verdict

OURS, UNTUNED, ALIKE = "auto", "none", "auto_like_medium"
MEASURES = {"auc": 1.0, "log_loss": -1.0}  # the sign makes larger values better
TITLES = {"auc": "AUC", "log_loss": "log loss"}
TIE = 0.5e-4
# Targets: of wins, with a tie as half of one, by measure and rival.
LEAST_WINS = {
    ("auc", "best"): 0.5,
    ("auc", "medium_quality"): 0.8,
    ("auc", "flaml"): 0.8,
    ("log_loss", "medium_quality"): 0.65,
    ("log_loss", "flaml"): 0.65,
}
LEAST_WINS_ALIKE = 0.5
MOST_ROW_MS = 1.0

Split = tuple[int, int]


class Difference(NamedTuple):
    """How much better one system is on the splits of both, and the standard error of that."""

    apart: float
    error: float
    n_splits: int


@dataclass(frozen=True)
class Outcomes:
    """Wins, ties and losses over tables."""

    wins: int
    ties: int
    losses: int

    @property
    def rate(self) -> float:
        """Return the share of wins, with a tie as half of one; NaN without tables."""
        n_tables = self.wins + self.ties + self.losses
        return (self.wins + self.ties / 2) / n_tables if n_tables else float("nan")


class Results:
    """The figures of systems by table and split, all oriented so that more is better."""

    def __init__(self, lines: Iterable[Mapping[str, Any]], systems: Sequence[str]) -> None:
        self.systems = list(systems)
        self.lines = [line for line in lines if line["system"] in systems]
        self.by_system: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self._found: dict[tuple[str, str], dict[Split, Mapping[str, Any]]] = defaultdict(dict)
        for line in self.lines:
            self.by_system[line["system"]].append(line)
            split = line["seed"], line["fold"]
            self._found[line["table"], line["system"]][split] = line

    @cached_property
    def tables(self) -> list[str]:
        """Return all tables, in the order of the lines."""
        return list(dict.fromkeys(line["table"] for line in self.lines))

    def splits(self, table: str, system: str) -> dict[Split, Mapping[str, Any]]:
        """Return the lines of a system on a table; failures are among them."""
        return self._found.get((table, system), {})

    def mean(self, table: str, system: str, measure: str) -> float | None:
        """Return the mean over splits; None if there is none."""
        values = [line[measure] for line in self.splits(table, system).values() if measure in line]
        return fmean(values) if values else None

    def difference(self, table: str, one: str, other: str, measure: str) -> Difference | None:
        """Compare two systems on a table; None if they have no split in common.

        Infinite where one failed and the other did not. The error is Nadeau and Bengio's (2003),
        as training rows overlap; 0 for a single split.
        """
        sign, apart, share = MEASURES[measure], [], 0.0
        lines, others = self.splits(table, one), self.splits(table, other)
        for split in sorted(lines.keys() & others.keys()):
            has, has_other = measure in lines[split], measure in others[split]
            if has != has_other:
                return Difference(float("inf") if has else float("-inf"), 0.0, 1)
            if has:
                apart.append(sign * (lines[split][measure] - others[split][measure]))
                share = lines[split]["test_share"]
        if not apart:
            return None
        variance = float(np.var(apart, ddof=1)) if len(apart) > 1 else 0.0
        error = ((1 / len(apart) + share) * variance) ** 0.5
        return Difference(fmean(apart), error, len(apart))

    def outcomes(self, one: str, other: str, measure: str, *, errors: float = 0.0) -> Outcomes:
        """Count tables by who is better; a tie is equal to 4 digits, or within so many errors."""
        counts = [0, 0, 0]
        for table in self.tables:
            found = self.difference(table, one, other, measure)
            if found is None:
                continue
            is_tie = abs(found.apart) <= max(TIE, errors * found.error)
            counts[1 if is_tie else 0 if found.apart > 0 else 2] += 1
        return Outcomes(*counts)

    def complete_tables(self) -> list[str]:
        """Return the tables that every system has been run on."""
        return [
            table
            for table in self.tables
            if all(self.splits(table, system) for system in self.systems)
        ]

    def ranks(self, measure: str) -> dict[str, float]:
        """Return the mean rank over complete tables; equal to 4 digits share one, failures end."""
        rows = []
        for table in self.complete_tables():
            means = [self.mean(table, system, measure) for system in self.systems]
            better = [
                float("inf") if mean is None else -MEASURES[measure] * round(mean, 4)
                for mean in means
            ]
            rows.append(rankdata(better))
        if not rows:
            return {}
        return dict(zip(self.systems, np.mean(rows, axis=0).tolist(), strict=True))

    def normalised(self, measure: str, metric: str | None = None) -> dict[str, float]:
        """Return the mean over complete tables of 0 (the worst) to 1 (the best).

        metric: of the tables with this one only.
        """
        rows = []
        for table in self.complete_tables():
            found = next(line for line in self.lines if line["table"] == table)
            means = [self.mean(table, system, measure) for system in self.systems]
            known = [mean for mean in means if mean is not None]
            if not known or (metric is not None and found["metric"] != metric):
                continue
            worst, best = sorted((min(known), max(known)), key=lambda m: MEASURES[measure] * m)
            spread = best - worst
            rows.append(
                [0.0 if m is None else (m - worst) / spread if spread else 1.0 for m in means]
            )
        if not rows:
            return {}
        return dict(zip(self.systems, np.mean(rows, axis=0).tolist(), strict=True))


def print_report(lines: Iterable[Mapping[str, Any]], systems: Sequence[str]) -> bool:
    """Print all; return whether all targets are met that have figures."""
    results = Results(lines, systems)
    _print_tables(results)
    _print_costs(results)
    _print_wins(results)
    return _print_targets(results)


def _print_tables(results: Results) -> None:
    for measure, title in TITLES.items():
        print(f"\nMean {title} by table; * of several splits, some failed")
        print(f"  {'table':<16}" + "".join(f"{name[:16]:>17}" for name in results.systems))
        for table in results.tables:
            cells = []
            for system in results.systems:
                mean = results.mean(table, system, measure)
                found = results.splits(table, system).values()
                mark = "*" if any("error" in line for line in found) else ""
                text = f"{mean:.4f}{mark}" if mean is not None else "failed" if found else "-"
                cells.append(f"{text:>17}")
            print(f"  {table:<16}" + "".join(cells))


def _print_costs(results: Results) -> None:
    ranks = {measure: results.ranks(measure) for measure in MEASURES}
    scaled = {measure: results.normalised(measure) for measure in MEASURES}
    many = results.normalised("log_loss", "log_loss")
    n_tables = len(results.complete_tables())
    print(f"\nOver the {n_tables} tables that all systems have; costs: medians over fits")
    heads = ("rank AUC", "rank loss", "norm. AUC", "norm. loss", "of >2 cl.")
    costs = ("fit s", "process s", "over s", "row ms", "MB", "failed")
    print(f"  {'system':<18}" + "".join(f"{head:>11}" for head in (*heads, *costs)))
    nan = float("nan")
    for system in results.systems:
        lines = results.by_system[system]
        done = [line for line in lines if "error" not in line]
        if not lines:
            continue
        figures = [
            f"{each.get(system, nan):.2f}"
            for each in (ranks["auc"], ranks["log_loss"], scaled["auc"], scaled["log_loss"], many)
        ]
        if done:
            over = [max(0.0, line["seconds"] - line["allowed"]) for line in done]
            figures += [
                f"{median(line['seconds'] for line in done):.1f}",
                f"{median(line['process_seconds'] for line in done):.1f}",
                f"{median(over):.1f}/{max(over):.0f}",
                f"{median(line['row_ms'] for line in done):.3g}",
                f"{median(line['bytes'] for line in done) / 1e6:.2f}",
            ]
        else:
            figures += ["-"] * 5
        figures.append(f"{len(lines) - len(done)}/{len(lines)}")
        print(f"  {system:<18}" + "".join(f"{figure:>11}" for figure in figures))
    print("  over s: median and largest seconds over the budget")


def _print_wins(results: Results) -> None:
    for one in (OURS, ALIKE):
        if not results.by_system.get(one):
            continue
        print(f"\n{one} against each: wins, ties, losses over tables, and the rate of wins")
        print(f"  {'':<18}{'equal to 4 digits':>26}{'within one standard error':>28}")
        for other in results.systems:
            if other in (OURS, ALIKE) or not results.by_system[other]:
                continue
            for measure, title in TITLES.items():
                cells = []
                for errors in (0.0, 1.0):
                    found = results.outcomes(one, other, measure, errors=errors)
                    score = f"{found.wins}/{found.ties}/{found.losses}"
                    cells.append(f"{score:>14}{found.rate:>11.0%}")
                print(f"  {other:<16}{title:>9}" + "   ".join(cells))


def _print_targets(results: Results) -> bool:
    if not results.by_system.get(OURS):
        return True
    print("\nTargets, wins with ties to 4 digits as halves")
    met = []
    for (measure, other), least in LEAST_WINS.items():
        found = results.outcomes(OURS, other, measure)
        if not np.isnan(found.rate):
            name = f"{TITLES[measure]}, {other}"
            met.append(print_verdict(name, found.rate, at_least=least))
    for measure, title in TITLES.items():
        found = results.outcomes(ALIKE, "medium_quality", measure)
        if not np.isnan(found.rate):
            name = f"{title}, time of medium"
            met.append(print_verdict(name, found.rate, at_least=LEAST_WINS_ALIKE))
    apart = {
        table: found
        for table in results.tables
        if (found := results.difference(table, OURS, UNTUNED, "auc")) is not None
        # A single split has no error.
        and found.n_splits > 1
    }
    lower = [table for table, found in apart.items() if found.apart < -max(TIE, found.error)]
    if apart:
        met.append(print_verdict("tables below untuned", len(lower), at_most=0))
        print(f"      of {len(apart)}: {', '.join(lower) or 'none'}")
    rows = [line for line in results.by_system[OURS] if "row_ms" in line]
    if rows:
        slowest = max(rows, key=lambda line: line["row_ms"])
        met.append(print_verdict("slowest row, ms", slowest["row_ms"], at_most=MOST_ROW_MS))
        print(f"      {slowest['table']}")
    return all(met)
