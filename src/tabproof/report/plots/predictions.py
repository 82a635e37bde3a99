"""Plots of the predictions on the hold-out set: calibration, distributions, and decisions."""

import numpy as np

from tabproof.evaluation.metrics import calibration_bins, predicted_codes
from tabproof.evaluation_result import Estimate
from tabproof.report.language import Texts
from tabproof.report.plots.axes import LETTER, margined, number_axis, round_ticks
from tabproof.report.plots.curves import truths
from tabproof.report.plots.material import Floats, Material, bars, in_numbers, wilson_intervals
from tabproof.report.plots.theme import (
    DASHED,
    HEIGHT,
    INK,
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
    boxes,
    curve,
    dots,
    in_ink,
    line,
    note,
    segments,
    text,
)
from tabproof.text import display_width

# With more curves than this, their intervals would overlap.
MAX_WITH_INTERVALS = 3
N_BARS = 20
# Minimum rows for twice as many bars.
MANY_ROWS = 1000
# Bars of rows below a calibration curve: where they begin, and the height of the highest.
BAR_FOOT, BAR = -0.2, 0.15
# Markers at 0 and 1 need room.
SHARES_WITH_ROOM = (-0.02, 1.02)
N_THRESHOLDS = 200
# Maximum labels for which a confusion matrix shows shares, counts and all labels.
MAX_WITH_SHARES, MAX_WITH_COUNTS, MAX_LABELS = 5, 8, 14
MAX_LABEL_CELLS = 16
# Ink can be read on the darkest cell.
LIGHTEST, DARKEST = 0.04, 0.5


def draw_calibration(material: Material, texts: Texts) -> Plot | None:
    """Draw observed shares against predicted probabilities; for two labels also bars of rows."""
    codes = material.drawn_classes
    if not codes:
        return None
    layers: list[Layer] = []
    has_intervals = len(codes) <= MAX_WITH_INTERVALS
    for place, (code, (is_class, proba)) in enumerate(zip(codes, truths(material), strict=True)):
        bins = np.unique(calibration_bins(proba), return_inverse=True)[1]
        n_rows = np.bincount(bins).astype(float)
        x, n_observed = np.bincount(bins, proba) / n_rows, np.bincount(bins, is_class)
        y, colour = n_observed / n_rows, SERIES[place]
        least, most = int(n_rows.min()), int(n_rows.max())
        number = f"{least:,}" if least == most else texts("common.range", low=least, high=most)
        name = "calibration.points" if has_intervals else "calibration.points_only"
        key = texts(name, label=material.label(code), number=number)
        layers.append(dots(x, y, colour, key, shape=MARKERS[place]))
        layers.append(curve(x, y, place, key, size=1.2))
        if has_intervals:
            low, high = wilson_intervals(n_observed, n_rows)
            layers.append(segments(x, low, x, high, colour))
    layers += material.left_out(texts)
    layers.append(line([0, 1], [0, 1], RULE, texts("calibration.perfect"), **REFERENCE))
    if material.is_binary:
        counts = np.histogram(material.proba[:, 1], N_BARS, (0, 1))[0]
        key = texts("calibration.bars", n=int(counts.max()))
        x, y = bars(counts / counts.max() * BAR)
        layers.append(area(x, BAR_FOOT + y, RULE, key, alpha=0.5))
    x_axis = Axis(SHARES_WITH_ROOM, title=texts("calibration.x"))
    foot = BAR_FOOT if material.is_binary else SHARES_WITH_ROOM[0]
    y_axis = Axis((foot, SHARES_WITH_ROOM[1]), title=texts("calibration.y"))
    error = material.evidence.metrics.get("ece", Estimate(None))
    return Plot(
        texts("calibration.title"),
        material.subtitle(texts),
        texts("calibration.words", n=in_numbers(error, texts)),
        [(HEIGHT + 30, [Panel(layers, x_axis, y_axis)])],
    )


