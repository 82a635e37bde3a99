"""Plots of the search: the rungs with their scores, and how scores depend on parameters."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from tabproof.report.format import shorten
from tabproof.report.language import Texts
from tabproof.report.plots.axes import LETTER, Values, number_axis, value_axis
from tabproof.report.plots.material import Floats, Material, metric_name
from tabproof.report.plots.theme import (
    EMPTY,
    INK,
    LINE,
    MARKERS,
    MUTED,
    RULE,
    SERIES,
    WIDTH,
    Axis,
    Layer,
    Panel,
    Plot,
    curve,
    dots,
    segments,
    text,
)
from tabproof.report.search_table import SearchTable, read_search
from tabproof.text import display_width

HEIGHT, PARAMETER_HEIGHT, LEANING = 220.0, 130.0, 34.0
MAX_FINALISTS = len(SERIES)
MAX_NAME, MAX_CELLS = 100, 54
# Room for notes at the foot of the rungs, as a share of the height.
FOOT = 0.09
MAX_PARAMETERS, N_BESIDE = 6, 2
PANEL_WIDTH = WIDTH / 2 - 40
# Maximum values of a parameter, and minimum candidates per value, for which medians are drawn.
MAX_MEDIANS, MIN_MEDIAN = 8, 3
N_BINS = 5
# Marks nearer to each other than this, in pixels, look like one.
MARK = 4.0


def draw_search(material: Material, texts: Texts) -> Plot | None:
    """Draw the rungs, and the scores against parameters; None where nothing was searched."""
    frame = material.cv_results
    if frame is None or "mean_test_score" not in frame:
        return None
    table = read_search(frame)
    named = list(table.finalists[:MAX_FINALISTS])
    metric = metric_name(material.scoring, texts)
    names = _most_telling(table)
    caption = _caption(table, len(names), metric, texts) if names else ""
    height = HEIGHT + LINE * (len(_rung_rows(table, texts)) + 2)
    rows = [(height, [_rungs(table, named, metric, caption, texts)])]
    for start in range(0, len(names), N_BESIDE):
        panels = [_parameter(table, named, name) for name in names[start : start + N_BESIDE]]
        leaning = LEANING * any(panel.x.angle is not None for panel in panels)
        panels += [EMPTY] * (N_BESIDE - len(panels))
        rows.append((PARAMETER_HEIGHT + leaning, panels))
    scores = np.array([]) if table.winner is None else table.scores[table.winner]
    alt = {"n": table.n_candidates, "metric": metric, "score": _last_score(scores, texts)}
    subtitle = shorten(material.name, 56)
    return Plot(texts("search.title"), subtitle, texts("search.words", **alt), rows)


def limits_of(scores: Floats, always: Floats | None = None) -> tuple[float, float]:
    """Return limits without scores far below the others, which would hide the best."""
    finite = scores[np.isfinite(scores)]
    if not len(finite):
        return 0.0, 1.0
    high, quarter = finite.max(), np.quantile(finite, 0.25)
    low = finite[finite >= quarter - 2 * (high - quarter)].min()
    if always is not None:
        low = min(low, always[np.isfinite(always)].min(initial=high))
    margin = (high - low) * 0.07 or max(abs(high) * 0.01, 1e-6)
    return float(low - margin), float(high + margin)


def _last_score(scores: Floats, texts: Texts) -> str:
    seen = scores[np.isfinite(scores)]
    return f"{seen[-1]:.4f}" if len(seen) else texts("search.failed_all")


def _rungs(
    table: SearchTable, named: Sequence[int], metric: str, caption: str, texts: Texts
) -> Panel:
    low, high = limits_of(table.scores, table.scores[named])
    has_foot = bool(table.failed.any() or (table.scores < low).any())
    y_axis = number_axis((low, high), texts("search.y", metric=metric), 7)
    y_axis = replace(y_axis, limits=(low - FOOT * (high - low) * has_foot, high))
    layers: list[Layer] = []
    for place, candidate in enumerate(named):
        is_winner = candidate == table.winner
        scores = table.scores[candidate]
        name = shorten(table.in_words(candidate), MAX_NAME)
        key = texts(
            "search.winner" if is_winner else "search.finalist",
            score=_last_score(scores, texts),
            name=name,
        )
        x = np.flatnonzero(np.isfinite(scores))
        style = {"shape": MARKERS[place], "size": 9 if is_winner else 6}
        layers.append(dots(x, scores[x], SERIES[place], key, **style))
        layers.append(curve(x, scores[x], place, key, size=3 if is_winner else 1.5))
    layers += _others(np.delete(table.scores, named, axis=0), y_axis.limits, texts)
    if has_foot:
        layers += _foot(table, low, y_axis.limits, texts)
    # Below the rungs: their numbers, and room at the left for what these are.
    rows = _rung_rows(table, texts)
    n_rungs, pixel = len(table.rungs), (high - low) / HEIGHT
    width = max(map(display_width, rows)) * LETTER + 10
    left = -0.5 - width * n_rungs / (WIDTH - 60 - width)
    y = y_axis.limits[0] - LINE * pixel * np.arange(1, len(rows) + 1)
    layers.append(text(left, y, list(rows), hjust=0, color=MUTED))
    for rung in range(n_rungs):
        layers.append(text(rung, y, [numbers[rung] for numbers in rows.values()]))
    foot = y[-1] - 2 * LINE * pixel
    layers.append(text([left], [foot], [caption], hjust=0, color=MUTED))
    y_axis = replace(y_axis, limits=(foot - LINE * pixel / 2, high))
    return Panel(layers, Axis((left, n_rungs - 0.5), [], []), y_axis)


def _rung_rows(table: SearchTable, texts: Texts) -> dict[str, list[str]]:
    """Return by name a number for each rung; nothing that is unknown."""
    rungs = table.rungs
    rows = {
        "rung": [str(rung.number) for rung in rungs],
        "candidates": [f"{rung.n_candidates:,}" for rung in rungs],
    }
    if any(rung.n_different < rung.n_candidates for rung in rungs):
        rows["different"] = [f"{rung.n_different:,}" for rung in rungs]
    if all(rung.iterations is not None for rung in rungs):
        rows["iterations"] = [f"{rung.iterations:.0%}" for rung in rungs]
    rows["rows"] = [f"{rung.n_rows:,}" for rung in rungs]
    if all(rung.n_folds is not None for rung in rungs):
        rows["folds"] = [str(rung.n_folds) for rung in rungs]
    return {texts(f"search.{name}"): row for name, row in rows.items()}


def _others(scores: Floats, limits: tuple[float, float], texts: Texts) -> list[Layer]:
    """Draw candidates that did not reach the last rung: lines, and a mark at each rung."""
    if not len(scores):
        return []
    starts, marks = [], []
    for row in scores:
        seen = np.flatnonzero(np.isfinite(row) & (row >= limits[0]))
        starts += [(a, row[a], b, row[b]) for a, b in pairwise(seen)]
    # Side by side they would be one mark: each height once is enough.
    heights = np.round(scores / (limits[1] - limits[0]) * HEIGHT)
    for rung in range(scores.shape[1]):
        once = np.unique(heights[:, rung], return_index=True)[1]
        marks += [(rung, y) for y in scores[once, rung] if y >= limits[0]]
    x, y = np.transpose(marks) if marks else ((), ())
    key = texts("search.others", n=len(scores))
    x = np.asarray(x, dtype=float)
    layers = [segments(x - 0.04, y, x + 0.04, y, RULE, key, size=1)]
    if starts:
        x, y, xend, yend = np.transpose(starts)
        layers.append(segments(x, y, xend, yend, RULE, size=0.8, alpha=0.35))
    return layers


def _foot(table: SearchTable, low: float, limits: tuple[float, float], texts: Texts) -> list[Layer]:
    """Write how many are not drawn: failed fits, and scores far below the others."""
    layers = []
    for rung, n_failed in enumerate(table.failed.sum(axis=0)):
        n_below = int((table.scores[:, rung] < low).sum())
        notes = [texts("search.failed", n=n_failed)] * bool(n_failed)
        notes += [texts("search.below", n=n_below)] * bool(n_below)
        colour = INK if n_failed else MUTED
        step = 12 * (limits[1] - limits[0]) / HEIGHT
        y = [limits[0] + step * (number + 0.5) for number in range(len(notes))]
        layers.append(text([rung] * len(notes), y, notes[::-1], color=colour))
    return layers


def _caption(table: SearchTable, n_drawn: int, metric: str, texts: Texts) -> str:
    """Return the heading of the plots of parameters."""
    number = table.rungs[table.broad_rung].number
    notes = [texts("search.parameters", rung=number, metric=metric)]
    if n_left_out := len(table.varied) - n_drawn:
        notes.append(texts("search.not_drawn", n=n_left_out))
    scores = table.scores[:, table.broad_rung]
    if n_below := int((scores < _parameter_limits(table)[0]).sum()):
        notes.append(texts("search.below", n=n_below))
    return shorten(texts("common.comma").join(notes), MAX_CELLS)


def _parameter_limits(table: SearchTable) -> tuple[float, float]:
    scores = table.scores[:, table.broad_rung]
    return limits_of(scores, scores[[table.winner]] if table.winner is not None else None)


def _parameter(table: SearchTable, named: Sequence[int], name: str) -> Panel:
    having, values = _values_of(table, name)
    scores = table.scores[:, table.broad_rung]
    limits = _parameter_limits(table)
    y, x = scores[having], values.positions.copy()
    if values.of_words:
        # The same seed always: the same numbers give the same bytes.
        x += np.random.default_rng(0).uniform(-0.2, 0.2, len(x))
    layers: list[Layer] = []
    for place, candidate in enumerate(named):
        for n in np.flatnonzero((having == candidate) & np.isfinite(y)):
            size = 9 if candidate == table.winner else 6
            layers.append(dots([x[n]], [y[n]], SERIES[place], shape=MARKERS[place], size=size))
    layers += _medians(values, y)
    drawn = np.isfinite(y) & (y >= limits[0])
    points = np.column_stack([x, y])[drawn]
    scale = [PANEL_WIDTH, PARAMETER_HEIGHT] / np.ptp([values.axis.limits, limits], axis=1)
    once = np.unique(np.round(points * scale / MARK), axis=0, return_index=True)[1]
    x, y = points[np.sort(once)].T
    layers.append(dots(x, y, RULE, size=3.6, alpha=0.7))
    widths = [display_width(label) * LETTER + 6 for label in values.axis.labels]
    leans = values.of_words and max(widths) > PANEL_WIDTH / len(widths)
    x_axis = replace(values.axis, angle=30 if leans else None)
    return Panel(layers, x_axis, number_axis(limits, shorten(table.names[name], 25), 4))


def _medians(values: Values, scores: Floats) -> list[Layer]:
    places = np.unique(values.positions)
    if len(places) > MAX_MEDIANS:
        return []
    half = 0.3 if values.of_words else 0.04 * np.ptp(places)
    medians = [
        (place, np.median(of_value))
        for place in places
        if len(of_value := scores[(values.positions == place) & np.isfinite(scores)]) >= MIN_MEDIAN
    ]
    if not medians:
        return []
    x, y = np.transpose(medians)
    return [segments(x - half, y, x + half, y, INK)]


def _values_of(table: SearchTable, name: str) -> tuple[NDArray[np.intp], Values]:
    having = np.array([n for n, params in enumerate(table.params) if name in params])
    return having, value_axis([table.params[n][name] for n in having], PANEL_WIDTH)


def _most_telling(table: SearchTable) -> list[str]:
    """Return as many parameters as there is room for: those that explain the scores best."""
    if len(table.varied) <= MAX_PARAMETERS:
        return table.varied
    scores = table.scores[:, table.broad_rung]
    shares = {name: _explained(*_values_of(table, name), scores) for name in table.varied}
    chosen = sorted(table.varied, key=lambda name: -shares[name])[:MAX_PARAMETERS]
    return [name for name in table.varied if name in chosen]


def _explained(having: NDArray[np.intp], values: Values, scores: Floats) -> float:
    """Return the share of the variance of ranks that lies between values, or bins of them."""
    known = np.isfinite(scores[having])
    if known.sum() < 2:
        return 0.0
    ranks = rankdata(scores[having][known])
    positions = values.positions[known]
    edges = np.unique(np.quantile(positions, np.linspace(0, 1, N_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, positions)
    # 0 in bins without a rank, which are not looked up.
    means = np.bincount(bins, ranks) / np.maximum(np.bincount(bins), 1)
    return float(means[bins].var() / ranks.var()) if ranks.var() else 0.0
