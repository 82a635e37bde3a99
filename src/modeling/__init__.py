"""The pipeline and the search for its parameters."""

from src.modeling.grid import check_grid
from src.modeling.pipeline import make_pipeline
from src.modeling.scoring import check_scoring_name, scorer_for
from src.modeling.search import SearchResult, SearchSettings, fit_search, in_words

__all__ = [
    "SearchResult",
    "SearchSettings",
    "check_grid",
    "check_scoring_name",
    "fit_search",
    "in_words",
    "make_pipeline",
    "scorer_for",
]
