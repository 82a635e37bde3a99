"""ROC and precision-recall: what a model tells apart, at every threshold.

The band around a ROC curve joins, for every threshold, the rectangle in which both rates lie
with 95 % confidence: two independent intervals of Wilson's at the root of 0.95 each (Hilgers,
1991; Pepe, 2003, section 2.2.2). It needs no resamples, and is wide where rows are few.
"""

import math

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from tabproof.evaluation_result import Estimate
from tabproof.report.language import Texts
from tabproof.report.plots.material import Material, in_numbers
from tabproof.report.plots.palette import RULE, SERIES
from tabproof.report.plots.panel import FOOT, HEAD, Panel
from tabproof.report.plots.shares import LEVEL, Floats, thinned, wilson_intervals
from tabproof.report.plots.sheet import MARGIN, WIDTH, Key, Sheet, series_style

HEIGHT = 250.0
LEFT = 34.0


def draw_roc(material: Material, texts: Texts) -> Sheet | None:
    """Draw true against false positive rates."""
    if not material.drawn_classes:
        return None
    curves = [_roc(material.y == code, material.proba[:, code]) for code in material.drawn_classes]
    numbers = [_numbers(material, "roc_auc", texts, sk.auc(*curve)) for curve in curves]
    keys = _keys(material, texts, "roc.curve", numbers)
    if material.is_binary:
        keys.append(Key(texts("roc.band"), SERIES[0], is_area=True))
    keys += [*material.left_out(texts), Key(texts("roc.chance"), RULE, (0, (1.5, 2)))]
    panel = _panel(material, texts, "roc", keys, numbers)
    panel.reference([0, 1], [0, 1])
    if material.is_binary:
        panel.polygon(roc_band(*curves[0], *_counts(material.y == 1)), colour=SERIES[0])
    for number, (x, y) in enumerate(curves):
        kept = thinned(x, y)
        panel.line(x[kept], y[kept], **series_style(number))
    panel.share_ticks(texts("roc.x"), texts("roc.y"))
    return panel.sheet


def draw_precision_recall(material: Material, texts: Texts) -> Sheet | None:
    """Draw precision against recall, and what precision chance has."""
    if not material.drawn_classes:
        return None
    truths = [(material.y == code, material.proba[:, code]) for code in material.drawn_classes]
    numbers = [
        _numbers(material, "average_precision", texts, sk.average_precision_score(*truth))
        for truth in truths
    ]
    keys = _keys(material, texts, "precision_recall.curve", numbers)
    base = texts("precision_recall.base_rate", share=f"{truths[0][0].mean():.1%}")
    chance = base if material.is_binary else texts("precision_recall.base_rates")
    keys += [*material.left_out(texts), Key(chance, RULE, (0, (1.5, 2)))]
    panel = _panel(material, texts, "precision_recall", keys, numbers)
    for number, truth in enumerate(truths):
        precision, recall, _ = sk.precision_recall_curve(*truth)
        kept = thinned(recall, precision)
        style = series_style(number)
        colour = RULE if material.is_binary else style["colour"]
        panel.line([0, 1], [truth[0].mean()] * 2, colour=colour, dashes=(0, (1.5, 2)), linewidth=1)
        panel.line(recall[kept], precision[kept], drawstyle="steps-post", **style)
    panel.share_ticks(texts("precision_recall.x"), texts("precision_recall.y"))
    return panel.sheet


def roc_band(
    false_positive: Floats, true_positive: Floats, n_positive: int, n_negative: int
) -> Floats:
    """Give the corners of the band, of shape (n, 2): along its upper edge, back along its lower."""
    level = math.sqrt(LEVEL)
    left, right = wilson_intervals(false_positive * n_negative, n_negative, level)
    low, high = wilson_intervals(true_positive * n_positive, n_positive, level)
    upper, lower = thinned(left, high), thinned(right, low)
    return np.concatenate(
        [
            [[0, 0]],
            np.column_stack([left[upper], high[upper]]),
            [[1, 1]],
            np.column_stack([right[lower], low[lower]])[::-1],
        ]
    )


def _roc(is_class: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    false_positive, true_positive, _ = sk.roc_curve(is_class, scores)
    return false_positive, true_positive


def _counts(is_positive: NDArray[np.bool_]) -> tuple[int, int]:
    return int(is_positive.sum()), int((~is_positive).sum())


def _numbers(material: Material, metric: str, texts: Texts, value: float) -> str:
    """Write what was measured, with its interval; it is of one curve for two labels only."""
    known = material.evidence.metrics.get(metric) if material.is_binary else None
    return in_numbers(known or Estimate(float(value)), texts)


def _keys(material: Material, texts: Texts, key: str, numbers: list[str]) -> list[Key]:
    return [
        Key(texts(key, label=material.label(code), number=number), **series_style(place))
        for place, (code, number) in enumerate(zip(material.drawn_classes, numbers, strict=True))
    ]


def _panel(
    material: Material, texts: Texts, name: str, keys: list[Key], numbers: list[str]
) -> Panel:
    words = texts(f"{name}.words", label=material.label(material.drawn_classes[0]), n=numbers[0])
    sheet = Sheet(
        texts(f"{name}.title"),
        material.subtitle(texts),
        height=HEIGHT + HEAD + FOOT,
        words=words,
        keys=keys,
    )
    width = WIDTH - LEFT - 2 * MARGIN
    return Panel(sheet, left=LEFT, bottom=FOOT, width=width, height=HEIGHT)
