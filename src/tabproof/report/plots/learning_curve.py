"""Would more data help: a metric against the number of rows that were learned from."""

from collections.abc import Callable, Sequence
from math import log10

import numpy as np

from tabproof.evaluation_result import Estimate
from tabproof.report.language import Texts
from tabproof.report.plots.material import Material, in_numbers, metric_name
from tabproof.report.plots.palette import MARKERS
from tabproof.report.plots.panel import FOOT, HEAD, Panel
from tabproof.report.plots.sheet import MARGIN, WIDTH, Key, Sheet, series_style
from tabproof.report.plots.ticks import margined, round_ticks, tick_labels, with_room

LEFT = 44.0
HEIGHT = 200.0
# From 100 to 1,000, say: on an axis by size the first would stand together.
MANY_TIMES = 10

# Numbers of rows, each with what was reached.
Curve = Sequence[tuple[int, Estimate]]


def draw_learning_curve(material: Material, texts: Texts) -> Sheet | None:
    """Draw the metric on rows that were learned from, and on others."""
    points = sorted(material.evidence.learning_curve, key=lambda point: point.n_rows)
    unseen = _known([(point.n_rows, point.unseen) for point in points])
    seen = _known([(point.n_rows, point.seen) for point in points])
    if not unseen:
        return None
    metric = metric_name(material.evidence.metric, texts)
    last, reached = unseen[-1]
    words = {"metric": metric, "rows": last, "n": in_numbers(reached, texts)}
    sheet = Sheet(
        texts("learning_curve.title"),
        material.subtitle(texts),
        height=HEIGHT + HEAD + FOOT,
        words=texts("learning_curve.words", **words),
        keys=[
            Key(texts(f"learning_curve.{name}"), marker=MARKERS[place], **series_style(place))
            for place, name in enumerate(("unseen", "seen"))
        ],
    )
    numbers = [point.n_rows for point in points]
    scale = log10 if numbers[-1] >= MANY_TIMES * numbers[0] else float
    limits = _limits([*unseen, *seen])
    panel = Panel(
        sheet,
        left=LEFT,
        bottom=FOOT,
        width=WIDTH - LEFT - 2 * MARGIN,
        height=HEIGHT,
        x=margined(scale(numbers[0]), scale(numbers[-1]), 0.04),
        y=limits,
    )
    for place, curve in enumerate((unseen, seen)):
        _draw_curve(panel, place, curve, scale)
    kept = with_room(panel, list(map(scale, numbers)), [f"{number:,}" for number in numbers])
    panel.x_ticks(*kept, title=texts("learning_curve.x"))
    ticks = round_ticks(*limits)
    panel.y_ticks(ticks, tick_labels(ticks), title=metric)
    return sheet


def _known(curve: Curve) -> Curve:
    return [(n, estimate) for n, estimate in curve if estimate.value is not None]


def _limits(points: Curve) -> tuple[float, float]:
    ends = [
        end
        for _, estimate in points
        for end in (estimate.value, estimate.low, estimate.high)
        if end is not None
    ]
    return margined(min(ends), max(ends))


def _draw_curve(panel: Panel, place: int, curve: Curve, scale: Callable[[float], float]) -> None:
    style = series_style(place)
    banded = [(scale(n), *estimate.interval) for n, estimate in curve if estimate.interval]
    if len(banded) > 1:
        panel.area(*zip(*banded, strict=True), colour=style["colour"])
    x = [scale(n) for n, _ in curve]
    values = np.array([estimate.value for _, estimate in curve], float)
    panel.line(x, values, **style)
    panel.dots(x, values, colour=style["colour"], marker=MARKERS[place])
