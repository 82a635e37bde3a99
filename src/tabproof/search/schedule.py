"""The schedule of a search: which candidates meet on how much work, rung by rung.

A rung is a line of four words, as YAML writes it:

    {candidates: all, iterations: 10%, rows: 15%, folds: 1}
    {candidates: 3, iterations: 100%, rows: 100%, folds: 1}
    {candidates: 1, iterations: 100%, rows: 100%, folds: all}
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from tabproof.search.errors import ScheduleError

ALL = "all"
KEYS = ("candidates", "iterations", "rows", "folds")


@dataclass(frozen=True)
class Rung:
    """candidates: how many enter, a share of all (below 1) or a number; None: all of them.

    iterations and rows are shares of those that the candidate asks for and the fold has;
    folds is a number, None for all.
    """

    candidates: float | None
    iterations: float
    rows: float
    folds: int | None

    def n_candidates(self, n_all: int) -> int:
        """Count who enters, of n_all."""
        if self.candidates is None:
            return n_all
        wanted = ceil(n_all * self.candidates) if self.candidates < 1 else int(self.candidates)
        return min(max(wanted, 1), n_all)

    def n_folds(self, n_splits: int) -> int:
        """Count the folds on which each is scored."""
        return n_splits if self.folds is None else min(self.folds, n_splits)

    def n_iterations(self, asked: int) -> int:
        """Give the iterations of a candidate that asks for so many."""
        return max(ceil(asked * self.iterations), 1)

    def __str__(self) -> str:
        entrants = ALL if self.candidates is None else _as_text(self.candidates)
        folds = ALL if self.folds is None else self.folds
        return (
            f"candidates {entrants}, iterations {self.iterations:.0%}, rows {self.rows:.0%},"
            f" folds {folds}"
        )


WHOLE = Rung(None, 1.0, 1.0, None)
# A rung of little work each, one to check it on all rows, then the best against the defaults.
# The defaults are always there: where they lead, nobody else is.
DEFAULT: tuple[Rung, ...] = (
    Rung(None, 0.1, 0.15, 1),
    Rung(3, 1.0, 1.0, 1),
    Rung(1, 1.0, 1.0, None),
)


def parse_schedule(lines: Sequence[Mapping[str, Any]]) -> tuple[Rung, ...]:
    """Read rungs; raises ScheduleError for what is no schedule, or grows nowhere."""
    if not lines:
        raise ScheduleError("it has no rung")
    rungs = tuple(_parse_rung(number, line) for number, line in enumerate(lines, start=1))
    _check_growth(rungs)
    return rungs


def _parse_rung(number: int, line: Any) -> Rung:
    if not isinstance(line, Mapping) or set(line) != set(KEYS):
        found = ", ".join(map(str, line)) if isinstance(line, Mapping) else line
        raise ScheduleError(f"rung {number} has {found}; a rung has {', '.join(KEYS)}")
    folds = _number(number, "folds", line["folds"], shares=False)
    iterations = _number(number, "iterations", line["iterations"], counts=False)
    rows = _number(number, "rows", line["rows"], counts=False)
    return Rung(
        _number(number, "candidates", line["candidates"]),
        1.0 if iterations is None else iterations,
        1.0 if rows is None else rows,
        None if folds is None else int(folds),
    )


def _number(
    number: int, key: str, value: Any, *, counts: bool = True, shares: bool = True
) -> float | None:
    """Read `all`, a count (a whole number) or a share (a percentage); None stands for all."""
    text = str(value).strip()
    if text in (ALL, "100%"):
        return None
    if counts and isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return float(value)
    if shares and text.endswith("%"):
        try:
            share = float(text[:-1]) / 100
        except ValueError:
            share = 0.0
        if 0 < share < 1:
            return share
    forms = [form for form, holds in (("a number", counts), ("a share as 25%", shares)) if holds]
    first = [ALL, *forms[:-1]]
    raise ScheduleError(
        f"rung {number} has {key}: {value}; it takes {', '.join(first)} or {forms[-1]}"
    )


def _check_growth(rungs: Sequence[Rung]) -> None:
    for number, (before, rung) in enumerate(itertools.pairwise(rungs), start=2):
        work_before, work = _work(before), _work(rung)
        if any(now < then for now, then in zip(work, work_before, strict=True)):
            raise ScheduleError(f"rung {number} ({rung}) asks for less than the one before it")
        if work == work_before:
            raise ScheduleError(
                f"rung {number} ({rung}) grows nowhere; more iterations, rows or folds, or one"
                " rung less"
            )
    if _work(rungs[-1]) != _work(WHOLE):
        raise ScheduleError(
            f"it ends short of the whole ({rungs[-1]}); the last rung has iterations: 100%,"
            " rows: 100%, folds: all"
        )


def _work(rung: Rung) -> tuple[float, float, float]:
    return rung.iterations, rung.rows, float("inf") if rung.folds is None else rung.folds


def as_table(rungs: Sequence[Rung], n_candidates: int, n_splits: int) -> list[str]:
    """Show the schedule as lines of a table."""
    lines = ["rung  candidates  iterations    rows  folds"]
    for number, rung in enumerate(rungs, start=1):
        entrants = rung.n_candidates(n_candidates)
        lines.append(
            f"{number:>4}  {entrants:>10,}  {rung.iterations:>10.0%}  {rung.rows:>6.0%}"
            f"  {rung.n_folds(n_splits):>5}"
        )
    return lines


def _as_text(number: float) -> str:
    return f"{number:.0%}" if number < 1 else f"{number:.0f}"
