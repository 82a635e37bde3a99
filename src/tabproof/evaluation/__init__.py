"""Evaluate a fitted classifier on rows that it has never seen."""

from tabproof.evaluation.baselines import (
    FittedBaseline,
    compare_with_baseline,
    find_better_baseline,
    find_chance,
    fit_baselines,
)
from tabproof.evaluation.importance import ColumnDrops, dependences, importances
from tabproof.evaluation.intervals import measure
from tabproof.evaluation.learning_curve import FRACTIONS, learning_curve, repeated_scores
from tabproof.evaluation.metrics import predicted_codes, score
from tabproof.evaluation.slices import check_slices, make_slices

__all__ = [
    "FRACTIONS",
    "ColumnDrops",
    "FittedBaseline",
    "check_slices",
    "compare_with_baseline",
    "dependences",
    "find_better_baseline",
    "find_chance",
    "fit_baselines",
    "importances",
    "learning_curve",
    "make_slices",
    "measure",
    "predicted_codes",
    "repeated_scores",
    "score",
]
