"""Many runs on one page: standings, which differences are more than noise, curves overlaid."""

from src.evaluation.side_by_side.facts import Contender, Failure, Group, HoldOut, Sweep
from src.evaluation.side_by_side.page import render_sweep
from src.evaluation.side_by_side.section import Section, make_section

__all__ = [
    "Contender",
    "Failure",
    "Group",
    "HoldOut",
    "Section",
    "Sweep",
    "make_section",
    "render_sweep",
]
