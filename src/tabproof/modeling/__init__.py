"""Pipelines: preprocessing, parameters and scorers, calibration, decision threshold."""

from tabproof.modeling.calibration import (
    Splits,
    answers_out_of_fold,
    calibrate,
    calibrated_proba,
    proba_out_of_fold,
    to_calibrate_on,
)
from tabproof.modeling.grid import check_grid, check_scoring_name, scorer_for
from tabproof.modeling.hashing import CategoryHasher
from tabproof.modeling.pipeline import join_fitted, make_pipeline
from tabproof.modeling.threshold import (
    Chosen,
    choose_cheapest,
    choose_max_f1,
    choose_most_precise,
    with_threshold,
)

__all__ = [
    "CategoryHasher",
    "Chosen",
    "Splits",
    "answers_out_of_fold",
    "calibrate",
    "calibrated_proba",
    "check_grid",
    "check_scoring_name",
    "choose_cheapest",
    "choose_max_f1",
    "choose_most_precise",
    "join_fitted",
    "make_pipeline",
    "proba_out_of_fold",
    "scorer_for",
    "to_calibrate_on",
    "with_threshold",
]
