"""What a run can show for its model: evaluation.json, which pages and pictures are made of.

Plain data. A number is None where it is not defined; labels, groups and columns are texts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tabproof.errors import NewerFormatError, UserError, listed


class MetricDoesNotFitError(UserError):
    """A metric of two labels for a target with more."""

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        super().__init__(
            f"evaluation.metrics has '{name}', which two labels have; the target has"
            f" {len(labels)}: {listed(labels)}; leave it out or take 'recall', the mean over"
            " all labels"
        )


FORMAT = 1

# What evaluation.metrics may name. src/evaluation/metrics.py says what each is.
METRICS = (
    "roc_auc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "mcc",
    "brier",
    "log_loss",
    "ece",
)
LOWER_IS_BETTER = frozenset({"brier", "log_loss", "ece"})
OF_TWO_LABELS = frozenset({"specificity"})


def check_metrics_fit(names: Sequence[str], labels: Sequence[str]) -> None:
    """Refuse metrics of two labels where the target has more."""
    for name in names:
        if name in OF_TWO_LABELS and len(labels) != 2:
            raise MetricDoesNotFitError(name, labels)


@dataclass(frozen=True)
class Estimate:
    """A number, and where it lies with 95 % confidence; None where that cannot be told."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends; None where they cannot be told."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def in_words(self) -> str:
        """Word it for a line of the log."""
        if self.value is None:
            return "not defined"
        between = "" if self.interval is None else "  ({:.4f} … {:.4f})".format(*self.interval)
        return f"{self.value:.4f}{between}"


@dataclass(frozen=True)
class Finding:
    """What a check found: its name, the columns it is about, numbers and words of it.

    message is in English; facts are what another language says the same with.
    """

    check: str
    message: str
    columns: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """How a probability becomes a label: of two labels the second above the threshold.

    objective: default, max_f1, cost or min_recall. score: what it reached on folds of the
    training rows: F1, cost per row, or precision; None where nothing was chosen. costs has a
    row per true and a column per predicted label. scikit-learn predicts the second label at its
    threshold too: its threshold is the next number after ours.
    """

    objective: str
    threshold: float | None
    score: float | None = None
    costs: Sequence[Sequence[float]] | None = None
    min_recall: float | None = None
    min_precision: float | None = None


@dataclass(frozen=True)
class Group:
    """Rows of the hold-out that have one value in a column.

    shares: of these rows, how many are predicted to have each label, in the order of labels.
    is_small: too few rows, or rows of a class, to judge by.
    """

    name: str
    n_rows: int
    n_by_label: Sequence[int]
    metrics: Mapping[str, Estimate]
    shares: Sequence[Estimate]
    is_small: bool


@dataclass(frozen=True)
class Slice:
    """The groups of a column, and by label the least share over the greatest of those not small."""

    column: str
    groups: Sequence[Group]
    ratios: Sequence[float | None]


@dataclass(frozen=True)
class Importance:
    """How much a metric falls on the hold-out when a column is shuffled."""

    column: str
    drop: Estimate


@dataclass(frozen=True)
class Dependence:
    """The mean probability of a label when a column has a value in all rows.

    values: numbers in order, or categories; shares: how many rows have (nearly) that value.
    """

    column: str
    label: str
    values: Sequence[float | str]
    means: Sequence[float]
    shares: Sequence[float]


@dataclass(frozen=True)
class LearningPoint:
    """A metric for a model that learned from so many rows, on those rows and on others."""

    n_rows: int
    seen: Estimate
    unseen: Estimate


@dataclass(frozen=True)
class RepeatedScores:
    """Repeated cross-validation of the chosen parameters on the training rows.

    The interval is Student's with the corrected standard error of Nadeau and Bengio (2003).
    """

    n_splits: int
    n_repeats: int
    metrics: Mapping[str, Estimate]
    standard_errors: Mapping[str, float]


@dataclass(frozen=True)
class Evidence:
    """All of it. metric: that of importances and of the learning curve, by name."""

    labels: Sequence[str]
    n_train: int
    n_test: int
    # Rows of the hold-out by label.
    n_by_label: Sequence[int]
    metrics: Mapping[str, Estimate]
    calibration: str
    decision: Decision
    findings: Sequence[Finding] = ()
    slices: Sequence[Slice] = ()
    metric: str = "roc_auc"
    importances: Sequence[Importance] = ()
    dependences: Sequence[Dependence] = ()
    learning_curve: Sequence[LearningPoint] = ()
    repeated: RepeatedScores | None = None

    def to_json(self) -> bytes:
        """Write as JSON in the order above."""
        return msgspec.json.format(msgspec.json.encode(_File(FORMAT, self)), indent=2)

    @classmethod
    def from_json(cls, content: bytes) -> "Evidence":
        """Read what to_json wrote; raises msgspec.DecodeError, or NewerFormatError."""
        found = msgspec.json.decode(content, type=_Format).format
        if found != FORMAT:
            raise NewerFormatError("evaluation.json", found, FORMAT)
        return msgspec.json.decode(content, type=_File).evidence


class _Format(msgspec.Struct):
    format: int


class _File(msgspec.Struct):
    format: int
    evidence: Evidence
