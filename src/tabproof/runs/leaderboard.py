"""Leaderboards: a line per run, best first, for a terminal and for files."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tabproof.artifacts import (
    Record,
    choices_text,
    chosen_dataset,
    one_line,
    path_text,
    read_record,
)
from tabproof.evaluation_result import LOWER_IS_BETTER
from tabproof.text import aligned, escape_markdown

HEADINGS = ("dataset", "choices", "value", "95 %", "seconds", "run id", "state")


NUMBERS = {"value", "seconds"}


@dataclass(frozen=True)
class Entry:
    """A line: a complete run, or why there is none.

    choices: as in 'search=full model=vote'. interval: 95 %. cause: of what is not complete, in
    one line.
    """

    path: Path
    dataset: str
    choices: str
    state: str
    run_id: str | None
    metric: str
    value: float | None
    interval: tuple[float, float] | None
    seconds: float | None
    cause: str | None

    @property
    def status(self) -> str:
        """State and cause in one line."""
        return self.state if self.cause is None else f"{self.state}: {self.cause}"


def entry_of(path: Path, *, choices: str = "", metric: str = "roc_auc") -> Entry:
    """Read one run directory, which need not be there yet.

    choices: what the run was to be made of, by default as Hydra noted it; a dataset=… among
    them names the dataset of a run that cannot say its own.
    """
    return entry_from(read_record(path), path, choices=choices, metric=metric)


def entry_from(record: Record, path: Path, *, choices: str = "", metric: str = "roc_auc") -> Entry:
    """Make a line of what is known of a run."""
    words = choices.split()
    named = chosen_dataset(words) if record.dataset == "?" else None
    return Entry(
        path=path,
        dataset=one_line(named or record.dataset),
        choices=one_line(choices_text(words) if choices else record.choices),
        state=record.state,
        run_id=record.run_id,
        metric=metric,
        value=record.value(metric),
        interval=record.interval(metric),
        seconds=record.seconds,
        cause=record.cause,
    )


def ranked(entries: Iterable[Entry]) -> list[Entry]:
    """Order by dataset, then best first; those without a value last."""
    return sorted(entries, key=_rank)


def _rank(entry: Entry) -> tuple[str, bool, float, str, str]:
    value = 0.0 if entry.value is None else entry.value
    worse = value if entry.metric in LOWER_IS_BETTER else -value
    return entry.dataset, entry.value is None, worse, entry.choices, str(entry.path)


def as_text(entries: Iterable[Entry], *, width: int) -> str:
    """Align for a terminal of so many columns; what is too long is cut."""
    entries = list(entries)
    rows = [_named(entries), *(_cells(entry) for entry in entries)]
    return aligned(rows, width=width, numbers=NUMBERS, headings=HEADINGS, flexible=(6, 1))


def _named(entries: Sequence[Entry]) -> tuple[str, ...]:
    # The column is called as what it holds.
    metric = entries[0].metric if entries else "value"
    return tuple(metric if heading == "value" else heading for heading in HEADINGS)


def _cells(entry: Entry) -> tuple[str, ...]:
    low_high = "" if entry.interval is None else "{:.4f} … {:.4f}".format(*entry.interval)
    return (
        entry.dataset,
        entry.choices,
        "" if entry.value is None else f"{entry.value:.4f}",
        low_high,
        "" if entry.seconds is None else f"{entry.seconds:.1f}",
        entry.run_id or "",
        entry.status,
    )


def as_csv(entries: Iterable[Entry]) -> str:
    """Give every number in full, for programs."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ("dataset", "choices", "state", "metric", "value", "low", "high", "seconds", "run_id")
    writer.writerow([*names, "cause", "path"])
    for entry in entries:
        low, high = entry.interval or (None, None)
        numbers = (entry.value, low, high, entry.seconds)
        first = (entry.dataset, entry.choices, entry.state, entry.metric)
        writer.writerow([*first, *numbers, entry.run_id, entry.cause, path_text(entry.path)])
    return out.getvalue()


def as_markdown(entries: Iterable[Entry]) -> str:
    """Give a table for a README or a pull request."""
    entries = list(entries)
    rows = [_named(entries), tuple("---:" if h in NUMBERS else "---" for h in HEADINGS)]
    rows += [tuple(map(escape_markdown, _cells(entry))) for entry in entries]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
