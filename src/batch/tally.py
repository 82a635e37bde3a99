"""What is counted while rows are scored, and how it is told."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from src.batch.scoring import Part

SHOWN_COLUMNS = 5


@dataclass
class Tally:
    """Counts of rows; of cells with unseen categories and numbers outside the range, by column."""

    n_rows: int = 0
    n_bad: int = 0
    unseen: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)

    def add(self, part: Part) -> None:
        """Count a part."""
        self.n_rows += part.n_rows
        self.n_bad += len(part.faults)
        self.unseen.update(part.unseen)
        self.outside.update(part.outside)

    def join(self, other: "Tally") -> None:
        """Count what another counted."""
        self.n_rows += other.n_rows
        self.n_bad += other.n_bad
        self.unseen.update(other.unseen)
        self.outside.update(other.outside)

    def as_plain(self) -> dict[str, Any]:
        """Give what from_plain takes."""
        return {
            "n_rows": self.n_rows,
            "n_bad": self.n_bad,
            "unseen": dict(self.unseen),
            "outside": dict(self.outside),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Tally":
        """Make it of what as_plain gave."""
        counts = Counter(plain["unseen"]), Counter(plain["outside"])
        return cls(plain["n_rows"], plain["n_bad"], *counts)

    def warnings(self) -> list[str]:
        """Tell what may be wrong with the cells."""
        told = []
        if self.unseen:
            told.append(f"categories that training never saw: {_counts(self.unseen)}")
        if self.outside:
            told.append(f"numbers outside of the training range: {_counts(self.outside)}")
        return told

    def result_line(self, seconds: float, n_missing_columns: int, output: str) -> str:
        """Word the last line, which people's scripts read: its form is fixed."""
        return (
            f"[SCORED] rows={self.n_rows} elapsed_sec={seconds:.2f}"
            f" rows_per_sec={round(self.n_rows / max(seconds, 1e-9))} bad={self.n_bad}"
            f" unseen={self.unseen.total()} outside={self.outside.total()}"
            f" missing_columns={n_missing_columns} output={output}"
        )


def _counts(counts: Counter[str]) -> str:
    shown = [f"'{name}' ({count:,})" for name, count in counts.most_common(SHOWN_COLUMNS)]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more column(s)" if more > 0 else "")


def listed(names: Sequence[str]) -> str:
    """List names of columns, a few of many."""
    shown = ", ".join(f"'{name}'" for name in names[:SHOWN_COLUMNS])
    more = len(names) - SHOWN_COLUMNS
    return f"{shown} and {more} more" if more > 0 else shown
