"""Curves: ROC, precision-recall, and the learning curve."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from tabproof.evaluation_result import Estimate
from tabproof.report.language import Texts
from tabproof.report.plots.axes import fitting, margined, number_axis
from tabproof.report.plots.material import (
    LEVEL,
    Floats,
    Material,
    Points,
    ends,
    in_numbers,
    metric_name,
    steps,
    thinned,
    wilson_intervals,
)
from tabproof.report.plots.theme import (
    DOTTED,
    HEIGHT,
    LOW_HEIGHT,
    MARKERS,
    REFERENCE,
    RULE,
    SERIES,
    WIDTH,
    Axis,
    Layer,
    Panel,
    Plot,
    area,
    curve,
    dots,
    line,
)

# From 100 to 1,000 rows, say, the first points would overlap on a linear axis.
MANY_TIMES = 10


def draw_roc(material: Material, texts: Texts) -> Plot | None:
    """Draw true against false positive rates, for two labels with a band.

    The band joins, for every threshold, the rectangle in which both rates lie with 95 %
    confidence: two independent intervals of Wilson's at the root of 0.95 each (Hilgers, 1991;
    Pepe, 2003, section 2.2.2). It needs no resamples, and is wide where rows are few.
    """
    if not material.drawn_classes:
        return None
    of_classes = truths(material)
    rates: list[Points] = [sk.roc_curve(*truth)[:2] for truth in of_classes]
    numbers = [_number(material, "roc_auc", texts, sk.auc(*rate)) for rate in rates]
    curves = [thinned(*rate) for rate in rates]
    layers = _curves("roc", material, texts, numbers, curves)
    if material.is_binary:
        layers.append(area(*roc_band(*rates[0], material.y), SERIES[0], texts("roc.band")))
    layers += material.left_out(texts)
    layers.append(line([0, 1], [0, 1], RULE, texts("roc.chance"), **REFERENCE))
    return _share_plot("roc", material, texts, layers, numbers[0])


def draw_precision_recall(material: Material, texts: Texts) -> Plot | None:
    """Draw precision against recall, and the precision of chance."""
    if not material.drawn_classes:
        return None
    of_classes = truths(material)
    values = [sk.average_precision_score(*truth) for truth in of_classes]
    numbers = [_number(material, "average_precision", texts, value) for value in values]
    curves = []
    for truth in of_classes:
        precision, recall, _ = sk.precision_recall_curve(*truth)
        curves.append(thinned(*steps(recall, precision)))
    layers = _curves("precision_recall", material, texts, numbers, curves)
    layers += material.left_out(texts)
    shares = [float(is_class.mean()) for is_class, _ in of_classes]
    base_rate = texts("precision_recall.base_rate", share=f"{shares[0]:.1%}")
    key = base_rate if material.is_binary else texts("precision_recall.base_rates")
    for number, share in enumerate(shares):
        colour = RULE if material.is_binary else SERIES[number]
        first = None if number else key
        layers.append(line([0, 1], [share] * 2, colour, first, size=1, linetype=DOTTED))
    return _share_plot("precision_recall", material, texts, layers, numbers[0])


def roc_band(x: Floats, y: Floats, truth: NDArray[np.int64]) -> Points:
    """Return the corners of the band, x and y: along its upper edge, back along its lower."""
    level, n_positive, n_negative = math.sqrt(LEVEL), (truth == 1).sum(), (truth != 1).sum()
    left, right = wilson_intervals(x * n_negative, n_negative, level)
    low, high = wilson_intervals(y * n_positive, n_positive, level)
    upper, lower = thinned(left, high), thinned(right, low)
    return (
        np.concatenate([[0], upper[0], [1], lower[0][::-1]]),
        np.concatenate([[0], upper[1], [1], lower[1][::-1]]),
    )


def truths(material: Material) -> list[tuple[NDArray[np.bool_], Floats]]:
    """Return, for each class with a curve, which rows have it and their probabilities."""
    return [(material.y == code, material.proba[:, code]) for code in material.drawn_classes]


def _number(material: Material, metric: str, texts: Texts, value: float) -> str:
    """Write the metric with its interval, which is known for the curve of two labels only."""
    known = material.evidence.metrics.get(metric) if material.is_binary else None
    return in_numbers(known or Estimate(float(value)), texts)


def _curves(
    name: str, material: Material, texts: Texts, numbers: Sequence[str], curves: Sequence[Points]
) -> list[Layer]:
    labels = [material.label(code) for code in material.drawn_classes]
    keys = [
        texts(f"{name}.curve", label=label, number=number)
        for label, number in zip(labels, numbers, strict=True)
    ]
    return [
        curve(*points, place, key)
        for place, (key, points) in enumerate(zip(keys, curves, strict=True))
    ]


def _share_plot(
    name: str, material: Material, texts: Texts, layers: Sequence[Layer], number: str
) -> Plot:
    """Make a plot whose axes both go from 0 to 1."""
    label = material.label(material.drawn_classes[0])
    panel = Panel(layers, Axis(title=texts(f"{name}.x")), Axis(title=texts(f"{name}.y")))
    alt = texts(f"{name}.words", label=label, n=number)
    return Plot(texts(f"{name}.title"), material.subtitle(texts), alt, [(HEIGHT, [panel])])


def draw_learning_curve(material: Material, texts: Texts) -> Plot | None:
    """Draw the metric on training rows and on other rows, against the number of training rows."""
    points = sorted(material.evidence.learning_curve, key=lambda point: point.n_rows)
    curves = {
        "unseen": [(point.n_rows, point.unseen) for point in points if ends([point.unseen])],
        "seen": [(point.n_rows, point.seen) for point in points if ends([point.seen])],
    }
    if not curves["unseen"]:
        return None
    sizes = np.array([point.n_rows for point in points], float)
    scale = np.log10 if sizes[-1] >= MANY_TIMES * sizes[0] else np.asarray
    layers: list[Layer] = []
    bands: list[Layer] = []
    for place, (name, known) in enumerate(curves.items()):
        key, colour = texts(f"learning_curve.{name}"), SERIES[place]
        x = scale([float(n) for n, _ in known])
        y = np.array([estimate.value for _, estimate in known], dtype=float)
        layers.append(curve(x, y, place, key))
        layers.append(dots(x, y, colour, key, shape=MARKERS[place]))
        banded = [(float(n), *each.interval) for n, each in known if each.interval]
        if len(banded) > 1:
            n, low, high = np.transpose(banded)
            x = np.concatenate([scale(n), scale(n)[::-1]])
            bands.append(area(x, np.concatenate([low, high[::-1]]), colour))
    metric = metric_name(material.evidence.metric, texts)
    low, high = scale(sizes[0]), scale(sizes[-1])
    limits = margined(float(low), float(high), 0.04)
    labels = [f"{n:,.0f}" for n in sizes]
    x_axis = Axis(limits, scale(sizes).tolist(), labels, texts("learning_curve.x"))
    values = ends([estimate for known in curves.values() for _, estimate in known])
    y_axis = number_axis(margined(min(values), max(values)), metric)
    last, reached = curves["unseen"][-1]
    return Plot(
        texts("learning_curve.title"),
        material.subtitle(texts),
        texts("learning_curve.words", metric=metric, rows=last, n=in_numbers(reached, texts)),
        [(LOW_HEIGHT, [Panel([*layers, *bands], fitting(x_axis, WIDTH - 60), y_axis)])],
    )
