"""A fitted pipeline as data alone, and what evaluates it.

Reading and evaluating need numpy only; writing lives in `src.scoring.export`, which is
imported by its name, since it needs scikit-learn.
"""

from src.scoring.contributions import Contributions, Scale
from src.scoring.scorer import Scorer, read_scorer
from src.scoring.values import as_category, as_number

__all__ = ["Contributions", "Scale", "Scorer", "as_category", "as_number", "read_scorer"]
