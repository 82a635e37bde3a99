"""The schema of conf/dataset/ and conf/cv/: which table, and how its rows are divided."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from tabproof.config.options import choice, neutral, of_data, option

BUILTIN_NAMES = ("breast_cancer", "digits", "iris", "wine")

# The types that a column of a file can be given.
ColumnType = Enum(
    "ColumnType", {"number": "number", "category": "category", "date": "date", "text": "text"}
)


@dataclass
class DatasetConfig:
    """Keys of every dataset."""

    _target_: str = option("the function of `tabproof.data` that loads it")
    pos_label: str | None = of_data(
        "the positive label, in quotes where YAML reads a boolean: `'no'`; null: the last one", None
    )


@choice("dataset", "builtin")
class BuiltinDatasetConfig(DatasetConfig):
    """A table that is part of scikit-learn."""

    _target_: str = option("the function that loads it", "tabproof.data.load_builtin")
    name: str = option("the name in scikit-learn", choices=BUILTIN_NAMES)


@choice("dataset", "openml")
class OpenMLDatasetConfig(DatasetConfig):
    """A table of OpenML, by name and pinned version."""

    _target_: str = option("the function that loads it", "tabproof.data.load_openml")
    name: str = option("the name on OpenML")
    version: int = option("the version on OpenML; no default, because the newest changes", ge=1)
    data_home: str | None = neutral(
        "where downloads are cached, in scikit-learn's layout; null: `data_home` of the top level",
        None,
        literal="path",
    )
    n_retries: int = neutral("retries of a download, after 1, 2, 4, … seconds", 4, ge=0, le=10)


@choice("dataset", "file")
class FileDatasetConfig(DatasetConfig):
    """Your own table, in a file. What is `auto` is found, and config.yaml has what was found."""

    _target_: str = option("the function that loads it", "tabproof.data.load_file")
    # Its content is in the data's fingerprint: a copy elsewhere is the same data. So is how it is
    # read: `auto` and what it found are one run.
    path: str = neutral(
        "its location: CSV or TSV, Parquet, Feather, JSON lines, Excel, ARFF, compressed or not,"
        " a directory of Parquet files, `-` for standard input, `https://…`, `s3://…`",
        literal="path",
    )
    target: str = of_data("the column to predict")
    separator: str = neutral(
        "what separates the cells of a text file: one character, `\\t` for tabs",
        "auto",
        pattern=r'[^\r\n"]|\\t|auto',
        words="one character, \\t for tabs, or auto",
    )
    encoding: str = neutral("of a text file: `utf-8`, `cp932`, `shift_jis`, …", "auto")
    decimal: str = neutral(
        "decimal point of a text file", "auto", choices=(".", ",", "auto"), words="., , or auto"
    )
    thousands: str = neutral(
        "what groups the digits of numbers in a text file",
        "auto",
        choices=("auto", "none", ",", ".", " ", "'"),
        words="auto, none, a comma, a point, a space or an apostrophe",
    )
    sheet: str | None = of_data("of an Excel file; null: the first that has a table", None)
    bad_rows: str = option(
        "rows with too few or too many cells: left out, or an error",
        "skip",
        choices=("skip", "error"),
    )
    na_values: list[str] | None = of_data(
        "cells that mean missing, besides empty ones; null: NA, N/A, null, NaN, None and the like,"
        " except in the target, whose words are labels",
        None,
    )
    drop_columns: list[str] = of_data("columns that are not features", [])
    keep: list[str] = of_data("columns to learn from although they look like ids", [])
    column_types: dict[str, ColumnType] = of_data(
        "types by column, such as `{zip: category}`; the others are found", {}
    )
    day_first: bool | None = neutral(
        "whether 03/04/2024 is the 3rd of April; null: as other cells of the column show", None
    )
    year_first: bool | None = neutral(
        "whether 24/03/04 is a day of 2024; null: as other cells of the column show", None
    )
    join_labels: bool = option("labels that differ only by case are one class", False)
    min_class_rows: int = option("classes with fewer rows are left out", 2, ge=1)
    target_bins: Any = option(
        "makes classes of a target of numbers: a number of equal parts, or the list of the bounds"
        " between the classes",
        None,
    )


@choice("cv", "stratified")
class CvConfig:
    """Independent rows: every part has the classes in the same proportion."""

    _target_: str = option("the class that divides the rows", "tabproof.data.StratifiedRows")
    test_size: float = option("the share of rows (of groups) held out", 0.2, gt=0.0, lt=1.0)


@choice("cv", "ordered")
class OrderedCvConfig(CvConfig):
    """Rows in time: train on the past, hold out the last rows."""

    _target_: str = option("the class that divides the rows", "tabproof.data.OrderedRows")
    time_column: str | None = of_data(
        "rows are sorted by it, and it is not a feature; null: the order of the table", None
    )


@choice("cv", "newest")
class NewestCvConfig(CvConfig):
    """Independent rows, of which the last ones in time are held out."""

    _target_: str = option("the class that divides the rows", "tabproof.data.NewestRows")
    time_column: str | None = of_data(
        "rows are sorted by it, and it is not a feature; null: the order of the table", None
    )


@choice("cv", "grouped")
class GroupedCvConfig(CvConfig):
    """Repeated subjects: a group is in one part only."""

    _target_: str = option("the class that divides the rows", "tabproof.data.GroupedRows")
    group_column: str = of_data("the column that names the subject; it is not a feature")
