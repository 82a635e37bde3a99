"""An interval as a bar on a line, in hundredths of the line's length."""

from collections.abc import Iterable
from dataclasses import dataclass

from src.evidence import Estimate

Span = tuple[float, float]
SHARE: Span = (0.0, 1.0)
SPANS: dict[str, Span | None] = {"mcc": (-1.0, 1.0), "log_loss": None}
# Where guessing lies, of metrics for which that does not depend on the data.
CHANCE = {"roc_auc": 0.5}


@dataclass(frozen=True)
class Bar:
    """width is None where there is no interval."""

    dot: float
    left: float
    width: float | None


def span_of(metric: str) -> Span | None:
    """Say between which ends a metric lies; None where it has none."""
    return SPANS.get(metric, SHARE)


def common_span(estimates: Iterable[Estimate]) -> Span | None:
    """Find the ends between which all of them lie, with their intervals."""
    ends = [
        end
        for estimate in estimates
        for end in (estimate.value, estimate.low, estimate.high)
        if end is not None
    ]
    return (min(ends), max(ends)) if ends and min(ends) < max(ends) else None


def bar(estimate: Estimate, span: Span | None) -> Bar | None:
    """Place an estimate on a line; None where there is nothing to place."""
    if span is None or estimate.value is None:
        return None
    dot = _place(estimate.value, span)
    if estimate.interval is None:
        return Bar(dot, dot, None)
    left, right = (_place(end, span) for end in estimate.interval)
    return Bar(dot, left, round(right - left, 2))


def _place(value: float, span: Span) -> float:
    low, high = span
    return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 2)
