"""The pipeline, its parameters and what scores it."""

from src.modeling.grid import check_grid
from src.modeling.hashing import CategoryHasher
from src.modeling.pipeline import make_pipeline
from src.modeling.scoring import check_scoring_name, scorer_for
from src.modeling.vote import join_fitted

__all__ = [
    "CategoryHasher",
    "check_grid",
    "check_scoring_name",
    "join_fitted",
    "make_pipeline",
    "scorer_for",
]
