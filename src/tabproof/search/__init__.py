"""The search for the best candidate: rungs, proposals, portfolios."""

from tabproof.search.auto import AutoSearchCV
from tabproof.search.candidates import FAMILY
from tabproof.search.estimator import RecordedFits, RungSearchCV, SearchResult, result_of
from tabproof.search.halving import fit_halving
from tabproof.search.portfolio import PortfolioSearchCV
from tabproof.search.schedule import Rung, as_table, parse_schedule
from tabproof.search.spaces import (
    Proposer,
    Space,
    TpeProposer,
    extremes,
    import_optuna,
    parse_space,
    sample,
)

__all__ = [
    "FAMILY",
    "AutoSearchCV",
    "PortfolioSearchCV",
    "Proposer",
    "RecordedFits",
    "Rung",
    "RungSearchCV",
    "SearchResult",
    "Space",
    "TpeProposer",
    "as_table",
    "extremes",
    "fit_halving",
    "import_optuna",
    "parse_schedule",
    "parse_space",
    "result_of",
    "sample",
]
