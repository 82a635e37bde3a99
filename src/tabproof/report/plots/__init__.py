"""Plots of a run for people, as SVG."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

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


def draw_plots(
    material: Material,
    language: str,
    *,
    guard: Callable[[str], AbstractContextManager[None]] = lambda _name: nullcontext(),
    on_plot: Callable[[str, int], None] = lambda _name, _n_plots: None,
) -> dict[str, str]:
    """Draw every plot that there is material for: SVG by name.

    guard : the context in which a plot is drawn, by its name; if it holds back an error, the plot
    is left out. on_plot : called with the name of a plot, and the number of all, before each.
    """
    texts, pictures = Texts("plots", language), dict[str, str]()
    for name, draw in PLOTS.items():
        on_plot(name, len(PLOTS))
        with guard(f"plots/{name}.svg"):
            if (plot := draw(material, texts)) is not None:
                pictures[name] = plot.to_svg(name)
    return pictures
