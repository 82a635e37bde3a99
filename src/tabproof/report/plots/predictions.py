"""Plots of the predictions on the hold-out set: calibration, distributions, and decisions."""

import numpy as np
from numpy.typing import NDArray

from tabproof.evaluation.metrics import predicted_codes
from tabproof.evaluation_result import Estimate
from tabproof.report.format import Texts
from tabproof.report.plots import theme as th
from tabproof.report.plots.axes import LETTER, margined, number_axis, round_ticks
from tabproof.report.plots.material import Floats, Material, binned, in_numbers, wilson_intervals
from tabproof.text import display_width

N_BARS = 20
# Bars of rows below a calibration curve: where they begin, and the height of the highest.
BAR_FOOT, BAR = -0.2, 0.15
# Markers at 0 and 1 need room.
SHARES_WITH_ROOM = (-0.02, 1.02)
# Maximum labels for which a confusion matrix shows shares, counts and all labels.
MAX_WITH_SHARES, MAX_WITH_COUNTS, MAX_LABELS = 5, 8, 14
# Ink can be read on the darkest cell.
LIGHTEST, DARKEST = 0.04, 0.5


def draw_calibration(material: Material, t: Texts) -> th.Plot | None:
    """Draw observed shares against predicted probabilities; for two labels also bars of rows."""
    truths = material.truths
    if not truths:
        return None
    layers: list[th.Layer] = []
    # Of more curves, the intervals would overlap.
    has_intervals = len(truths) <= 3
    name = "calibration.points" if has_intervals else "calibration.points_only"
    for place, (code, is_class, proba) in enumerate(truths):
        x, n_observed, n_rows = binned(proba, is_class)
        y = n_observed / n_rows
        least, most = int(n_rows.min()), int(n_rows.max())
        number = f"{least:,}" if least == most else t("common.range", low=least, high=most)
        key = t(name, label=material.label(code), number=number)
        layers += [th.dots(x, y, place, key), th.curve(x, y, place, key, size=1.2)]
        if has_intervals:
            low, high = wilson_intervals(n_observed, n_rows)
            layers.append(th.segments([x, low, x, high], th.SERIES[place]))
    layers += [*material.left_out(t), th.reference([0, 1], t("calibration.perfect"))]
    foot, top = SHARES_WITH_ROOM
    if material.evidence.is_binary:
        counts = np.histogram(material.proba[:, 1], N_BARS, (0, 1))[0]
        key = t("calibration.bars", n=int(counts.max()))
        x, y = bars(counts / counts.max() * BAR)
        layers.append(th.area(x, BAR_FOOT + y, th.RULE, key, alpha=0.5))
        foot = BAR_FOOT
    x_axis = th.Axis(SHARES_WITH_ROOM, title=t("calibration.x"))
    panel = th.Panel(layers, x_axis, th.Axis((foot, top), title=t("calibration.y")))
    error = in_numbers(material.evidence.metrics.get("ece", Estimate(None)), t)
    return material.plot(t, "calibration", [(th.HEIGHT + 30, [panel])], n=error)


def draw_distributions(material: Material, t: Texts) -> th.Plot | None:
    """Draw the probability of the positive label; of more than two labels, of the true one."""
    codes = [1, 0] if material.evidence.is_binary else material.drawn_classes
    codes = [code for code in codes if (material.y == code).any()]
    if not codes:
        return None
    layers: list[th.Layer] = []
    fills: list[th.Layer] = []
    n_bars = N_BARS * (2 if len(material.y) >= 1000 else 1)
    highest = 0.0
    for place, code in enumerate(codes):
        proba = material.proba[material.y == code, 1 if material.evidence.is_binary else code]
        shares = np.histogram(proba, n_bars, (0, 1))[0] / len(proba)
        highest = max(highest, float(shares.max()))
        key = t("distributions.label", label=material.label(code), n=len(proba))
        layers.append(th.curve(*bars(shares), place, key))
        if material.evidence.is_binary:
            fills.append(th.area(*bars(shares), th.SERIES[place]))
    threshold = f"{material.threshold:.3g}"
    if material.evidence.is_binary:
        key = t("common.threshold", value=threshold)
        layers.append(_upright(material.threshold, (0, highest), key))
    ticks = round_ticks(0, highest)
    labels = [f"{tick:.4g}%" for tick in np.multiply(ticks, 100)]
    y_axis = th.Axis((0, highest * 1.03), ticks, labels, t("distributions.y"))
    layers = [*layers, *material.left_out(t), *fills]
    rows = [(th.LOW_HEIGHT, [th.Panel(layers, th.Axis(title=t("distributions.x")), y_axis)])]
    kind = "_binary" if material.evidence.is_binary else "_multiclass"
    return material.plot(t, "distributions", rows, kind, label=material.label(-1), n=threshold)


def bars(heights: Floats) -> tuple[Floats, Floats]:
    """Return the outline of bars of equal width from 0 to 1: x and y."""
    edges = np.linspace(0, 1, len(heights) + 1)
    return np.repeat(edges, 2), np.concatenate([[0], np.repeat(heights, 2), [0]])


