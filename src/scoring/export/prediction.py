"""A scorer that takes data frames, where a fitted pipeline would be slower."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.scoring.export.hard_rows import columns_of
from src.scoring.scorer import read_scorer


def make_predict(files: Mapping[str, bytes]) -> Callable[[pd.DataFrame], NDArray[np.float64]]:
    """Give the exported model's predict_proba."""
    scorer = read_scorer(files)
    return lambda X: scorer.predict_proba(columns_of(scorer, X))
