"""Judge a fitted classifier by rows it has never seen."""

from src.evaluation.metrics import Metrics, evaluate

__all__ = ["Metrics", "evaluate"]
