"""Evaluate a fitted classifier on rows that it has never seen."""

from tabproof.evaluation.importance import dependences, importances
from tabproof.evaluation.intervals import measure
from tabproof.evaluation.learning_curve import FRACTIONS, learning_curve, repeated_scores
from tabproof.evaluation.metrics import predicted_codes, score
from tabproof.evaluation.slices import check_slices, make_slices

__all__ = [
    "FRACTIONS",
    "check_slices",
    "dependences",
    "importances",
    "learning_curve",
    "make_slices",
    "measure",
    "predicted_codes",
    "repeated_scores",
    "score",
]
