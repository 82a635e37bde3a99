"""The schema of conf/: every group and key, its type and what it means.

A misspelt key or a wrong type fails while composing because these classes are the
first entry of each defaults list. docs/configuration.md is generated from them.
"""

import re
import secrets
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf


class ColumnType(Enum):
    """What a column of a file can be forced to be."""

    number = "number"
    category = "category"


class Engine(Enum):
    """How candidates are searched."""

    none = "none"
    halving = "halving"


def option(doc: str, default: Any = MISSING, *, decides_numbers: bool = True) -> Any:
    """Declare a key with its explanation.

    decides_numbers=False keeps the key out of the run id: it says where something lies
    or how long to wait, never what comes out.
    """
    metadata = {"doc": doc, "decides_numbers": decides_numbers}
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


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


@dataclass
class PreprocessConfig:
    """What happens to columns before the estimator; learned inside training folds only."""

    numeric: dict[str, Any] = option("steps for number columns, by name, each by `_target_`", {})
    categorical: dict[str, Any] = option("steps for category columns, likewise", {})
    keeps_categories: bool = option("whether categories reach the estimator as categories", False)
    keeps_missing: bool = option("whether missing values reach the estimator", False)


@dataclass
class ModelConfig:
    """An estimator and its grids."""

    estimator: dict[str, Any] = option("the estimator: `_target_` and its parameters")
    param_grids: dict[str, Any] = option(
        "grids by name; `search.param_grid` picks one. Each: parameter of the pipeline"
        " (`clf__max_depth`) → list of values",
        {},
        # The one that is searched stands in the run id by itself.
        decides_numbers=False,
    )
    accepts_categories: bool = option("whether the estimator takes pandas categories", False)
    accepts_missing: bool = option("whether the estimator takes missing values", False)
    max_categories: int | None = option("the most categories it takes in a column", None)


@dataclass
class SearchConfig:
    """How the best parameters are found: the budget."""

    name: str = option("what the result line shows as `mode`", decides_numbers=False)
    engine: Engine = option("`none` fits the estimator as it is; `halving` is successive halving")
    param_grid: str | None = option("which of `model.param_grids` is searched", None)
    scoring: str = option(
        "a scorer of scikit-learn; `roc_auc` means one-vs-rest, macro, for several classes",
        "roc_auc",
    )
    n_splits: int = option("folds", 5)
    factor: float = option("each rung keeps one candidate in `factor`, on `factor` times rows", 3)
    # Any: OmegaConf 2.3 cannot merge a union into a nested schema; checks.py says what is valid.
    min_resources: Any = option(
        "rows of the first rung: a number; `exhaust`, so that the last rung has all rows; `auto`,"
        " the same and every fold holds at least 10 rows of the rarest class",
        "auto",
    )


@dataclass
class RuntimeConfig:
    """How fast: may change how long a run takes, never a number."""

    workers: int | None = option("processes that fit candidates; null: as many as pay off", None)
    openmp_threads: int | None = option(
        "threads of one fit outside the workers (inside them it is 1); null: as many as pay off",
        None,
    )
    niceness: int = option("0 to 19: how willingly the run gives way to other programs", 0)
    progress: bool = option("a live progress bar where there is a terminal", True)


@dataclass
class TrainConfig:
    """A whole run."""

    seed: int = option("every random choice follows from it", 42)
    dataset: DatasetConfig = option("the table")
    cv: CvConfig = option("how its rows are divided")
    model: ModelConfig = option("the estimator")
    preprocess: PreprocessConfig = option("what happens to columns before it")
    search: SearchConfig = option("how its parameters are found")
    runtime: RuntimeConfig = option("how fast", decides_numbers=False)
    export: bool = option(
        "write `scorer/`, the model as data, which the service needs; false also trains what has"
        " no such form",
        True,
        decides_numbers=False,
    )


# Files of conf/<group>/ name their schema in their defaults: `- /schema/<group>@_here_: <name>`.
GROUPS: dict[str, dict[str, type]] = {
    "dataset": {
        "builtin": BuiltinDatasetConfig,
        "openml": OpenMLDatasetConfig,
        "file": FileDatasetConfig,
    },
    "cv": {
        "stratified": StratifiedCvConfig,
        "ordered": OrderedCvConfig,
        "grouped": GroupedCvConfig,
    },
    "model": {"estimator": ModelConfig},
    "preprocess": {"columns": PreprocessConfig},
    "search": {"search": SearchConfig},
    "runtime": {"runtime": RuntimeConfig},
}


def _as_file_name(text: str) -> str:
    # A name may have 255 bytes, and a letter of Japanese has three.
    return re.sub(r"[^\w=,.+-]+", "_", text).encode()[:150].decode(errors="ignore")


def register_schema() -> None:
    """Make the schema, and what conf/ uses beside it, known to Hydra."""
    # Cached: one run has one directory, however often its name is asked for.
    OmegaConf.register_new_resolver(
        "unique", lambda: secrets.token_hex(4), use_cache=True, replace=True
    )
    OmegaConf.register_new_resolver("words", _as_file_name, replace=True)
    store = ConfigStore.instance()
    store.store(name="train_schema", node=TrainConfig)
    for group, schemas in GROUPS.items():
        for name, schema in schemas.items():
            store.store(group=f"schema/{group}", name=name, node=schema)
