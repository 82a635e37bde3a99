"""Tests whether rows are as in training, which may be looked at after every row.

Rows are counted in memory, in the bins of a reference, and portions of them have the e-values of
`e_detector`. A change may begin with any portion. Portion n has the weight 1 / ((n + 1) (n + 2)),
and these add up to 1. For a change that begins with a portion, the evidence is the product of all
e-values since then, and 1 before. Its weighted mean over the portions, and over all statistics,
directions and rates, is 1 at the start, and its mean does not grow as long as each row is as in
training, within the tolerance. It then reaches 1 / level at any time with a probability of at most
`level` (Ville's inequality; Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe
anytime-valid inference", Statistical Science 38 (4), 2023, doi:10.1214/23-STS894).

Values of rows depend on the hour: a column may be the hour itself. So there are two tests. The
quality of the rows (missing cells, unseen categories, warnings) is looked at after every row, and
their values, and the answers, when a day is over.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import inf, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.artifacts.reference import CategoryReference, Reference
from tabproof.drift.e_detector import EValues, Tolerance, log_sum_exp
from tabproof.drift.streams import Source, Stream, make_streams

# Rows after which a portion ends.
PORTION = 100
# As for a day of a log.
TOLERANCE = Tolerance(share=0.5, least=0.05, most=0.15)


@dataclass(frozen=True)
class Change:
    """The statistic that has changed most: a mean over rows, between 0 and 1.

    column : None for answers of the model. measures : what it is, in plain words. reference : in
    training. found : in the newest n_rows rows.
    """

    column: str | None
    measures: str
    reference: float
    found: float
    n_rows: int

    def __str__(self) -> str:
        of = "" if self.column is None else f"column {self.column}, "
        found = f"{self.found:.3g} in the last {self.n_rows:,} rows"
        return f"{of}{self.measures}: {self.reference:.3g} in training, {found}"


class RunningTest:
    """Count rows, and test whether they are as in training.

    Columns of dates take no part: they go on by themselves.

    Parameters
    ----------
    reference : of the run that answers.
    labels : of the model, in the order of its probabilities.
    categories : by column, those that the codes of its cells are indices of. The next code is that
        of an unseen category, and the one after it that of a missing cell.
    level : the probability that rows as in training are found to be changed, over all time.
    of_quality : whether the quality of rows is looked at, or their values and answers.
    ignored : columns that take no part.
    """

    def __init__(
        self,
        reference: Reference,
        labels: Sequence[str],
        categories: Mapping[str, Sequence[str]],
        level: float,
        *,
        of_quality: bool,
        ignored: AbstractSet[str] = frozenset(),
    ) -> None:
        out = ignored | {column.name for column in reference.columns if column.kind == "date"}
        streams = [
            stream
            for stream in make_streams(reference)
            if stream.is_quality == of_quality and stream.column not in out
        ]
        self._log_limit = -log(level)
        self._e_values = EValues(streams, TOLERANCE)
        self._labels = tuple(labels)
        self._histograms = reference.probabilities
        # The rows of the current portion, (n_bins,) each, and those of the one before.
        self._counts: dict[Source, NDArray[np.int64]] = {
            stream.source: np.zeros(len(stream.values), np.int64) for stream in streams
        }
        self._before = {source: each.copy() for source, each in self._counts.items()}
        self.n_rows = self._n_portions = 0
        # The sum over all portions in which a change may have begun, (n_streams, n_tests).
        self._log_sums = np.full(self._e_values.log_weights.shape, -inf)
        self._columns = {column.name: column for column in reference.columns}
        self._bin_of_code = {
            column.name: _bins_of_codes(column, categories[column.name])
            for column in reference.columns
            if isinstance(column, CategoryReference) and column.name in categories
        }
        self._bin_of_label = np.array([[*reference.labels].index(each) for each in self._labels])

    def add_column(self, name: str, cells: Sequence[Any] | NDArray[Any]) -> None:
        """Count the cells of a column: numbers (NaN if missing), codes, or texts (None)."""
        source: Source = ("column", name)
        if source not in self._counts:
            return
        column, counts = self._columns[name], self._counts[source]
        if isinstance(column, CategoryReference):
            # A column that was of another kind in training has no codes.
            if name in self._bin_of_code:
                codes = np.asarray(cells, dtype=np.int64)
                counts += np.bincount(self._bin_of_code[name][codes], minlength=len(counts))
            return
        if column.kind == "text":
            cells = [np.nan if cell is None else len(cell) for cell in cells]
        values = np.asarray(cells, dtype=np.float64)
        # Bin i holds edges[i-1] < value <= edges[i].
        bins = np.searchsorted(column.edges, values)
        bins[np.isnan(values)] = len(counts) - 1
        counts += np.bincount(bins, minlength=len(counts))

    def add_answers(
        self, proba: NDArray[np.float64], codes: NDArray[Any], warned: NDArray[np.bool_] | None
    ) -> None:
        """Count answers, once all columns of their rows were.

        Parameters
        ----------
        proba : (n_rows, n_labels).
        codes : (n_rows,) places of the predicted labels among `labels`.
        warned : (n_rows,) whether the row was answered with a warning; None if none was.
        """
        self.n_rows += len(codes)
        for place, label in enumerate(self._labels):
            if (counts := self._counts.get(("probability", label))) is not None:
                bins = np.searchsorted(self._histograms[label].edges, proba[:, place])
                counts += np.bincount(bins, minlength=len(counts))
        if (counts := self._counts.get(("labels", ""))) is not None:
            counts += np.bincount(self._bin_of_label[codes], minlength=len(counts))
        if (counts := self._counts.get(("warned", ""))) is not None:
            n_warned = 0 if warned is None else int(warned.sum())
            counts += (len(codes) - n_warned, n_warned)

    def change(self) -> Change | None:
        """Return what has changed; None as long as the rows may be as in training."""
        by_stream = log_sum_exp(self._sums() + self._e_values.log_weights, axis=-1)
        if not len(by_stream) or log_sum_exp(by_stream, axis=-1) < self._log_limit:
            return None
        return self._changed(self._e_values.streams[int(by_stream.argmax())])

    def end_portion(self) -> None:
        """Begin another portion; of the rows so far only their evidence is kept."""
        self._log_sums, self.n_rows = self._sums(), 0
        self._n_portions += 1
        for source, counts in self._counts.items():
            self._before[source][:] = counts
            counts[:] = 0

    def _sums(self) -> NDArray[np.float64]:
        """Return the logarithms of the sums with the current portion in them."""
        log_e, _ = self._e_values.evidence(self._counts, ())
        weight = -log((self._n_portions + 1) * (self._n_portions + 2))
        sums: NDArray[np.float64] = np.logaddexp(self._log_sums, weight) + log_e
        return sums

    def _changed(self, stream: Stream) -> Change:
        rows, is_counted = self._counts[stream.source], ~np.isnan(stream.values)
        if rows[is_counted].sum() < PORTION:
            rows = rows + self._before[stream.source]
        n_rows = int(rows[is_counted].sum())
        found = float(rows[is_counted] @ stream.values[is_counted] / n_rows)
        return Change(stream.column, stream.measures, stream.mean, found, n_rows)


class RowsTest:
    """Both tests: of the quality of rows at any time, and of their values when a day is over.

    Each has half of the level; the parameters are those of `RunningTest`. Values of the first day,
    which did not begin at midnight, do not count.
    """

    def __init__(
        self,
        reference: Reference,
        labels: Sequence[str],
        categories: Mapping[str, Sequence[str]],
        level: float,
        *,
        ignored: AbstractSet[str] = frozenset(),
    ) -> None:
        of = reference, labels, categories, level / 2
        self.quality = RunningTest(*of, of_quality=True, ignored=ignored)
        self.values = RunningTest(*of, of_quality=False, ignored=ignored)
        self._first_day = self._day = -1

    def change_before(self, day: int) -> Change | None:
        """Return which values have changed, if rows of a new day come; day : since 1970, in UTC."""
        if self._day < 0:
            self._first_day = self._day = day
        # A clock may be set back.
        if day <= self._day:
            return None
        found = None
        if self._counts_values:
            found = self.values.change()
            self.values.end_portion()
        self._day = day
        return found

    def add_column(self, name: str, cells: Sequence[Any] | NDArray[Any]) -> None:
        """Count the cells of a column; see `RunningTest`."""
        self.quality.add_column(name, cells)
        if self._counts_values:
            self.values.add_column(name, cells)

    def add_answers(
        self, proba: NDArray[np.float64], codes: NDArray[Any], warned: NDArray[np.bool_] | None
    ) -> None:
        """Count answers; see `RunningTest`."""
        self.quality.add_answers(proba, codes, warned)
        if self._counts_values:
            self.values.add_answers(proba, codes, warned)

    def change(self) -> Change | None:
        """Return what has changed about the quality of the rows, to be called after each row."""
        found = self.quality.change()
        if self.quality.n_rows >= PORTION:
            self.quality.end_portion()
        return found

    @property
    def _counts_values(self) -> bool:
        return self._day > self._first_day


def _bins_of_codes(column: CategoryReference, categories: Sequence[str]) -> NDArray[np.int64]:
    """Return the bin of each code: of categories, of an unseen one, and of a missing cell."""
    n_named = len(column.categories)
    place_of = {name: place for place, name in enumerate(column.categories)}
    named = [place_of.get(name, n_named) for name in categories]
    return np.array([*named, n_named, n_named + 1])
