"""The schema of conf/dataset and conf/cv: which table, and how its rows are divided."""

from dataclasses import dataclass
from enum import Enum

from src.config.option import option


class ColumnType(Enum):
    """What a column of a file can be forced to be."""

    number = "number"
    category = "category"


@dataclass
class DatasetConfig:
    """What every dataset has."""

    _target_: str = option("the function of `src/data` that loads it")
    pos_label: str | None = option(
        "the positive label, as it stands in the target; null: the last of the sorted labels."
        " Quote words that YAML reads as booleans: `'no'`",
        None,
    )


@dataclass
class BuiltinDatasetConfig(DatasetConfig):
    """A table that comes with scikit-learn."""

    _target_: str = option("the function that loads it", "src.data.load_builtin")
    name: str = option("the name in scikit-learn: `breast_cancer`, `wine`, `iris` or `digits`")


@dataclass
class OpenMLDatasetConfig(DatasetConfig):
    """A table of OpenML, by name and pinned version."""

    _target_: str = option("the function that loads it", "src.data.load_openml")
    name: str = option("the name on OpenML")
    version: int = option("the version on OpenML; there is no default, since 'newest' moves")
    data_home: str = option(
        "where downloads are cached, in scikit-learn's layout", "data_cache", decides_numbers=False
    )
    n_retries: int = option(
        "how often a failed download is tried again, after 1, 2, 4, … seconds",
        4,
        decides_numbers=False,
    )


@dataclass
class FileDatasetConfig(DatasetConfig):
    """Your own CSV or Parquet file."""

    _target_: str = option("the function that loads it", "src.data.load_file")
    # Its content is in the data's fingerprint: a copy elsewhere is the same data.
    path: str = option("a `.csv`, `.csv.gz` or `.parquet` file", decides_numbers=False)
    target: str = option("the column to predict")
    separator: str = option("what separates the cells of a CSV file; `\\t` for tabs", ",")
    encoding: str = option("how a CSV file is encoded: `utf-8`, `cp932`, `shift_jis`, …", "utf-8")
    decimal: str = option("what stands before the decimals in a CSV file: `.` or `,`", ".")
    drop_columns: list[str] = option("columns that are not for learning: ids, free text", [])
    column_types: dict[str, ColumnType] = option(
        "types to force, by column: `{zip: category}`. Otherwise numbers are numbers"
        " and everything else is a category",
        {},
    )


@dataclass
class CvConfig:
    """How rows are divided: the hold-out and the folds follow the same rule."""

    _target_: str = option("the class of `src/data` that divides the rows")
    test_size: float = option("the share of rows (of groups, where grouped) held out", 0.2)


@dataclass
class StratifiedCvConfig(CvConfig):
    """Independent rows: every part holds the classes in the same proportion."""

    _target_: str = option("the class that divides the rows", "src.data.StratifiedRows")


@dataclass
class OrderedCvConfig(CvConfig):
    """Rows in time: always train on the past, hold out the last rows."""

    _target_: str = option("the class that divides the rows", "src.data.OrderedRows")
    time_column: str | None = option(
        "rows are sorted by it, and it is not learned from; null: the order of the table", None
    )


@dataclass
class GroupedCvConfig(CvConfig):
    """Repeated subjects: a group lies on one side only."""

    _target_: str = option("the class that divides the rows", "src.data.GroupedRows")
    group_column: str = option("the column that names the subject; it is not learned from")
