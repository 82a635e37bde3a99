"""How rows are divided: those to learn from, and those held out until the evaluation.

The hold-out and the folds follow the same rule.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

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

Positions = NDArray[np.int64]
DROP_HINT = "dataset.drop_columns=[…] of dataset=file, or hold other rows out"


@dataclass(frozen=True)
class Rows(ABC):
    """A rule for dividing rows."""

    test_size: float
    seed: int

    @property
    def non_feature_columns(self) -> Sequence[str]:
        """Columns that the rule needs; they are not learned from."""
        return ()

    @abstractmethod
    def hold_out(self, table: Table) -> tuple[Positions, Positions]:
        """Return the positions of the training rows and of the rows held out."""

    @abstractmethod
    def folds(self, n_splits: int) -> Any:
        """Return scikit-learn's splitter for the training rows."""

    def repeated_folds(self, n_splits: int, n_repeats: int) -> list[Any]:
        """Return a splitter per repeat, each with a seed of its own."""
        # Without replacement: a division that was drawn twice would count twice.
        seeds = np.random.default_rng(self.seed).choice(2**32, n_repeats, replace=False).tolist()
        return [replace(self, seed=seed).folds(n_splits) for seed in seeds]

    def groups(self, table: Table, positions: Positions) -> Any:  # noqa: ARG002
        """Return the groups that the splitter needs; None if it needs none."""
        return None


@dataclass(frozen=True)
class StratifiedRows(Rows):
    """Independent rows: every part has the classes in the same proportion."""

    def hold_out(self, table: Table) -> tuple[Positions, Positions]:
        """Draw at random, stratified."""
        rarest = int(table.counts.argmin())
        if table.counts[rarest] < 2:
            raise RareClassError(
                label=table.labels[rarest],
                n_rows=table.counts[rarest],
                needed=2,
                reason="a stratified hold-out",
                keys="search.n_splits",
            )
        try:
            train, test = train_test_split(
                np.arange(len(table.y)),
                test_size=self.test_size,
                stratify=table.y,
                random_state=self.seed,
            )
        except ValueError as error:
            raise HoldOutError(asked=f"cv.test_size={self.test_size}", reason=error) from error
        _check_parts(table, train, test)
        return train, test

    def folds(self, n_splits: int) -> Any:
        """Return shuffled, stratified folds."""
        return StratifiedKFold(n_splits, shuffle=True, random_state=self.seed)


@dataclass(frozen=True)
class OrderedRows(Rows):
    """Rows in time: always train on the past, hold out the last rows."""

    time_column: str | None = None

    @property
    def non_feature_columns(self) -> Sequence[str]:
        """The time, if it is a column."""
        return () if self.time_column is None else (self.time_column,)

    def hold_out(self, table: Table) -> tuple[Positions, Positions]:
        """Sort by time, ties in the order of the table, and cut off the end."""
        order = np.arange(len(table.y))
        if self.time_column is not None:
            times = self._sortable_times(table.non_features[self.time_column])
            order = np.argsort(times.to_numpy(), kind="stable")
        n_test = int(np.ceil(len(order) * self.test_size))
        train, test = order[:-n_test], order[-n_test:]
        _check_parts(table, train, test)
        return train, test

    def _sortable_times(self, times: pd.Series) -> pd.Series:
        asked = f"cv.time_column={self.time_column}"
        if times.isna().any():
            raise HoldOutError(asked=asked, reason=f"{int(times.isna().sum())} row(s) lack it")
        if not types.is_object_dtype(times) and not types.is_string_dtype(times):
            return times
        try:
            # As text, 10/1/2024 would come before 9/1/2024.
            return pd.to_datetime(times, format="ISO8601", utc=True)
        except (ValueError, TypeError) as error:
            reason = f"'{times.iloc[0]}' is neither a number nor a date such as 2024-01-31"
            raise HoldOutError(asked=asked, reason=reason) from error

    def folds(self, n_splits: int) -> Any:
        """Return folds whose training rows all come before their test rows."""
        return TimeSeriesSplit(n_splits)

    def repeated_folds(self, n_splits: int, n_repeats: int) -> list[Any]:
        """Refuse: the past comes before the future in one way only."""
        raise OrderedNotRepeatedError(n_splits=n_splits, n_repeats=n_repeats)


