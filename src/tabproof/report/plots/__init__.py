"""Pictures of a run for people, as SVG."""

from collections.abc import Callable

from tabproof.report.language import Texts
from tabproof.report.plots.calibration import draw_calibration
from tabproof.report.plots.confusion import draw_confusion
from tabproof.report.plots.curves import draw_precision_recall, draw_roc
from tabproof.report.plots.dependence import draw_dependence
from tabproof.report.plots.distributions import draw_distributions
from tabproof.report.plots.importance import draw_importance
from tabproof.report.plots.learning_curve import draw_learning_curve
from tabproof.report.plots.material import Material
from tabproof.report.plots.search_plot import draw_search
from tabproof.report.plots.sheet import Sheet
from tabproof.report.plots.slices import draw_slices
from tabproof.report.plots.svg import drawing, to_svg
from tabproof.report.plots.threshold import draw_threshold

__all__ = ["Material", "draw_plots"]

DRAWINGS: dict[str, Callable[[Material, Texts], Sheet | None]] = {
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
    """Draw what there is to draw: SVG by name, in the order in which people want to see it."""
    texts = Texts("plots", language)
    with drawing():
        sheets = {name: draw(material, texts) for name, draw in DRAWINGS.items()}
        return {
            name: to_svg(sheet.figure, name, sheet.words)
            for name, sheet in sheets.items()
            if sheet is not None
        }
