"""A fitted pipeline as data alone, and the code that evaluates it.

Reading and evaluating need NumPy only. Writing needs scikit-learn, so `tabproof.scorer.export`
is not imported here.
"""

from tabproof.scorer.categories import CategoryReader
from tabproof.scorer.contributions import Contributions, NotExplainableError, Scale
from tabproof.scorer.encoding import as_category, as_number
from tabproof.scorer.scorer import Scorer, read_scorer

__all__ = [
    "CategoryReader",
    "Contributions",
    "NotExplainableError",
    "Scale",
    "Scorer",
    "as_category",
    "as_number",
    "read_scorer",
]
