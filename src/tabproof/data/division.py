"""A table, divided: rows to learn from, and rows that nothing sees until the end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from sklearn.model_selection import (
    GroupShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    train_test_split,
)

from tabproof.data.errors import (
    FewGroupsError,
    HoldOutError,
    NoValueError,
    OrderedNotRepeatedError,
    RareClassError,
    SingleClassError,
)
from tabproof.data.table import Table
from tabproof.errors import TooManyCategoriesError

# --- How rows are divided: the hold-out and the folds follow the same rule.

Positions = NDArray[np.int64]


class Rows(Protocol):
    """A rule for dividing rows."""

    @property
    def aside(self) -> Sequence[str]:
        """Columns that the rule needs; they are not learned from."""
        ...

    def hold_out(self, table: Table) -> tuple[Positions, Positions]:
        """Give the positions of the training rows and of the rows held out."""
        ...

    def folds(self, n_splits: int) -> Any:
        """Make scikit-learn's splitter for the training rows."""
        ...

    def repeated_folds(self, n_splits: int, n_repeats: int) -> "RepeatedFolds":
        """Make the same several times, drawn anew each time; raises where nothing is drawn."""
        ...

    def groups(self, table: Table, positions: Positions) -> Any:
        """Give what the splitter needs beside X and y; None if nothing."""
        ...


@dataclass(frozen=True)
class RepeatedFolds:
    """Splitters, one after another, as one."""

    splitters: Sequence[Any]

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Give the positions to learn from and those to score on, of each fold."""
        for splitter in self.splitters:
            yield from splitter.split(X, y, groups)


@dataclass(frozen=True)
class StratifiedRows:
    """Independent rows: every part holds the classes in the same proportion."""

    test_size: float
    seed: int
    aside: Sequence[str] = ()

    def hold_out(self, table: Table) -> tuple[Positions, Positions]:
        """Draw at random, stratified."""
        counts = np.bincount(table.y)
        if counts.min() < 2:
            label = table.labels[int(counts.argmin())]
            raise RareClassError(label, int(counts.min()), 2, "a stratified hold-out")
        try:
            train, test = train_test_split(
                np.arange(len(table.y)),
                test_size=self.test_size,
                stratify=table.y,
                random_state=self.seed,
            )
        except ValueError as error:
            raise HoldOutError(f"cv.test_size={self.test_size}", str(error)) from error
        _check_parts(table, train, test)
        return train, test

    def folds(self, n_splits: int) -> Any:
        """Make shuffled, stratified folds."""
        return StratifiedKFold(n_splits, shuffle=True, random_state=self.seed)

    def repeated_folds(self, n_splits: int, n_repeats: int) -> RepeatedFolds:
        """Make them by seeds of their own."""
        return _repeated(self, n_splits, n_repeats)

    def groups(self, table: Table, positions: Positions) -> None:
        """Need nothing."""


@dataclass(frozen=True)
class OrderedRows:
    """Rows in time: always train on the past, hold out the last rows."""

    test_size: float
    seed: int
    time_column: str | None = None

    @property
    def aside(self) -> Sequence[str]:
        """The time, if it stands in a column."""
        return () if self.time_column is None else (self.time_column,)

    def hold_out(self, table: Table) -> tuple[Positions, Positions]:
        """Sort by time, ties in the order of the table, and cut off the end."""
        order = np.arange(len(table.y))
        if self.time_column is not None:
            times = table.aside[self.time_column]
            if times.isna().any():
                raise HoldOutError(
                    f"cv.time_column={self.time_column}",
                    f"{int(times.isna().sum())} row(s) lack it",
                )
            order = np.argsort(self._sortable(times).to_numpy(), kind="stable")
        n_test = int(np.ceil(len(order) * self.test_size))
        train, test = order[:-n_test], order[-n_test:]
        _check_parts(table, train, test)
        return train, test

    def _sortable(self, times: pd.Series) -> pd.Series:
        if not types.is_object_dtype(times) and not types.is_string_dtype(times):
            return times
        try:
            # As text, 10/1/2024 would stand before 9/1/2024.
            return pd.to_datetime(times, format="ISO8601", utc=True)
        except (ValueError, TypeError) as error:
            reason = f"'{times.iloc[0]}' is neither a number nor a date such as 2024-01-31"
            raise HoldOutError(f"cv.time_column={self.time_column}", reason) from error

    def folds(self, n_splits: int) -> Any:
        """Make folds whose training rows all lie before their test rows."""
        return TimeSeriesSplit(n_splits)

    def repeated_folds(self, n_splits: int, n_repeats: int) -> RepeatedFolds:
        """Refuse: the past comes before the future in one way only."""
        raise OrderedNotRepeatedError(n_splits, n_repeats)

    def groups(self, table: Table, positions: Positions) -> None:
        """Need nothing."""


@dataclass(frozen=True)
class GroupedRows:
    """Repeated subjects: a group lies on one side only."""

    test_size: float
    seed: int
    group_column: str

    @property
    def aside(self) -> Sequence[str]:
        """The subject."""
        return (self.group_column,)

    def hold_out(self, table: Table) -> tuple[Positions, Positions]:
        """Draw whole groups at random."""
        groups = self.groups(table, np.arange(len(table.y)))
        splitter = GroupShuffleSplit(1, test_size=self.test_size, random_state=self.seed)
        try:
            train, test = next(splitter.split(table.X, table.y, groups))
        except ValueError as error:
            raise HoldOutError(f"cv.group_column={self.group_column}", str(error)) from error
        _check_parts(table, train, test)
        return train, test

    def folds(self, n_splits: int) -> Any:
        """Make folds of whole groups, as stratified as groups allow."""
        return StratifiedGroupKFold(n_splits, shuffle=True, random_state=self.seed)

    def repeated_folds(self, n_splits: int, n_repeats: int) -> RepeatedFolds:
        """Make them by seeds of their own."""
        return _repeated(self, n_splits, n_repeats)

    def groups(self, table: Table, positions: Positions) -> NDArray[np.object_]:
        """Name the subject of each row; missing ones form a group of their own."""
        subjects = table.aside[self.group_column]
        names = subjects.astype("str").astype("object").where(subjects.notna(), "\0missing")
        return names.to_numpy()[positions]


def _repeated(rows: StratifiedRows | GroupedRows, n_splits: int, n_repeats: int) -> RepeatedFolds:
    # All differ: a division that came twice would count twice.
    seeds = np.random.default_rng(rows.seed).choice(2**32, n_repeats, replace=False).tolist()
    return RepeatedFolds([replace(rows, seed=seed).folds(n_splits) for seed in seeds])


def _check_parts(table: Table, train: Positions, test: Positions) -> None:
    for where, rows in (("the training part", train), ("the hold-out", test)):
        present = np.unique(table.y[rows])
        if len(present) == 1:
            raise SingleClassError(where, table.labels[present[0]])
        if len(present) < len(table.labels):
            absent = next(c for c in range(len(table.labels)) if c not in present)
            raise RareClassError(table.labels[absent], 0, 1, where)


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
