"""What other thresholds would have given on the rows held out, and which was chosen."""

from typing import NamedTuple

import numpy as np

from tabproof.report.language import Texts
from tabproof.report.plots.material import Material
from tabproof.report.plots.palette import INK
from tabproof.report.plots.panel import FOOT, HEAD, SHARE_LABELS, SHARES, Panel
from tabproof.report.plots.shares import Floats
from tabproof.report.plots.sheet import MARGIN, WIDTH, Key, Sheet, series_style
from tabproof.report.plots.ticks import margined, round_ticks, tick_labels

LEFT = 38.0
HEIGHT = 200.0
N_THRESHOLDS = 200


class Curves(NamedTuple):
    """kind: cost or rates. values: by name, one for each threshold; the first is the aim."""

    kind: str
    values: dict[str, Floats]


def draw_threshold(material: Material, texts: Texts) -> Sheet | None:
    """Draw cost, or precision, recall and F1, against the threshold; for two labels only."""
    if not material.is_binary or not material.drawn_classes:
        return None
    thresholds = np.linspace(0, 1, N_THRESHOLDS + 1)
    curves = _curves(material, thresholds)
    reached = next(iter(_curves(material, np.array([material.threshold])).values.values()))
    value = f"{material.threshold:.3g}"
    sheet = Sheet(
        texts(f"threshold.title_{curves.kind}"),
        material.subtitle(texts),
        height=HEIGHT + HEAD + FOOT,
        words=texts(f"threshold.words_{curves.kind}", value=value, n=f"{reached[0]:.3f}"),
        keys=_keys(material, texts, curves, value),
    )
    limits, ticks, labels = (0.0, 1.0), list(SHARES), list(SHARE_LABELS)
    if curves.kind == "cost":
        costs = curves.values["cost"]
        # A gain is a cost below 0.
        limits = margined(min(0.0, float(costs.min())), max(0.0, float(costs.max())))
        limits = (0.0, limits[1]) if costs.min() >= 0 else limits
        ticks = round_ticks(*limits)
        labels = tick_labels(ticks)
    width = WIDTH - LEFT - 2 * MARGIN
    panel = Panel(sheet, left=LEFT, bottom=FOOT, width=width, height=HEIGHT, y=limits)
    for number, values in enumerate(curves.values.values()):
        panel.line(thresholds, values, **series_style(number))
    panel.line([material.threshold] * 2, limits, colour=INK, dashes="--", linewidth=1.3)
    panel.x_ticks(SHARES, SHARE_LABELS, title=texts("threshold.x", label=material.label(1)))
    panel.y_ticks(ticks, labels, title=texts(f"threshold.y_{curves.kind}"))
    return sheet


def _keys(material: Material, texts: Texts, curves: Curves, value: str) -> list[Key]:
    keys = [
        Key(texts(f"threshold.{name}"), **series_style(number))
        for number, name in enumerate(curves.values)
    ]
    chosen = texts(f"threshold.chosen_{material.evidence.decision.objective}", value=value)
    return [*keys, Key(chosen, INK, "--")]


def _curves(material: Material, thresholds: Floats) -> Curves:
    decision, counts = material.evidence.decision, _outcomes(material, thresholds)
    if decision.objective == "cost" and decision.costs is not None:
        costs = np.asarray(decision.costs, dtype=float)[:, :, np.newaxis]
        mean = (counts * costs).sum(axis=(0, 1)) / len(material.y)
        return Curves("cost", {"cost": mean})
    (_, false_positive), (false_negative, true_positive) = counts
    predicted, positive = true_positive + false_positive, true_positive + false_negative
    with np.errstate(invalid="ignore"):
        precision = true_positive / predicted
    f1 = 2 * true_positive / (predicted + positive)
    rates = {"f1": f1, "precision": precision, "recall": true_positive / positive}
    return Curves("rates", rates)


def _outcomes(material: Material, thresholds: Floats) -> Floats:
    """Count rows of shape (2, 2, n_thresholds): by true and by predicted label."""
    outcomes = []
    for code in (0, 1):
        of_code = np.sort(material.proba[material.y == code, 1])
        below = np.searchsorted(of_code, thresholds, side="left")
        outcomes.append([below, len(of_code) - below])
    return np.array(outcomes, dtype=float)
