"""Metrics, and shares of predicted labels, for the groups of a column.

Missing values are a group of their own. The ratio of shares is fairlearn's demographic parity
ratio, of each label: the least share over the greatest (parity: Agarwal et al., 2018). Small
groups are left out of it: a group of three rows would decide it.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.auc import Codes, Floats
from tabproof.errors import ColumnMissingError, UserError, printable
from tabproof.evaluation.columns import as_periods, is_date, is_text
from tabproof.evaluation.intervals import measure, share_interval
from tabproof.evaluation.metrics import predicted_codes
from tabproof.evaluation_result import Estimate, Group, Slice
from tabproof.scorer import as_category
from tabproof.text import override_word


def stratified_order(y: NDArray[np.int64], seed: int) -> NDArray[np.intp]:
    """Order rows at random so that the first n, for any n, have the classes' shares.

    Two rows of each class come first: no class is lost, and one row has no variance.
    """
    rng = np.random.default_rng(seed)
    place = np.empty(len(y))
    for code in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == code))
        place[rows] = (np.arange(len(rows)) - 1).clip(0) / len(rows)
    return place.argsort(kind="stable")


def values_of(column: pd.Series) -> tuple[list[str], NDArray[np.intp]]:
    """Return the names of a column's values, missing last, and the position of each row's value.

    Categories, numbers, or years or quarters of dates, in order. A name of missing values is one
    that no other value has.
    """
    if is_date(column.dtype):
        column = as_periods(column)
    codes, uniques = pd.factorize(column, sort=True)
    names = [as_category(value) for value in uniques]
    if (codes < 0).any():
        codes = np.where(codes < 0, len(names), codes)
        missing = "(missing)"
        while missing in names:
            missing = f"({missing})"
        names.append(missing)
    return names, codes


MAX_VALUES = 50
# The US National Center for Health Statistics publishes no proportion of fewer than 30 (Parker et
# al., 2017, Vital and Health Statistics 2(175)), and no rate with fewer than 10 in the numerator
# (Parker et al., 2023, 2(200)): here the rows of a class, from which recall and AUC are computed.
MIN_ROWS = 30
MIN_ROWS_OF_CLASS = 10


class TooManyGroupsError(UserError):
    """A column of slices with too many values."""

    template = (
        "evaluation.slices: column '{column}' has {n_values:,} different values; a column of at"
        " most {limit} gives groups that are large enough"
    )


class TextGroupsError(UserError):
    """A column of slices with free text."""

    template = (
        "evaluation.slices: column '{column}' holds free text, which makes no groups; choose a"
        " column of categories, numbers or dates, or make categories of it:"
        " {remedy}"
    )


def check_slices(X: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse columns that are missing, hold text, or have too many values for groups."""
    for name in names:
        if name not in X.columns:
            raise ColumnMissingError("evaluation.slices", name, list(map(str, X.columns)))
        column = X[name]
        if is_text(column.dtype):
            remedy = override_word("dataset.column_types", {name: "category"})
            raise TextGroupsError(column=printable(name), remedy=remedy)
        n_values = (as_periods(column) if is_date(column.dtype) else column).nunique()
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
    predicted, n_labels = predicted_codes(proba, threshold), len(labels)

    def predicted_shares(rows: NDArray[np.bool_]) -> Any:
        # Imported here, since most runs have no slices.
        from fairlearn.metrics import MetricFrame, selection_rate

        # Named by number, since labels may have any name.
        rates = {str(code): partial(selection_rate, pos_label=code) for code in range(n_labels)}
        y = predicted[rows]
        return MetricFrame(metrics=rates, y_true=y, y_pred=y, sensitive_features=codes[rows])

    slices = []
    for column in dict.fromkeys(columns):
        values, codes = values_of(X_test[column])
        shares = np.asarray(predicted_shares(codes >= 0).by_group, dtype=float)
        groups = []
        for place, value in enumerate(values):
            rows = codes == place
            n_rows, counts = int(rows.sum()), np.bincount(y[rows], minlength=n_labels).tolist()
            metrics = measure(
                y[rows],
                proba[rows],
                names=names,
                threshold=threshold,
                n_bootstrap=n_bootstrap,
                seed=seed,
            )
            groups.append(
                Group(
                    value,
                    n_rows=n_rows,
                    n_by_label=counts,
                    metrics=metrics,
                    shares=[
                        Estimate(s, *share_interval(s, n_rows)) for s in shares[place].tolist()
                    ],
                    is_small=n_rows < MIN_ROWS or min(counts) < MIN_ROWS_OF_CLASS,
                )
            )
        large = [place for place, group in enumerate(groups) if not group.is_small]
        ratios: list[float | None] = [None] * n_labels
        if len(large) > 1:
            found = predicted_shares(np.isin(codes, large)).ratio()
            # Not defined for a label that is not predicted.
            ratios = [None if np.isnan(ratio) else float(ratio) for ratio in found]
        slices.append(Slice(column, groups, ratios))
    return slices
