"""Rows of the page's tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from src.evaluation.language import Texts
from src.evaluation.report.bars import Bar, bar, common_span, span_of
from src.evaluation.report.facts import ReportFacts
from src.evaluation.report.headline import metric_name
from src.evaluation.report.numbers import decimal, n_decimals
from src.evaluation.report.untrusted import in_a_sentence
from src.evidence import LOWER_IS_BETTER, Estimate, Group, Importance, RepeatedScores, Slice

MOST_COLUMNS = 15
# Of groups; evaluation.json has all.
MOST_METRICS, MOST_LABELS = 3, 4


@dataclass(frozen=True)
class MetricRow:
    """A metric, and what it says; error is the standard error of a mean."""

    name: str
    estimate: Estimate
    bar: Bar | None
    meaning: str
    is_lower_better: bool
    error: str = ""


@dataclass(frozen=True)
class ImportanceRow:
    """A column, and the metric's fall without it."""

    column: str
    drop: Estimate
    bar: Bar | None


@dataclass(frozen=True)
class GroupRow:
    """estimates are those of the table's metrics; bar draws the first."""

    name: str
    n_rows: int
    n_by_label: Sequence[int]
    estimates: Sequence[Estimate]
    bar: Bar | None
    shares: Sequence[Estimate]
    is_small: bool


@dataclass(frozen=True)
class SliceTable:
    """labels are those whose shares are shown: of two the positive one."""

    column: str
    labels: Sequence[str]
    metrics: Sequence[str]
    groups: Sequence[GroupRow]
    ratios: Sequence[str]


def metric_rows(metrics: Mapping[str, Estimate], t: Texts) -> list[MetricRow]:
    """Explain each metric beside its number."""
    return [_metric_row(name, estimate, t) for name, estimate in metrics.items()]


def repeated_rows(repeated: RepeatedScores | None, t: Texts) -> list[MetricRow]:
    """Put the standard errors beside the means."""
    if repeated is None:
        return []
    return [
        _metric_row(
            name,
            mean,
            t,
            # One digit more than the mean has: it is smaller than the interval by far.
            error=decimal(repeated.standard_errors.get(name), n_decimals(mean) + 1),
        )
        for name, mean in repeated.metrics.items()
    ]


def _metric_row(name: str, estimate: Estimate, t: Texts, error: str = "") -> MetricRow:
    return MetricRow(
        name=metric_name(name, t),
        estimate=estimate,
        bar=bar(estimate, span_of(name)),
        meaning=t(f"explained.{name}") if f"explained.{name}" in t else "",
        is_lower_better=name in LOWER_IS_BETTER,
        error=error,
    )


def importance_rows(importances: Sequence[Importance]) -> list[ImportanceRow]:
    """Order columns by what they are worth, on one common line."""
    ordered = sorted(importances, key=lambda one: -(one.drop.value or 0.0))[:MOST_COLUMNS]
    span = common_span([Estimate(0.0), *(one.drop for one in ordered)])
    return [ImportanceRow(one.column, one.drop, bar(one.drop, span)) for one in ordered]


def slice_tables(facts: ReportFacts, t: Texts) -> list[SliceTable]:
    """Make a table per column."""
    return [_slice_table(part, facts, t) for part in facts.evidence.slices]


def _slice_table(part: Slice, facts: ReportFacts, t: Texts) -> SliceTable:
    labels = facts.evidence.labels
    codes = [1] if facts.is_binary else list(range(min(len(labels), MOST_LABELS)))
    names = _names_of_metrics(part, facts)
    groups = part.groups
    span = common_span(
        group.metrics[name] for group in groups for name in names[:1] if name in group.metrics
    )
    return SliceTable(
        column=part.column,
        labels=[labels[code] for code in codes],
        metrics=[metric_name(name, t) for name in names],
        groups=[_group_row(group, names, codes, span) for group in groups],
        ratios=[_ratio(labels[code], part.ratios[code], t) for code in codes],
    )


def _names_of_metrics(part: Slice, facts: ReportFacts) -> list[str]:
    first, _ = facts.main
    measured = dict.fromkeys(name for group in part.groups for name in group.metrics)
    preferred = [first, "accuracy", "f1"]
    return [name for name in dict.fromkeys([*preferred, *measured]) if name in measured][
        :MOST_METRICS
    ]


def _group_row(
    group: Group, names: Sequence[str], codes: Sequence[int], span: tuple[float, float] | None
) -> GroupRow:
    estimates = [group.metrics.get(name, Estimate(None)) for name in names]
    return GroupRow(
        name=group.name,
        n_rows=group.n_rows,
        n_by_label=[group.n_by_label[code] for code in codes],
        estimates=estimates,
        bar=bar(estimates[0], span) if estimates else None,
        shares=[group.shares[code] for code in codes],
        is_small=group.is_small,
    )


def _ratio(label: str, ratio: float | None, t: Texts) -> str:
    if ratio is None:
        return t("slices.no_ratio", label=in_a_sentence(label))
    return t("slices.ratio", label=in_a_sentence(label), ratio=decimal(ratio, 2))
