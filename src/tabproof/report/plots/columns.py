"""Plots of columns: permutation importance, partial dependence, and metrics by group."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tabproof.evaluation_result import Dependence, Estimate, Group
from tabproof.report.format import Texts, ends, shorten
from tabproof.report.plots import theme as th
from tabproof.report.plots.axes import (
    LARGEST,
    LETTER,
    date_axis,
    margined,
    number_axis,
    x_axis,
)
from tabproof.report.plots.material import MAX_CURVES, Material, draw_estimates
from tabproof.text import display_width

ROW = 18.0
MAX_COLUMNS, MAX_CATEGORIES = 20, 7
# The longest bar that shows where rows are, as a share of the panel.
BAR, BAR_ALPHA = 0.16, 0.4
MAX_GROUPS, MAX_GROUP_CELLS = 15, 16
# Of a name on hover.
NAME = 100
NOTHING = Estimate(None)


def draw_importance(material: Material, t: Texts) -> th.Plot | None:
    """Draw how much a metric falls when a column is shuffled, the most important first."""
    known = [each for each in material.evidence.importances if each.drop.value is not None]
    if not known:
        return None
    rows = sorted(known, key=lambda each: -(each.drop.value or 0))[:MAX_COLUMNS]
    drops = [row.drop for row in rows]
    places = np.arange(len(rows))[::-1]
    y_limits = (-0.5, len(rows) - 0.5)
    key = t("common.with_interval") if any(drop.interval for drop in drops) else None
    layers = draw_estimates(drops, places, th.SERIES[0], key)
    layers.append(th.line([0, 0], y_limits, th.RULE, size=1))
    if len(known) > len(rows):
        layers.append(th.note(t("importance.left_out", n=len(known) - len(rows))))
    title = t("importance.x", metric=t.metric(material.evidence.metric))
    names = th.in_ink([shorten(row.column, 24) for row in rows])
    panel = th.Panel(
        layers,
        x_axis(margined([0.0, *ends(drops)]), th.WIDTH / 2, title),
        th.Axis(
            y_limits,
            places.tolist(),
            names,
            has_grid=False,
            values=[
                (place, shorten(row.column, NAME))
                for place, row in zip(places.tolist(), rows, strict=True)
            ],
        ),
        names=(title, ""),
    )
    columns = t("common.comma").join(row.column for row in rows[:3])
    # Below the rows: numbers, and their title.
    height = ROW * len(rows) + 44
    return material.plot(t, "importance", [(height, [panel])], columns=columns)


def draw_dependence(material: Material, t: Texts) -> th.Plot | None:
    """Draw a panel for each column, with the partial dependence of each label."""
    known = [each for each in material.evidence.dependences if len(each.values)]
    if not known:
        return None
    labels = list(dict.fromkeys(each.label for each in known))[:MAX_CURVES]
    columns: dict[str, dict[int, Dependence]] = {}
    for each in known:
        if each.label in labels:
            columns.setdefault(each.column, {})[labels.index(each.label)] = each
    limits = margined([mean for each in known for mean in each.means], 0.12)
    keys = [t("dependence.label", label=shorten(label)) for label in labels]
    panels = [_dependence(drawn, keys, limits, t) for drawn in columns.values()]
    rows = th.facets(panels, 148.0)
    return material.plot(t, "dependence", rows, columns=t("common.comma").join(columns))


def _dependence(
    drawn: dict[int, Dependence], keys: Sequence[str], limits: tuple[float, float], t: Texts
) -> th.Panel:
    """Draw curves over numbers, or dots in a row for each category, and bars of rows."""
    first = next(iter(drawn.values()))
    title, height = th.bold(shorten(first.column)), limits[1] - limits[0]
    shares = np.array(first.shares) / (max(first.shares) or 1)
    layers: list[th.Layer] = []
    bars: list[ArrayLike]
    if first.kind == "date" or not any(isinstance(value, str) for value in first.values):
        values = numbers_of(first)
        for place, each in drawn.items():
            layers.append(th.curve(values, each.means, place, keys[place]))
            if len(values) == 1:
                layers.append(th.dots(values, each.means, place, keys[place]))
        if first.kind == "date":
            x = date_axis(values, th.WIDTH / 3)
        else:
            x = x_axis(margined(values, 0.03), th.WIDTH / 3, has_grid=False)
        half = 0.01 * (x.limits[1] - x.limits[0])
        bars = [values - half, values + half, limits[0], limits[0] + shares * BAR * height]
        y = number_axis(limits, title, 4)
        hover = shorten(first.column, NAME), ""
    else:
        n = len(first.values)
        kept = sorted(sorted(range(n), key=lambda at: -first.shares[at])[:MAX_CATEGORIES])
        names = [shorten(str(first.values[at]), 12) for at in kept]
        if n > len(kept):
            names.append(t("dependence.left_out", n=n - len(kept)))
        n_lines = max(len(names), 3)
        ticks = n_lines - 1 - np.arange(len(names))
        at = ticks[: len(kept)]
        for place, each in drawn.items():
            layers.append(th.dots(np.array(each.means)[kept], at, place, keys[place]))
        high = limits[0] + BAR * 1.5 * height * shares[kept]
        bars = [limits[0], high, at - 0.35, at + 0.35]
        x = x_axis(limits, th.WIDTH / 2 - LETTER * max(map(display_width, names)) - 20)
        called = [shorten(str(first.values[n]), NAME) for n in kept]
        y = th.Axis(
            (-0.5, n_lines - 0.5),
            ticks.tolist(),
            th.in_ink(names),
            title,
            False,
            values=list(zip(at.tolist(), called, strict=True)),
        )
        hover = "", shorten(first.column, NAME)
    layers.append(th.boxes(bars, th.RULE, BAR_ALPHA, t("dependence.bars")))
    return th.Panel(layers, x, y, names=hover)


def numbers_of(drawn: Dependence) -> NDArray[np.float64]:
    """Return where the values are on an axis: dates in seconds since 1970."""
    if drawn.kind == "date":
        moments = np.array(drawn.values, dtype="datetime64[us]").astype(np.int64)
        return np.asarray(moments / 1e6, dtype=np.float64)
    values = np.array(drawn.values, dtype=np.float64)
    return np.asarray(values.clip(-LARGEST, LARGEST))


def draw_slices(material: Material, t: Texts) -> th.Plot | None:
    """Draw a row for each group of each column: a metric, and how often a label is predicted."""
    rows: list[tuple[str, Group, float]] = []
    heads, height, n_left_out = {}, 0.0, 0
    for column in material.evidence.slices:
        if column.groups:
            by_size = sorted(enumerate(column.groups), key=lambda each: -each[1].n_rows)
            kept = [column.groups[n] for n in sorted(n for n, _ in by_size[:MAX_GROUPS])]
            n_left_out += len(column.groups) - len(kept)
            heads[-height - 0.5] = shorten(column.column, MAX_GROUP_CELLS + 4)
            rows += [(column.column, each, -height - 1.5 - n) for n, each in enumerate(kept)]
            height += len(kept) + 1.3
    known = [name for _, group, _ in rows for name in group.metrics if ends([group.metrics[name]])]
    if not known:
        return None
    metric = material.evidence.metric if material.evidence.metric in known else known[0]
    overall, title = material.evidence.metrics.get(metric, NOTHING), t.metric(metric)
    columns = [(title, [group.metrics.get(metric, NOTHING) for _, group, _ in rows], overall)]
    if material.evidence.is_binary and all(len(group.shares) > 1 for _, group, _ in rows):
        title = shorten(t("slices.share", label=material.label(1)), 20)
        columns.append((title, [group.shares[1] for _, group, _ in rows], NOTHING))
    y, limits = np.array([y for _, _, y in rows]), (0.3 - height, 0.0)
    small = np.array([group.is_small for _, group, _ in rows])
    parts = [part for part in (np.flatnonzero(~small), np.flatnonzero(small)) if len(part)]
    names = [shorten(group.name, MAX_GROUP_CELLS) for _, group, _ in rows]
    right = {"hjust": 1, "color": th.MUTED}
    layers = [
        th.text(0, list(heads), list(heads.values()), hjust=0, fontface="bold"),
        th.text(1, list(heads), [t("slices.rows")] * len(heads), **right),
        th.text(1, y, [f"{group.n_rows:,}" for _, group, _ in rows], **right),
    ]
    for part in parts:
        colour = th.MUTED if small[part[0]] else th.INK
        layers.append(th.text(0, y[part], [names[n] for n in part], hjust=0, color=colour))
    # An empty title and label keep the rows at the height of those in the other panels.
    x = th.Axis((0.0, 1.0), [0.5], ["\u00a0"], has_grid=False)
    width = LETTER * (max(map(display_width, names)) + 8)
    width = width / (th.WIDTH - width) * len(columns)
    panels = [th.Panel(layers, x, th.Axis(limits, [], [], "\u00a0"), width)]
    for title, values, of_all in columns:
        layers = []
        for part in parts:
            is_small = small[part[0]]
            colour, dashes = (th.RULE, th.DOTTED) if is_small else (th.SERIES[0], "solid")
            key = t("slices.small" if is_small else "common.with_interval")
            known_values = [values[n] for n in part]
            layers += draw_estimates(known_values, y[part], colour, key, linetype=dashes)
        if of_all.value is not None:
            key, x_all = t("slices.all_rows"), [of_all.value] * 2
            layers.append(th.line(x_all, limits, th.INK, key, size=1.2, linetype=th.DOTTED))
        if n_left_out and len(panels) == 1:
            layers.append(th.note(t("slices.left_out", n=n_left_out)))
        x = x_axis(margined(ends([of_all, *values]) or [0, 1]), th.WIDTH / 4)
        called = [(at, shorten(f"{column}: {group.name}", NAME)) for column, group, at in rows]
        y_axis = th.Axis(limits, [], [], title, values=called)
        panels.append(th.Panel(layers, x, y_axis, names=(title, "")))
    # In words: the lowest and the highest value.
    spread = sorted(
        (value.value, f"{column} {group.name}")
        for (column, group, _), value in zip(rows, columns[0][1], strict=True)
        if value.value is not None and not group.is_small
    )
    words = {"metric": columns[0][0]}
    if spread:
        (low, lowest), (high, highest) = spread[0], spread[-1]
        words |= {"low": f"{low:.3f}", "lowest": lowest, "high": f"{high:.3f}", "highest": highest}
    kind = "" if spread else "_small"
    return material.plot(t, "slices", [(height * ROW + 38, panels)], kind, **words)
