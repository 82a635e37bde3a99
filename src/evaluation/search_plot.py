"""The picture of a search: who fell away where, and how parameters went with scores."""

from collections.abc import Sequence
from itertools import zip_longest
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import SubFigure
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray
from scipy.stats import rankdata

from src.evaluation.axis import Axis, make_axis
from src.evaluation.drawing import COLOURS, drawing, make_figure, n_cells, shown
from src.evaluation.search_table import SearchTable, read_search
from src.wording import counted

GREY = "0.55"
FAILED = "#D55E00"
# Told apart in print without colours too.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
MAX_PANELS, MAX_COLUMNS = 6, 3
MAX_NAME = 110
MAX_PANEL_NAME, MAX_TICK_LETTERS, MAX_MEDIANS = 32, 26, 8
MIN_MEDIAN = 3
# Room for words at the foot of the upper panel, as a share of it.
FOOT = 0.08
N_BINS = 5


def draw_search(cv_results: pd.DataFrame, *, scoring: str, title: str, directory: Path) -> None:
    """Write search.png; nothing, where nothing was searched."""
    if "mean_test_score" not in cv_results:
        return
    table = read_search(cv_results)
    panels = _most_telling(table)
    heights = [4.8, 2.2 * ceil(len(panels) / MAX_COLUMNS)] if panels else [4.8]
    with drawing():
        figure = make_figure(8, sum(heights))
        parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        _draw_rungs(parts[0], table, scoring, title)
        if panels:
            _draw_parameters(parts[1], table, panels, scoring)
        figure.savefig(directory / "search.png")


# --- upper panel: candidates by rung -----------------------------------------------------


