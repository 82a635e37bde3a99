"""The first four pictures of a run: ROC, precision-recall, calibration, confusion.

Colours are Okabe and Ito's (2008), told apart by colour-blind readers too; the same
numbers give the same bytes.
"""

import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Whichever is installed draws what the default font lacks: Japanese labels, say.
CJK_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "IPAexGothic",
    "IPAGothic",
    "Hiragino Sans",
    "Yu Gothic",
    "MS Gothic",
)
MAX_CURVES = len(COLOURS)
N_BINS = 10
MAX_LETTERS = 24

log = logging.getLogger(__name__)


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
    with (
        matplotlib.rc_context({"font.family": _fonts(), "text.parse_math": False}),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        _draw_all(HoldOut(y, proba, [_shown(label) for label in labels]), title, directory)
    for message in {_worded(warning) for warning in caught}:
        log.warning(message)


def _fonts() -> list[str]:
    installed = set(font_manager.get_font_names())
    return ["DejaVu Sans", *(font for font in CJK_FONTS if font in installed)]


def _shown(label: str) -> str:
    shortened = label if len(label) <= MAX_LETTERS else label[: MAX_LETTERS - 1] + "…"
    # matplotlib leaves out of a legend what begins with an underscore.
    return f" {shortened}" if shortened.startswith("_") else shortened


def _worded(warning: warnings.WarningMessage) -> str:
    if "missing from font" in str(warning.message):
        return "no font here has all letters of the labels: pictures show boxes (fonts-noto-cjk)"
    return str(warning.message)


def _draw_all(hold_out: HoldOut, title: str, directory: Path) -> None:
    drawings: dict[str, Callable[[Axes, HoldOut], None]] = {
        "roc": _draw_roc,
        "precision_recall": _draw_precision_recall,
        "calibration": _draw_calibration,
        "confusion": _draw_confusion,
    }
    for name, draw in drawings.items():
        figure = Figure(figsize=(5, 4.4), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
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
