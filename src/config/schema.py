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
    grid = "grid"
    random = "random"
    tpe = "tpe"
    portfolio = "portfolio"
    halving = "halving"


def option(
    doc: str, default: Any = MISSING, *, decides_numbers: bool = True, is_ordered: bool = False
) -> Any:
    """Declare a key with its explanation.

    decides_numbers=False keeps the key out of the run id: it says where something lies
    or how long to wait, never what comes out.
    is_ordered: entries of a dictionary that make something else in another order.
    """
    metadata = {"doc": doc, "decides_numbers": decides_numbers, "is_ordered": is_ordered}
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

    numeric: dict[str, Any] = option(
        "steps for number columns, by name, each by `_target_`", {}, is_ordered=True
    )
    categorical: dict[str, Any] = option(
        "steps for category columns, likewise", {}, is_ordered=True
    )
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
    param_space: dict[str, Any] = option(
        "what `search=random` and `search=tpe` draw from: parameter → list of values, or"
        " `{low: …, high: …, log: true}` (whole numbers if both are)",
        {},
        # Stands in the run id where it is searched.
        decides_numbers=False,
    )
    accepts_categories: bool = option("whether the estimator takes pandas categories", False)
    accepts_missing: bool = option("whether the estimator takes missing values", False)
    max_categories: int | None = option("the most categories it takes in a column", None)


@dataclass
class MemberConfig:
    """One of several models, with a preprocessing of its own."""

    model: ModelConfig = option("its estimator")
    preprocess: PreprocessConfig = option("what happens to columns before it")


@dataclass
class VoteConfig(ModelConfig):
    """Several models as one: `estimator` takes `members` as scikit-learn's `estimators`."""

    members: dict[str, MemberConfig] = option(
        "by name, `model` and `preprocess` as in those groups; grids reach into them by"
        " `clf__<name>__clf__<parameter>`",
        {},
        is_ordered=True,
    )


@dataclass
class SearchConfig:
    """How the best parameters are found."""

    name: str = option("what the result line shows as `mode`", decides_numbers=False)
    engine: Engine = option(
        "`none` fits the estimator as it is; `grid`, `random` and `tpe` search by rungs, and differ"
        " in where candidates come from; `portfolio` searches several models; `halving` is"
        " scikit-learn's successive halving"
    )
    scoring: str = option(
        "a scorer of scikit-learn; `roc_auc` means one-vs-rest, macro, for several classes",
        "roc_auc",
    )
    n_splits: int = option("folds", 5)


@dataclass
class HalvingSearchConfig(SearchConfig):
    """scikit-learn's own successive halving over rows."""

    engine: Engine = option("the engine", Engine.halving)
    param_grid: str = option(
        "which of `model.param_grids` is searched",
        # Its values stand in the run id by themselves.
        decides_numbers=False,
    )
    factor: float = option("each rung keeps one candidate in `factor`, on `factor` times rows", 3)
    # Any: OmegaConf 2.3 cannot merge a union into a nested schema; checks.py says what is valid.
    min_resources: Any = option(
        "rows of the first rung: a number; `exhaust`, so that the last rung has all rows; `auto`,"
        " the same and every fold holds at least 10 rows of the rarest class",
        "auto",
    )


@dataclass
class RungSearchConfig(SearchConfig):
    """What searches by rungs share."""

    schedule: list[Any] = option(
        "rung by rung: how many `candidates` go in (`all`, a number, or a share such as `20%`), on"
        " how many of their `iterations` and of the training `rows` (shares), and on how many"
        " `folds`"
    )
    min_resources: Any = option(
        "the least training rows in a rung: a number; `auto`, 5,000 (fewer save no time), and"
        " enough for 10 rows of the rarest class",
        "auto",
    )
    time_budget: str | None = option(
        "how long the search with its last fit may take: `90s`, `10m`, `2h`; null: as long as it"
        " takes. A search that it ends is marked as partial",
        None,
        decides_numbers=False,
    )
    resume: Any = option(
        "true: go on with the newest unfinished run of this configuration, if there is one; or the"
        " directory of an unfinished run",
        False,
        decides_numbers=False,
    )


@dataclass
class GridSearchConfig(RungSearchConfig):
    """All combinations of a grid."""

    engine: Engine = option("the engine", Engine.grid)
    param_grid: str = option(
        "which of `model.param_grids` is searched",
        # Its values stand in the run id by themselves.
        decides_numbers=False,
    )


@dataclass
class RandomSearchConfig(RungSearchConfig):
    """Settings drawn from `model.param_space`."""

    engine: Engine = option("the engine", Engine.random)
    n_candidates: int = option("how many settings are tried", 60)


@dataclass
class TpeSearchConfig(RandomSearchConfig):
    """Settings of `model.param_space` that Optuna proposes, from what the first rung has shown."""

    engine: Engine = option("the engine", Engine.tpe)
    batch_size: int = option(
        "how many settings are proposed at once; they are fitted side by side, and the next batch"
        " learns from them",
        10,
    )


@dataclass
class PortfolioSearchConfig(RungSearchConfig):
    """Several models under one budget, and what they are worth together."""

    engine: Engine = option("the engine", Engine.portfolio)
    members: dict[str, MemberConfig] = option(
        "the models by name; `model=` and `preprocess=` of the run are not used",
        {},
        is_ordered=True,
    )
    param_grid: str = option(
        "which grid of each member's `param_grids` is searched", "fast", decides_numbers=False
    )
    ensemble: bool = option(
        "whether a weighted mean of finalists may win, where it scores better than the best one",
        True,
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
class DaskRuntimeConfig(RuntimeConfig):
    """Fits on the workers of a cluster, one thread each; docs/cluster.md starts one."""

    address: str | None = option("of its scheduler: `tcp://host:8786`, or `tls://…`", None)
    timeout: float = option("seconds in which the cluster must answer", 10)


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
    "model": {"estimator": ModelConfig, "vote": VoteConfig},
    "preprocess": {"columns": PreprocessConfig},
    "search": {
        "none": SearchConfig,
        "grid": GridSearchConfig,
        "random": RandomSearchConfig,
        "tpe": TpeSearchConfig,
        "portfolio": PortfolioSearchConfig,
        "halving": HalvingSearchConfig,
    },
    "runtime": {"runtime": RuntimeConfig, "dask": DaskRuntimeConfig},
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