def draw_distributions(material: Material, texts: Texts) -> Plot | None:
    """Draw the probability of the positive label; of more than two labels, of the true one."""
    codes = [1, 0] if material.is_binary else material.drawn_classes
    codes = [code for code in codes if (material.y == code).any()]
    if not codes:
        return None
    layers: list[Layer] = []
    fills: list[Layer] = []
    n_bars = N_BARS * (2 if len(material.y) >= MANY_ROWS else 1)
    highest = 0.0
    for place, code in enumerate(codes):
        proba = material.proba[material.y == code, 1 if material.is_binary else code]
        shares = np.histogram(proba, n_bars, (0, 1))[0] / len(proba)
        highest = max(highest, float(shares.max()))
        key = texts("distributions.label", label=material.label(code), n=len(proba))
        layers.append(curve(*bars(shares), place, key))
        if material.is_binary:
            fills.append(area(*bars(shares), SERIES[place]))
    threshold = f"{material.threshold:.3g}"
    if material.is_binary:
        key = texts("common.threshold", value=threshold)
        layers.append(_upright(material.threshold, (0, highest), key))
    ticks = round_ticks(0, highest)
    labels = [f"{tick:.4g}%" for tick in np.multiply(ticks, 100)]
    y_axis = Axis((0, highest * 1.03), ticks, labels, texts("distributions.y"))
    x_axis = Axis(title=texts("distributions.x"))
    kind = "binary" if material.is_binary else "multiclass"
    facts = {"label": material.label(-1), "n": threshold}
    return Plot(
        texts(f"distributions.title_{kind}", **facts),
        material.subtitle(texts),
        texts(f"distributions.words_{kind}", **facts),
        [(LOW_HEIGHT, [Panel([*layers, *material.left_out(texts), *fills], x_axis, y_axis)])],
    )


def draw_threshold(material: Material, texts: Texts) -> Plot | None:
    """Draw cost, or precision, recall and F1, against the threshold; for two labels only."""
    if not material.is_binary or not material.drawn_classes:
        return None
    thresholds = np.linspace(0, 1, N_THRESHOLDS + 1)
    curves = _outcomes(material, thresholds)
    aim = next(iter(curves))
    y_axis = Axis(title=texts("threshold.y_rates"))
    if aim == "cost":
        # A gain is a cost below 0.
        low, high = min(0.0, float(curves[aim].min())), max(0.0, float(curves[aim].max()))
        limits = margined(low, high)
        y_axis = number_axis((limits[0] if low < 0 else 0.0, limits[1]), texts("threshold.y_cost"))
    value = f"{material.threshold:.3g}"
    layers = [
        curve(thresholds, values, place, texts(f"threshold.{name}"))
        for place, (name, values) in enumerate(curves.items())
    ]
    chosen = texts(f"threshold.chosen_{material.evidence.decision.objective}", value=value)
    layers.append(_upright(material.threshold, y_axis.limits, chosen))
    x_axis = Axis(title=texts("threshold.x", label=material.label(1)))
    reached = _outcomes(material, np.array([material.threshold]))[aim][0]
    kind = "cost" if aim == "cost" else "rates"
    return Plot(
        texts(f"threshold.title_{kind}"),
        material.subtitle(texts),
        texts(f"threshold.words_{kind}", value=value, n=f"{reached:.3f}"),
        [(LOW_HEIGHT, [Panel(layers, x_axis, y_axis)])],
    )


def _upright(x: float, y: tuple[float, float], key: str) -> Layer:
    return line([x, x], y, INK, key, size=1.3, linetype=DASHED)


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


def draw_confusion(material: Material, texts: Texts) -> Plot | None:
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
    layers: list[Layer] = []
    if n <= MAX_WITH_COUNTS:
        rise = 6.5 * n / height if n <= MAX_WITH_SHARES else 0.0
        for face, is_drawn in (("bold", rows == columns), ("plain", rows != columns)):
            labels = [f"{count:,}" for count in counts.ravel()[is_drawn]]
            layers.append(text(x[is_drawn], y[is_drawn] + rise, labels, fontface=face))
        if n <= MAX_WITH_SHARES:
            layers.append(text(x, y - rise, [f"{share:.0%}" for share in shares]))
    alpha = LIGHTEST + (DARKEST - LIGHTEST) * shares
    layers.append(boxes((x - 0.5, x + 0.5), (y - 0.5, y + 0.5), SERIES[0], alpha))
    if material.is_binary:
        layers.append(note(texts("common.threshold", value=f"{material.threshold:.3g}")))
    ticks = list(range(0, n, -(-n // MAX_LABELS)))
    labels = [material.label(code, MAX_LABEL_CELLS) for code in ticks]
    widest = max(map(display_width, labels)) * LETTER
    labels = in_ink(labels)
    leans = widest + 6 > (WIDTH - widest) / len(labels)
    limits, places = (0.0, float(n)), [tick + 0.5 for tick in ticks]
    x_axis = Axis(limits, places, labels, texts("confusion.x"), False, 40 if leans else None)
    y_axis = Axis(limits, [n - place for place in places], labels, texts("confusion.y"), False)
    accuracy = Estimate(float((material.y == predicted).mean()))
    accuracy = material.evidence.metrics.get("accuracy", accuracy)
    return Plot(
        texts("confusion.title"),
        material.subtitle(texts),
        texts("confusion.words", n=in_numbers(accuracy, texts)),
        [(height + 50 + leans * widest * 0.64, [Panel(layers, x_axis, y_axis)])],
    )
