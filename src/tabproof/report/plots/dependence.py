"""How the mean probability goes with the value of a column: small pictures side by side."""

from collections.abc import Sequence
from math import ceil

import numpy as np

from tabproof.evaluation_result import Dependence
from tabproof.report.language import Texts
from tabproof.report.plots.lettering import fitted, shown, width_of
from tabproof.report.plots.material import MAX_CURVES, Material, listed
from tabproof.report.plots.palette import INK, MARKERS, RULE
from tabproof.report.plots.panel import Panel
from tabproof.report.plots.sheet import MARGIN, SINK, SIZE, WIDTH, Key, Sheet, series_style
from tabproof.report.plots.ticks import margined, round_ticks, tick_labels, ticks_below

N_COLUMNS = 2
CELL_WIDTH = (WIDTH - 2 * MARGIN) / N_COLUMNS
HEIGHT = 104.0
# Above a panel its column; below it, numbers.
HEAD, FOOT = 18.0, 24.0
# Beside it, numbers at the left and room before the next.
LEFT, RIGHT = 30.0, 12.0
MAX_CATEGORIES, NAME_WIDTH = 7, 68.0
# How long the bars are, as a share of the panel, that show where rows are.
BARS = 0.16

Limits = tuple[float, float]


def draw_dependence(material: Material, texts: Texts) -> Sheet | None:
    """Draw a panel for each column, with a line for each label."""
    known = [found for found in material.evidence.dependences if len(found.values)]
    if not known:
        return None
    labels = list(dict.fromkeys(found.label for found in known))[:MAX_CURVES]
    by_column: dict[str, list[Dependence]] = {}
    for found in known:
        if found.label in labels:
            by_column.setdefault(found.column, []).append(found)
    n_rows = ceil(len(by_column) / N_COLUMNS)
    sheet = Sheet(
        texts("dependence.title"),
        material.subtitle(texts),
        height=n_rows * (HEAD + HEIGHT + FOOT),
        words=texts("dependence.words", columns=listed(list(by_column), texts)),
        keys=_keys(labels, texts),
    )
    means = [mean for found in known for mean in found.means]
    limits = margined(min(means), max(means), 0.12)
    for place, (column, drawn) in enumerate(by_column.items()):
        row, number = divmod(place, N_COLUMNS)
        left = MARGIN + CELL_WIDTH * number
        bottom = (n_rows - 1 - row) * (HEAD + HEIGHT + FOOT) + FOOT
        head = fitted(column, CELL_WIDTH - 20, SIZE)
        sheet.write(left, bottom + HEIGHT + 8, head, weight="bold", colour=INK)
        if any(isinstance(value, str) for value in drawn[0].values):
            _draw_categories(sheet, (left, bottom), drawn, labels, limits, texts)
        else:
            _draw_numbers(sheet, (left, bottom), drawn, labels, limits)
    return sheet


def _keys(labels: Sequence[str], texts: Texts) -> list[Key]:
    keys = [
        Key(texts("dependence.label", label=shown(label)), marker=marker, **series_style(place))
        for place, (label, marker) in enumerate(zip(labels, MARKERS, strict=False))
    ]
    return [*keys, Key(texts("dependence.bars"), RULE, is_area=True)]


def _draw_numbers(
    sheet: Sheet,
    corner: tuple[float, float],
    drawn: Sequence[Dependence],
    labels: Sequence[str],
    limits: Limits,
) -> None:
    values = np.array(drawn[0].values, dtype=float)
    panel = Panel(
        sheet,
        left=corner[0] + LEFT,
        bottom=corner[1],
        width=CELL_WIDTH - LEFT - RIGHT,
        height=HEIGHT,
        x=margined(float(values.min()), float(values.max()), 0.03),
        y=limits,
    )
    ticks = round_ticks(*limits, n_most=4)
    panel.y_ticks(ticks, tick_labels(ticks))
    panel.x_ticks(*ticks_below(panel), grid=False)
    shares = np.array(drawn[0].shares) / (max(drawn[0].shares) or 1)
    feet = np.full(len(values), limits[0])
    heads = feet + shares * BARS * (limits[1] - limits[0])
    x, y = np.column_stack([values, values]), np.column_stack([feet, heads])
    panel.whiskers(x, y, colour=RULE, linewidth=3, alpha=0.5)
    for found in drawn:
        number = labels.index(found.label)
        if len(values) == 1:
            colour = series_style(number)["colour"]
            panel.dots(found.values, found.means, colour=colour, marker=MARKERS[number])
        panel.line(found.values, found.means, **series_style(number))


def _draw_categories(
    sheet: Sheet,
    corner: tuple[float, float],
    drawn: Sequence[Dependence],
    labels: Sequence[str],
    limits: Limits,
    texts: Texts,
) -> None:
    first = drawn[0]
    commonest = sorted(range(len(first.values)), key=lambda place: -first.shares[place])
    kept = sorted(commonest[:MAX_CATEGORIES])
    n_left_out = len(commonest) - len(kept)
    names = [fitted(str(first.values[place]), NAME_WIDTH, SIZE) for place in kept]
    left = max(width_of(name, SIZE) for name in names) + 6
    n_lines = max(len(names) + bool(n_left_out), 3)
    panel = Panel(
        sheet,
        left=corner[0] + left,
        bottom=corner[1],
        width=CELL_WIDTH - left - RIGHT,
        height=HEIGHT,
        x=limits,
        y=(n_lines - 0.5, -0.5),
    )
    longest = BARS * 1.5 * (limits[1] - limits[0]) / (max(first.shares) or 1)
    for line, (place, name) in enumerate(zip(kept, names, strict=True)):
        foot = panel.y_at(line) - SINK * SIZE
        sheet.write(panel.left - 5, foot, name, align="right", colour=INK)
        start, end = limits[0], limits[0] + longest * first.shares[place]
        bar = [[start, line - 0.35], [end, line - 0.35], [end, line + 0.35], [start, line + 0.35]]
        panel.polygon(bar, colour=RULE, alpha=0.3)
    if n_left_out:
        foot = panel.y_at(len(kept)) - SINK * SIZE
        sheet.write(corner[0], foot, texts("dependence.left_out", n=n_left_out))
    panel.x_ticks(*ticks_below(panel))
    for found in drawn:
        number = labels.index(found.label)
        means = [found.means[place] for place in kept]
        colour = series_style(number)["colour"]
        panel.dots(means, range(len(kept)), colour=colour, marker=MARKERS[number])
