"""Runs as rows of a table, their intervals on one line."""

from collections.abc import Sequence
from dataclasses import dataclass

from src.evaluation.report.bars import Bar, Span, bar, common_span
from src.evaluation.report.numbers import MINUS, NOTHING, decimal, n_decimals
from src.evaluation.side_by_side.facts import Contender, Group
from src.evaluation.side_by_side.naming import columns_of, said
from src.evaluation.side_by_side.standing import Standing
from src.evidence import Estimate

# Decimals of values, which are in order, and of their differences.
LEAST, DECIMALS = 3, 4
LEAST_P = 0.001


@dataclass(frozen=True)
class Row:
    """A run. cells: in the order of the columns; series: the number of its curve, from 0."""

    place: int
    contender: Contender
    cells: Sequence[str | None]
    value: str
    ends: tuple[str, str] | None
    bar: Bar | None
    difference: str
    p_value: str
    verdict: str
    series: int | None


@dataclass(frozen=True)
class Table:
    """columns: keys of choices, None that of all others; ends: of the line of intervals."""

    columns: Sequence[str | None]
    rows: Sequence[Row]
    ends: tuple[str, str] | None


def make_table(group: Group, standings: Sequence[Standing | None], drawn: Sequence[int]) -> Table:
    """Put runs below each other; drawn: places of those that have a curve, in their order."""
    contenders = group.contenders
    own, shared = columns_of([one.choices for one in contenders])
    span = common_span(one.metrics[group.metric] for one in contenders)
    decimals = decimals_of(group)
    rows = [
        Row(
            place=place + 1,
            contender=one,
            cells=_cells(one, own, shared),
            value=decimal(one.metrics[group.metric].value, decimals),
            ends=_ends(one.metrics[group.metric], decimals),
            bar=bar(one.metrics[group.metric], span),
            difference=_signed(standing),
            p_value=_p_value(standing),
            verdict=_verdict(one, standing, is_best=place == 0),
            series=drawn.index(place) if place in drawn else None,
        )
        for place, (one, standing) in enumerate(zip(contenders, standings, strict=True))
    ]
    columns = [*own, None] if shared else own
    return Table(columns, rows, _span_ends(span))


def decimals_of(group: Group) -> int:
    """Give as many decimals to all as one of them deserves."""
    return max(LEAST, *(n_decimals(one.metrics[group.metric]) for one in group.contenders))


def _cells(one: Contender, own: Sequence[str], shared: Sequence[str]) -> list[str | None]:
    cells = [one.choices.get(key) for key in own]
    if shared:
        words = [said(key, one.choices[key]) for key in shared if key in one.choices]
        cells.append(", ".join(words) or None)
    return cells


def _ends(estimate: Estimate, decimals: int) -> tuple[str, str] | None:
    if estimate.interval is None:
        return None
    low, high = estimate.interval
    return decimal(low, decimals), decimal(high, decimals)


def _span_ends(span: Span | None) -> tuple[str, str] | None:
    return None if span is None else (decimal(span[0], LEAST), decimal(span[1], LEAST))


def _signed(standing: Standing | None) -> str:
    if standing is None:
        return NOTHING
    text = decimal(standing.comparison.difference, DECIMALS)
    return text if text.startswith(MINUS) or not text.strip("0.") else f"+{text}"


def _p_value(standing: Standing | None) -> str:
    if standing is None:
        return NOTHING
    return f"< {LEAST_P}" if standing.p_value < LEAST_P else f"{standing.p_value:.2g}"


def _verdict(one: Contender, standing: Standing | None, *, is_best: bool) -> str:
    if is_best:
        return "best"
    if standing is not None:
        return "noise" if standing.is_noise else "more"
    return "other_rows" if one.has_other_rows else "untested"
