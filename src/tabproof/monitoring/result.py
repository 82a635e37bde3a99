"""What a check of the log found. The terminal, --json, --prometheus and the page show this.

Plain data, made of texts, numbers and tuples of them. A figure that cannot be given is None, and
`left_out` has the reason. Days are UTC, in ISO's form, and so are times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tabproof.evaluation_result import Estimate, Slice

FORMAT = 1
# How the names of statistics of labelled rows begin.
OF_LABELS = ("accuracy", "true ", "precision ", "recall ")

# Exit codes, and what they mean.
FINE, ALARM, CANNOT_TELL = 0, 1, 2
# With fewer rows nothing is compared.
MIN_ROWS = 30


@dataclass(frozen=True)
class LeftOut:
    """A figure that cannot be given, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Period:
    """The calendar days that are looked at, both ends included."""

    first: str
    last: str


@dataclass(frozen=True)
class Traffic:
    """Answered rows of one day, or of one hour. at : 2026-11-30, or 2026-11-30T23.

    n_requests : requests whose first row is logged.
    """

    at: str
    n_rows: int
    n_requests: int
    n_with_warnings: int


@dataclass(frozen=True)
class Distribution:
    """Rows by bin, in the period and in the reference, and the distance of both.

    name : of a column, of a label (its probability), or empty (the predicted labels). kind :
    number, date, category, text (bins of lengths), probability or label. bins : a text for each.
    Of columns the last bin is of missing cells; of categories the one before of all others.
    psi : population stability index, the sum of (p - q) log(p / q) over bins, with half a row added
    to each bin, so that it is finite. chance : what the index stays below in 95 of 100 periods in
    which nothing has changed. total_variation : half the sum of |p - q|, from 0 to 1: the share of
    rows that would have to change. All three are None where there are too few rows.
    """

    name: str
    kind: str
    bins: Sequence[str]
    reference: Sequence[int]
    period: Sequence[int]
    psi: float | None = None
    chance: float | None = None
    total_variation: float | None = None

    @property
    def n_rows(self) -> int:
        """Rows of the period."""
        return sum(self.period)

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the index is above what chance explains."""
        return self.psi is not None and self.chance is not None and self.psi > self.chance


@dataclass(frozen=True)
class ColumnQuality:
    """Shares of the period's rows with a problem in a column.

    missing : cells without a value, unseen categories not among them. reference_missing : the share
    in the training rows; None without a reference. unseen, out_of_range : as the service warned.
    """

    name: str
    n_rows: int
    missing: float
    unseen: float
    out_of_range: float
    reference_missing: float | None = None


@dataclass(frozen=True)
class Change:
    """What changed in one stream: a mean over rows of a statistic between 0 and 1.

    column : None for answers of the model and labels. measures : what the number is, in plain
    words. before : in the training rows, or the held-out ones. now : in the n_rows rows that were
    looked at. message : what changed from which value to which, in one line.
    """

    name: str
    column: str | None
    measures: str
    before: float
    now: float
    n_rows: int
    message: str

    @property
    def is_of_labels(self) -> bool:
        """Whether it is of rows whose label is known."""
        return self.column is None and self.name.startswith(OF_LABELS)

    @property
    def subject(self) -> str | None:
        """What it is about: a column, a statistic of labelled rows, or None for the answers."""
        return self.name if self.is_of_labels else self.column


@dataclass(frozen=True)
class Alarm:
    """A change that is larger than the promised rate of false alarms allows for.

    raised : the day whose rows raised it. began : an estimate of the day of the change. ended : the
    day on which all was as before again; None while it is not. detector : `today` finds missing
    and unusual cells before the day is over, `day` gross errors, `week` small changes. changes :
    the clearest first. message : those of the first few columns in one line.
    """

    raised: str
    began: str
    ended: str | None
    detector: str
    changes: Sequence[Change]
    message: str


@dataclass(frozen=True)
class JointTest:
    """Whether a classifier can distinguish the run's first logged rows from the newest ones.

    auc : of predictions for rows it was not fitted on; 0.5 where it cannot, that is where all
    columns together are as they were. One row of each request. columns : what it was shown.
    """

    auc: Estimate
    n_first: int
    n_newest: int
    first_until: str
    newest_from: str
    columns: Sequence[str]


@dataclass(frozen=True)
class Expected:
    """Expected metrics, without labels: those that calibrated probabilities imply.

    metrics : accuracy, roc_auc and log_loss that the probabilities of the period imply. holdout :
    the same, implied by the probabilities of the held-out rows. measured : measured on those.
    """

    metrics: Mapping[str, float | None]
    holdout: Mapping[str, float | None] = field(default_factory=dict)
    measured: Mapping[str, Estimate] = field(default_factory=dict)
    calibration: str = ""


@dataclass(frozen=True)
class WeekPerformance:
    """Metrics of the labelled rows of one week. week : its Monday."""

    week: str
    n_rows: int
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True)
class Performance:
    """Metrics of the answers whose true label is known.

    n_labelled, n_unlabelled : rows of the period. n_measured : rows that the metrics are of: all
    that are labelled, or as many as fit in memory, drawn by a hash of the request. n_contradictory
    : rows with labels that differ, of which the last received counts. n_unknown_labels : rows whose
    label the run does not know. metrics : roc_auc, accuracy, log_loss, brier, ece, and cost (per
    row) where the run has costs. measured : the same on the held-out rows, where known.
    """

    n_labelled: int
    n_unlabelled: int
    n_measured: int
    n_contradictory: int
    n_unknown_labels: int
    metrics: Mapping[str, Estimate]
    measured: Mapping[str, Estimate]
    weeks: Sequence[WeekPerformance] = ()
    slices: Sequence[Slice] = ()


@dataclass(frozen=True)
class PairedTest:
    """A metric of a challenger and of the champion on the same rows, and the p-value."""

    metric: str
    test: str
    challenger: float
    champion: float
    p_value: float


@dataclass(frozen=True)
class ChallengeWeek:
    """Metrics of both on the same labelled rows of one week. week : its Monday."""

    week: str
    n_rows: int
    challenger: Mapping[str, Estimate]
    champion: Mapping[str, Estimate]


@dataclass(frozen=True)
class Challenge:
    """A challenger, on rows that the champion answered too.

    run_id, champion : run ids. n_rows : compared. agreement : share with the same label.
    mean_difference : mean absolute difference of the positive probability (the largest over
    labels where there are more than two). n_labelled : rows with a label, which `tests` and
    `weeks` are of.
    """

    run_id: str
    champion: str
    n_rows: int
    agreement: Estimate
    mean_difference: float | None = None
    n_labelled: int = 0
    tests: Sequence[PairedTest] = ()
    left_out: Sequence[LeftOut] = ()
    weeks: Sequence[ChallengeWeek] = ()


@dataclass(frozen=True)
class RunCheck:
    """One run of a model: what it answered in the period, against its own reference.

    path : of the run, None where it is gone. n_canary : rows that it answered as a canary. first,
    last : times of its first and newest row in the period. alarms : those that have not ended.
    past_alarms : those that ended within the period. days_watched : calendar days of the log that
    alarms are of. is_judged : whether the rows were compared with a reference.
    """

    run_id: str
    path: str | None
    n_rows: int
    n_requests: int
    n_canary: int
    first: str
    last: str
    quality: Sequence[ColumnQuality] = ()
    inputs: Sequence[Distribution] = ()
    outputs: Sequence[Distribution] = ()
    alarms: Sequence[Alarm] = ()
    past_alarms: Sequence[Alarm] = ()
    days_watched: int = 0
    joint: JointTest | None = None
    expected: Expected | None = None
    performance: Performance | None = None
    is_judged: bool = False
    left_out: Sequence[LeftOut] = ()


@dataclass(frozen=True)
class ModelCheck:
    """One model of the log. n_future : rows dated after now, left out: a clock was wrong."""

    model: str
    n_rows: int
    n_requests: int
    n_with_warnings: int
    n_future: int
    days: Sequence[Traffic] = ()
    hours: Sequence[Traffic] = ()
    runs: Sequence[RunCheck] = ()
    challengers: Sequence[Challenge] = ()
    notes: Sequence[str] = ()

    @property
    def alarms(self) -> Sequence[Alarm]:
        """Those of all its runs."""
        return [alarm for run in self.runs for alarm in run.alarms]

    @property
    def exit_code(self) -> int:
        """0 fine, 1 an alarm, 2 cannot tell."""
        if self.alarms:
            return ALARM
        # A run of few rows does not change the verdict on the others.
        judged = [run.is_judged for run in self.runs if run.n_rows >= MIN_ROWS]
        return FINE if judged and all(judged) else CANNOT_TELL


@dataclass(frozen=True)
class Check:
    """A check of a log. made : when. false_alarms : promised for a year and model.

    unreadable : files that are no whole Parquet files, n_unreadable of them. notes : what concerns
    the whole log.
    """

    log: str
    made: str
    period: Period
    false_alarms: float
    models: Sequence[ModelCheck]
    n_files: int = 0
    n_unreadable: int = 0
    unreadable: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def exit_code(self) -> int:
        """0 fine, 1 an alarm, 2 cannot tell."""
        codes = {model.exit_code for model in self.models} or {CANNOT_TELL}
        return next(code for code in (ALARM, CANNOT_TELL, FINE) if code in codes)

    def to_builtins(self) -> dict[str, Any]:
        """Return it as plain data for JSON; `exit_code` of each model is added."""
        content = {"format": FORMAT, "exit_code": self.exit_code, **asdict(self)}
        for model, found in zip(content["models"], self.models, strict=True):
            model["exit_code"] = found.exit_code
        return content
