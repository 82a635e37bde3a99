"""Alarms with a promised false-alarm rate: what changed, and since when.

Two detectors share the promise. One looks at each day with a wide tolerance: a unit that changed,
a column that is missing. One looks at whole weeks with a narrow one: slow trends and small shifts,
while what differs between the days of a week cancels out. `drift.e_detector` has the method.

A third test, `detect_today`, looks at the day that is not over: at missing cells, unseen categories
and warnings alone, in which the hours of a day hardly differ.

Rows whose label is known have two detectors of their own. A label says something of a row whose
inputs were seen days before, and an alarm about inputs must not decide when the evidence of labels
begins anew: the bound holds for what depends on its own past alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise, repeat
from math import inf, log, nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tabproof.artifacts.reference import Reference
from tabproof.drift.cells import make_cells
from tabproof.drift.daily import Daily
from tabproof.drift.e_detector import Detector, EValues, Tolerance, log_sum_exp
from tabproof.drift.streams import (
    LABELLED,
    Source,
    Stream,
    counts_by_source,
    make_label_streams,
    make_streams,
)
from tabproof.errors import UserError

DetectorName = Literal["today", "day", "week"]


@dataclass(frozen=True)
class Unit:
    """What a detector takes for one unit of time, and what is no change to it.

    patience : units in a row that must be as in training before an alarm has ended. A week of
    days, so that weekends that differ are one alarm.
    """

    name: DetectorName
    n_days: int
    tolerance: Tolerance
    patience: int


# benchmarks/monitoring.py shows what follows from the tolerances.
UNITS = (
    Unit("day", 1, Tolerance(share=0.5, least=0.05, most=0.15), patience=7),
    Unit("week", 7, Tolerance(share=0.1, least=0.01, most=0.03), patience=2),
)
DAYS_PER_YEAR, MAX_PER_YEAR = 365.25, 52
# From the first day with a label on, this share of the false alarms may be of labelled rows.
SHARE_OF_LABELS = 0.5
# This share of the false alarms may be of the day that is not over.
SHARE_OF_TODAY = 0.1
# Units whose evidence is in memory at once.
CHUNK = 32


class FalseAlarmRateError(UserError):
    """A number of false alarms that cannot be promised."""

    template = "{asked} false alarms a year cannot be promised: more than 0, and at most {most}"


@dataclass(frozen=True)
class StreamFound:
    """What was found in one stream: a mean of a statistic between 0 and 1 of each row.

    column : None for answers of the model (probabilities, labels, warnings). measures : what the
    number is, in plain words. reference : in the training rows. found : in the n_rows rows that
    were looked at. log_evidence : natural logarithm of the stream's evidence, to compare streams.
    """

    name: str
    column: str | None
    measures: str
    reference: float
    found: float
    n_rows: int
    log_evidence: float


@dataclass(frozen=True)
class Alarm:
    """A change that was found.

    raised : the day whose rows raised it; of weeks their last day. detector : "today" if that day
    is not over. began : the day from which on the evidence for it grew most, an estimate of when
    the change began. ended : the day on which the streams were as in training again; None while
    they are not. streams : those that would have raised it alone, most evidence first; at least
    one.
    """

    raised: date
    began: date
    ended: date | None
    detector: DetectorName
    streams: tuple[StreamFound, ...]


@dataclass(frozen=True)
class DetectorState:
    """The evidence of a detector after each day, or week, that had rows.

    is_of_labels : whether it looks at rows whose label is known, and at nothing else. days : the
    last day of each unit. log_evidence : (n_units,) natural logarithms; an alarm is raised at
    log_limit. streams : as of the last unit, most evidence first; found and n_rows are
    of that unit. held : names of streams of alarms that have not ended.
    """

    name: DetectorName
    days: tuple[date, ...]
    log_evidence: NDArray[np.float64]
    log_limit: float
    streams: tuple[StreamFound, ...]
    held: frozenset[str]
    is_of_labels: bool = False


@dataclass(frozen=True)
class Detection:
    """All alarms, by the day they were raised, and the state of each detector."""

    alarms: tuple[Alarm, ...]
    detectors: tuple[DetectorState, ...]

    @property
    def current(self) -> Sequence[Alarm]:
        """Alarms that have not ended."""
        return [alarm for alarm in self.alarms if alarm.ended is None]


def detect(
    daily: Daily,
    reference: Reference,
    false_alarms_per_year: float = 1.0,
    held_out: NDArray[np.int64] | None = None,
) -> Detection:
    """Return the alarms that the counts raise, and the state of the detectors at the end.

    Parameters
    ----------
    daily : days that are complete; whole weeks among them, from Monday to Sunday, are looked at by
        the detectors of weeks. The detectors begin on the first day.
    reference : of the run that answered.
    false_alarms_per_year : the promise for this model: SHARE_OF_TODAY of it for the day that is
        not over, half of the rest for days and half for weeks. More than 0, at most 52. From the
        first day with a label on, SHARE_OF_LABELS of both halves is for labelled rows.
    held_out : (n_bins,) held-out rows by cell of true and predicted label, in the cells that
        `make_cells` has for the labels of the reference. Without them labels are not looked at.

    Raises
    ------
    FalseAlarmRateError
        The promise is out of its range.
    ValueError
        The days are not consecutive, or counts do not have the bins of the reference.
    """
    if not 0 < false_alarms_per_year <= MAX_PER_YEAR:
        raise FalseAlarmRateError(false_alarms_per_year, MAX_PER_YEAR)
    n_days = len(daily.days)
    if any(later - day != timedelta(days=1) for day, later in pairwise(daily.days)):
        raise ValueError("the days are not consecutive")
    of_rows, of_labels = make_streams(reference), list[Stream]()
    if held_out is not None:
        of_labels = make_label_streams(make_cells(reference.labels), held_out)
    counts = counts_by_source([*of_rows, *of_labels], daily, tuple(reference.labels))
    for stream in (*of_rows, *of_labels):
        needed = (n_days, len(stream.values))
        if stream.source in counts and counts[stream.source].shape != needed:
            found = counts[stream.source].shape
            raise ValueError(f"{stream.name}: the counts have the shape {found}, not {needed}")
    alarms: list[Alarm] = []
    states: list[DetectorState] = []
    for streams, is_of_labels in ((of_rows, False), (of_labels, True)):
        # Streams that the log does not have take no part, so that the others need less evidence.
        watched = [stream for stream in streams if stream.source in counts]
        if is_of_labels and not watched:
            continue
        for unit in UNITS:
            n_in_unit = unit.n_days
            first = -daily.days[0].weekday() % 7 if n_in_unit == 7 and n_days else 0
            n_units = max(n_days - first, 0) // n_in_unit
            last = first + n_units * n_in_unit
            summed = {
                source: each[first:last].reshape(n_units, n_in_unit, each.shape[1]).sum(axis=1)
                for source, each in counts.items()
            }
            e_values = EValues(watched, unit.tolerance)
            limit = log_limit(n_in_unit, false_alarms_per_year)
            raised, state = _run(
                Detector(e_values, limit, unit.patience),
                e_values,
                unit,
                daily.days[first:last],
                summed,
                limit,
                log_shares(summed.get(LABELLED), n_units, is_of_labels=is_of_labels),
            )
            alarms += raised
            states.append(replace(state, is_of_labels=is_of_labels))
    return Detection(tuple(sorted(alarms, key=lambda alarm: alarm.raised)), tuple(states))


def log_shares(
    labelled: NDArray[np.int64] | None, n_units: int, *, is_of_labels: bool
) -> NDArray[np.float64]:
    """Return the logarithm of a detector's share of the false alarms in each unit.

    labelled : (..., n_units, n_bins) rows with a label; None without any. Until the first unit that
    has one, all of the promise is of the other detectors. The result is (..., n_units).
    """
    if labelled is None:
        return np.zeros(n_units)
    has_begun = np.maximum.accumulate(labelled.sum(axis=-1) > 0, axis=-1)
    share = SHARE_OF_LABELS if is_of_labels else 1 - SHARE_OF_LABELS
    return np.where(has_begun, log(share), 0.0)


def log_limit(n_days: int, false_alarms_per_year: float) -> float:
    """Return log c of a detector whose unit has n_days days.

    Each of the two detectors has half of the false alarms that today's test leaves.
    """
    return log(DAYS_PER_YEAR / n_days * 2 / (1 - SHARE_OF_TODAY) / false_alarms_per_year)


def detect_today(
    daily: Daily,
    reference: Reference,
    false_alarms_per_year: float = 1.0,
    current: Sequence[Alarm] = (),
) -> Alarm | None:
    """Return the alarm that the rows of the last day raise, which is not over.

    Their evidence is the product of their e-values, averaged over statistics, directions and rates.
    On a day without a change it ever reaches c with a probability of at most 1 / c (Ville's
    inequality), however often it is looked at.

    Parameters
    ----------
    daily : as in `detect`; of its days the last one is looked at.
    current : alarms that have not ended; their statistics take no part.
    """
    if not daily.days:
        return None
    held = {stream.name for alarm in current for stream in alarm.streams}
    streams = [
        each for each in make_streams(reference) if each.is_quality and each.name not in held
    ]
    counts = {
        source: each[-1]
        for source, each in counts_by_source(streams, daily, tuple(reference.labels)).items()
    }
    streams = [stream for stream in streams if stream.source in counts]
    if not streams:
        return None
    e_values = EValues(streams, UNITS[0].tolerance)
    log_e, _ = e_values.evidence(counts, ())
    by_stream = log_sum_exp(log_e + e_values.log_weights, axis=-1)
    limit = log(DAYS_PER_YEAR / SHARE_OF_TODAY / false_alarms_per_year)
    if log_sum_exp(by_stream, axis=-1) < limit:
        return None
    carrying = np.flatnonzero((by_stream >= limit) | (by_stream == by_stream.max())).tolist()
    carrying.sort(key=lambda place: -by_stream[place])
    as_days = {source: each[None] for source, each in counts.items()}
    found = tuple(_found(streams[place], as_days, by_stream[place]) for place in carrying)
    return Alarm(daily.days[-1], daily.days[-1], None, "today", found)


def _run(
    detector: Detector,
    e_values: EValues,
    kind: Unit,
    days: Sequence[date],
    counts: Mapping[Source, NDArray[np.int64]],
    limit: float,
    shares: NDArray[np.float64],
) -> tuple[list[Alarm], DetectorState]:
    """Take all units in; days : all days of them. shares : as `log_shares` returns them."""
    begins, ends = days[:: kind.n_days], days[kind.n_days - 1 :: kind.n_days]
    history = np.full(len(ends), -inf)
    alarms: list[Alarm] = []
    # Places of the streams of alarms that have not ended, by the place of the alarm.
    open_alarms: dict[int, list[int]] = {}
    since, by_stream = 0, np.full(len(e_values.streams), -inf)
    for start in range(0, len(ends), CHUNK):
        chunk = {source: each[start : start + CHUNK] for source, each in counts.items()}
        log_e, n_rows = e_values.evidence(chunk, (len(ends[start : start + CHUNK]),))
        for unit, evidence in enumerate(log_e, start):
            step = detector.step(evidence, n_rows[unit - start], shares[unit])
            history[unit], by_stream = step.log_evidence, step.log_by_stream
            for place, carrying in list(open_alarms.items()):
                if not detector.held[carrying].any():
                    alarms[place] = replace(alarms[place], ended=ends[unit])
                    del open_alarms[place]
            if step.raised:
                carrying = np.flatnonzero(step.carrying).tolist()
                carrying.sort(key=lambda place: -by_stream[place])
                open_alarms[len(alarms)] = carrying
                began = _begin(e_values, carrying[0], counts, since, unit + 1)
                looked_at = {source: each[began : unit + 1] for source, each in counts.items()}
                streams = [
                    _found(e_values.streams[place], looked_at, by_stream[place])
                    for place in carrying
                ]
                alarms.append(Alarm(ends[unit], begins[began], None, kind.name, tuple(streams)))
                since = unit + 1
    last = {source: each[-1:] for source, each in counts.items()}
    states = [
        _found(*each) for each in zip(e_values.streams, repeat(last), by_stream, strict=False)
    ]
    states.sort(key=lambda each: -each.log_evidence)
    held = frozenset(
        e_values.streams[place].name for place in np.flatnonzero(detector.held).tolist()
    )
    return alarms, DetectorState(kind.name, tuple(ends), history, limit, tuple(states), held)


def _begin(
    e_values: EValues,
    place: int,
    counts: Mapping[Source, NDArray[np.int64]],
    since: int,
    until: int,
) -> int:
    """Return the unit from which on the evidence of a stream's best test is largest."""
    source = e_values.streams[place].source
    log_e, _ = e_values.evidence({source: counts[source][since:until]}, (until - since,))
    sums = np.cumsum(log_e[::-1, place], axis=0) + e_values.log_weights[place]
    return until - 1 - int(np.unravel_index(np.argmax(sums), sums.shape)[0])


def _found(
    stream: Stream, counts: Mapping[Source, NDArray[np.int64]], log_evidence: float
) -> StreamFound:
    rows = counts[stream.source].sum(axis=0)
    is_counted = ~np.isnan(stream.values)
    n_rows = int(rows[is_counted].sum())
    found = float(rows[is_counted] @ stream.values[is_counted] / n_rows) if n_rows else nan
    return StreamFound(
        stream.name,
        stream.column,
        stream.measures,
        stream.mean,
        found,
        n_rows,
        float(log_evidence),
    )
