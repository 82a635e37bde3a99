"""Curves of several runs in one picture: ROC, precision-recall and reliability.

With more than two labels a curve is the mean of those of each label against the rest, at equal
heights of x (Fawcett, 2006, section 9.1): the area under it is the macro average.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from tabproof.evaluation.metrics import calibration_bins, claims
from tabproof.report.contenders import HoldOut
from tabproof.report.language import Texts
from tabproof.report.plots.palette import MARKERS, RULE
from tabproof.report.plots.panel import FOOT, HEAD, Panel
from tabproof.report.plots.shares import thinned
from tabproof.report.plots.sheet import MARGIN, WIDTH, Key, Sheet, series_style
from tabproof.report.plots.svg import drawing, to_svg

Floats = NDArray[np.float64]
Curve = tuple[Floats, Floats]

# More cannot be told apart.
MOST_CURVES = 6
HEIGHT, LEFT = 250.0, 36.0
CHANCE = (0, (1.5, 2))


@dataclass(frozen=True)
class Line:
    """A run to be drawn, and what the legend calls it."""

    name: str
    hold_out: HoldOut


def draw_overlays(lines: Sequence[Line], subtitle: str, prefix: str, t: Texts) -> dict[str, str]:
    """Draw runs of the same rows; gives SVG by name. prefix: of ids, no two pages' the same."""
    lines = lines[:MOST_CURVES]
    if not lines:
        return {}
    with drawing():
        return {
            name: to_svg(sheet.figure, f"{prefix}-{name}", sheet.words)
            for name, draw in PICTURES.items()
            if (sheet := draw(lines, subtitle, t)) is not None
        }


def _draw_roc(lines: Sequence[Line], subtitle: str, t: Texts) -> Sheet | None:
    if not _codes(lines[0].hold_out):
        return None
    panel = _panel("roc", lines, subtitle, t)
    panel.reference([0, 1], [0, 1])
    for place, line in reversed(list(enumerate(lines))):
        x, y = roc(line.hold_out)
        kept = thinned(x, y)
        panel.line(x[kept], y[kept], **series_style(place))
    return _finished(panel, "roc", t)


def _draw_precision_recall(lines: Sequence[Line], subtitle: str, t: Texts) -> Sheet | None:
    codes = _codes(lines[0].hold_out)
    if not codes:
        return None
    panel = _panel("precision_recall", lines, subtitle, t)
    base = np.mean([(lines[0].hold_out.y == code).mean() for code in codes])
    panel.reference([0, 1], [base, base])
    for place, line in reversed(list(enumerate(lines))):
        x, y = precision_recall(line.hold_out)
        kept = thinned(x, y)
        panel.line(x[kept], y[kept], drawstyle="steps-pre", **series_style(place))
    return _finished(panel, "precision_recall", t)


def _draw_reliability(lines: Sequence[Line], subtitle: str, t: Texts) -> Sheet | None:
    panel = _panel("reliability", lines, subtitle, t)
    panel.reference([0, 1], [0, 1])
    for place, line in reversed(list(enumerate(lines))):
        x, y = reliability(line.hold_out)
        style = series_style(place)
        panel.line(x, y, linewidth=1.3, **style)
        panel.dots(x, y, colour=style["colour"], marker=MARKERS[place], markersize=5)
    return _finished(panel, "reliability", t)


PICTURES: dict[str, Callable[[Sequence[Line], str, Texts], Sheet | None]] = {
    "roc": _draw_roc,
    "precision_recall": _draw_precision_recall,
    "reliability": _draw_reliability,
}


def roc(hold_out: HoldOut) -> Curve:
    """Give false and true positive rates."""
    curves: list[Curve] = [sk.roc_curve(*each)[:2] for each in _against_the_rest(hold_out)]
    if len(curves) == 1:
        return curves[0]
    x = np.unique(np.concatenate([x for x, _ in curves]))
    heights = np.mean([_foot_and_head(curve, x) for curve in curves], axis=0)
    return np.repeat(x, 2), heights.T.ravel()


def precision_recall(hold_out: HoldOut) -> Curve:
    """Give recall, rising, and the precision on the way to it from the recall before."""
    curves = []
    for each in _against_the_rest(hold_out):
        precision, recall, _ = sk.precision_recall_curve(*each)
        # The last is no threshold's, but where the curve is to end.
        curves.append((recall[:-1][::-1], precision[:-1][::-1]))
    x = np.unique(np.concatenate([x for x, _ in curves]))
    x = x[x > 0]
    y = np.mean([precision[np.searchsorted(recall, x)] for recall, precision in curves], axis=0)
    return np.append(0.0, x), np.append(y[:1], y)


def reliability(hold_out: HoldOut) -> Curve:
    """Give by bin the mean probability of what is claimed, and how often it was so."""
    confidence, was_true = claims(hold_out.y, hold_out.proba)
    bins = np.unique(calibration_bins(confidence), return_inverse=True)[1]
    n_rows = np.bincount(bins)
    return np.bincount(bins, confidence) / n_rows, np.bincount(bins, was_true) / n_rows


def _against_the_rest(hold_out: HoldOut) -> list[tuple[NDArray[np.bool_], Floats]]:
    return [(hold_out.y == code, hold_out.proba[:, code]) for code in _codes(hold_out)]


def _codes(hold_out: HoldOut) -> list[int]:
    """Give the codes that have a curve: rows have them, and lack them."""
    n_labels = hold_out.proba.shape[1]
    codes = [1] if n_labels == 2 else range(n_labels)
    return [code for code in codes if 0 < int((hold_out.y == code).sum()) < len(hold_out.y)]


def _foot_and_head(curve: Curve, x: Floats) -> tuple[Floats, Floats]:
    """Give a curve's heights at each x, two where it rises straight up."""
    at, height = curve
    first = np.searchsorted(at, x, "left")
    last = np.searchsorted(at, x, "right") - 1
    between = np.interp(x, at, height)
    is_corner = last >= first
    return np.where(is_corner, height[first], between), np.where(is_corner, height[last], between)


def _panel(name: str, lines: Sequence[Line], subtitle: str, t: Texts) -> Panel:
    markers = MARKERS if name == "reliability" else (None,) * MOST_CURVES
    keys = [
        Key(line.name, marker=markers[place], **series_style(place))
        for place, line in enumerate(lines)
    ]
    kind = "two" if lines[0].hold_out.proba.shape[1] == 2 else "more"
    sheet = Sheet(
        t(f"{name}.title"),
        subtitle,
        height=HEIGHT + HEAD + FOOT,
        words=t(f"{name}.{kind}"),
        keys=[*keys, Key(t(f"{name}.reference"), RULE, CHANCE)],
    )
    width = WIDTH - LEFT - 2 * MARGIN
    return Panel(sheet, left=LEFT, bottom=FOOT, width=width, height=HEIGHT)


def _finished(panel: Panel, name: str, t: Texts) -> Sheet:
    panel.share_ticks(t(f"{name}.x"), t(f"{name}.y"))
    return panel.sheet
