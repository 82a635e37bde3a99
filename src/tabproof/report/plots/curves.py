"""Curves: ROC and precision-recall, of one run or of several, reliability, and learning curve."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from tabproof.evaluation.metrics import calibration_bins, claims
from tabproof.evaluation_result import Estimate
from tabproof.report.contenders import HoldOut
from tabproof.report.format import ends
from tabproof.report.language import Texts
from tabproof.report.plots import theme as th
from tabproof.report.plots.axes import fitting, margined, number_axis
from tabproof.report.plots.material import (
    LEVEL,
    Floats,
    Material,
    Points,
    codes_with_curve,
    in_numbers,
    metric_name,
    share_panel,
    thinned,
    wilson_intervals,
)

# From 100 to 1,000 rows, say, the first points would overlap on a linear axis.
MANY_TIMES = 10
# More runs in one plot could not be distinguished.
MAX_RUNS = 6


def draw_roc(material: Material, t: Texts) -> th.Plot | None:
    """Draw true against false positive rates, for two labels with a band.

    The band joins, for every threshold, the rectangle in which both rates lie with 95 %
    confidence: two independent intervals of Wilson's at the root of 0.95 each (Hilgers, 1991;
    Pepe, 2003, section 2.2.2). It needs no resamples, and is wide where rows are few.
    """
    rates: list[Points] = [sk.roc_curve(*truth)[:2] for truth in material.truths]
    others = []
    if material.is_binary and rates:
        others.append(th.area(*roc_band(*rates[0], material.y), th.SERIES[0], t("roc.band")))
    others += [*material.left_out(t), th.reference([0, 1], t("roc.chance"))]
    areas = [sk.auc(*rate) for rate in rates]
    return _plot_classes("roc", areas, rates, others, material, t)


def draw_precision_recall(material: Material, t: Texts) -> th.Plot | None:
    """Draw precision against recall, and the precision of chance."""
    curves, areas, others = [], [], material.left_out(t)
    for place, (is_class, proba) in enumerate(material.truths):
        areas.append(sk.average_precision_score(is_class, proba))
        precision, recall, _ = sk.precision_recall_curve(is_class, proba)
        # A staircase: each precision is kept until the next recall.
        curves.append((np.repeat(recall, 2)[1:], np.repeat(precision, 2)[:-1]))
        share = float(is_class.mean())
        colour, key = th.SERIES[place], None if place else t("precision_recall.base_rates")
        if material.is_binary:
            colour, key = th.RULE, t("precision_recall.base_rate", share=f"{share:.1%}")
        others.append(th.line([0, 1], [share] * 2, colour, key, size=1, linetype=th.DOTTED))
    return _plot_classes("precision_recall", areas, curves, others, material, t)


def roc_band(x: Floats, y: Floats, truth: NDArray[np.int64]) -> Points:
    """Return the corners of the band, x and y: along its upper edge, back along its lower."""
    level, n_positive, n_negative = math.sqrt(LEVEL), (truth == 1).sum(), (truth != 1).sum()
    left, right = wilson_intervals(x * n_negative, n_negative, level)
    low, high = wilson_intervals(y * n_positive, n_positive, level)
    edges = zip(thinned(left, high), thinned(right, low), strict=True)
    x, y = (np.concatenate([[0], upper, [1], lower[::-1]]) for upper, lower in edges)
    return x, y


METRICS = {"roc": "roc_auc", "precision_recall": "average_precision"}


def _plot_classes(
    name: str,
    areas: Sequence[float],
    curves: Sequence[Points],
    others: Sequence[th.Layer],
    material: Material,
    t: Texts,
) -> th.Plot | None:
    """Draw a curve for each class, with the area under it, and other layers below."""
    if not curves:
        return None
    # The interval is known for the curve of two labels only.
    known = material.evidence.metrics.get(METRICS[name]) if material.is_binary else None
    numbers = [in_numbers(known or Estimate(float(value)), t) for value in areas]
    labels = [material.label(code) for code in material.drawn_classes]
    layers = []
    for place, (label, number) in enumerate(zip(labels, numbers, strict=True)):
        key = t(f"{name}.curve", label=label, number=number)
        layers.append(th.curve(*thinned(*curves[place]), place, key))
    rows = [(th.HEIGHT, [share_panel([*layers, *others], t, name)])]
    return material.plot(t, name, rows, label=labels[0], n=numbers[0])


def draw_learning_curve(material: Material, t: Texts) -> th.Plot | None:
    """Draw the metric on training rows and on other rows, against the number of training rows."""
    points = sorted(material.evidence.learning_curve, key=lambda point: point.n_rows)
    if not any(ends([point.unseen]) for point in points):
        return None
    sizes = np.array([point.n_rows for point in points], float)
    scale = np.log10 if sizes[-1] >= MANY_TIMES * sizes[0] else np.asarray
    layers: list[th.Layer] = []
    bands: list[th.Layer] = []
    for place, name in enumerate(("unseen", "seen")):
        known = [(point.n_rows, getattr(point, name)) for point in points]
        known = [(n, estimate) for n, estimate in known if ends([estimate])]
        key, colour = t(f"learning_curve.{name}"), th.SERIES[place]
        x = scale([float(n) for n, _ in known])
        y = np.array([estimate.value for _, estimate in known], dtype=float)
        layers += [th.curve(x, y, place, key), th.dots(x, y, place, key)]
        banded = [(float(n), *each.interval) for n, each in known if each.interval]
        if len(banded) > 1:
            n, low, high = np.transpose(banded)
            x = np.concatenate([scale(n), scale(n)[::-1]])
            bands.append(th.area(x, np.concatenate([low, high[::-1]]), colour))
    metric = metric_name(material.evidence.metric, t)
    low, high = scale(sizes[0]), scale(sizes[-1])
    limits, labels = margined([low, high], 0.04), [f"{n:,.0f}" for n in sizes]
    x_axis = th.Axis(limits, scale(sizes).tolist(), labels, t("learning_curve.x"))
    values = ends(each for point in points for each in (point.unseen, point.seen))
    panel = th.Panel(
        [*layers, *bands], fitting(x_axis, th.WIDTH - 60), number_axis(margined(values), metric)
    )
    last = [point for point in points if ends([point.unseen])][-1]
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
    runs = dict(list(runs.items())[:MAX_RUNS])
    if not runs:
        return {}
    first = next(iter(runs.values()))
    codes = codes_with_curve(first.y, first.proba.shape[1])
    base = np.mean([(first.y == code).mean() for code in codes] or [0])
    kind = "two" if first.proba.shape[1] == 2 else "more"
    plots = {}
    for name, points_of in CURVES.items():
        if not codes and name != "reliability":
            continue
        layers: list[th.Layer] = []
        for place, (run, hold_out) in enumerate(runs.items()):
            x, y = points_of(hold_out)
            if name == "reliability":
                layers.append(th.dots(x, y, place, run, size=5))
                layers.append(th.curve(x, y, place, run, size=1.3))
            else:
                layers.append(th.curve(*thinned(x, y), place, run))
        chance = [base, base] if name == "precision_recall" else [0, 1]
        layers.append(th.reference(chance, t(f"{name}.reference")))
        rows = [(th.HEIGHT, [share_panel(layers, t, name)])]
        plot = th.Plot(t(f"{name}.title"), subtitle, t(f"{name}.{kind}"), rows)
        plots[name] = plot.to_svg(f"{prefix}-{name}")
    return plots


def roc(hold_out: HoldOut) -> Points:
    """Return false and true positive rates."""
    curves: list[Points] = [sk.roc_curve(*each)[:2] for each in _against_the_rest(hold_out)]
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
    codes = codes_with_curve(hold_out.y, hold_out.proba.shape[1])
    return [(hold_out.y == code, hold_out.proba[:, code]) for code in codes]
