"""Plots of a run for people, as SVG."""

from collections.abc import Callable

from tabproof.report.language import Texts
from tabproof.report.plots.columns import draw_dependence, draw_importance, draw_slices
from tabproof.report.plots.curves import draw_learning_curve, draw_precision_recall, draw_roc
from tabproof.report.plots.material import Material
from tabproof.report.plots.predictions import (
    draw_calibration,
    draw_confusion,
    draw_distributions,
    draw_threshold,
)
from tabproof.report.plots.search import draw_search
from tabproof.report.plots.theme import Plot

__all__ = ["Material", "draw_plots"]

# In the order of the report. A new plot is a function here and its texts in texts/plots.toml.
PLOTS: dict[str, Callable[[Material, Texts], Plot | None]] = {
    "roc": draw_roc,
    "precision_recall": draw_precision_recall,
    "calibration": draw_calibration,
    "distributions": draw_distributions,
    "confusion": draw_confusion,
    "threshold": draw_threshold,
    "importance": draw_importance,
    "dependence": draw_dependence,
    "slices": draw_slices,
    "learning_curve": draw_learning_curve,
    "search": draw_search,
}


def draw_plots(material: Material, language: str) -> dict[str, str]:
    """Draw every plot that there is material for: SVG by name."""
    texts = Texts("plots", language)
    plots = {name: draw(material, texts) for name, draw in PLOTS.items()}
    return {name: plot.to_svg(name) for name, plot in plots.items() if plot is not None}