def draw_threshold(material: Material, t: Texts) -> th.Plot | None:
    """Draw cost, or precision, recall and F1, against the threshold; for two labels only."""
    if not material.evidence.is_binary or not material.drawn_classes:
        return None
    thresholds = np.linspace(0, 1, 201)
    curves = _outcomes(material, thresholds)
    aim = next(iter(curves))
    y_axis = th.Axis(title=t("threshold.y_rates"))
    if aim == "cost":
        # A gain is a cost below 0.
        low, high = margined([0.0, *curves[aim]])
        y_axis = number_axis((low if (curves[aim] < 0).any() else 0.0, high), t("threshold.y_cost"))
    value = f"{material.threshold:.3g}"
    layers = [
        th.curve(thresholds, values, place, t(f"threshold.{name}"))
        for place, (name, values) in enumerate(curves.items())
    ]
    chosen = t(f"threshold.chosen_{material.evidence.decision.objective}", value=value)
    layers.append(_upright(material.threshold, y_axis.limits, chosen))
    x_axis = th.Axis(title=t("threshold.x", label=material.label(1)))
    reached = f"{_outcomes(material, np.array([material.threshold]))[aim][0]:.3f}"
    rows = [(th.LOW_HEIGHT, [th.Panel(layers, x_axis, y_axis)])]
    kind = "_cost" if aim == "cost" else "_rates"
    return material.plot(t, "threshold", rows, kind, value=value, n=reached)


def _upright(x: float, y: tuple[float, float], key: str) -> th.Layer:
    return th.line([x, x], y, th.INK, key, size=1.3, linetype=th.DASHED)


def _outcomes(material: Material, thresholds: Floats) -> dict[str, Floats]:
    """Return what is drawn at each threshold by name; the first is what was optimized."""
    outcomes = []
    for code in (0, 1):
        of_code = np.sort(material.proba[material.y == code, 1])
        below = np.searchsorted(of_code, thresholds, side="left")
        outcomes.append([below, len(of_code) - below])
    counts = np.array(outcomes, dtype=float)
    decision = material.evidence.decision
    if decision.objective == "cost" and decision.costs is not None:
        costs = np.asarray(decision.costs, dtype=float)[:, :, np.newaxis]
        return {"cost": (counts * costs).sum(axis=(0, 1)) / len(material.y)}
    (_, false_positive), (false_negative, true_positive) = counts
    predicted, positive = true_positive + false_positive, true_positive + false_negative
    with np.errstate(invalid="ignore"):
        precision = true_positive / predicted
    f1 = 2 * true_positive / (predicted + positive)
    return {"f1": f1, "precision": precision, "recall": true_positive / positive}


def draw_confusion(material: Material, t: Texts) -> th.Plot | None:
    """Draw a cell for each true and each predicted label, at the threshold."""
    n = len(material.evidence.labels)
    if not len(material.y):
        return None
    predicted = predicted_codes(material.proba, material.evidence.decision.threshold)
    counts = np.bincount(material.y * n + predicted, minlength=n**2).reshape(n, n)
    shares = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).ravel()
    # The first label is at the top.
    rows, columns = (each.ravel() for each in np.indices((n, n)))
    x, y = columns + 0.5, n - rows - 0.5
    height = float(np.clip(64 * n, 128, 300))
    layers: list[th.Layer] = []
    if n <= MAX_WITH_COUNTS:
        rise = 6.5 * n / height if n <= MAX_WITH_SHARES else 0.0
        for face, is_drawn in (("bold", rows == columns), ("plain", rows != columns)):
            labels = [f"{count:,}" for count in counts.ravel()[is_drawn]]
            layers.append(th.text(x[is_drawn], y[is_drawn] + rise, labels, fontface=face))
        if n <= MAX_WITH_SHARES:
            layers.append(th.text(x, y - rise, [f"{share:.0%}" for share in shares]))
    alpha = LIGHTEST + (DARKEST - LIGHTEST) * shares
    words = _cell_words(material, counts, shares, t) if n <= MAX_LABELS else []
    ends = [x - 0.5, x + 0.5, y - 0.5, y + 0.5]
    layers.append(th.boxes(ends, th.SERIES[0], alpha, words=words))
    if material.evidence.is_binary:
        layers.append(th.note(t("common.threshold", value=f"{material.threshold:.3g}")))
    ticks = list(range(0, n, -(-n // MAX_LABELS)))
    labels = [material.label(code, 16) for code in ticks]
    widest = max(map(display_width, labels)) * LETTER
    leans = widest + 6 > (th.WIDTH - widest) / len(labels)
    labels, places = th.in_ink(labels), [tick + 0.5 for tick in ticks]
    angle, limits = 40 if leans else None, (0.0, float(n))
    x_axis = th.Axis(limits, places, labels, t("confusion.x"), False, angle)
    y_axis = th.Axis(limits, [n - place for place in places], labels, t("confusion.y"), False)
    accuracy = Estimate(float((material.y == predicted).mean()))
    accuracy = material.evidence.metrics.get("accuracy", accuracy)
    panels = [(height + 50 + leans * widest * 0.64, [th.Panel(layers, x_axis, y_axis)])]
    return material.plot(t, "confusion", panels, n=in_numbers(accuracy, t))


def _cell_words(
    material: Material, counts: NDArray[np.int64], shares: Floats, t: Texts
) -> list[str]:
    """Return the texts of the cells of a confusion matrix on hover."""
    labels = [material.label(code) for code in range(len(counts))]
    pairs = [(true, predicted) for true in labels for predicted in labels]
    return [
        t("confusion.cell", true=true, predicted=predicted, n=count, share=share)
        for (true, predicted), count, share in zip(
            pairs, counts.ravel().tolist(), shares.tolist(), strict=True
        )
    ]
