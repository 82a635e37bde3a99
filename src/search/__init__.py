"""The search for the best candidate: rungs, proposals, portfolios."""

from src.search.classic import HalvingSettings, fit_halving
from src.search.estimator import RungSearchCV
from src.search.portfolio import PortfolioSearchCV
from src.search.progress import Progress
from src.search.proposing import AllAtOnce, Proposer
from src.search.result import SearchResult, result_of, unsearched
from src.search.schedule import Rung, as_table, parse_schedule
from src.search.spaces import parse_space, sample
from src.search.tpe import TpeProposer, sampler_class

__all__ = [
    "AllAtOnce",
    "HalvingSettings",
    "PortfolioSearchCV",
    "Progress",
    "Proposer",
    "Rung",
    "RungSearchCV",
    "SearchResult",
    "TpeProposer",
    "as_table",
    "fit_halving",
    "parse_schedule",
    "parse_space",
    "result_of",
    "sample",
    "sampler_class",
    "unsearched",
]
