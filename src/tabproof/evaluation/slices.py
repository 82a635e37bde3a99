"""Metrics, and shares of predicted labels, for the groups of a column.

Missing values are a group of their own. The ratio of shares is fairlearn's demographic parity
ratio, of each label: the least share over the greatest (parity: Agarwal et al., 2018). Small
groups are left out of it: a group of three rows would decide it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.errors import ColumnMissingError, printable
from tabproof.evaluation.errors import TooManyGroupsError
from tabproof.evaluation.intervals import measure, share_interval
from tabproof.evaluation.metrics import predicted_codes
from tabproof.evaluation_result import Estimate, Group, Slice
from tabproof.scorer import as_category


def stratified_order(y: NDArray[np.int64], seed: int) -> NDArray[np.intp]:
    """Order rows at random so that the first n, for any n, have the classes' shares.

    Two rows of each class come first: no class is lost, and one row says nothing about variance.
    """
    rng = np.random.default_rng(seed)
    place = np.empty(len(y))
    for code in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == code))
        place[rows] = (np.arange(len(rows)) - 1).clip(0) / len(rows)
    return place.argsort(kind="stable")


MISSING = "(missing)"


@dataclass(frozen=True)
class Values:
    """The values in a column: categories or numbers in order, missing last.

    codes : the position of each row's value in names.
    """

    names: list[str]
    codes: NDArray[np.intp]


def values_of(column: pd.Series) -> Values:
    """Return the values of a column of at least one row."""
    codes, uniques = pd.factorize(column, sort=True)
    names = [as_category(value) for value in uniques]
    if (codes < 0).any():
        codes = np.where(codes < 0, len(names), codes)
        names = [*names, missing_among(names)]
    return Values(names, codes)


def missing_among(names: Collection[str]) -> str:
    """Return a name for missing values that no other value has."""
    name = MISSING
    while name in names:
        name = f"({name})"
    return name


Codes = NDArray[np.int64]
Floats = NDArray[np.float64]

MAX_VALUES = 50
# The US National Center for Health Statistics publishes no proportion of fewer than 30 (Parker et
# al., 2017, Vital and Health Statistics 2(175)), and no rate with fewer than 10 in the numerator
# (Parker et al., 2023, 2(200)): here the rows of a class, from which recall and AUC are computed.
MIN_ROWS = 30
MIN_ROWS_OF_CLASS = 10


def check_slices(X: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse columns that are missing, or have too many values for groups."""
    for name in names:
        if name not in X.columns:
            raise ColumnMissingError("evaluation.slices", name, list(map(str, X.columns)))
        n_values = X[name].nunique()
        if n_values > MAX_VALUES:
            raise TooManyGroupsError(column=printable(name), n_values=n_values, limit=MAX_VALUES)


def make_slices(
    X_test: pd.DataFrame,
    y: Codes,
    proba: Floats,
    *,
    columns: Sequence[str],
    labels: Sequence[str],
    names: Sequence[str],
    threshold: float | None,
    n_bootstrap: int,
    seed: int,
) -> list[Slice]:
    """Evaluate the groups of each column. names : of metrics.

    y : (n_rows,). proba : (n_rows, n_classes). A metric that is not defined in a group, such as
    AUC if all its rows have one label, is None.
    """
    predicted = predicted_codes(proba, threshold)
    slices = []
    for column in dict.fromkeys(columns):
        values = values_of(X_test[column])
        shares = _shares(predicted, values.codes, len(labels))
        groups = []
        for place, name in enumerate(values.names):
            rows = values.codes == place
            metrics = measure(
                y[rows],
                proba[rows],
                names=names,
                threshold=threshold,
                n_bootstrap=n_bootstrap,
                seed=seed,
            )
            groups.append(_group(name, y[rows], metrics, shares[place]))
        slices.append(Slice(column, groups, _ratios(predicted, values.codes, groups)))
    return slices


def _group(name: str, y: Codes, metrics: dict[str, Estimate], shares: Floats) -> Group:
    counts = np.bincount(y, minlength=len(shares)).tolist()
    return Group(
        name,
        n_rows=len(y),
        n_by_label=counts,
        metrics=metrics,
        shares=[Estimate(share, *share_interval(share, len(y))) for share in shares.tolist()],
        is_small=len(y) < MIN_ROWS or min(counts) < MIN_ROWS_OF_CLASS,
    )


def _ratios(
    predicted: Codes, codes: NDArray[np.intp], groups: Sequence[Group]
) -> list[float | None]:
    """Compare the groups that are not small; None with fewer than two, or without the label."""
    n_labels = len(groups[0].shares)
    large = [place for place, group in enumerate(groups) if not group.is_small]
    if len(large) < 2:
        return [None] * n_labels
    rows = np.isin(codes, large)
    ratios = _selection_rates(predicted[rows], codes[rows], n_labels).ratio()
    return [None if np.isnan(ratio) else float(ratio) for ratio in ratios]


def _shares(predicted: Codes, codes: NDArray[np.intp], n_labels: int) -> Floats:
    """Return by group the shares of its rows that are predicted to have each label."""
    return np.asarray(_selection_rates(predicted, codes, n_labels).by_group, dtype=float)


def _selection_rates(predicted: Codes, codes: NDArray[np.intp], n_labels: int) -> Any:
    # Imported here, since most runs have no slices.
    from fairlearn.metrics import MetricFrame, selection_rate

    # Named by number, since labels may have any name.
    rates = {str(code): partial(selection_rate, pos_label=code) for code in range(n_labels)}
    return MetricFrame(metrics=rates, y_true=predicted, y_pred=predicted, sensitive_features=codes)
