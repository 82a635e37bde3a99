"""Alarms with a promised false-alarm rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tabproof.artifacts.reference import Reference
from tabproof.monitoring.daily import Daily

DetectorName = Literal["day", "week"]


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

    raised : the day whose rows raised it; of weeks their last day. began : the day from which on
    the evidence for it grew most, an estimate of when the change began. ended : the day on which
    the streams were as in training again; None while they are not. streams : those that would
    have raised it alone, most evidence first; at least one.
    """

    raised: date
    began: date
    ended: date | None
    detector: DetectorName
    streams: tuple[StreamFound, ...]


@dataclass(frozen=True)
class DetectorState:
    """The evidence of a detector after each day, or week, that had rows.

    days : the last day of each unit. log_evidence : (n_units,) natural logarithms; an alarm is
    raised at log_limit. streams : as of the last unit, most evidence first; found and n_rows are
    of that unit. held : names of streams of alarms that have not ended.
    """

    name: DetectorName
    days: tuple[date, ...]
    log_evidence: NDArray[np.float64]
    log_limit: float
    streams: tuple[StreamFound, ...]
    held: frozenset[str]


@dataclass(frozen=True)
class Detection:
    """All alarms, by the day they were raised, and the state of both detectors."""

    alarms: tuple[Alarm, ...]
    detectors: tuple[DetectorState, ...]

    @property
    def current(self) -> Sequence[Alarm]:
        """Alarms that have not ended."""
        return [alarm for alarm in self.alarms if alarm.ended is None]


def detect(daily: Daily, reference: Reference, false_alarms_per_year: float = 1.0) -> Detection:
    """Return the alarms that the counts raise, and the state of the detectors on the last day."""
    raise NotImplementedError
