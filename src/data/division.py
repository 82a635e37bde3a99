"""A table, divided: rows to learn from, and rows that nothing sees until the end."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.data.rows import Positions, Rows
from src.data.table import Table
from src.errors import FewGroupsError, NoValueError, RareClassError, TooManyCategoriesError

DROP_HINT = "dataset.drop_columns=[…] of dataset=file, or hold other rows out"


@dataclass(frozen=True)
class Division:
    """train and test are positions in the table; groups belong to the training rows."""

    table: Table
    train: Positions
    test: Positions
    groups: Any

    @property
    def X_train(self) -> pd.DataFrame:
        """Rows to learn from."""
        return self.table.X.iloc[self.train]

    @property
    def y_train(self) -> NDArray[np.int64]:
        """Their classes."""
        return self.table.y[self.train]

    @property
    def X_test(self) -> pd.DataFrame:
        """Rows held out."""
        return self.table.X.iloc[self.test]

    @property
    def row_ids_test(self) -> NDArray[np.int64]:
        """Where the rows held out stand in their source, from 0."""
        return self.table.X.index.to_numpy(np.int64)[self.test]

    @property
    def truth_test(self) -> list[str]:
        """The labels of the rows held out."""
        return [self.table.labels[code] for code in self.y_test]

    @property
    def y_test(self) -> NDArray[np.int64]:
        """Their classes."""
        return self.table.y[self.test]


def divide(table: Table, rows: Rows, n_splits: int) -> Division:
    """Hold rows out, and make sure that what is left fills every fold."""
    train, test = rows.hold_out(table)
    counts = np.bincount(table.y[train], minlength=len(table.labels))
    rarest = int(counts.argmin())
    if counts[rarest] < n_splits:
        raise RareClassError(
            table.labels[rarest], int(counts[rarest]), n_splits, f"search.n_splits={n_splits}"
        )
    X_train = table.X.iloc[train]
    empty = [str(name) for name in X_train.columns if X_train[name].isna().all()]
    if empty:
        # Imputers drop such a column without a word, in training alone.
        raise NoValueError(empty, "no value in the rows to learn from", DROP_HINT)
    groups = rows.groups(table, train)
    if groups is not None and len(set(groups)) < n_splits:
        raise FewGroupsError(len(set(groups)), n_splits)
    return Division(table, train, test, groups)


def check_categories(table: Table, limit: int | None) -> None:
    """Refuse a column with more categories than an estimator takes as they are."""
    for name in table.X.select_dtypes("category").columns:
        found = len(table.X[name].cat.categories)
        if limit is not None and found > limit:
            raise TooManyCategoriesError(str(name), found, limit)


def in_words(division: Division) -> list[str]:
    """Say what was loaded and how it was divided."""
    table = division.table
    n_numbers = table.X.select_dtypes("number").shape[1]
    n_categories = table.X.shape[1] - n_numbers
    counts = np.bincount(table.y, minlength=len(table.labels))
    classes = ", ".join(f"{label} {n:,}" for label, n in zip(table.labels, counts, strict=True))
    positive = f" (positive: {table.labels[1]})" if len(table.labels) == 2 else ""
    return [
        f"{table.name}: {len(table.y):,} rows, {n_numbers} numbers, {n_categories} categories,"
        f" {table.X.isna().sum().sum():,} cells missing",
        f"target '{table.target}': {classes}{positive}",
        f"{len(division.train):,} rows to learn from, {len(division.test):,} held out",
    ]
