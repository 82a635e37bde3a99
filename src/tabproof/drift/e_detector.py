"""E-detectors: sums of evidence, with a bound on how often they are large by chance.

The method is that of Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for
sequential change detection", The New England Journal of Statistics in Data Science 2 (2), 2024,
doi:10.51387/23-NEJSDS51, of the Shiryaev-Roberts type.

**Evidence of one day.** A row has a statistic x between 0 and 1. In training its mean was m; a
mean of at most p = m + tolerance + error of m is no change. For a rate l between 0 and 1/p, the
product of 1 + l (x - p) over rows has a mean of at most 1 as long as there is no change: rows are
independent, and the mean of all their means is at most p (the inequality of the arithmetic and
geometric means: single rows, or the days of a week, may be above). Such a product is an e-value.
One for each of several rates finds small and large shifts; 1 - x in place of x finds those
downwards.

**Evidence so far.** R = (w + R before) * e, with the e-value of the day, and w between 0 and 1
that depends on the number of rows alone. It adds up the evidence for a change on this day, on the
day before, and so on. As long as there is no change, the mean of R grows by at most 1 a day, and so
does that of M, a weighted mean of R over all statistics, directions and rates.

**Alarms.** M >= c is an alarm, and sets all R to 0. In t days the mean of M grows by at most t in
all, and every alarm takes at least c off it. So the mean number of alarms in t days is at most
t / c, for every t, whatever the statistics have to do with each other.

A statistic that has raised an alarm is held: its R stays 0 until its values look like those in
training. One change is then one alarm, and later changes elsewhere are found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np
from numpy.typing import NDArray

from tabproof.drift.streams import Source, Stream

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Rates, in units of the largest that is allowed.
RATES = (0.02, 0.045, 0.1, 0.22, 0.45, 0.9)
# A day with as many rows counts half as a day on which a change may begin. Days with few rows
# carry no evidence, and would otherwise add up to an alarm by themselves.
HALF_A_DAY = 50
# Evidence that a held statistic is as in training, 20 : 1, before it is free again.
GRIP = log(20)


@dataclass(frozen=True)
class Tolerance:
    """How far a mean may be from that in training before it is a change.

    share : in standard deviations of the statistic. The result is at least `least`, for statistics
    that hardly vary, and at most `most`.
    """

    share: float
    least: float
    most: float

    def of(self, stream: Stream) -> float:
        """Return the tolerance for one statistic, in its own unit."""
        return min(max(self.share * stream.deviation, self.least), self.most)


def log_sum_exp(values: Floats, axis: int | tuple[int, ...]) -> Floats:
    """Return log(sum(exp(values))) without overflow; -inf for nothing but -inf."""
    highest = np.max(values, axis=axis, keepdims=True, initial=-inf)
    highest = np.where(np.isfinite(highest), highest, 0)
    with np.errstate(divide="ignore"):
        found: Floats = np.log(np.exp(values - highest).sum(axis=axis))
    return found + highest.reshape(found.shape)


class EValues:
    """The e-values of several streams, as a linear function of counts.

    Those of one stream are (up, down) times rates, so n_tests = 2 * len(RATES). log_weights :
    (n_streams, n_tests), their exponentials add up to 1; -inf for a test that can find nothing,
    because the mean plus the tolerance is 1 or more.
    """

    def __init__(self, streams: Sequence[Stream], tolerance: Tolerance) -> None:
        self.streams = streams
        self._places: dict[Source, list[int]] = {}
        for place, stream in enumerate(streams):
            self._places.setdefault(stream.source, []).append(place)
        self._logs: dict[Source, Floats] = {}
        self._counted: dict[Source, Floats] = {}
        is_used = np.zeros((len(streams), 2 * len(RATES)), dtype=bool)
        for source, places in self._places.items():
            logs = []
            for place in places:
                stream, slack = streams[place], tolerance.of(streams[place]) + streams[place].error
                up, is_up = _logs(stream.values, stream.mean + slack)
                down, is_down = _logs(1 - stream.values, 1 - stream.mean + slack)
                logs.append(np.concatenate([up, down], axis=1))
                is_used[place] = [is_up] * len(RATES) + [is_down] * len(RATES)
            self._logs[source] = np.stack(logs, axis=1)
            at = np.stack([streams[place].values for place in places], axis=1)
            self._counted[source] = (~np.isnan(at)).astype(np.float64)
        n_used = max(int(is_used.sum()), 1)
        self.log_weights = np.where(is_used, -log(n_used), -inf)

    def evidence(
        self, counts: Mapping[Source, NDArray[np.int64]], shape: tuple[int, ...]
    ) -> tuple[Floats, Floats]:
        """Return logarithms of e-values, and the rows that count.

        Parameters
        ----------
        counts : by source, (*shape, n_bins). A source that is not there has no rows.
        shape : of the units, such as (n_days,).

        Returns
        -------
        log_e : (*shape, n_streams, n_tests).
        n_rows : (*shape, n_streams).
        """
        log_e = np.zeros((*shape, *self.log_weights.shape))
        n_rows = np.zeros((*shape, len(self.streams)))
        for source, places in self._places.items():
            if source in counts:
                rows = counts[source].astype(np.float64)
                log_e[..., places, :] = np.tensordot(rows, self._logs[source], axes=1)
                n_rows[..., places] = rows @ self._counted[source]
        return log_e, n_rows


def _logs(values: Floats, highest: float) -> tuple[Floats, bool]:
    """Return the logarithms of 1 + rate (x - highest) by bin and rate; False if none is allowed."""
    if highest >= 1:
        return np.zeros((len(values), len(RATES))), False
    rates = np.array(RATES) / highest
    logs = np.log1p(rates * (values[:, None] - highest))
    return np.where(np.isnan(values)[:, None], 0, logs), True


@dataclass(frozen=True)
class Step:
    """What one unit of time brought, for each of several independent histories (*shape).

    log_evidence : log M. log_by_stream : (*shape, n_streams), the part of each stream in it.
    carrying : streams that raised an alarm. released : streams whose alarm has ended.
    """

    log_evidence: Floats
    log_by_stream: Floats
    raised: Bools
    carrying: Bools
    released: Bools


class Detector:
    """The evidence so far, of one history or of many at once.

    log_limit : log c. patience : units in a row in which a held stream must look as in training
    before it is free again. shape : of the histories, () for one.
    """

    def __init__(
        self,
        e_values: EValues,
        log_limit: float,
        patience: int = 1,
        shape: tuple[int, ...] = (),
    ) -> None:
        n_streams, n_tests = e_values.log_weights.shape
        self._log_weights, self._log_limit = e_values.log_weights, log_limit
        self._patience = patience
        self._log_r = np.full((*shape, n_streams, n_tests), -inf)
        self._grip = np.zeros((*shape, n_streams))
        self._n_quiet = np.zeros((*shape, n_streams), dtype=np.int64)
        self.held = np.zeros((*shape, n_streams), dtype=bool)

    def step(self, log_e: Floats, n_rows: Floats, log_share: float | Floats = 0.0) -> Step:
        """Take the evidence of one unit in: log_e (*shape, n_streams, n_tests).

        log_share : (*shape,) logarithm of the share of the alarms in t / c that this detector may
        raise by chance, 0 for all of them. It multiplies M, and may become smaller with time.
        """
        with np.errstate(divide="ignore"):
            log_begin = np.log(n_rows / (n_rows + HALF_A_DAY))
        log_r = np.logaddexp(self._log_r, log_begin[..., None]) + log_e
        log_r[self.held] = -inf
        by_stream = log_sum_exp(log_r + self._log_weights, axis=-1)
        by_stream += np.asarray(log_share)[..., None]
        total = log_sum_exp(by_stream, axis=-1)
        raised = total >= self._log_limit
        most = by_stream.max(axis=-1, keepdims=True, initial=-inf)
        carrying = raised[..., None] & ((by_stream >= self._log_limit) | (by_stream == most))
        self._update_grip(log_e, n_rows)
        released = self.held & (self._n_quiet >= self._patience)
        self._grip[carrying], self._n_quiet[carrying] = GRIP, 0
        self.held = (self.held & ~released) | carrying
        log_r[raised] = -inf
        self._log_r = log_r
        return Step(total, by_stream, raised, carrying, released)

    def _update_grip(self, log_e: Floats, n_rows: Floats) -> None:
        """Add the evidence of one unit, in the direction that has more, to that for the change."""
        half = log_e.shape[-1] // 2
        used = np.where(np.isneginf(self._log_weights), -inf, log_e)
        up, down = (log_sum_exp(part, axis=-1) for part in (used[..., :half], used[..., half:]))
        gain = np.maximum(up, down) - log(half)
        self._grip = np.clip(self._grip + gain, -1, GRIP)
        # Units without rows say nothing.
        self._n_quiet = np.where(
            self._grip < 0, self._n_quiet + (n_rows > 0), np.zeros_like(self._n_quiet)
        )