@dataclass(frozen=True)
class GroupedRows(Rows):
    """Repeated subjects: all rows of a group are on one side."""

    group_column: str

    @property
    def non_feature_columns(self) -> Sequence[str]:
        """The subject."""
        return (self.group_column,)

    def hold_out(self, table: Table) -> tuple[Positions, Positions]:
        """Draw whole groups at random."""
        groups = self.groups(table, np.arange(len(table.y)))
        splitter = GroupShuffleSplit(1, test_size=self.test_size, random_state=self.seed)
        try:
            train, test = next(splitter.split(table.X, table.y, groups))
        except ValueError as error:
            raise HoldOutError(
                asked=f"cv.group_column={self.group_column}", reason=error
            ) from error
        _check_parts(table, train, test)
        return train, test

    def folds(self, n_splits: int) -> Any:
        """Return folds of whole groups, as stratified as groups allow."""
        return StratifiedGroupKFold(n_splits, shuffle=True, random_state=self.seed)

    def groups(self, table: Table, positions: Positions) -> NDArray[np.object_]:
        """Return the subject of each row; missing ones form a group of their own."""
        subjects = table.non_features[self.group_column]
        names = subjects.astype("str").astype("object").where(subjects.notna(), "\0missing")
        return names.to_numpy()[positions]


def _check_parts(table: Table, train: Positions, test: Positions) -> None:
    for where, rows in (("the training part", train), ("the hold-out", test)):
        counts = np.bincount(table.y[rows], minlength=len(table.labels))
        present = np.flatnonzero(counts)
        if len(present) == 1:
            raise SingleClassError(where=where, label=table.labels[present[0]])
        if len(present) < len(table.labels):
            label = table.labels[int(counts.argmin())]
            keys = "search.n_splits"
            raise RareClassError(label=label, n_rows=0, needed=1, reason=where, keys=keys)


@dataclass(frozen=True)
class Division:
    """A table, divided by a rule. train and test : positions. groups : of the training rows."""

    table: Table
    rows: Rows
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
    def y_test(self) -> NDArray[np.int64]:
        """Their classes."""
        return self.table.y[self.test]

    @property
    def row_ids_test(self) -> NDArray[np.int64]:
        """Positions of the rows held out in their source, from 0."""
        return self.table.X.index.to_numpy(np.int64)[self.test]

    @property
    def truth_test(self) -> list[str]:
        """The labels of the rows held out."""
        return [self.table.labels[code] for code in self.y_test]

    def splits(self, n_splits: int, n_repeats: int | None = None) -> list[tuple[Any, Any]]:
        """Return the folds of the training rows, as positions to fit and positions to score on.

        n_repeats: number of divisions, each with its own seed.
        """
        splitters = (
            [self.rows.folds(n_splits)]
            if n_repeats is None
            else self.rows.repeated_folds(n_splits, n_repeats)
        )
        data = self.X_train, self.y_train, self.groups
        return [split for splitter in splitters for split in splitter.split(*data)]

    def check_folds(self, key: str, n_splits: int) -> None:
        """Refuse more folds than the rarest class has training rows, or than there are groups."""
        self.check_rarest(n_splits, f"{key}={n_splits}", key)
        if self.groups is not None and (n_groups := len(set(self.groups))) < n_splits:
            raise FewGroupsError(key=key, n_splits=n_splits, n_groups=n_groups)

    def check_rarest(self, needed: int, reason: str, keys: str) -> None:
        """Refuse where the rarest class has fewer training rows. keys : what may be lowered."""
        counts = np.bincount(self.y_train, minlength=len(self.table.labels))
        rarest = int(counts.argmin())
        if counts[rarest] < needed:
            raise RareClassError(
                label=self.table.labels[rarest],
                n_rows=counts[rarest],
                needed=needed,
                reason=reason,
                keys=keys,
            )


def divide(table: Table, rows: Rows, n_splits: int) -> Division:
    """Hold rows out, and make sure that the others fill every fold of the search."""
    train, test = rows.hold_out(table)
    division = Division(table, rows, train, test, rows.groups(table, train))
    division.check_folds("search.n_splits", n_splits)
    X_train = division.X_train
    empty = [str(name) for name in X_train.columns if X_train[name].isna().all()]
    if empty:
        # Imputers drop such a column without a message, and in training only.
        what = "no value in the rows to learn from"
        raise NoValueError(what=what, columns=empty, key=DROP_HINT)
    return division


def describe_division(division: Division) -> list[str]:
    """Return lines on what was loaded and how it was divided."""
    table = division.table
    n_numbers = table.X.select_dtypes("number").shape[1]
    n_categories = table.X.shape[1] - n_numbers
    classes = ", ".join(
        f"{label} {n:,}" for label, n in zip(table.labels, table.counts, strict=True)
    )
    positive = f" (positive: {table.labels[1]})" if len(table.labels) == 2 else ""
    return [
        f"{table.name}: {len(table.y):,} rows, {n_numbers} numbers, {n_categories} categories,"
        f" {table.X.isna().sum().sum():,} cells missing",
        f"target '{table.target}': {classes}{positive}",
        f"{len(division.train):,} rows to learn from, {len(division.test):,} held out",
    ]
