"""How rows of each label are predicted, at the threshold."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabproof.evaluation.metrics import predicted_codes
from tabproof.evaluation_result import Estimate
from tabproof.report.language import Texts
from tabproof.report.plots.lettering import width_of
from tabproof.report.plots.material import Material, in_numbers
from tabproof.report.plots.palette import INK, SERIES
from tabproof.report.plots.panel import HEAD, Panel
from tabproof.report.plots.sheet import LINE, MARGIN, SINK, SIZE, WIDTH, Key, Sheet

# Cells with two lines, with one, with none; and labels at an axis.
MAX_WITH_SHARES, MAX_WITH_COUNTS, MAX_LABELS = 5, 8, 14
LETTERS = 16
# The darkest cell still lets ink be read.
LIGHTEST, DARKEST = 0.04, 0.5
SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])


class Layout(NamedTuple):
    """Where the cells lie, and whether the labels below them lean to have room."""

    left: float
    foot: float
    height: float
    leans: bool


def draw_confusion(material: Material, texts: Texts) -> Sheet | None:
    """Draw a cell for each true and each predicted label."""
    n_labels = len(material.evidence.labels)
    if not len(material.y):
        return None
    predicted = predicted_codes(material.proba, material.evidence.decision.threshold)
    pairs = material.y * n_labels + predicted
    counts = np.bincount(pairs, minlength=n_labels**2).reshape(n_labels, n_labels)
    step = -(-n_labels // MAX_LABELS)
    labels = [material.label(code, LETTERS) if code % step == 0 else "" for code in range(n_labels)]
    layout = _layout(labels)
    right = float((material.y == predicted).mean())
    accuracy = material.evidence.metrics.get("accuracy", Estimate(right))
    threshold = Key(texts("common.threshold", value=f"{material.threshold:.3g}"))
    sheet = Sheet(
        texts("confusion.title"),
        material.subtitle(texts),
        height=layout.height + HEAD + layout.foot,
        words=texts("confusion.words", n=in_numbers(accuracy, texts)),
        keys=[threshold] if material.is_binary else (),
    )
    width, limits = WIDTH - layout.left - 2 * MARGIN, (0, n_labels)
    panel = Panel(
        sheet,
        left=layout.left,
        bottom=layout.foot,
        width=width,
        height=layout.height,
        x=limits,
        y=limits[::-1],
    )
    _draw_cells(panel, counts)
    _write_labels(panel, labels, leans=layout.leans)
    sheet.write(MARGIN, layout.foot + layout.height + 9, texts("confusion.y"), colour=INK)
    sheet.write(WIDTH - 2 * MARGIN, 5, texts("confusion.x"), colour=INK, align="right")
    return sheet


def _layout(labels: list[str]) -> Layout:
    widest = max(width_of(label, SIZE) for label in labels)
    left = MARGIN + widest + 8
    room = (WIDTH - left - 2 * MARGIN) / len(labels) - 6
    leans = any(width_of(label, SIZE) > room for label in labels)
    foot = LINE + 18 + (widest * 0.64 if leans else 0)
    return Layout(left, foot, float(np.clip(64 * len(labels), 128, 300)), leans)


def _draw_cells(panel: Panel, counts: NDArray[np.int64]) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with_share = len(counts) <= MAX_WITH_SHARES
    for i, j in np.ndindex(counts.shape):
        alpha = LIGHTEST + (DARKEST - LIGHTEST) * float(shares[i, j])
        panel.polygon(SQUARE + np.array([j, i]), colour=SERIES[0], alpha=round(alpha, 3))
        if len(counts) > MAX_WITH_COUNTS:
            continue
        x, y = panel.x_at(j + 0.5), panel.y_at(i + 0.5) - SINK * SIZE + 6.5 * with_share
        weight = "bold" if i == j else "normal"
        panel.sheet.write(x, y, f"{counts[i, j]:,}", colour=INK, align="center", weight=weight)
        if with_share:
            panel.sheet.write(x, y - 13, f"{shares[i, j]:.0%}", colour=INK, align="center")


def _write_labels(panel: Panel, labels: list[str], *, leans: bool) -> None:
    for code, label in enumerate(labels):
        x, y = panel.x_at(code + 0.5), panel.y_at(code + 0.5) - SINK * SIZE
        panel.sheet.write(panel.left - 5, y, label, align="right", colour=INK)
        if leans:
            place = (x + 4, panel.bottom - 10)
            panel.sheet.write(*place, label, align="right", turn=40, colour=INK)
        else:
            panel.sheet.write(x, panel.bottom - 13, label, align="center", colour=INK)
