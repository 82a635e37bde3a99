"""Shares of each class by category, as learned on other rows: target encoding, cross-fitted.

The numbers are those of scikit-learn's TargetEncoder, bit by bit, for all columns of a table at
once: TargetEncoder takes a hundred times as long for a column of few rows.
"""

from collections.abc import Sequence

import numpy as np

from tabproof.auc import Codes, Floats


def rates_on_other_rows(codes: Codes, y: Codes, folds: Sequence[tuple[Codes, Codes]]) -> Floats:
    """Return by row its category's share of each class, as learned on the other folds.

    codes : (n_rows, n_columns), missing is -1. y : classes 0, 1, …, each with a row. Shape
    (n_classes, n_rows, n_columns); with two classes (1, n_rows, n_columns), of the second. A
    category of one row is unknown to the others: so an id reveals nothing.
    """
    places, starts = place_of_categories(codes)
    n_places = int(starts[-1])
    n_classes = int(y.max()) + 1
    classes = range(n_classes) if n_classes > 2 else (1,)
    rates: Floats = np.empty((len(classes), *codes.shape))
    for train, test in folds:
        # By column, each in the order of its rows: as sums are rounded one column at a time.
        flat = places[train].T.ravel()
        counts = np.bincount(flat, minlength=n_places)
        for number, code in enumerate(classes):
            is_class = (y[train] == code).astype(np.float64)
            mean, variance = is_class.mean(), is_class.var()
            of_cells = np.tile(is_class, codes.shape[1])
            with np.errstate(divide="ignore", invalid="ignore"):
                means = np.bincount(flat, of_cells, n_places) / counts
                spread = np.bincount(flat, (of_cells - means[flat]) ** 2, n_places) / counts
                # Empirical Bayes: the more a category's rows differ, the less they count.
                weights = variance * counts / (variance * counts + spread)
            shares = weights * means + (1 - weights) * mean
            # Of a category that these rows do not have, nothing is known.
            shares[np.isnan(weights)] = mean
            rates[number, test] = shares[places[test]]
    return rates


def place_of_categories(codes: Codes) -> tuple[Codes, Codes]:
    """Return codes that no two columns share, and the first of each column, that of missing cells.

    Behind the last of these is the number of all.
    """
    starts = np.concatenate([[0], np.cumsum(codes.max(axis=0, initial=-1) + 2)])
    return codes + 1 + starts[:-1], starts
