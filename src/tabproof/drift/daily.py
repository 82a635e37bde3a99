"""The logged rows of a model as counts by day: what alarms are computed from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Daily:
    """Counts of the rows that one model answered, by day, in the bins of its `Reference`.

    Parameters
    ----------
    days : every calendar day (UTC) from the first to the last, days without rows too.
    n_rows : (n_days,) rows of the day.
    columns : by column, (n_days, n_bins + 1): the bins of the reference, then missing. Of a
        category column: its categories, then other or unseen ones, then missing. A column that the
        log does not have (it is excluded or hashed) is left out.
    probabilities : by label, (n_days, n_bins): the bins of the reference.
    labels : by label, (n_days,): rows for which it was predicted.
    warned : (n_days,) rows that were answered with a warning; None where this is not known.
    """

    days: tuple[date, ...]
    n_rows: Counts
    columns: Mapping[str, Counts] = field(default_factory=dict)
    probabilities: Mapping[str, Counts] = field(default_factory=dict)
    labels: Mapping[str, Counts] = field(default_factory=dict)
    warned: Counts | None = None

    def before(self, day: date) -> "Daily":
        """Return the days before one."""
        n = sum(each < day for each in self.days)

        def cut(counts: Mapping[str, Counts]) -> dict[str, Counts]:
            return {name: each[:n] for name, each in counts.items()}

        return Daily(
            self.days[:n],
            self.n_rows[:n],
            cut(self.columns),
            cut(self.probabilities),
            cut(self.labels),
            None if self.warned is None else self.warned[:n],
        )
