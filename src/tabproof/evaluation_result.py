"""evaluation.json: what was measured of a run's model. Pages and plots are made of it.

Plain data. A number is None if it is not defined; labels, groups and columns are texts. Findings
are worded from the catalogue texts/findings.toml: in English here and in logs; pages word the same
facts in their own language.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tabproof.errors import NewerFormatError
from tabproof.text import format_value

FORMAT = 1

# The choices of evaluation.metrics; evaluation/metrics.py defines them.
METRICS = (
    "roc_auc", "average_precision", "accuracy", "balanced_accuracy", "precision", "recall",
    "specificity", "f1", "mcc", "brier", "log_loss", "ece",
)  # fmt: skip
LOWER_IS_BETTER = frozenset({"brier", "log_loss", "ece"})
OF_TWO_LABELS = frozenset({"specificity"})

CATALOGUE = Path(__file__).parent / "texts" / "findings.toml"
# Columns, or labels, that are named; the total is given too.
N_NAMED = 10


def rank(value: float | None, metric: str) -> tuple[bool, float]:
    """Return a sort key by a metric, or by seconds: the best first, what has no value last."""
    sign = 1 if metric in LOWER_IS_BETTER or metric == "seconds" else -1
    return value is None, sign * (value or 0.0)


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % confidence interval; None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends; None if there is no interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def in_words(self) -> str:
        """Return it for a line of the log."""
        if self.value is None:
            return "not defined"
        between = "" if self.interval is None else "  ({:.4f} … {:.4f})".format(*self.interval)
        return f"{self.value:.4f}{between}"


@dataclass(frozen=True)
class Finding:
    """What a check found: its name, the columns concerned, and the facts.

    message is the English text; pages word the facts in their own language.
    """

    check: str
    message: str
    columns: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def make_finding(check: str, columns: Sequence[str] = (), **facts: Any) -> Finding:
    """Return a finding worded in English. facts : plain JSON values for the places of its text."""
    return Finding(check, finding_text(check, **facts), tuple(columns[:N_NAMED]), facts)


def finding_text(check: str, key: str = "text", **facts: Any) -> str:
    """Return an English text of the catalogue; a mapping is listed as `name (value), …`."""
    words = {
        name: ", ".join(f"{format_value(key)} ({each})" for key, each in value.items())
        if isinstance(value, Mapping)
        else value
        for name, value in facts.items()
    }
    return _catalogue()[check][key]["en"].format(**words)


def summary_of(finding: Finding) -> str:
    """Return the title of a finding and its columns, in lower case, for a list in a sentence."""
    title = _catalogue()[finding.check]["title"]["en"]
    title = title[0].lower() + title[1:]
    if not finding.columns:
        return title
    columns = ", ".join(f"'{format_value(name)}'" for name in finding.columns)
    more = finding.facts.get("n_columns", 0) > len(finding.columns)
    return f"{title} ({columns}{', …' if more else ''})"


def list_named(values: Iterable[tuple[str, str]]) -> str:
    """List columns or labels, each with a figure, in one line that needs no language."""
    words = [f"'{format_value(name)}' ({figure})" for name, figure in values]
    return ", ".join(words[:N_NAMED]) + (", …" if len(words) > N_NAMED else "")


@cache
def _catalogue() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    return tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))


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
    """Held-out rows with one value in a column.

    shares: the share of these rows that is predicted to have each label, in the order of labels.
    is_small: too few rows, or too few of a class, for conclusions.
    """

    name: str
    n_rows: int
    n_by_label: Sequence[int]
    metrics: Mapping[str, Estimate]
    shares: Sequence[Estimate]
    is_small: bool


@dataclass(frozen=True)
class Slice:
    """The groups of a column; ratios: by label the least share over the greatest one."""

    column: str
    groups: Sequence[Group]
    ratios: Sequence[float | None]


@dataclass(frozen=True)
class Importance:
    """How much a metric drops on the hold-out when a column is shuffled.

    The drop is None if it is not defined, or was not computed: of many columns, those that the
    model uses least.
    """

    column: str
    drop: Estimate


@dataclass(frozen=True)
class Dependence:
    """Partial dependence: the mean probability of a label if a column had one value in all rows.

    values: numbers in order, categories, or dates in ISO's form, of which kind is `date`. shares:
    of rows that have (nearly) that value.
    """

    column: str
    label: str
    values: Sequence[float | str]
    means: Sequence[float]
    shares: Sequence[float]
    kind: str = ""


@dataclass(frozen=True)
class Baseline:
    """A simple model on the same rows: its AUC, and its difference from the model's, tested.

    n_rows: training rows that it was fitted on. p_value: two-sided, of the difference alone.
    """

    name: str
    auc: Estimate
    n_rows: int
    difference: Estimate
    p_value: float


@dataclass(frozen=True)
class Finalist:
    """A finalist of the search, fitted on all training rows; no choice was made by this AUC.

    candidate: its number in cv_results.csv, or its place there with search=classic.
    """

    candidate: int
    auc: Estimate


@dataclass(frozen=True)
class LearningPoint:
    """A metric of a model trained on n_rows rows, on those rows and on others."""

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
    """All that was measured. metric: that of importances and of the learning curve."""

    labels: Sequence[str]
    n_train: int
    n_test: int
    # Held-out rows by label.
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
    baselines: Sequence[Baseline] = ()
    finalists: Sequence[Finalist] = ()

    @property
    def is_binary(self) -> bool:
        """Whether there are two labels, of which the second is positive."""
        return len(self.labels) == 2

    def to_json(self) -> bytes:
        """Return the evidence as JSON in the order above."""
        return msgspec.json.format(msgspec.json.encode(_File(FORMAT, self)), indent=2)

    @classmethod
    def from_json(cls, content: bytes) -> "Evidence":
        """Read what to_json returned; raises msgspec.DecodeError or NewerFormatError."""
        found = msgspec.json.decode(content, type=_Format).format
        if found != FORMAT:
            raise NewerFormatError("evaluation.json", found, FORMAT)
        return msgspec.json.decode(content, type=_File).evidence


class _Format(msgspec.Struct):
    format: int


class _File(msgspec.Struct):
    format: int
    evidence: Evidence
