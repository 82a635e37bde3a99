"""Judge a fitted classifier by rows it has never seen."""

from src.evaluation.intervals import find_intervals
from src.evaluation.metrics import Metrics, evaluate

__all__ = ["Metrics", "evaluate", "find_intervals"]
