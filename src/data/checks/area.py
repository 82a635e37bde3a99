"""How well one column alone tells a class from the rest, as an area under the ROC curve."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import rankdata
from sklearn.preprocessing import TargetEncoder

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Folds = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]

# A chance this small that columns without meaning are reported.
BY_CHANCE = 0.001
# Fewer rows of a class always stand side by side.
FEW_ROWS = 3


def areas(values: Floats, is_of: Bools) -> Floats:
    """Give for each class the share of pairs in which its row has the greater value.

    values : (n_rows,), is_of : (n_rows, n_classes). Ties count half; nan where there are no
    pairs. Sums of ranks are exact in doubles, so no order of summing changes a bit.
    """
    n_of = is_of.sum(axis=0)
    n_pairs = n_of * (len(values) - n_of)
    above: Floats = rankdata(values) @ is_of.astype(np.float64) - n_of * (n_of + 1) / 2
    shares: Floats = np.full(len(n_of), np.nan)
    np.divide(above, n_pairs, out=shares, where=n_pairs > 0)
    return shares


def standard_error(n: int, m: int) -> float:
    """Give the standard error of an area where nothing differs (Mann and Whitney, 1947)."""
    return float(np.sqrt((n + m + 1) / (12 * n * m)))


def could_separate_by_chance(is_of: Bools, n_tries: int) -> Bools:
    """Tell the classes that some of so many columns of noise may well put at one end."""
    n, n_of = len(is_of), is_of.sum(axis=0)
    n_orders = gammaln(n + 1) - gammaln(n_of + 1) - gammaln(n - n_of + 1)
    is_few = np.minimum(n_of, n - n_of) < FEW_ROWS
    by_chance: Bools = is_few | (n_orders < np.log(2 * n_tries / BY_CHANCE))
    return by_chance


def rates_on_other_rows(codes: NDArray[np.int64], y: NDArray[np.int64], folds: Folds) -> Floats:
    """Give each row its category's share of each class, as learned on the other folds.

    Shape (n_rows, 1) with two classes, of the second; else (n_rows, n_classes). A category of
    one row is unknown to the others: an id tells nothing.
    """
    encoder = TargetEncoder(cv=folds, target_type="binary" if y.max() < 2 else "multiclass")
    rates: Floats = encoder.fit_transform(codes.reshape(-1, 1), y)
    return rates
