"""Curves: ROC and precision-recall, of one run or of several, reliability, and learning curve."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from tabproof.evaluation.metrics import claims
from tabproof.evaluation_result import Estimate
from tabproof.report.format import Texts
from tabproof.report.plots import theme as th
from tabproof.report.plots.axes import fitting, margined, number_axis
from tabproof.report.plots.material import (
    Floats,
    HoldOut,
    Material,
    Points,
    binned,
    in_numbers,
    numbers,
    truths_of,
    wilson_intervals,
)

Layers = list[th.Layer]

# A drawn curve may be off by half of this share of an axis: a third of a pixel on a telephone.
STEP = 1 / 600
# More runs in one plot could not be distinguished.
MAX_RUNS = 6


def draw_roc(material: Material, t: Texts) -> th.Plot | None:
    """Draw true against false positive rates, for two labels with a band.

    The band joins, for every threshold, the rectangle in which both rates lie with 95 %
    confidence: two independent intervals of Wilson's at the root of 0.95 each (Hilgers, 1991;
    Pepe, 2003, section 2.2.2). It needs no resamples, and is wide where rows are few.
    """
    rates: list[Points] = [sk.roc_curve(*truth)[:2] for _, *truth in material.truths]
    others = [*material.left_out(t), th.reference([0, 1], t("roc.chance"))]
    if material.evidence.is_binary and rates:
        band = roc_band(*rates[0], material.y)
        others.insert(0, th.area(*band, th.SERIES[0], t("roc.band")))
    return _plot_classes(material, t, "roc", [(sk.auc(*rate), rate) for rate in rates], others)


def draw_precision_recall(material: Material, t: Texts) -> th.Plot | None:
    """Draw precision against recall, and the precision of chance."""
    curves, others = [], material.left_out(t)
    for place, (_, is_class, proba) in enumerate(material.truths):
        area = sk.average_precision_score(is_class, proba)
        precision, recall, _ = sk.precision_recall_curve(is_class, proba)
        # A staircase: each precision is kept until the next recall.
        curves.append((area, (np.repeat(recall, 2)[1:], np.repeat(precision, 2)[:-1])))
        share = float(is_class.mean())
        colour, key = th.SERIES[place], None if place else t("precision_recall.base_rates")
        if material.evidence.is_binary:
            colour, key = th.RULE, t("precision_recall.base_rate", share=f"{share:.1%}")
        others.append(th.line([0, 1], [share] * 2, colour, key, size=1, linetype=th.DOTTED))
    return _plot_classes(material, t, "precision_recall", curves, others)


def roc_band(x: Floats, y: Floats, truth: NDArray[np.int64]) -> Points:
    """Return the corners of the band, x and y: along its upper edge, back along its lower."""
    level, n_positive, n_negative = math.sqrt(0.95), (truth == 1).sum(), (truth != 1).sum()
    left, right = wilson_intervals(x * n_negative, n_negative, level)
    low, high = wilson_intervals(y * n_positive, n_positive, level)
    edges = zip(thinned(left, high), thinned(right, low), strict=True)
    x, y = (np.concatenate([[0], upper, [1], lower[::-1]]) for upper, lower in edges)
    return x, y


def _plot_classes(
    material: Material, t: Texts, name: str, curves: list[tuple[float, Points]], others: Layers
) -> th.Plot | None:
    """Draw a curve for each class, given the area under it and its points; others: below."""
    if not curves:
        return None
    # The interval is known for the curve of two labels only.
    metric = {"roc": "roc_auc", "precision_recall": "average_precision"}[name]
    known = material.evidence.metrics.get(metric) if material.evidence.is_binary else None
    numbers = [in_numbers(known or Estimate(float(area)), t) for area, _ in curves]
    labels = [material.label(code) for code in material.drawn_classes]
    layers = []
    for place, (_, points) in enumerate(curves):
        key = t(f"{name}.curve", label=labels[place], number=numbers[place])
        layers.append(th.curve(*thinned(*points), place, key))
    x_axis, y_axis = (th.Axis(title=t(f"{name}.{axis}")) for axis in "xy")
    rows = [(th.HEIGHT, [th.Panel([*layers, *others], x_axis, y_axis)])]
    return material.plot(t, name, rows, label=labels[0], n=numbers[0])


def thinned(x: Floats, y: Floats) -> Points:
    """Return those points of a curve between 0 and 1 that a screen shows apart: x and y."""
    cells = np.round(np.column_stack([x, y]) / STEP)
    is_new = np.ones(len(x), bool)
    is_new[1:-1] = (cells[1:-1] != cells[:-2]).any(axis=1)
    return x[is_new], y[is_new]


def draw_learning_curve(material: Material, t: Texts) -> th.Plot | None:
    """Draw the metric on training rows and on other rows, against the number of training rows."""
    points = sorted(material.evidence.learning_curve, key=lambda point: point.n_rows)
    names = ("unseen", "seen")
    curves = {name: numbers([getattr(point, name) for point in points]) for name in names}
    is_known = np.isfinite(curves["unseen"][0])
    if not is_known.any():
        return None
    sizes = np.array([point.n_rows for point in points], float)
    # From 100 to 1,000 rows, say, the first points would overlap on a linear axis.
    x = np.log10(sizes) if sizes[-1] >= 10 * sizes[0] else sizes
    layers, bands = Layers(), Layers()
    for place, (name, (value, low, high)) in enumerate(curves.items()):
        at, key = np.isfinite(value), t(f"learning_curve.{name}")
        layers += [draw(x[at], value[at], place, key) for draw in (th.curve, th.dots)]
        at = np.isfinite(low) & np.isfinite(high)
        if at.sum() > 1:
            around = np.r_[x[at], x[at][::-1]], np.r_[low[at], high[at][::-1]]
            bands.append(th.area(*around, th.SERIES[place]))
    metric = t.metric(material.evidence.metric)
    labels = [f"{n:,.0f}" for n in sizes]
    called = list(zip(x.tolist(), labels, strict=True))
    title = t("learning_curve.x")
    x_axis = th.Axis(margined(x, 0.04), x.tolist(), labels, title, values=called)
    both = np.concatenate(list(curves.values()), axis=None)
    y_axis = number_axis(margined(both[np.isfinite(both)]), metric)
    panel = th.Panel([*layers, *bands], fitting(x_axis, th.WIDTH - 60), y_axis)
    last = points[np.flatnonzero(is_known)[-1]]
    words = {"metric": metric, "rows": last.n_rows, "n": in_numbers(last.unseen, t)}
    return material.plot(t, "learning_curve", [(th.LOW_HEIGHT, [panel])], **words)


# --- Several runs in one plot. With more than two labels a curve is the mean of those of each
# label against the rest, at equal heights of x (Fawcett, 2006, section 9.1): the area under it is
# the macro average.


def draw_overlays(
    runs: Mapping[str, HoldOut], subtitle: str, prefix: str, t: Texts
) -> dict[str, str]:
    """Draw runs with the same hold-out set: SVG by name.

    runs: by their names in the legend. prefix: of ids, unique in a page.
    """
    if not runs:
        return {}
    first = next(iter(runs.values()))
    shares = [is_class.mean() for _, is_class, _ in truths_of(first.y, first.proba)]
    base = np.mean(shares or [0])
    kind = "two" if first.proba.shape[1] == 2 else "more"
    plots = {}
    for name, points_of in CURVES.items():
        if not shares and name != "reliability":
            continue
        layers: list[th.Layer] = []
        for place, (run, hold_out) in enumerate(list(runs.items())[:MAX_RUNS]):
            x, y = points_of(hold_out)
            if name == "reliability":
                layers += [th.dots(x, y, place, run, size=5), th.curve(x, y, place, run, 1.3)]
            else:
                layers.append(th.curve(*thinned(x, y), place, run))
        chance = [base, base] if name == "precision_recall" else [0, 1]
        layers.append(th.reference(chance, t(f"{name}.reference")))
        x_axis, y_axis = (th.Axis(title=t(f"{name}.{axis}")) for axis in "xy")
        rows = [(th.HEIGHT, [th.Panel(layers, x_axis, y_axis)])]
        plot = th.Plot(t(f"{name}.title"), subtitle, t(f"{name}.{kind}"), rows)
        plots[name] = plot.to_svg(f"{prefix}-{name}")
    return plots


def roc(hold_out: HoldOut) -> Points:
    """Return false and true positive rates."""
    truths = truths_of(hold_out.y, hold_out.proba)
    curves: list[Points] = [sk.roc_curve(*truth)[:2] for _, *truth in truths]
    if len(curves) == 1:
        return curves[0]
    x = np.unique(np.concatenate([x for x, _ in curves]))
    heights = []
    for at, height in curves:
        # Two heights where the curve rises straight up.
        first, last = np.searchsorted(at, x, "left"), np.searchsorted(at, x, "right") - 1
        between, is_corner = np.interp(x, at, height), last >= first
        heights.append([np.where(is_corner, height[n], between) for n in (first, last)])
    return np.repeat(x, 2), np.mean(heights, axis=0).T.ravel()


def precision_recall(hold_out: HoldOut) -> Points:
    """Return the corners of a staircase: on the way to each recall, the precision there."""
    curves = []
    for _, is_class, proba in truths_of(hold_out.y, hold_out.proba):
        precision, recall, _ = sk.precision_recall_curve(is_class, proba)
        # The last point belongs to no threshold.
        curves.append((recall[:-1][::-1], precision[:-1][::-1]))
    x = np.unique(np.concatenate([x for x, _ in curves]))
    x = x[x > 0]
    y = np.mean([precision[np.searchsorted(recall, x)] for recall, precision in curves], axis=0)
    return np.append(0.0, np.repeat(x, 2))[:-1], np.repeat(y, 2)


def reliability(hold_out: HoldOut) -> Points:
    """Return by bin the mean probability of the claimed label, and the share that was right."""
    confidence, was_true = claims(hold_out.y, hold_out.proba)
    x, n_true, n_rows = binned(confidence, was_true)
    return x, n_true / n_rows


CURVES = {each.__name__: each for each in (roc, precision_recall, reliability)}
