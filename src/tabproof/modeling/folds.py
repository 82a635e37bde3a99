"""Folds inside a step, such as a target encoder's, that keep the rows of a group together.

A level of the frame's index names the groups. Any subset of rows keeps it, so a step finds it
wherever it is fitted: in any search, in calibration, in a worker. A fitted step does not hold it.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

# The level of the index.
GROUP = "group"
# scikit-learn assigns groups one by one, a thousand in 0.2 s: of more, some are assigned together.
MAX_GROUPS = 1_000


def with_groups(X: pd.DataFrame, groups: NDArray[Any]) -> pd.DataFrame:
    """Return the frame with the group of each row, as a number, in a further level of its index."""
    numbers, _ = pd.factorize(groups)
    index = pd.MultiIndex.from_arrays([X.index, numbers], names=[X.index.name, GROUP])
    return X.set_axis(index)


def has_groups(X: Any) -> bool:
    """Return whether X is a frame whose index names the group of each row."""
    return isinstance(X, pd.DataFrame) and GROUP in X.index.names


class InnerFolds(StratifiedKFold):
    """Stratified folds of whole groups; of rows where the index of X names no groups.

    If there are fewer groups than folds, rows are divided: two or three groups are too few to
    predict another one.
    """

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Any:
        """Yield the positions to fit and to transform, fold by fold."""
        if has_groups(X):
            numbers, _ = pd.factorize(X.index.get_level_values(GROUP), use_na_sentinel=False)
            numbers %= MAX_GROUPS
            if len(np.unique(numbers)) >= self.n_splits:
                whole = StratifiedGroupKFold(
                    self.n_splits, shuffle=True, random_state=self.random_state
                )
                return whole.split(X, y, numbers)
        return super().split(X, y, groups)
