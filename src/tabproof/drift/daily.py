"""The logged rows of a model as counts by day: what alarms are computed from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

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
    labelled : (n_days, n_bins), by the day on which a row's first label was received: rows in each
        of the `Cells`; None where no row has a label.
    """

    days: tuple[date, ...]
    n_rows: Counts
    columns: Mapping[str, Counts] = field(default_factory=dict)
    probabilities: Mapping[str, Counts] = field(default_factory=dict)
    labels: Mapping[str, Counts] = field(default_factory=dict)
    warned: Counts | None = None
    labelled: Counts | None = None

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
            None if self.labelled is None else self.labelled[:n],
        )

    def with_labelled(self, by_day: Mapping[date, Counts]) -> "Daily":
        """Return the same with rows whose label is known, (n_bins,) counts by day.

        Labels come after their rows: days without a row are added at the end for them. Days
        before the first one, and no days at all, are a ValueError.
        """
        if not by_day:
            return self
        if not self.days or min(by_day) < self.days[0]:
            raise ValueError("a label came before all rows")
        n_more = max(0, (max(by_day) - self.days[-1]).days)
        days = (*self.days, *(self.days[-1] + timedelta(days=n + 1) for n in range(n_more)))
        labelled = np.zeros((len(days), len(next(iter(by_day.values())))), np.int64)
        for day, counts in by_day.items():
            labelled[(day - days[0]).days] = counts

        def longer(counts: Counts) -> Counts:
            return np.pad(counts, [(0, n_more), *[(0, 0)] * (counts.ndim - 1)])

        def all_longer(counts: Mapping[str, Counts]) -> dict[str, Counts]:
            return {name: longer(each) for name, each in counts.items()}

        return Daily(
            days,
            longer(self.n_rows),
            all_longer(self.columns),
            all_longer(self.probabilities),
            all_longer(self.labels),
            None if self.warned is None else longer(self.warned),
            labelled,
        )
