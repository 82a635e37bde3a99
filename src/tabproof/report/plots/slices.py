"""The groups of columns: a metric of each, and how often the positive label is predicted."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tabproof.evaluation_result import Estimate, Group, Slice
from tabproof.report.language import Texts
from tabproof.report.plots.lettering import fitted, width_of
from tabproof.report.plots.material import Material, metric_name
from tabproof.report.plots.palette import INK, MUTED, RULE, SERIES
from tabproof.report.plots.panel import Panel
from tabproof.report.plots.sheet import MARGIN, SINK, SIZE, WIDTH, Key, Sheet
from tabproof.report.plots.ticks import margined, ticks_below

MAX_GROUPS = 15
ROW, FOOT, COLUMN_HEAD, TOP = 17.0, 20.0, 24.0, 20.0
NAME_WIDTH = 100.0
GAP = 14.0
NOTHING = Estimate(None)


class Row(NamedTuple):
    """A group and the height at which its middle stands."""

    group: Group
    middle: float


class Shown(NamedTuple):
    """What a panel shows: its title, the number for all rows, and one for each group."""

    title: str
    overall: Estimate
    of_groups: list[Estimate]


def draw_slices(material: Material, texts: Texts) -> Sheet | None:
    """Draw a row for each group; those that are too small to judge by are grey."""
    found = [column for column in material.evidence.slices if column.groups]
    drawn = [_commonest(column) for column in found]
    groups = [group for column in drawn for group in column.groups]
    metric = _metric(material.evidence.metric, groups)
    if metric is None:
        return None
    keys = [Key(texts("common.with_interval"), SERIES[0], marker="o")]
    if any(group.is_small for group in groups):
        keys.append(Key(texts("slices.small"), RULE, (0, (2, 1.5)), marker="o"))
    keys.append(Key(texts("slices.all_rows"), INK, (0, (1.5, 2))))
    n_left_out = sum(len(column.groups) for column in found) - len(groups)
    if n_left_out:
        keys.append(Key(texts("slices.left_out", n=n_left_out)))
    top = ROW * len(groups) + COLUMN_HEAD * len(drawn) + FOOT
    words = _words(drawn, metric, texts)
    sheet = Sheet(
        texts("slices.title"), material.subtitle(texts), height=top + TOP, words=words, keys=keys
    )
    left = _left(groups, texts)
    sheet.write(left - 8, top + 6, texts("slices.rows"), align="right")
    rows = _write_names(sheet, drawn, left, top)
    panels = _panels(material, metric, groups, texts)
    width = (WIDTH - left - 2 * MARGIN - GAP * (len(panels) - 1)) / len(panels)
    for number, shown_there in enumerate(panels):
        _draw_panel(sheet, left + number * (width + GAP), width, top, rows, shown_there)
    return sheet


def _commonest(column: Slice) -> Slice:
    by_size = sorted(range(len(column.groups)), key=lambda place: -column.groups[place].n_rows)
    kept = sorted(by_size[:MAX_GROUPS])
    return replace(column, groups=[column.groups[place] for place in kept])


def _metric(wanted: str, groups: Sequence[Group]) -> str | None:
    """Choose what is drawn: the metric of the evidence, or the first that groups have."""
    names = [wanted, *(name for group in groups for name in group.metrics)]
    for name in names:
        if any(group.metrics.get(name, NOTHING).value is not None for group in groups):
            return name
    return None


def _words(drawn: Sequence[Slice], metric: str, texts: Texts) -> str:
    values = [
        (value, f"{column.column} {group.name}")
        for column in drawn
        for group in column.groups
        if (value := group.metrics.get(metric, NOTHING).value) is not None and not group.is_small
    ]
    name = metric_name(metric, texts)
    if not values:
        return texts("slices.words_small", metric=name)
    (low, lowest), (high, highest) = min(values), max(values)
    ends = {"low": f"{low:.3f}", "lowest": lowest, "high": f"{high:.3f}", "highest": highest}
    return texts("slices.words", metric=name, **ends)


def _left(groups: Sequence[Group], texts: Texts) -> float:
    names = [fitted(group.name, NAME_WIDTH, SIZE) for group in groups]
    counts = [texts("slices.rows"), *(f"{group.n_rows:,}" for group in groups)]
    widths = [max(width_of(text, SIZE) for text in column) for column in (names, counts)]
    return MARGIN + sum(widths) + 18


def _write_names(sheet: Sheet, drawn: Sequence[Slice], left: float, top: float) -> list[Row]:
    rows = []
    for column in drawn:
        sheet.write(MARGIN, top - 16, fitted(column.column, 160, SIZE), weight="bold", colour=INK)
        top -= COLUMN_HEAD
        for group in column.groups:
            top -= ROW
            rows.append(Row(group, top + ROW / 2))
            foot = top + ROW / 2 - SINK * SIZE
            colour = MUTED if group.is_small else INK
            sheet.write(MARGIN, foot, fitted(group.name, NAME_WIDTH, SIZE), colour=colour)
            sheet.write(left - 8, foot, f"{group.n_rows:,}", align="right")
    return rows


def _panels(material: Material, metric: str, groups: Sequence[Group], texts: Texts) -> list[Shown]:
    overall = material.evidence.metrics.get(metric, NOTHING)
    values = [group.metrics.get(metric, NOTHING) for group in groups]
    panels = [Shown(metric_name(metric, texts), overall, values)]
    if material.is_binary and all(len(group.shares) > 1 for group in groups):
        title = texts("slices.share", label=material.label(1))
        panels.append(Shown(title, NOTHING, [group.shares[1] for group in groups]))
    return panels


def _draw_panel(
    sheet: Sheet, left: float, width: float, top: float, rows: Sequence[Row], drawn: Shown
) -> None:
    limits = _limits([drawn.overall, *drawn.of_groups])
    y = (FOOT, top)
    panel = Panel(sheet, left=left, bottom=FOOT, width=width, height=top - FOOT, x=limits, y=y)
    panel.x_ticks(*ticks_below(panel))
    sheet.write(left, top + 6, fitted(drawn.title, width + MARGIN, SIZE), colour=INK)
    if drawn.overall.value is not None:
        dashes = (0, (1.5, 2))
        panel.line([drawn.overall.value] * 2, y, colour=INK, dashes=dashes, linewidth=1.2)
    for row, estimate in zip(rows, drawn.of_groups, strict=True):
        if estimate.value is None:
            continue
        colour = RULE if row.group.is_small else SERIES[0]
        if estimate.interval is not None:
            style = {"dashes": (0, (2, 1.5))} if row.group.is_small else {}
            panel.whiskers([estimate.interval], [[row.middle, row.middle]], colour=colour, **style)
        panel.dots([estimate.value], [row.middle], colour=colour)


def _limits(estimates: Sequence[Estimate]) -> tuple[float, float]:
    ends = [
        end
        for estimate in estimates
        for end in (estimate.value, estimate.low, estimate.high)
        if end is not None
    ]
    return margined(min(ends), max(ends)) if ends else (0.0, 1.0)
