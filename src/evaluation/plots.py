"""The first four pictures of a run: ROC, precision-recall, calibration, confusion."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from src.evaluation.drawing import COLOURS, drawing, make_figure, shown

MAX_CURVES = len(COLOURS)
N_BINS = 10


class HoldOut(NamedTuple):
    """The truth as codes, the probabilities, and what the codes mean."""

    y: NDArray[np.int64]
    proba: NDArray[np.float64]
    labels: Sequence[str]

    @property
    def drawn_classes(self) -> list[int]:
        """Two classes make one curve, the positive one's."""
        return [1] if len(self.labels) == 2 else list(range(min(len(self.labels), MAX_CURVES)))

    def say_what_is_left_out(self, axes: Axes) -> None:
        """Add a line to the legend where there are more classes than colours."""
        n_left_out = len(self.labels) - MAX_CURVES
        if n_left_out > 0:
            axes.plot([], [], linestyle="none", label=f"({n_left_out} more classes not drawn)")


def draw_plots(
    y: NDArray[np.int64],
    proba: NDArray[np.float64],
    labels: Sequence[str],
    *,
    title: str,
    directory: Path,
) -> None:
    """Write roc.png, precision_recall.png, calibration.png and confusion.png."""
    with drawing():
        _draw_all(HoldOut(y, proba, [shown(label) for label in labels]), title, directory)


def _draw_all(hold_out: HoldOut, title: str, directory: Path) -> None:
    drawings: dict[str, Callable[[Axes, HoldOut], None]] = {
        "roc": _draw_roc,
        "precision_recall": _draw_precision_recall,
        "calibration": _draw_calibration,
        "confusion": _draw_confusion,
    }
    for name, draw in drawings.items():
        figure = make_figure(5, 4.4)
        axes = figure.subplots()
        draw(axes, hold_out)
        axes.set_title(title, fontsize=10, loc="left")
        figure.savefig(directory / f"{name}.png")


def _draw_roc(axes: Axes, hold_out: HoldOut) -> None:
    for colour, code in zip(COLOURS, hold_out.drawn_classes, strict=False):
        is_class = hold_out.y == code
        false_positive, true_positive, _ = sk.roc_curve(is_class, hold_out.proba[:, code])
        area = sk.auc(false_positive, true_positive)
        label = f"{hold_out.labels[code]}: AUC {area:.4f}"
        axes.plot(false_positive, true_positive, color=colour, label=label)
    hold_out.say_what_is_left_out(axes)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
    axes.legend(loc="lower right", fontsize=8)


def _draw_precision_recall(axes: Axes, hold_out: HoldOut) -> None:
    for colour, code in zip(COLOURS, hold_out.drawn_classes, strict=False):
        is_class = hold_out.y == code
        precision, recall, _ = sk.precision_recall_curve(is_class, hold_out.proba[:, code])
        average = sk.average_precision_score(is_class, hold_out.proba[:, code])
        label = f"{hold_out.labels[code]}: AP {average:.4f}"
        axes.plot(recall, precision, color=colour, drawstyle="steps-post", label=label)
        axes.axhline(is_class.mean(), color=colour, linestyle=":", linewidth=1)
    hold_out.say_what_is_left_out(axes)
    axes.plot([], [], color="grey", linestyle=":", label="share of the class (chance)")
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(loc="lower left", fontsize=8)


def _draw_calibration(axes: Axes, hold_out: HoldOut) -> None:
    for colour, code in zip(COLOURS, hold_out.drawn_classes, strict=False):
        is_class = hold_out.y == code
        observed, predicted = calibration_curve(
            is_class, hold_out.proba[:, code], n_bins=N_BINS, strategy="quantile"
        )
        axes.plot(predicted, observed, color=colour, marker="o", label=hold_out.labels[code])
    hold_out.say_what_is_left_out(axes)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect")
    axes.set(
        xlabel=f"predicted probability ({N_BINS} bins of equal size)",
        ylabel="observed share",
        aspect="equal",
    )
    axes.legend(loc="upper left", fontsize=8)


def _draw_confusion(axes: Axes, hold_out: HoldOut) -> None:
    codes = np.arange(len(hold_out.labels))
    counts = sk.confusion_matrix(hold_out.y, hold_out.proba.argmax(axis=1), labels=codes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(codes) <= 12:
        for i, j in np.ndindex(counts.shape):
            colour = "white" if shares[i, j] > 0.5 else "black"
            text = f"{counts[i, j]:,}\n{shares[i, j]:.0%}"
            axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=9)
    axes.set(
        xlabel="predicted",
        ylabel="true",
        xticks=codes,
        yticks=codes,
        xticklabels=hold_out.labels,
        yticklabels=hold_out.labels,
    )
