"""Plots of columns: permutation importance, partial dependence, and metrics by group."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tabproof.evaluation_result import Dependence, Estimate, Group, Slice
from tabproof.report.format import shorten
from tabproof.report.language import Texts
from tabproof.report.plots.axes import LETTER, margined, number_axis, x_axis
from tabproof.report.plots.material import MAX_CURVES, Material, ends, metric_name
from tabproof.report.plots.theme import (
    DOTTED,
    EMPTY,
    INK,
    MARKERS,
    MUTED,
    RULE,
    SERIES,
    WIDTH,
    Axis,
    Layer,
    Panel,
    Plot,
    bold,
    boxes,
    curve,
    dots,
    in_ink,
    line,
    note,
    segments,
    text,
)
from tabproof.text import display_width

ROW = 18.0
# Below the rows of a panel: numbers, and their title.
FOOT = 44.0
MAX_COLUMNS, MAX_NAME_CELLS = 20, 24
N_DEPENDENCES_BESIDE = 2
DEPENDENCE_HEIGHT = 148.0
MAX_CATEGORIES, MAX_CATEGORY_CELLS = 7, 12
# The longest bar that shows where rows are, as a share of the panel.
BAR, BAR_ALPHA = 0.16, 0.4
MAX_GROUPS, MAX_GROUP_CELLS = 15, 16
NOTHING = Estimate(None)

Limits = tuple[float, float]


def draw_importance(material: Material, texts: Texts) -> Plot | None:
    """Draw how much a metric falls when a column is shuffled, the most important first."""
    known = [each for each in material.evidence.importances if each.drop.value is not None]
    if not known:
        return None
    ranked = sorted(known, key=lambda each: -(each.drop.value or 0))
    rows = ranked[:MAX_COLUMNS]
    drops = [row.drop for row in rows]
    places = np.arange(len(rows))[::-1]
    limits = margined(min(0.0, *ends(drops)), max(0.0, *ends(drops)))
    y_limits = (-0.5, len(rows) - 0.5)
    key = texts("common.with_interval") if any(drop.interval for drop in drops) else None
    layers = _estimates(drops, places, SERIES[0], key)
    layers.append(line([0, 0], y_limits, RULE, size=1))
    if len(ranked) > len(rows):
        layers.append(note(texts("importance.left_out", n=len(ranked) - len(rows))))
    metric = metric_name(material.evidence.metric, texts)
    names = [shorten(row.column, MAX_NAME_CELLS) for row in rows]
    x = x_axis(limits, WIDTH / 2, texts("importance.x", metric=metric))
    panel = Panel(layers, x, Axis(y_limits, places.tolist(), in_ink(names), has_grid=False))
    columns = texts("common.comma").join(row.column for row in rows[:3])
    return Plot(
        texts("importance.title"),
        material.subtitle(texts),
        texts("importance.words", columns=columns),
        [(ROW * len(rows) + FOOT, [panel])],
    )


def _estimates(
    estimates: Sequence[Estimate],
    places: Sequence[float] | np.ndarray,
    colour: str,
    key: str | None = None,
    **style: object,
) -> list[Layer]:
    """Draw a dot for each value, and a line for its interval where it has one."""
    values = [(each.value, y) for each, y in zip(estimates, places, strict=True)]
    known = [(value, y) for value, y in values if value is not None]
    intervals = [(each.interval, y) for each, y in zip(estimates, places, strict=True)]
    wide = [(*interval, y) for interval, y in intervals if interval is not None]
    layers = [dots([value for value, _ in known], [y for _, y in known], colour, key)]
    if wide:
        low, high, y = np.transpose(wide)
        layers.append(segments(low, y, high, y, colour, key, **style))
    return layers


def draw_dependence(material: Material, texts: Texts) -> Plot | None:
    """Draw a panel for each column, with the partial dependence of each label."""
    known = [each for each in material.evidence.dependences if len(each.values)]
    if not known:
        return None
    labels = list(dict.fromkeys(each.label for each in known))[:MAX_CURVES]
    columns: dict[str, list[Dependence]] = {}
    for each in known:
        if each.label in labels:
            columns.setdefault(each.column, []).append(each)
    means = [mean for each in known for mean in each.means]
    limits = margined(min(means), max(means), 0.12)
    keys = {label: texts("dependence.label", label=shorten(label)) for label in labels}
    bars = texts("dependence.bars")
    panels = [
        _categories(column, drawn, keys, bars, limits, texts)
        if any(isinstance(value, str) for value in drawn[0].values)
        else _numbers(column, drawn, keys, bars, limits)
        for column, drawn in columns.items()
    ]
    n = N_DEPENDENCES_BESIDE
    if len(panels) % n:
        panels.append(EMPTY)
    rows = [(DEPENDENCE_HEIGHT, panels[start : start + n]) for start in range(0, len(panels), n)]
    return Plot(
        texts("dependence.title"),
        material.subtitle(texts),
        texts("dependence.words", columns=texts("common.comma").join(columns)),
        rows,
    )


def _numbers(
    column: str, drawn: Sequence[Dependence], keys: dict[str, str], bars: str, limits: Limits
) -> Panel:
    values = np.array(drawn[0].values, dtype=float)
    layers: list[Layer] = []
    for each in drawn:
        place, key = list(keys).index(each.label), keys[each.label]
        layers.append(curve(values, each.means, place, key))
        if len(values) == 1:
            layers.append(dots(values, each.means, SERIES[place], key, shape=MARKERS[place]))
    heights = np.array(drawn[0].shares) / (max(drawn[0].shares) or 1)
    head = limits[0] + heights * BAR * (limits[1] - limits[0])
    x = x_axis(margined(values.min(), values.max(), 0.03), WIDTH / 3, has_grid=False)
    half = 0.01 * (x.limits[1] - x.limits[0])
    layers.append(boxes((values - half, values + half), (limits[0], head), RULE, BAR_ALPHA, bars))
    return Panel(layers, x, number_axis(limits, bold(shorten(column)), 4))


def _categories(
    column: str,
    drawn: Sequence[Dependence],
    keys: dict[str, str],
    bars: str,
    limits: Limits,
    texts: Texts,
) -> Panel:
    first = drawn[0]
    commonest = sorted(range(len(first.values)), key=lambda place: -first.shares[place])
    kept = sorted(commonest[:MAX_CATEGORIES])
    names = [shorten(str(first.values[place]), MAX_CATEGORY_CELLS) for place in kept]
    if len(commonest) > len(kept):
        names.append(texts("dependence.left_out", n=len(commonest) - len(kept)))
    n_lines = max(len(names), 3)
    y = n_lines - 1 - np.arange(n_lines)
    layers: list[Layer] = []
    for each in drawn:
        place, means = list(keys).index(each.label), [each.means[place] for place in kept]
        style = {"shape": MARKERS[place]}
        layers.append(dots(means, y[: len(kept)], SERIES[place], keys[each.label], **style))
    shares = np.array(first.shares)[kept]
    high = limits[0] + BAR * 1.5 * (limits[1] - limits[0]) * shares / (max(first.shares) or 1)
    y_kept = y[: len(kept)]
    layers.append(boxes((limits[0], high), (y_kept - 0.35, y_kept + 0.35), RULE, BAR_ALPHA, bars))
    width = WIDTH / 2 - LETTER * max(map(display_width, names)) - 20
    title = bold(shorten(column))
    y_axis = Axis((-0.5, n_lines - 0.5), y[: len(names)].tolist(), in_ink(names), title, False)
    return Panel(layers, x_axis(limits, width), y_axis)


def draw_slices(material: Material, texts: Texts) -> Plot | None:
    """Draw a row for each group of each column: a metric, and how often a label is predicted."""
    found = [column for column in material.evidence.slices if column.groups]
    drawn = [_commonest(column) for column in found]
    groups = [group for column in drawn for group in column.groups]
    metric = _metric(material.evidence.metric, groups)
    if metric is None:
        return None
    heights, heads, place = [], [], 0.0
    for column in drawn:
        heads.append(-place - 0.5)
        heights += [-place - 1.5 - n for n in range(len(column.groups))]
        place += len(column.groups) + 1.3
    limits = (0.3 - place, 0.0)
    n_left_out = sum(len(column.groups) for column in found) - len(groups)
    name = metric_name(metric, texts)
    overall = material.evidence.metrics.get(metric, NOTHING)
    estimates = [group.metrics.get(metric, NOTHING) for group in groups]
    panels = [
        _group_names(drawn, heads, heights, limits, texts),
        _group_estimates(name, groups, estimates, heights, limits, texts, overall),
    ]
    if n_left_out:
        left_out = note(texts("slices.left_out", n=n_left_out))
        panels[1] = replace(panels[1], layers=[*panels[1].layers, left_out])
    if material.is_binary and all(len(group.shares) > 1 for group in groups):
        title = shorten(texts("slices.share", label=material.label(1)), 20)
        shares = [group.shares[1] for group in groups]
        panels.append(_group_estimates(title, groups, shares, heights, limits, texts))
    names = [shorten(group.name, MAX_GROUP_CELLS) for group in groups]
    width = LETTER * (max(map(display_width, names)) + 8)
    panels[0] = replace(panels[0], width=width / (WIDTH - width) * (len(panels) - 1))
    return Plot(
        texts("slices.title"),
        material.subtitle(texts),
        _slice_words(drawn, metric, texts),
        [(place * ROW + 38, panels)],
    )


def _group_names(
    drawn: Sequence[Slice],
    heads: Sequence[float],
    heights: Sequence[float],
    limits: Limits,
    texts: Texts,
) -> Panel:
    groups = [group for column in drawn for group in column.groups]
    columns = [shorten(column.column, MAX_GROUP_CELLS + 4) for column in drawn]
    layers = [
        text([0] * len(heads), heads, columns, hjust=0, fontface="bold"),
        text([1] * len(heads), heads, [texts("slices.rows")] * len(heads), hjust=1, color=MUTED),
    ]
    for is_small, colour in ((False, INK), (True, MUTED)):
        rows = [(g, y) for g, y in zip(groups, heights, strict=True) if g.is_small is is_small]
        names = [shorten(group.name, MAX_GROUP_CELLS) for group, _ in rows]
        y = [y for _, y in rows]
        layers.append(text([0] * len(y), y, names, hjust=0, color=colour))
        counts = [f"{group.n_rows:,}" for group, _ in rows]
        layers.append(text([1] * len(y), y, counts, hjust=1, color=MUTED))
    # An empty title and label keep the rows at the height of those in the other panels.
    x_axis = Axis((0.0, 1.0), [0.5], ["\u00a0"], has_grid=False)
    return Panel(layers, x_axis, Axis(limits, [], [], "\u00a0"))


def _group_estimates(
    title: str,
    groups: Sequence[Group],
    estimates: Sequence[Estimate],
    heights: Sequence[float],
    limits: Limits,
    texts: Texts,
    overall: Estimate = NOTHING,
) -> Panel:
    layers: list[Layer] = []
    for is_small, colour in ((False, SERIES[0]), (True, RULE)):
        rows = [n for n, group in enumerate(groups) if group.is_small is is_small]
        if rows:
            of_rows = [estimates[n] for n in rows]
            key = texts("slices.small" if is_small else "common.with_interval")
            style = {"linetype": DOTTED} if is_small else {}
            layers += _estimates(of_rows, [heights[n] for n in rows], colour, key, **style)
    if overall.value is not None:
        key = texts("slices.all_rows")
        layers.append(line([overall.value] * 2, limits, INK, key, size=1.2, linetype=DOTTED))
    numbers = ends([overall, *estimates])
    x_limits = margined(min(numbers), max(numbers)) if numbers else (0.0, 1.0)
    return Panel(layers, x_axis(x_limits, WIDTH / 4), Axis(limits, [], [], title))


def _commonest(column: Slice) -> Slice:
    by_size = sorted(range(len(column.groups)), key=lambda place: -column.groups[place].n_rows)
    kept = sorted(by_size[:MAX_GROUPS])
    return replace(column, groups=[column.groups[place] for place in kept])


def _metric(wanted: str, groups: Sequence[Group]) -> str | None:
    """Return the metric of the evidence, or the first that any group has."""
    names = [wanted, *(name for group in groups for name in group.metrics)]
    for name in names:
        if any(group.metrics.get(name, NOTHING).value is not None for group in groups):
            return name
    return None


def _slice_words(drawn: Sequence[Slice], metric: str, texts: Texts) -> str:
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
