"""Plots of the search: the rungs with their scores, and how scores depend on parameters."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from tabproof.report.format import Texts, shorten
from tabproof.report.plots import theme as th
from tabproof.report.plots.axes import LETTER, number_axis, value_axis
from tabproof.report.plots.material import Floats, Material
from tabproof.report.search_table import SearchTable, read_search
from tabproof.text import display_width

HEIGHT, PARAMETER_HEIGHT = 220.0, 130.0
MAX_PARAMETERS = 6
PANEL_WIDTH = th.WIDTH / 2 - 40
# Maximum values of a parameter, and minimum candidates per value, for which medians are drawn.
MAX_MEDIANS, MIN_MEDIAN = 8, 3
# Numbers below a rung.
RUNG = {"rung": "{:.0f}", "candidates": "{:,}", "different": "{:,}", "iterations": "{:.0%}"}
RUNG |= {"rows": "{:,.0f}", "folds": "{:.0f}"}


def draw_search(material: Material, t: Texts) -> th.Plot | None:
    """Draw the rungs, and the scores against parameters; None where nothing was searched."""
    frame = material.cv_results
    if frame is None or "mean_test_score" not in frame:
        return None
    table = read_search(frame)
    served, is_joined = table.in_model(material.estimator), material.estimator.is_joined
    named = list(dict.fromkeys([*served, *table.finalists]))[: len(th.SERIES)]
    metric = t.metric(material.scoring)
    # As many parameters as there is room for: those that explain the scores best.
    names = table.varied
    if len(names) > MAX_PARAMETERS:
        shares = {name: _explained(table, name) for name in names}
        chosen = sorted(names, key=lambda name: -shares[name])[:MAX_PARAMETERS]
        names = [name for name in names if name in chosen]
    scores = table.scores[:, table.broad_rung]
    always = [n for n in served if n in named]
    limits = limits_of(scores, scores[always])
    notes = []
    if n_left_out := len(served) - len(always):
        notes.append(t("search.members_not_drawn", n=n_left_out))
    if names:
        rung = table.rungs["rung"].iloc[table.broad_rung]
        notes.append(t("search.parameters", rung=rung, metric=metric))
        if n_left_out := len(table.varied) - len(names):
            notes.append(t("search.not_drawn", n=n_left_out))
        if n_below := int((scores < limits[0]).sum()):
            notes.append(t("search.below", n=n_below))
    caption = shorten(t("common.comma").join(notes), 54)
    keys = {candidate: _key(table, candidate, material, t) for candidate in named}
    rungs = _rungs(table, keys, always, metric, caption, t)
    parameters = [_parameter(table, named, always, name, limits) for name in names]
    rows = [rungs, *th.facets(parameters, PARAMETER_HEIGHT)]
    numbers = {"n": len(table.params), "metric": metric, "n_members": len(served)}
    last = [_last_of(table.scores[n]) for n in served]
    score = _in_words(max((each for each in last if each is not None), default=None), t)
    words = t(f"search.words{'_joined' if is_joined else ''}", score=score, **numbers)
    return th.Plot(t("search.title"), shorten(material.name, 56), words, rows)


def limits_of(scores: Floats, always: Floats) -> tuple[float, float]:
    """Return limits without scores far below the others, which would hide the best.

    always: scores that are never left out.
    """
    finite = scores[np.isfinite(scores)]
    if not len(finite):
        return 0.0, 1.0
    high, quarter = finite.max(), np.quantile(finite, 0.25)
    low = finite[finite >= quarter - 2 * (high - quarter)].min()
    low = min(low, always[np.isfinite(always)].min(initial=high))
    margin = (high - low) * 0.07 or max(abs(high) * 0.01, 1e-6)
    return float(low - margin), float(high + margin)


def _last_of(scores: Floats) -> float | None:
    seen = scores[np.isfinite(scores)]
    return float(seen[-1]) if len(seen) else None


def _in_words(score: float | None, t: Texts) -> str:
    return t("search.failed_all") if score is None else f"{score:.4f}"


def _key(table: SearchTable, candidate: int, material: Material, t: Texts) -> str:
    """Return the text of a candidate in the legend: its score, and its place in the model."""
    served = table.in_model(material.estimator)
    words = {"name": shorten(table.in_words(candidate), 100)}
    words["score"] = _in_words(_last_of(table.scores[candidate]), t)
    if candidate not in served:
        return t("search.finalist", **words)
    weight = served[candidate]
    if not material.estimator.is_joined or weight is None:
        return t("search.winner", **words)
    return t("search.member", weight=f"{weight:.3f}", **words)


def _rungs(
    table: SearchTable,
    keys: Mapping[int, str],
    served: Collection[int],
    metric: str,
    caption: str,
    t: Texts,
) -> tuple[float, list[th.Panel]]:
    """Draw each candidate through its rungs; below, the numbers of the rungs and a caption.

    keys: of the legend, by the candidates that it names. served: those in the model.
    """
    named = list(keys)
    low, high = limits_of(table.scores, table.scores[named])
    has_foot = bool(table.failed.any() or (table.scores < low).any())
    # Room for notes.
    foot = low - 0.09 * (high - low) * has_foot
    layers: list[th.Layer] = []
    for place, (candidate, key) in enumerate(keys.items()):
        is_served, scores = candidate in served, table.scores[candidate]
        x = np.flatnonzero(np.isfinite(scores))
        layers.append(th.dots(x, scores[x], place, key, size=9 if is_served else 6))
        layers.append(th.curve(x, scores[x], place, key, size=3 if is_served else 1.5))
    # Candidates that did not reach the last rung: lines, and a mark at each rung.
    others = np.delete(table.scores, named, axis=0)
    if len(others):
        others = np.where(others >= foot, others, np.nan)
        # Side by side they would be one mark: each height once is enough.
        heights = np.round(others / (high - foot) * HEIGHT)
        marks = [
            (rung, others[row, rung])
            for rung in range(others.shape[1])
            for row in np.unique(heights[:, rung], return_index=True)[1]
        ]
        x, y = np.transpose(marks)
        key = t("search.others", n=len(others))
        layers.append(th.segments([x - 0.04, y, x + 0.04, y], th.RULE, key, size=1))
        lines = [
            (a, row[a], b, row[b])
            for row in others
            for a, b in pairwise(np.flatnonzero(np.isfinite(row)))
        ]
        if lines:
            layers.append(th.segments([*np.transpose(lines)], th.RULE, size=0.8, alpha=0.35))
    if has_foot:
        # How many are not drawn: failed fits, and scores far below the others.
        below = (table.scores < low).sum(axis=0).tolist()
        for rung, n_failed in enumerate(table.failed.sum(axis=0).tolist()):
            counts = {"search.below": below[rung], "search.failed": n_failed}
            notes = [t(key, n=n) for key, n in counts.items() if n]
            y = foot + 12 * (high - foot) / HEIGHT * (np.arange(len(notes)) + 0.5)
            layers.append(th.text(rung, y, notes, color=th.INK if n_failed else th.MUTED))
    # Below the rungs: those of their numbers that are known, and room at the left for their names.
    numbers = table.rungs
    if (numbers["different"] == numbers["candidates"]).all():
        numbers = numbers.drop(columns="different")
    rows = {
        t(f"search.{name}"): [form.format(number) for number in numbers[name]]
        for name, form in RUNG.items()
        if name in numbers
    }
    n_rungs, line = len(table.rungs), th.LINE * (high - low) / HEIGHT
    width = max(map(display_width, rows)) * LETTER + 10
    left = -0.5 - width * n_rungs / (th.WIDTH - 60 - width)
    y = foot - line * np.arange(1, len(rows) + 1)
    layers.append(th.text(left, y, list(rows), hjust=0, color=th.MUTED))
    layers += [th.text(n, y, [row[n] for row in rows.values()]) for n in range(n_rungs)]
    layers.append(th.text(left, [y[-1] - 2 * line], [caption], hjust=0, color=th.MUTED))
    y_axis = number_axis((low, high), t("search.y", metric=metric), 7)
    y_axis = replace(y_axis, limits=(y[-1] - 2.5 * line, high))
    panel = th.Panel(layers, th.Axis((left, n_rungs - 0.5), [], []), y_axis)
    return HEIGHT + th.LINE * (len(rows) + 2), [panel]


def _parameter(
    table: SearchTable,
    named: Sequence[int],
    served: Collection[int],
    name: str,
    limits: tuple[float, float],
) -> th.Panel:
    having, positions, axis, is_of_words = _values_of(table, name)
    y, x = table.scores[having, table.broad_rung], positions.copy()
    if is_of_words:
        # The same seed always: the same numbers give the same bytes.
        x += np.random.default_rng(0).uniform(-0.2, 0.2, len(x))
    is_known = np.isfinite(y)
    layers: list[th.Layer] = []
    for place, candidate in enumerate(named):
        at, size = (having == candidate) & is_known, 9 if candidate in served else 6
        if at.any():
            layers.append(th.dots(x[at], y[at], place, size=size))
    places = np.unique(positions)
    of_places = [y[(positions == place) & is_known] for place in places]
    if len(places) <= MAX_MEDIANS:
        half = 0.3 if is_of_words else 0.04 * np.ptp(places)
        medians = [np.median(each) if len(each) >= MIN_MEDIAN else np.nan for each in of_places]
        if np.isfinite(medians).any():
            layers.append(th.segments([places - half, medians, places + half, medians], th.INK))
    points = np.column_stack([x, y])[is_known & (y >= limits[0])]
    scale = [PANEL_WIDTH, PARAMETER_HEIGHT] / np.ptp([axis.limits, limits], axis=1)
    # Marks nearer to each other than 4 pixels look like one.
    once = np.unique(np.round(points * scale / 4), axis=0, return_index=True)[1]
    x, y = points[np.sort(once)].T
    layers.append(th.dots(x, y, 0, color=th.RULE, size=3.6, alpha=0.7))
    widths = [display_width(label) * LETTER + 6 for label in axis.labels]
    leans = is_of_words and max(widths) > PANEL_WIDTH / len(widths)
    axis = replace(axis, angle=30 if leans else None)
    return th.Panel(layers, axis, number_axis(limits, shorten(table.names[name], 25), 4))


def _values_of(table: SearchTable, name: str) -> tuple[NDArray[np.intp], Floats, th.Axis, bool]:
    having = np.array([n for n, params in enumerate(table.params) if name in params])
    return having, *value_axis([table.params[n][name] for n in having], PANEL_WIDTH)


def _explained(table: SearchTable, name: str) -> float:
    """Return the share of the variance of ranks that lies between values, or bins of them."""
    having, positions, *_ = _values_of(table, name)
    scores = table.scores[having, table.broad_rung]
    known = np.isfinite(scores)
    if known.sum() < 2:
        return 0.0
    ranks, positions = rankdata(scores[known]), positions[known]
    edges = np.unique(np.quantile(positions, [0.2, 0.4, 0.6, 0.8]))
    bins = np.searchsorted(edges, positions)
    # 0 in bins without a rank, which are not looked up.
    means = np.bincount(bins, ranks) / np.maximum(np.bincount(bins), 1)
    return float(means[bins].var() / ranks.var()) if ranks.var() else 0.0
