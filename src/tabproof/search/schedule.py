"""The schedule of a search: how many candidates enter each rung, and how much work each gets.

A rung is a line of four keys in YAML:

    {candidates: all, iterations: 10%, rows: 15%, folds: 1}
    {candidates: 3, iterations: 100%, rows: 100%, folds: 1}
    {candidates: 1, iterations: 100%, rows: 100%, folds: all}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

from tabproof.errors import UserError

ALL = "all"
KEYS = ("candidates", "iterations", "rows", "folds")


class ScheduleError(UserError):
    """A schedule of rungs that cannot find a best candidate."""

    template = "search.schedule: {reason}"


@dataclass(frozen=True)
class Rung:
    """How many candidates enter, and what each of them is fitted and scored on.

    candidates is a number, a share of all (below 1) or None for all. iterations and rows are
    shares of the candidate's own iterations and of the fold's rows. folds: a number, or None for
    all.
    """

    candidates: float | None
    iterations: float
    rows: float
    folds: int | None

    def n_candidates(self, n_all: int) -> int:
        """Return how many of n_all candidates enter."""
        if self.candidates is None:
            return n_all
        wanted = ceil(n_all * self.candidates) if self.candidates < 1 else int(self.candidates)
        return min(max(wanted, 1), n_all)

    def n_folds(self, n_splits: int) -> int:
        """Return the number of folds on which each candidate is scored."""
        return n_splits if self.folds is None else min(self.folds, n_splits)

    def n_iterations(self, asked: int) -> int:
        """Return the iterations of a candidate whose own number is `asked`."""
        return max(ceil(asked * self.iterations), 1)

    def __str__(self) -> str:
        candidates: float | str = ALL if self.candidates is None else int(self.candidates)
        if self.candidates is not None and self.candidates < 1:
            candidates = f"{self.candidates:.0%}"
        return (
            f"candidates {candidates}, iterations {self.iterations:.0%}, rows {self.rows:.0%},"
            f" folds {ALL if self.folds is None else self.folds}"
        )

    @property
    def work(self) -> tuple[float, float, float]:
        """Iterations, rows and folds; none of them may shrink from rung to rung."""
        return self.iterations, self.rows, inf if self.folds is None else self.folds


WHOLE = Rung(None, 1.0, 1.0, None)
# One rung with little work per candidate, one to check the best on all rows, then the best
# against the defaults, which enter every rung.
DEFAULT: tuple[Rung, ...] = (
    Rung(None, 0.1, 0.15, 1),
    Rung(3, 1.0, 1.0, 1),
    Rung(1, 1.0, 1.0, None),
)


def parse_schedule(lines: Sequence[Mapping[str, Any]]) -> tuple[Rung, ...]:
    """Parse rungs; raise ScheduleError unless the work grows from rung to rung up to all of it."""
    rungs: list[Rung] = []
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, Mapping) or set(line) != set(KEYS):
            found = ", ".join(map(str, line)) if isinstance(line, Mapping) else line
            raise ScheduleError(reason=f"rung {number} has {found}; a rung has {', '.join(KEYS)}")
        folds = _number(number, "folds", line["folds"], shares=False)
        rung = Rung(
            _number(number, "candidates", line["candidates"]),
            _number(number, "iterations", line["iterations"], counts=False) or 1.0,
            _number(number, "rows", line["rows"], counts=False) or 1.0,
            None if folds is None else int(folds),
        )
        before = rungs[-1].work if rungs else (0.0, 0.0, 0.0)
        if any(now < then for now, then in zip(rung.work, before, strict=True)):
            raise ScheduleError(reason=f"rung {number} ({rung}) is smaller than the one before")
        if rung.work == before:
            raise ScheduleError(
                reason=f"rung {number} ({rung}) has no more iterations, rows or folds than the one"
                " before; raise one of them, or remove the rung"
            )
        rungs.append(rung)
    if not rungs:
        raise ScheduleError(reason="it has no rung")
    if rungs[-1].work != WHOLE.work:
        raise ScheduleError(
            reason=f"the last rung ({rungs[-1]}) must have iterations: 100%, rows: 100%, folds: all"
        )
    return tuple(rungs)


def _number(
    number: int, key: str, value: Any, *, counts: bool = True, shares: bool = True
) -> float | None:
    """Parse `all` (None), a count (a whole number) or a share (a percentage)."""
    text = str(value).strip()
    if text in (ALL, "100%"):
        return None
    if counts and type(value) is int and value >= 1:
        return float(value)
    try:
        share = float(text.removesuffix("%")) / 100 if shares and text.endswith("%") else 0.0
    except ValueError:
        share = 0.0
    if 0 < share < 1:
        return share
    forms = [form for form, holds in (("a number", counts), ("a share as 25%", shares)) if holds]
    valid = f"{', '.join([ALL, *forms[:-1]])} or {forms[-1]}"
    raise ScheduleError(reason=f"rung {number} has {key}: {value}; it takes {valid}")


def as_table(rungs: Sequence[Rung], n_candidates: int, n_splits: int) -> list[str]:
    """Format the schedule as lines of a table."""
    return ["rung  candidates  iterations    rows  folds"] + [
        f"{number:>4}  {rung.n_candidates(n_candidates):>10,}  {rung.iterations:>10.0%}"
        f"  {rung.rows:>6.0%}  {rung.n_folds(n_splits):>5}"
        for number, rung in enumerate(rungs, start=1)
    ]
