"""Judge a fitted classifier by rows it has never seen."""

from src.evaluation.dependence import dependences
from src.evaluation.importance import importances
from src.evaluation.intervals import measure, small_hold_out
from src.evaluation.learning_curve import FRACTIONS, LearningCurve, learning_curve
from src.evaluation.metrics import predicted_codes, score
from src.evaluation.repeated import repeated_scores
from src.evaluation.slices import check_slices, make_slices

__all__ = [
    "FRACTIONS",
    "LearningCurve",
    "check_slices",
    "dependences",
    "importances",
    "learning_curve",
    "make_slices",
    "measure",
    "predicted_codes",
    "repeated_scores",
    "score",
    "small_hold_out",
]
