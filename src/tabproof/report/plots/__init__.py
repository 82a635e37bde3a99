"""Plots of a run for people, as SVG."""

from collections.abc import Callable

from tabproof.report.format import Texts
from tabproof.report.plots import columns, curves, predictions, search
from tabproof.report.plots.material import Material
from tabproof.report.plots.theme import Plot

__all__ = ["Material", "draw_plots"]

# In the order of the report. A new plot is a function here and its texts in texts/plots.toml.
PLOTS: dict[str, Callable[[Material, Texts], Plot | None]] = {
    "roc": curves.draw_roc,
    "precision_recall": curves.draw_precision_recall,
    "calibration": predictions.draw_calibration,
    "distributions": predictions.draw_distributions,
    "confusion": predictions.draw_confusion,
    "threshold": predictions.draw_threshold,
    "importance": columns.draw_importance,
    "dependence": columns.draw_dependence,
    "slices": columns.draw_slices,
    "learning_curve": curves.draw_learning_curve,
    "search": search.draw_search,
}


def draw_plots(material: Material, language: str) -> dict[str, str]:
    """Draw every plot that there is material for: SVG by name."""
    texts = Texts("plots", language)
    plots = {name: draw(material, texts) for name, draw in PLOTS.items()}
    return {name: plot.to_svg(name) for name, plot in plots.items() if plot is not None}
