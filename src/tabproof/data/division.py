"""How rows are divided: those to learn from, and those held out until the evaluation.

The hold-out and the folds follow the same rule.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from sklearn import model_selection

from tabproof.data.table import Table
from tabproof.data.target import DataError, SingleClassError
from tabproof.modeling.folds import with_groups

Positions = NDArray[np.int64]


def _refuse_rare(
    table: Table, counts: NDArray[np.int64], needed: int, reason: str, keys: str = "search.n_splits"
) -> None:
    rarest = int(counts.argmin())
    if counts[rarest] < needed:
        n_rows = f"class '{table.labels[rarest]}' has {counts[rarest]} row(s)"
        remedy = f"leave the class out, join it with another, or use fewer folds ({keys})"
        raise DataError(found=f"{n_rows}, but {reason} needs {needed}", remedy=remedy)


@dataclass(frozen=True)
class Rows(ABC):
    """A rule for dividing rows."""

    test_size: float
    seed: int
    # The field with the column that the rule needs, if there is one.
    column_key: ClassVar[str] = ""

    @property
    def non_feature_columns(self) -> list[str]:
        """Columns that the rule needs; they are not learned from."""
        column = getattr(self, self.column_key, None)
        return [] if column is None else [column]

    def hold_out(self, table: Table) -> tuple[Positions, Positions]:
        """Return the positions of the training rows and of the rows held out."""
        try:
            train, test = self._drawn(table)
        except ValueError as error:
            key = self.column_key or "test_size"
            found = f"cv.{key}={getattr(self, key)}: no rows can be held out this way: {error}"
            raise DataError(found=found, remedy="choose another value, or another cv") from error
        for where, rows in (("the training part", train), ("the hold-out", test)):
            counts = np.bincount(table.y[rows], minlength=len(table.labels))
            if np.count_nonzero(counts) == 1:
                raise SingleClassError(where=where, label=table.labels[counts.argmax()])
            _refuse_rare(table, counts, 1, where)
        return train, test

    @abstractmethod
    def _drawn(self, table: Table) -> Any:
        """Return both parts; raises ValueError if the rows allow none."""

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

    def _drawn(self, table: Table) -> Any:
        _refuse_rare(table, table.counts, 2, "a stratified hold-out")
        rows, size = np.arange(len(table.y)), self.test_size
        n_test, n_labels = int(np.ceil(len(rows) * size)), len(table.labels)
        if min(n_test, len(rows) - n_test) < n_labels:
            few = min(n_test, len(rows) - n_test)
            raise ValueError(f"{few:,} rows cannot hold {n_labels:,} classes of '{table.target}'")
        train, test = model_selection.train_test_split(
            rows, test_size=size, stratify=table.y, random_state=self.seed
        )
        # Of a class of few rows, a share may be none: one is held out, two are learned from.
        for code, n_rows in enumerate(table.counts):
            if not (table.y[test] == code).any():
                place = np.flatnonzero(table.y[train] == code)[-1]
                train, test = np.delete(train, place), np.append(test, train[place])
            elif n_rows > 2 and (table.y[train] == code).sum() < 2:
                place = np.flatnonzero(table.y[test] == code)[-1]
                train, test = np.append(train, test[place]), np.delete(test, place)
        return train, test

    def folds(self, n_splits: int) -> Any:
        """Return shuffled, stratified folds."""
        return model_selection.StratifiedKFold(n_splits, shuffle=True, random_state=self.seed)


@dataclass(frozen=True)
class LastRows(Rows):
    """Hold out the last rows in time; rows of the same time keep the order of the table."""

    time_column: str | None = None
    column_key: ClassVar[str] = "time_column"

    def _drawn(self, table: Table) -> Any:
        order = np.arange(len(table.y))
        if self.time_column is not None:
            times = table.non_features[self.time_column]
            if times.isna().any():
                raise ValueError(f"{int(times.isna().sum())} row(s) lack it")
            if types.is_object_dtype(times) or types.is_string_dtype(times):
                try:
                    # As text, 10/1/2024 would come before 9/1/2024.
                    times = pd.to_datetime(times, format="ISO8601", utc=True)
                except (ValueError, TypeError) as error:
                    # Of many numbers or dates, the one that is written in another way.
                    shapes = times.astype("str").str.replace(r"[0-9]+", "0", regex=True)
                    rarest = int(shapes.map(shapes.value_counts()).to_numpy().argmin())
                    odd = times.iloc[rarest]
                    found = f"'{odd}' is neither a number nor a date such as 2024-01-31"
                    raise ValueError(found) from error
            order = np.argsort(times.to_numpy(), kind="stable")
        n_test = int(np.ceil(len(order) * self.test_size))
        return order[:-n_test], order[-n_test:]


@dataclass(frozen=True)
class OrderedRows(LastRows):
    """Rows in time: train on the past, hold out the last rows."""

    def folds(self, n_splits: int) -> Any:
        """Return folds whose training rows all come before their test rows."""
        return model_selection.TimeSeriesSplit(n_splits)

    def repeated_folds(self, n_splits: int, n_repeats: int) -> list[Any]:
        """Refuse: the past comes before the future in one way only."""
        raise DataError(
            found=f"evaluation.n_repeats={n_repeats}: rows in time divide into {n_splits} folds in"
            " one way only, the past before the future, so nothing can be repeated",
            remedy="use evaluation=default, or another cv",
        )


@dataclass(frozen=True)
class NewestRows(LastRows):
    """Independent rows that are held out by time: the last ones, as in use after training.

    The folds are those of independent rows, so that calibration and thresholds work as usual.
    """

    def folds(self, n_splits: int) -> Any:
        """Return shuffled, stratified folds."""
        return StratifiedRows(self.test_size, self.seed).folds(n_splits)

    def repeated_folds(self, n_splits: int, n_repeats: int) -> list[Any]:
        """Return a splitter per repeat, each with a seed of its own."""
        return StratifiedRows(self.test_size, self.seed).repeated_folds(n_splits, n_repeats)


@dataclass(frozen=True)
class GroupedRows(Rows):
    """Repeated subjects: all rows of a group are on one side."""

    group_column: str
    column_key: ClassVar[str] = "group_column"

    def _drawn(self, table: Table) -> Any:
        groups = self.groups(table, np.arange(len(table.y)))
        splitter = model_selection.GroupShuffleSplit(
            1, test_size=self.test_size, random_state=self.seed
        )
        return next(splitter.split(table.X, table.y, groups))

    def folds(self, n_splits: int) -> Any:
        """Return folds of whole groups, as stratified as groups allow."""
        return model_selection.StratifiedGroupKFold(n_splits, shuffle=True, random_state=self.seed)

    def groups(self, table: Table, positions: Positions) -> NDArray[np.object_]:
        """Return the subject of each row; missing ones form a group of their own."""
        subjects = table.non_features[self.group_column]
        names = subjects.astype("str").astype("object").where(subjects.notna(), "\0missing")
        return names.to_numpy()[positions]


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
        """Rows to learn from; steps that divide them find their groups in the index."""
        X = self.table.X.iloc[self.train]
        return X if self.groups is None else with_groups(X, self.groups)

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

    def splits(self, n_splits: int, n_repeats: int | None = None) -> list[tuple[Any, Any]]:
        """Return the folds of the training rows, as positions to fit and positions to score on.

        n_repeats: number of divisions, each with its own seed.
        """
        if n_repeats is None:
            splitters = [self.rows.folds(n_splits)]
        else:
            splitters = self.rows.repeated_folds(n_splits, n_repeats)
        data = self.X_train, self.y_train, self.groups
        return [split for splitter in splitters for split in splitter.split(*data)]

    def n_folds(self, asked: int) -> int:
        """Return the number of folds, from 2 on, that the rarest class allows."""
        rarest = int(np.bincount(self.y_train, minlength=len(self.table.labels)).min())
        return min(asked, max(rarest, 2))

    def check_folds(self, key: str, n_splits: int) -> None:
        """Refuse more folds than the rarest class has training rows, or than there are groups."""
        asked = f"{key}={n_splits}"
        self.check_rarest(n_splits, asked, key)
        if self.groups is not None and (n_groups := len(set(self.groups))) < n_splits:
            found = f"{asked}: the training rows hold {n_groups} group(s) of cv.group_column"
            raise DataError(found=found, remedy="every fold needs one: use fewer folds")

    def check_rarest(self, needed: int, reason: str, keys: str) -> None:
        """Refuse where the rarest class has fewer training rows. keys : what may be lowered."""
        counts = np.bincount(self.y_train, minlength=len(self.table.labels))
        _refuse_rare(self.table, counts, needed, reason, keys)


def divide(table: Table, rows: Rows, n_splits: int) -> Division:
    """Hold rows out; n_splits : the greatest number of folds that the others will be divided into.

    Classes with too few rows for two folds and a hold-out are left out, and columns that have no
    information in the rows to learn from.
    """
    if isinstance(rows, StratifiedRows):
        table = table.without_rare_classes(3 if n_splits > 1 else 2)
    train, test = rows.hold_out(table)
    # Imputers drop a column without values without a message, and in training only.
    table = table.without_uninformative(train)
    return Division(table, rows, train, test, rows.groups(table, train))


# The kinds of columns, one and several of them.
KINDS = {
    "number": ("number", "numbers"),
    "category": ("category", "categories"),
    "date": ("date", "dates"),
    "text": ("text", "texts"),
}


def kind_of(column: pd.Series) -> str:
    """Return `number`, `category`, `date` or `text`."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "category"
    return {"M": "date", "f": "number"}.get(column.dtype.kind, "text")


def describe_division(division: Division) -> list[str]:
    """Return lines on what was loaded and how it was divided."""
    table = division.table
    kinds = [kind_of(table.X[name]) for name in table.X.columns]
    counts = ", ".join(
        f"{(n := kinds.count(kind))} {one if n == 1 else several}"
        for kind, (one, several) in KINDS.items()
        if kinds.count(kind) or kind in ("number", "category")
    )
    labels = zip(table.labels, table.counts, strict=True)
    classes = ", ".join(f"{label} {n:,}" for label, n in labels)
    positive = f" (positive: {table.labels[1]})" if len(table.labels) == 2 else ""
    return [
        f"{table.name}: {len(table.y):,} rows, {counts},"
        f" {table.X.isna().sum().sum():,} cells missing",
        f"target '{table.target}': {classes}{positive}",
        f"{len(division.train):,} rows to learn from, {len(division.test):,} held out",
    ]
