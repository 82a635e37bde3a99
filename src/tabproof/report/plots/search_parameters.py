"""How the parameters of candidates went with their scores: a small panel for each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from tabproof.report.language import Texts
from tabproof.report.plots.axis import Axis, make_axis
from tabproof.report.plots.lettering import shown, width_of
from tabproof.report.plots.palette import INK, MARKERS, RULE, SERIES
from tabproof.report.plots.panel import Panel
from tabproof.report.plots.sheet import MARGIN, SIZE, WIDTH, Sheet
from tabproof.report.plots.ticks import round_ticks, tick_labels, with_room
from tabproof.report.search_table import SearchTable

Floats = NDArray[np.float64]

MAX_PANELS, N_COLUMNS = 6, 2
HEIGHT, HEAD, FOOT, CAPTION = 84.0, 22.0, 26.0, 20.0
LEFT = 40.0
# What leaning labels need below a panel.
LEANING = 34.0
GAP = 12.0
PANEL_WIDTH = (WIDTH - LEFT - 2 * MARGIN - GAP) / N_COLUMNS
MAX_MEDIANS, MIN_MEDIAN = 8, 3
N_BINS = 5
# Dots nearer to each other than this look like one, in points.
DOT = 3.5


def height_of(table: SearchTable) -> float:
    """Give what the panels need, in points."""
    rows = _rows(table)
    return CAPTION + sum(_row_height(table, row) for row in rows) if rows else 0.0


def limits_of(scores: Floats, always: Floats | None = None) -> tuple[float, float]:
    """Leave out what lies far below all else: little could be seen of the best."""
    finite = scores[np.isfinite(scores)]
    if not len(finite):
        return 0.0, 1.0
    high, quarter = finite.max(), np.quantile(finite, 0.25)
    low = finite[finite >= quarter - 2 * (high - quarter)].min()
    if always is not None:
        low = min(low, always[np.isfinite(always)].min(initial=high))
    margin = (high - low) * 0.07 or max(abs(high) * 0.01, 1e-6)
    return float(low - margin), float(high + margin)


def draw_parameters(
    sheet: Sheet, table: SearchTable, named: Sequence[int], texts: Texts, metric: str
) -> None:
    """Draw the most telling parameters at the foot of a sheet."""
    rows = _rows(table)
    if not rows:
        return
    scores = table.scores[:, table.broad_rung]
    limits = limits_of(scores, scores[[table.winner]] if table.winner is not None else None)
    n_left_out = len(table.varied) - sum(map(len, rows))
    n_below = int((scores < limits[0]).sum())
    words = [texts("search.parameters", rung=table.rungs[table.broad_rung].number, metric=metric)]
    words += [texts("search.not_drawn", n=n_left_out)] * bool(n_left_out)
    words += [texts("search.below", n=n_below)] * bool(n_below)
    top = height_of(table)
    sheet.write(MARGIN, top - 18, texts("common.comma").join(words))
    bottom = top - CAPTION
    for row in rows:
        foot = bottom - HEAD - HEIGHT
        bottom -= _row_height(table, row)
        for column, name in enumerate(row):
            _draw_parameter(sheet, table, named, name, (column, foot), limits)


def _draw_parameter(
    sheet: Sheet,
    table: SearchTable,
    named: Sequence[int],
    name: str,
    place: tuple[int, float],
    limits: tuple[float, float],
) -> None:
    column, foot = place
    having, axis = _axis_of(table, name)
    first, last = axis.positions.min(), axis.positions.max()
    margin = 0.5 if axis.of_words else 0.07 * (last - first)
    panel = Panel(
        sheet,
        left=LEFT + column * (PANEL_WIDTH + GAP),
        bottom=foot,
        width=PANEL_WIDTH,
        height=HEIGHT,
        x=(first - margin, last + margin),
        y=limits,
    )
    ticks = round_ticks(*limits, n_most=4)
    panel.y_ticks(ticks, tick_labels(ticks) if column == 0 else [""] * len(ticks))
    sheet.write(panel.left, foot + HEIGHT + 6, shown(table.names[name], 25), colour=INK)
    _write_ticks(panel, axis)
    _draw_dots(panel, table, named, having, axis)


def _draw_dots(
    panel: Panel, table: SearchTable, named: Sequence[int], having: NDArray[np.intp], axis: Axis
) -> None:
    y = table.scores[having, table.broad_rung]
    x = axis.positions.copy()
    if axis.of_words:
        # The same seed always: the same numbers give the same bytes.
        x += np.random.default_rng(0).uniform(-0.2, 0.2, len(x))
    drawn = np.isfinite(y) & (y >= panel.y_limits[0])
    places = np.column_stack([x, y])[drawn]
    scale = np.array([panel.width, panel.height]) / np.ptp([panel.x_limits, panel.y_limits], axis=1)
    once = np.unique(np.round(places * scale / DOT), axis=0, return_index=True)[1]
    dots = places[np.sort(once)]
    # Lines without length, with round ends: a tenth of the bytes that marks take.
    style = {"linewidth": 3.6, "solid_capstyle": "round", "alpha": 0.7, "is_clipped": True}
    ends = np.array([-1e-3, 1e-3]) / scale[0]
    panel.whiskers(dots[:, :1] + ends, dots[:, 1:] + 0 * ends, colour=RULE, **style)
    _draw_medians(panel, axis, y)
    for number, candidate in reversed(list(enumerate(named))):
        if candidate in having:
            place = int(np.flatnonzero(having == candidate)[0])
            size = 9 if candidate == table.winner else 6
            panel.dots(
                [x[place]],
                [y[place]],
                colour=SERIES[number],
                marker=MARKERS[number],
                markersize=size,
                is_clipped=True,
            )


def _draw_medians(panel: Panel, axis: Axis, scores: Floats) -> None:
    places = np.unique(axis.positions)
    if len(places) > MAX_MEDIANS:
        return
    width = 0.3 if axis.of_words else 0.04 * np.ptp(places)
    for place in places:
        of_value = scores[(axis.positions == place) & np.isfinite(scores)]
        if len(of_value) >= MIN_MEDIAN:
            median = np.median(of_value)
            ends = [[place - width, place + width]]
            panel.whiskers(ends, [[median, median]], colour=INK, is_clipped=True)


def _leans(axis: Axis) -> bool:
    widths = [width_of(label, SIZE) + 6 for label in axis.labels]
    return axis.of_words and max(widths) > PANEL_WIDTH / len(widths)


def _write_ticks(panel: Panel, axis: Axis) -> None:
    if not _leans(axis):
        panel.x_ticks(*with_room(panel, axis.ticks, axis.labels), grid=False)
        return
    for tick, label in zip(axis.ticks, axis.labels, strict=True):
        place = (panel.x_at(tick) + 4, panel.bottom - 10)
        panel.sheet.write(*place, label, align="right", turn=30)


def _rows(table: SearchTable) -> list[list[str]]:
    panels = _most_telling(table)
    return [panels[start : start + N_COLUMNS] for start in range(0, len(panels), N_COLUMNS)]


def _row_height(table: SearchTable, names: Sequence[str]) -> float:
    leans = any(_leans(_axis_of(table, name)[1]) for name in names)
    return HEAD + HEIGHT + FOOT + LEANING * leans


def _axis_of(table: SearchTable, name: str) -> tuple[NDArray[np.intp], Axis]:
    having = np.array([n for n, params in enumerate(table.params) if name in params])
    return having, make_axis([table.params[candidate][name] for candidate in having])


def _most_telling(table: SearchTable) -> list[str]:
    """Choose the parameters that there is room for: those that order the scores most."""
    scores = table.scores[:, table.broad_rung]
    if len(table.varied) <= MAX_PANELS:
        return table.varied
    told = {name: _explained(*_axis_of(table, name), scores) for name in table.varied}
    chosen = sorted(table.varied, key=lambda name: -told[name])[:MAX_PANELS]
    return [name for name in table.varied if name in chosen]


def _explained(having: NDArray[np.intp], axis: Axis, scores: Floats) -> float:
    """Give the share of the variance of ranks that lies between values, or bins of them."""
    known = np.isfinite(scores[having])
    if known.sum() < 2:
        return 0.0
    ranks = rankdata(scores[having][known])
    edges = np.unique(np.quantile(axis.positions[known], np.linspace(0, 1, N_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, axis.positions[known])
    # 0 where no rank falls into a bin, which nothing looks up.
    means = np.bincount(bins, ranks) / np.maximum(np.bincount(bins), 1)
    return float(means[bins].var() / ranks.var()) if ranks.var() else 0.0
