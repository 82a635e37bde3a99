"""Leaderboards: a line per run, best first, for a terminal and for files."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tabproof.artifacts import Found, Record, choices_text, chosen, one_line, path_text, read_record
from tabproof.evaluation_result import LOWER_IS_BETTER
from tabproof.text import aligned, escape_markdown

HEADINGS = (
    "dataset", "model", "search", "choices", "value", "95 %", "seconds", "run id", "state",
)  # fmt: skip
NUMBERS = {"value", "seconds"}
SHORT_ID = 8
# Positions of the columns to shorten: state with its cause, choices, model, dataset.
FLEXIBLE = (8, 3, 1, 0)


@dataclass(frozen=True)
class Entry:
    """A run on the leaderboard; choices: as in 'seed=1 cv=grouped'."""

    path: Path
    record: Record
    dataset: str
    choices: str
    metric: str

    @property
    def value(self) -> float | None:
        """The metric that runs are ranked by."""
        return self.record.value(self.metric)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % interval."""
        return self.record.interval(self.metric)


def entry_of(path: Path, *, choices: str = "", metric: str = "roc_auc") -> Entry:
    """Read one run directory, which may not exist yet; see entry_from."""
    return entry_from(Found(path, "", read_record(path)), choices=choices, metric=metric)


def entry_from(found: Found, *, choices: str = "", metric: str = "roc_auc") -> Entry:
    """Return the entry of a run.

    choices: what the run was started with, by default as Hydra recorded it; dataset=… among them
    is the dataset of a run that has not recorded one.
    """
    record, words = found.record, choices.split()
    dataset = chosen("dataset", words) if record.dataset == "?" else None
    return Entry(
        path=found.path,
        record=record,
        dataset=one_line(dataset or record.dataset),
        choices=one_line(choices_text(words) if choices else record.choices),
        metric=metric,
    )


def ranked(entries: Iterable[Entry]) -> list[Entry]:
    """Sort by dataset, then the best first; runs without a value are last."""

    def rank(entry: Entry) -> tuple[str, bool, float, str, str]:
        value = entry.value or 0.0
        worse = value if entry.metric in LOWER_IS_BETTER else -value
        return entry.dataset, entry.value is None, worse, entry.choices, str(entry.path)

    return sorted(entries, key=rank)


def as_text(entries: Iterable[Entry], *, width: int) -> str:
    """Return an aligned table; cells that are too long for the width are shortened."""
    entries = list(entries)
    cells = [_cells(entry) for entry in entries]
    # The beginning of an id is enough to name a run.
    rows = [(*row[:7], row[7][:SHORT_ID], row[8]) for row in [_headings(entries), *cells]]
    return aligned(rows, width=width, numbers=NUMBERS, headings=HEADINGS, flexible=FLEXIBLE)


def _headings(entries: Sequence[Entry]) -> tuple[str, ...]:
    metric = entries[0].metric if entries else "value"
    return tuple(metric if heading == "value" else heading for heading in HEADINGS)


def _cells(entry: Entry) -> tuple[str, ...]:
    record = entry.record
    return (
        entry.dataset,
        one_line(record.model),
        record.mode or "",
        entry.choices,
        "" if entry.value is None else f"{entry.value:.4f}",
        "" if entry.interval is None else "{:.4f} … {:.4f}".format(*entry.interval),
        "" if record.seconds is None else f"{record.seconds:.1f}",
        record.run_id or "",
        record.state if record.cause is None else f"{record.state}: {record.cause}",
    )


def as_csv(entries: Iterable[Entry]) -> str:
    """Return a CSV file with every number in full, for programs."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ["dataset", "choices", "state", "metric", "value", "low", "high", "seconds", "run_id"]
    writer.writerow([*names, "cause", "path", "model", "search"])
    for entry in entries:
        record, (low, high) = entry.record, entry.interval or (None, None)
        numbers = (entry.value, low, high, record.seconds)
        first = (entry.dataset, entry.choices, record.state, entry.metric)
        last = (record.run_id, record.cause, path_text(entry.path), record.model, record.mode)
        writer.writerow([*first, *numbers, *last])
    return out.getvalue()


def as_markdown(entries: Iterable[Entry]) -> str:
    """Return a table for a README or a pull request."""
    entries = list(entries)
    rows = [_headings(entries), tuple("---:" if h in NUMBERS else "---" for h in HEADINGS)]
    rows += [tuple(map(escape_markdown, _cells(entry))) for entry in entries]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
