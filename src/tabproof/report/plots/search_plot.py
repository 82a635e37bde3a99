"""The picture of a search: who fell away where, and how parameters went with scores."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tabproof.report.language import Texts
from tabproof.report.plots.lettering import shown, width_of
from tabproof.report.plots.material import Material, metric_name
from tabproof.report.plots.palette import INK, MARKERS, MUTED, RULE, SERIES
from tabproof.report.plots.panel import HEAD, Panel
from tabproof.report.plots.search_parameters import draw_parameters, height_of, limits_of
from tabproof.report.plots.sheet import MARGIN, SIZE, WIDTH, Key, Sheet, series_style
from tabproof.report.plots.ticks import round_ticks, tick_labels
from tabproof.report.search_table import Rung, SearchTable, read_search

HEIGHT = 190.0
ROW = 14.0
MAX_FINALISTS = len(SERIES)
MAX_NAME = 100
FAILED = SERIES[1]
# Room for words at the foot of the panel, as a share of it.
FOOT = 0.09


def draw_search(material: Material, texts: Texts) -> Sheet | None:
    """Draw rungs, and parameters against scores; nothing, where nothing was searched."""
    frame = material.cv_results
    if frame is None or "mean_test_score" not in frame:
        return None
    table = read_search(frame)
    named = list(table.finalists[:MAX_FINALISTS])
    metric = metric_name(material.scoring, texts)
    rows = _table_below(table.rungs, texts)
    below = height_of(table)
    foot = below + ROW * len(rows) + 8
    sheet = Sheet(
        texts("search.title"),
        shown(material.name, 56),
        height=HEIGHT + HEAD + foot,
        words=_words(table, metric, texts),
        keys=_keys(table, named, texts),
    )
    left = MARGIN + max(width_of(name, SIZE) for name, _ in rows) + 12
    low, high = limits_of(table.scores, table.scores[named])
    has_foot = bool(table.failed.any() or (table.scores < low).any())
    panel = Panel(
        sheet,
        left=left,
        bottom=foot,
        width=WIDTH - left - 2 * MARGIN,
        height=HEIGHT,
        x=(-0.5, len(table.rungs) - 0.5),
        y=(low - FOOT * (high - low) * has_foot, high),
    )
    ticks = round_ticks(low, high, n_most=7)
    panel.y_ticks(ticks, tick_labels(ticks), title=texts("search.y", metric=metric))
    _write_rows(panel, rows)
    _draw_candidates(panel, table, named)
    if has_foot:
        _draw_foot(panel, table, low, texts)
    draw_parameters(sheet, table, named, texts, metric)
    return sheet


def _words(table: SearchTable, metric: str, texts: Texts) -> str:
    scores = np.array([]) if table.winner is None else table.scores[table.winner]
    seen = scores[np.isfinite(scores)]
    score = f"{seen[-1]:.4f}" if len(seen) else texts("search.failed_all")
    return texts("search.words", n=table.n_candidates, metric=metric, score=score)


def _write_rows(panel: Panel, rows: Sequence[tuple[str, list[str]]]) -> None:
    for line, (name, numbers) in enumerate(rows, start=1):
        y = panel.bottom - ROW * line - 1
        panel.sheet.write(MARGIN, y, name)
        for rung, number in enumerate(numbers):
            panel.sheet.write(panel.x_at(rung), y, number, align="center", colour=INK)


def _draw_candidates(panel: Panel, table: SearchTable, named: Sequence[int]) -> None:
    _draw_unnamed(panel, np.delete(table.scores, named, axis=0))
    # The winner last, over all others.
    for number, candidate in reversed(list(enumerate(named))):
        _draw_named(panel, table, candidate, number)


def _table_below(rungs: Sequence[Rung], texts: Texts) -> list[tuple[str, list[str]]]:
    """Give what rungs were, as rows with a number for each; none for what is not known."""
    rows: dict[str, list[object]] = {
        "rung": [rung.number for rung in rungs],
        "candidates": [f"{rung.n_candidates:,}" for rung in rungs],
    }
    if any(rung.n_different < rung.n_candidates for rung in rungs):
        rows["different"] = [f"{rung.n_different:,}" for rung in rungs]
    if all(rung.iterations is not None for rung in rungs):
        rows["iterations"] = [f"{rung.iterations:.0%}" for rung in rungs]
    rows["rows"] = [f"{rung.n_rows:,}" for rung in rungs]
    if all(rung.n_folds is not None for rung in rungs):
        rows["folds"] = [rung.n_folds for rung in rungs]
    return [(texts(f"search.{name}"), list(map(str, row))) for name, row in rows.items()]


def _keys(table: SearchTable, named: Sequence[int], texts: Texts) -> list[Key]:
    keys = []
    for number, candidate in enumerate(named):
        scores = table.scores[candidate]
        seen = scores[np.isfinite(scores)]
        score = f"{seen[-1]:.4f}" if len(seen) else texts("search.failed_all")
        key = "search.winner" if candidate == table.winner else "search.finalist"
        # Words may have any length: those of the winner are in summary.json too.
        text = texts(key, score=score, name=shown(table.in_words(candidate), MAX_NAME))
        keys.append(Key(text, marker=MARKERS[number], **series_style(number)))
    n_others = table.n_candidates - len(named)
    return [*keys, Key(texts("search.others", n=n_others), RULE)] if n_others else keys


def _draw_unnamed(panel: Panel, scores: NDArray[np.float64]) -> None:
    rungs = np.arange(scores.shape[1])
    x: list[float] = []
    y: list[float] = []
    for row in scores:
        seen = np.isfinite(row)
        if seen.sum() > 1:
            x += [*rungs[seen], np.nan]
            y += [*row[seen], np.nan]
    panel.line(x, y, colour=RULE, linewidth=0.8, alpha=0.35, is_clipped=True)
    # Side by side they would be one mark: each height once is enough.
    heights = np.round(scores / (panel.y_limits[1] - panel.y_limits[0]) * panel.height)
    for rung in rungs:
        once = np.unique(heights[:, rung], return_index=True)[1]
        marks = scores[once, rung]
        marks = marks[np.isfinite(marks)]
        ends = np.tile([rung - 0.04, rung + 0.04], (len(marks), 1))
        if len(marks):
            pairs = np.column_stack([marks, marks])
            panel.whiskers(ends, pairs, colour=RULE, linewidth=1, is_clipped=True)


def _draw_named(panel: Panel, table: SearchTable, candidate: int, number: int) -> None:
    is_winner = candidate == table.winner
    scores = table.scores[candidate]
    seen = np.flatnonzero(np.isfinite(scores))
    style = series_style(number)
    panel.line(seen, scores[seen], linewidth=3 if is_winner else 1.5, **style)
    size = 9 if is_winner else 6
    panel.dots(seen, scores[seen], colour=style["colour"], marker=MARKERS[number], markersize=size)


def _draw_foot(panel: Panel, table: SearchTable, low: float, texts: Texts) -> None:
    """Say how many have no place in the picture: failed fits, and scores far below the others."""
    for rung, n_failed in enumerate(table.failed.sum(axis=0)):
        n_below = int((table.scores[:, rung] < low).sum())
        notes = [texts("search.failed", n=n_failed)] * bool(n_failed)
        notes += [texts("search.below", n=n_below)] * bool(n_below)
        for line, note in enumerate(notes[::-1]):
            place = (panel.x_at(rung), panel.bottom + 4 + 12 * line)
            panel.sheet.write(*place, note, align="center", colour=INK if n_failed else MUTED)
