"""The tables of the suite, divided into the files that every system gets."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.datasets import fetch_openml, load_breast_cancer, load_wine
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

SMALL_ROWS, N_FOLDS, TEST_SHARE = 2_000, 5, 0.3
OPENML = {"credit-g": (1, "class"), "adult": (2, "class")}
BUILT_IN = {"breast_cancer": load_breast_cancer, "wine": load_wine}
TRAIN, TEST, TRUTH = "train.csv", "test.csv", "truth.json"


@dataclass(frozen=True)
class SuiteTable:
    """A table: its cells as texts, its target, its labels sorted."""

    name: str
    frame: pd.DataFrame
    target: str

    @property
    def labels(self) -> list[str]:
        """Return the labels, sorted as text."""
        return sorted(set(self.frame[self.target]))

    @property
    def metric(self) -> str:
        """Return what systems optimise."""
        return "roc_auc" if len(self.labels) == 2 else "log_loss"


@dataclass(frozen=True)
class Split:
    """Rows to train on and rows to predict, of a seed and an outer fold."""

    seed: int
    fold: int
    train: Any
    test: Any

    @property
    def test_share(self) -> float:
        """Return test rows per training row."""
        return len(self.test) / len(self.train)


def table_names(suite: Path) -> list[str]:
    """Return all tables, the largest one last."""
    with (suite / "index.csv").open(encoding="utf-8") as file:
        listed = [entry["file"].partition(".")[0] for entry in csv.DictReader(file)]
    return [*listed, *BUILT_IN, *OPENML]


def load_table(name: str, suite: Path, data_home: Path) -> SuiteTable:
    """Load a table with each cell as the text that its CSV has."""
    if name in BUILT_IN:
        found = BUILT_IN[name](as_frame=True)
        return SuiteTable(name, _as_text(found.frame), "target")
    if name in OPENML:
        version, target = OPENML[name]
        found = fetch_openml(
            name, version=version, data_home=data_home, as_frame=True, parser="auto"
        )
        return SuiteTable(name, _as_text(found.frame), target)
    with (suite / "index.csv").open(encoding="utf-8") as file:
        entries = {entry["file"].partition(".")[0]: entry for entry in csv.DictReader(file)}
    read = partial(pd.read_csv, dtype=str, keep_default_na=False)
    return SuiteTable(name, read(suite / entries[name]["file"]), entries[name]["target"])


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    text = frame.astype(object).where(frame.notna(), "")
    return text.map(str)


def splits_of(table: SuiteTable, n_seeds: int, n_folds: int) -> Iterator[Split]:
    """Yield outer folds of a small table, and one hold-out per seed of a larger one.

    n_folds: so many of the five folds of a seed.
    """
    y = table.frame[table.target]
    for seed in range(n_seeds):
        if len(y) < SMALL_ROWS:
            folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
        else:
            folds = StratifiedShuffleSplit(1, test_size=TEST_SHARE, random_state=seed)
        for fold, (train, test) in enumerate(folds.split(y, y)):
            if fold < n_folds:
                yield Split(seed, fold, train, test)


@dataclass(frozen=True)
class SplitFiles:
    """A split in files: what systems train on, what they predict, and the labels, for us alone."""

    table: SuiteTable
    split: Split
    folder: Path


def write_split(table: SuiteTable, split: Split, folder: Path) -> SplitFiles:
    """Write the training rows, the test rows without their labels, and the labels."""
    frame = table.frame
    frame.iloc[split.train].to_csv(folder / TRAIN, index=False)
    test = frame.iloc[split.test]
    test.drop(columns=table.target).to_csv(folder / TEST, index=False)
    (folder / TRUTH).write_text(json.dumps(list(test[table.target])), encoding="utf-8")
    return SplitFiles(table, split, folder)
