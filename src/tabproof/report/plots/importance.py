"""What matters to the model: importances as dots, and how predictions go with a column."""

from collections.abc import Sequence

import numpy as np

from tabproof.evaluation_result import Importance
from tabproof.report.language import Texts
from tabproof.report.plots.lettering import fitted, width_of
from tabproof.report.plots.material import Material, listed, metric_name
from tabproof.report.plots.palette import INK, RULE, SERIES
from tabproof.report.plots.panel import FOOT, Panel
from tabproof.report.plots.sheet import MARGIN, SINK, SIZE, WIDTH, Key, Sheet
from tabproof.report.plots.ticks import margined, ticks_below

MAX_ROWS = 20
ROW = 18.0
NAME_WIDTH = 136.0


def draw_importance(material: Material, texts: Texts) -> Sheet | None:
    """Draw how much a metric falls when a column is shuffled, the most important first."""
    known = [found for found in material.evidence.importances if found.drop.value is not None]
    if not known:
        return None
    ranked = sorted(known, key=lambda found: -(found.drop.value or 0))
    rows = ranked[:MAX_ROWS]
    metric = metric_name(material.evidence.metric, texts)
    has_interval = any(row.drop.interval for row in rows)
    keys = [Key(texts("common.with_interval"), SERIES[0], marker="o")] * has_interval
    if len(ranked) > len(rows):
        keys.append(Key(texts("importance.left_out", n=len(ranked) - len(rows))))
    height = ROW * len(rows)
    sheet = Sheet(
        texts("importance.title"),
        material.subtitle(texts),
        height=height + FOOT + 8,
        words=texts("importance.words", columns=listed([row.column for row in rows[:3]], texts)),
        keys=keys,
    )
    names = [fitted(row.column, NAME_WIDTH, SIZE) for row in rows]
    left = MARGIN + max(width_of(name, SIZE) for name in names) + 8
    ends = [_ends(row) for row in rows]
    limits = margined(min(0.0, *np.ravel(ends)), max(0.0, *np.ravel(ends)))
    width = WIDTH - left - 2 * MARGIN
    y = (len(rows) - 0.5, -0.5)
    panel = Panel(sheet, left=left, bottom=FOOT, width=width, height=height, x=limits, y=y)
    places = np.arange(len(rows))
    panel.line([0, 0], y, colour=RULE, linewidth=1)
    panel.whiskers(ends, np.column_stack([places, places]), colour=SERIES[0])
    values = np.array([row.drop.value for row in rows], float)
    panel.dots(values, places, colour=SERIES[0])
    for place, name in enumerate(names):
        foot = panel.y_at(place) - SINK * SIZE
        sheet.write(left - 6, foot, name, align="right", colour=INK)
    panel.x_ticks(*ticks_below(panel), title=texts("importance.x", metric=metric))
    return sheet


def _ends(row: Importance) -> Sequence[float]:
    value = row.drop.value or 0.0
    low, high = row.drop.low, row.drop.high
    return (value if low is None else low, value if high is None else high)
