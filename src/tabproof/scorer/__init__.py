"""A fitted pipeline as data alone, and what evaluates it.

Reading and evaluating need numpy only; writing lives in `tabproof.scorer.export`, which is
imported by its name, since it needs scikit-learn.
"""

from tabproof.scorer.contributions import Contributions, Scale
from tabproof.scorer.encoding import as_category, as_number
from tabproof.scorer.scorer import Scorer, read_scorer

__all__ = ["Contributions", "Scale", "Scorer", "as_category", "as_number", "read_scorer"]
