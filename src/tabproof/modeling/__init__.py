"""Pipelines: preprocessing, parameters and scorers, calibration, decision threshold."""

from tabproof.modeling.calibration import answers_out_of_fold, calibrate, calibrated_proba
from tabproof.modeling.features import PREFIXES, ColumnFeatures, OwnColumns, many_categories
from tabproof.modeling.grid import check_grid, check_scoring_name, scorer_for
from tabproof.modeling.hashing import CategoryHasher
from tabproof.modeling.pipeline import join_fitted, make_pipeline
from tabproof.modeling.splines import Splines
from tabproof.modeling.threshold import choose_threshold

__all__ = [
    "PREFIXES",
    "CategoryHasher",
    "ColumnFeatures",
    "OwnColumns",
    "Splines",
    "answers_out_of_fold",
    "calibrate",
    "calibrated_proba",
    "check_grid",
    "check_scoring_name",
    "choose_threshold",
    "join_fitted",
    "make_pipeline",
    "many_categories",
    "scorer_for",
]
