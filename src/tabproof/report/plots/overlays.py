"""Pointss of several runs in one plot: ROC, precision-recall and reliability.

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
from tabproof.report.plots.material import Floats, Points, thinned
from tabproof.report.plots.theme import (
    HEIGHT,
    MARKERS,
    REFERENCE,
    RULE,
    SERIES,
    Axis,
    Layer,
    Panel,
    Plot,
    curve,
    dots,
    line,
)

# More curves could not be distinguished.
MAX_CURVES = 6


@dataclass(frozen=True)
class Line:
    """A run to be drawn, and its name in the legend."""

    name: str
    hold_out: HoldOut


def draw_overlays(lines: Sequence[Line], subtitle: str, prefix: str, t: Texts) -> dict[str, str]:
    """Draw runs with the same hold-out set: SVG by name; prefix: of ids, unique in a page."""
    lines = lines[:MAX_CURVES]
    if not lines:
        return {}
    codes = _codes(lines[0].hold_out)
    base = np.mean([(lines[0].hold_out.y == code).mean() for code in codes] or [0])
    kind = "two" if lines[0].hold_out.proba.shape[1] == 2 else "more"
    plots = {}
    for name, points_of in CURVES.items():
        if not codes and name != "reliability":
            continue
        layers: list[Layer] = []
        for place, each in enumerate(lines):
            x, y = points_of(each.hold_out)
            if name == "reliability":
                shape = MARKERS[place]
                layers.append(dots(x, y, SERIES[place], each.name, shape=shape, size=5))
                layers.append(curve(x, y, place, each.name, size=1.3))
            else:
                layers.append(curve(*thinned(x, y), place, each.name))
        ends = [base, base] if name == "precision_recall" else [0, 1]
        layers.append(line([0, 1], ends, RULE, t(f"{name}.reference"), **REFERENCE))
        panel = Panel(layers, Axis(title=t(f"{name}.x")), Axis(title=t(f"{name}.y")))
        plot = Plot(t(f"{name}.title"), subtitle, t(f"{name}.{kind}"), [(HEIGHT, [panel])])
        plots[name] = plot.to_svg(f"{prefix}-{name}")
    return plots


def roc(hold_out: HoldOut) -> Points:
    """Return false and true positive rates."""
    curves: list[Points] = [sk.roc_curve(*each)[:2] for each in _against_the_rest(hold_out)]
    if len(curves) == 1:
        return curves[0]
    x = np.unique(np.concatenate([x for x, _ in curves]))
    heights = np.mean([_foot_and_head(curve, x) for curve in curves], axis=0)
    return np.repeat(x, 2), heights.T.ravel()


def precision_recall(hold_out: HoldOut) -> Points:
    """Return the corners of a staircase: on the way to each recall, the precision there."""
    curves = []
    for each in _against_the_rest(hold_out):
        precision, recall, _ = sk.precision_recall_curve(*each)
        # The last point belongs to no threshold.
        curves.append((recall[:-1][::-1], precision[:-1][::-1]))
    x = np.unique(np.concatenate([x for x, _ in curves]))
    x = x[x > 0]
    y = np.mean([precision[np.searchsorted(recall, x)] for recall, precision in curves], axis=0)
    return np.append(0.0, np.repeat(x, 2))[:-1], np.repeat(y, 2)


def reliability(hold_out: HoldOut) -> Points:
    """Return by bin the mean probability of the claimed label, and the share that was right."""
    confidence, was_true = claims(hold_out.y, hold_out.proba)
    bins = np.unique(calibration_bins(confidence), return_inverse=True)[1]
    n_rows = np.bincount(bins)
    return np.bincount(bins, confidence) / n_rows, np.bincount(bins, was_true) / n_rows


CURVES: dict[str, Callable[[HoldOut], Points]] = {
    "roc": roc,
    "precision_recall": precision_recall,
    "reliability": reliability,
}


def _against_the_rest(hold_out: HoldOut) -> list[tuple[NDArray[np.bool_], Floats]]:
    return [(hold_out.y == code, hold_out.proba[:, code]) for code in _codes(hold_out)]


def _codes(hold_out: HoldOut) -> list[int]:
    """Return the codes with a curve: some rows have the label and some do not."""
    n_labels = hold_out.proba.shape[1]
    codes = [1] if n_labels == 2 else range(n_labels)
    return [code for code in codes if 0 < int((hold_out.y == code).sum()) < len(hold_out.y)]


def _foot_and_head(curve: Points, x: Floats) -> tuple[Floats, Floats]:
    """Return the heights of a curve at each x, two where it rises straight up."""
    at, height = curve
    first = np.searchsorted(at, x, "left")
    last = np.searchsorted(at, x, "right") - 1
    between = np.interp(x, at, height)
    is_corner = last >= first
    return np.where(is_corner, height[first], between), np.where(is_corner, height[last], between)