def _draw_rungs(figure: SubFigure, table: SearchTable, scoring: str, title: str) -> None:
    axes = figure.subplots()
    named = list(table.finalists[: len(COLOURS)])
    others = np.setdiff1d(np.arange(table.n_candidates), named)
    _draw_unnamed(axes, table.scores[others])
    # The winner last, over all others.
    for number, candidate in reversed(list(enumerate(named))):
        _draw_named(axes, table, candidate, number)
    low, high = _limits(table.scores, table.scores[named])
    if table.failed.any() or (table.scores < low).any():
        low -= FOOT * (high - low)
        _draw_foot(axes, table, low)
    axes.set_ylim(low, high)
    axes.set_xlim(-0.4, len(table.rungs) - 0.6)
    axes.set_xticks(range(len(table.rungs)), table.rungs, fontsize=8)
    axes.set_ylabel(f"mean {scoring}")
    axes.set_title(title, fontsize=10, loc="left")
    axes.grid(axis="y", alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower left", fontsize=7)


def _draw_unnamed(axes: Axes, scores: NDArray[np.float64]) -> None:
    if not len(scores):
        return
    alpha = float(np.clip(40 / len(scores), 0.06, 0.7))
    rungs = np.arange(scores.shape[1])
    lines = [
        np.column_stack([rungs[seen], row[seen]])
        for row in scores
        if (seen := np.isfinite(row)).sum() > 1
    ]
    axes.add_collection(LineCollection(lines, colors=GREY, linewidths=0.8, alpha=alpha))
    axes.plot([], [], color=GREY, linewidth=0.8, label=counted(len(scores), "other candidate"))
    x = np.broadcast_to(rungs, scores.shape)
    axes.scatter(x, scores, s=90, marker="_", color=GREY, alpha=max(alpha, 0.2), linewidths=1)


def _draw_named(axes: Axes, table: SearchTable, candidate: int, number: int) -> None:
    is_winner = candidate == table.winner
    scores = table.scores[candidate]
    seen = np.flatnonzero(np.isfinite(scores))
    score = f"{scores[seen[-1]]:.4f}" if len(seen) else "failed"
    # Words may have any length: those of the winner are in summary.json too.
    label = f"{score}  {shown(table.in_words(candidate), MAX_NAME)}"
    axes.plot(
        seen,
        scores[seen],
        color=COLOURS[number],
        marker=MARKERS[number],
        markersize=8 if is_winner else 5,
        linewidth=3 if is_winner else 1.4,
        label=f"{label}  (winner)" if is_winner else label,
    )


def _draw_foot(axes: Axes, table: SearchTable, low: float) -> None:
    """Mark what has no place in the picture: failed fits, and scores far below the others."""
    foot = blended_transform_factory(axes.transData, axes.transAxes)
    for rung, n_failed in enumerate(table.failed.sum(axis=0)):
        if n_failed:
            axes.plot(rung, 0.04, "x", color=FAILED, markersize=7, transform=foot)
        numbers = {"failed": n_failed, "below": (table.scores[:, rung] < low).sum()}
        notes = ", ".join(f"{number:,} {what}" for what, number in numbers.items() if number)
        axes.text(rung + 0.03, 0.04, notes, fontsize=8, va="center", transform=foot)


def _limits(
    scores: NDArray[np.float64], always: NDArray[np.float64] | None = None
) -> tuple[float, float]:
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


# --- lower panels: parameters against score ----------------------------------------------


def _draw_parameters(
    figure: SubFigure, table: SearchTable, panels: Sequence[str], scoring: str
) -> None:
    rung = table.broad_rung
    scores = table.scores[:, rung]
    n_rows = ceil(len(panels) / MAX_COLUMNS)
    grid = figure.subplots(n_rows, ceil(len(panels) / n_rows), sharey=True, squeeze=False)
    low, high = _limits(scores, scores[[table.winner]] if table.winner is not None else None)
    for axes, name in zip_longest(grid.flat, panels):
        if name is None:
            axes.set_axis_off()
            continue
        _draw_parameter(axes, table, name, scores)
        axes.set_ylim(low, high)
    n_left_out = len(table.varied) - len(panels)
    n_below = int((scores < low).sum())
    words = [f"by parameter, in {table.rungs[rung].splitlines()[0]}"]
    words += [f"{counted(n_left_out, 'parameter')} not drawn"] if n_left_out else []
    words += [f"{counted(n_below, 'candidate')} below"] if n_below else []
    figure.suptitle("; ".join(words), fontsize=9, x=0.01, ha="left")
    for axes in grid[:, 0]:
        axes.set_ylabel(f"mean {scoring}", fontsize=8)


def _draw_parameter(axes: Axes, table: SearchTable, name: str, scores: NDArray[np.float64]) -> None:
    having, axis = _axis_of(table, name)
    y = scores[having]
    x = axis.positions.copy()
    if axis.of_words:
        # The same seed always: the same numbers give the same bytes.
        x += np.random.default_rng(0).uniform(-0.2, 0.2, len(x))
    alpha = float(np.clip(60 / max(len(y), 1), 0.12, 0.8))
    axes.scatter(x, y, s=14, color=GREY, alpha=alpha, linewidths=0)
    _draw_medians(axes, axis, y)
    for number, candidate in reversed(list(enumerate(table.finalists[: len(COLOURS)]))):
        if candidate in having:
            place = int(np.flatnonzero(having == candidate)[0])
            size = 70 if candidate == table.winner else 24
            axes.scatter(
                x[place],
                y[place],
                s=size,
                color=COLOURS[number],
                marker=MARKERS[number],
                edgecolors="black" if candidate == table.winner else "none",
                zorder=3,
            )
    _write_ticks(axes, axis)
    axes.set_xlabel(shown(table.names[name], MAX_PANEL_NAME), fontsize=8)


def _axis_of(table: SearchTable, name: str) -> tuple[NDArray[np.intp], Axis]:
    having = np.array([n for n, params in enumerate(table.params) if name in params])
    return having, make_axis([table.params[candidate][name] for candidate in having])


def _draw_medians(axes: Axes, axis: Axis, scores: NDArray[np.float64]) -> None:
    places = np.unique(axis.positions)
    if len(places) > MAX_MEDIANS:
        return
    width = 0.3 if axis.of_words else 0.04 * np.ptp(places)
    for place in places:
        of_value = scores[(axis.positions == place) & np.isfinite(scores)]
        if len(of_value) >= MIN_MEDIAN:
            axes.hlines(np.median(of_value), place - width, place + width, color="black", lw=1.2)


def _write_ticks(axes: Axes, axis: Axis) -> None:
    is_long = sum(map(n_cells, axis.labels)) > MAX_TICK_LETTERS
    axes.set_xticks(axis.ticks, axis.labels, fontsize=7)
    for label in axes.get_xticklabels() if is_long else ():
        label.set(rotation=30, ha="right", rotation_mode="anchor")
    axes.tick_params(axis="y", labelsize=7)
    axes.grid(axis="y", alpha=0.3)
    first, last = axis.positions.min(), axis.positions.max()
    margin = 0.5 if axis.of_words else 0.07 * (last - first)
    axes.set_xlim(first - margin, last + margin)


def _most_telling(table: SearchTable) -> list[str]:
    """Choose the parameters that there is room for: those that order the scores most."""
    scores = table.scores[:, table.broad_rung]
    if len(table.varied) <= MAX_PANELS:
        return table.varied
    told = {name: _explained(*_axis_of(table, name), scores) for name in table.varied}
    chosen = sorted(table.varied, key=lambda name: -told[name])[:MAX_PANELS]
    return [name for name in table.varied if name in chosen]


def _explained(having: NDArray[np.intp], axis: Axis, scores: NDArray[np.float64]) -> float:
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
