"""Judge a fitted classifier by rows it has never seen."""

from src.evaluation.metrics import Metrics, evaluate
from src.evaluation.plots import draw_plots

__all__ = ["Metrics", "draw_plots", "evaluate"]
