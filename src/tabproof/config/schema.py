"""The schema of conf/: every group and key, its type and what it means.

A misspelt key or a wrong type fails while composing because these classes are the
first entry of each defaults list. docs/configuration.md is generated from them.
"""

import re
import secrets
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from tabproof.config.option import option
from tabproof.config.search_schema import (
    GridSearchConfig,
    HalvingSearchConfig,
    ModelConfig,
    PortfolioSearchConfig,
    PreprocessConfig,
    RandomSearchConfig,
    SearchConfig,
    TpeSearchConfig,
    VoteConfig,
)

# --- The schema of conf/dataset and conf/cv: which table, and how its rows are divided.


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

    _target_: str = option("the function that loads it", "tabproof.data.load_builtin")
    name: str = option("the name in scikit-learn: `breast_cancer`, `wine`, `iris` or `digits`")


@dataclass
class OpenMLDatasetConfig(DatasetConfig):
    """A table of OpenML, by name and pinned version."""

    _target_: str = option("the function that loads it", "tabproof.data.load_openml")
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

    _target_: str = option("the function that loads it", "tabproof.data.load_file")
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

    _target_: str = option("the class that divides the rows", "tabproof.data.StratifiedRows")


@dataclass
class OrderedCvConfig(CvConfig):
    """Rows in time: always train on the past, hold out the last rows."""

    _target_: str = option("the class that divides the rows", "tabproof.data.OrderedRows")
    time_column: str | None = option(
        "rows are sorted by it, and it is not learned from; null: the order of the table", None
    )


@dataclass
class GroupedCvConfig(CvConfig):
    """Repeated subjects: a group lies on one side only."""

    _target_: str = option("the class that divides the rows", "tabproof.data.GroupedRows")
    group_column: str = option("the column that names the subject; it is not learned from")


# --- The schema of conf/checks, conf/calibration, conf/threshold, conf/evaluation, conf/report.


@dataclass
class ChecksConfig:
    """What is looked for in the data before training."""

    enabled: bool = option("whether the data is checked at all", True)
    fail: bool = option("end the run, before training, where anything is found", False)
    leak_auc: float = option("a column that alone has this AUC gives the target away", 0.995)
    missing_share: float = option("a column that lacks so many of its values is reported", 0.95)
    minority_share: float = option("a class rarer than this is reported", 0.05)
    drift_auc: float = option(
        "how well a classifier may tell the hold-out from the training rows", 0.6
    )


@dataclass
class CalibrationConfig:
    """How probabilities are mapped to observed shares, on folds of the training rows."""

    method: str = option("none, sigmoid, isotonic or temperature", "none")
    n_splits: int = option("folds whose predictions it is fitted on", 5)


@dataclass
class ThresholdConfig:
    """From which probability on the second of two labels is predicted."""

    objective: str = option("default (0.5), max_f1, cost or min_recall", "default")
    n_splits: int = option("folds of the training rows it is chosen on", 5)
    # Numbers, checked later: as list[list[float]] OmegaConf would refuse whole ones.
    costs: list[list[Any]] | None = option(
        "of objective=cost: what each outcome costs, a row per true and a column per predicted"
        " label, in the order of labels, the positive one second",
        None,
    )
    min_recall: float | None = option(
        "of objective=min_recall: the most precise threshold that finds this share of the"
        " positive rows",
        None,
    )
    min_precision: float | None = option(
        "of objective=min_recall: the least share of right ones among those it reports", None
    )


@dataclass
class EvaluationConfig:
    """What is measured on the rows held out."""

    name: str = option("shown in the report")
    metrics: list[str] = option("names; docs/evaluation.md explains each", [])
    n_bootstrap: int = option(
        "resamples of the hold-out for intervals that have no formula; 0: none of those", 1000
    )
    slices: list[str] = option("columns whose groups are judged apart", [])
    n_permutations: int = option("how often each column is shuffled for its importance; 0: no", 5)
    n_dependences: int = option(
        "so many of the most important columns are drawn, where importance is measured; 0: none", 6
    )
    n_repeats: int = option("how often cross-validation is repeated on training rows; 0: no", 0)
    n_splits: int = option("its folds", 5)
    learning_curve: bool = option("would more rows help? fits the model on parts of them", False)


@dataclass
class ReportConfig:
    """What is written for people."""

    language: str = option("en or ja", "en", decides_numbers=False)
    plots: bool = option("draw the pictures of plots/", True, decides_numbers=False)
    page: bool = option("write report.html, in which all is together", True, decides_numbers=False)
    model_card: bool = option("write model_card.md", True, decides_numbers=False)


# --- The configuration of sweeps: how the jobs of `-m` are run.


@dataclass
class SweepConfig:
    """How the jobs of `-m` are run: each is a process of its own."""

    fail_fast: bool = option("begin no further job once one has failed", False)
    time_limit: str | None = option(
        "how long a job may take: `90s`, `10m`, `12h`. Then it is told to end, so that the best so"
        " far is kept, and killed 30 s later; null: as long as it takes",
        None,
    )
    retries: int = option("how often a job that failed is begun again", 0)
    resume: str | None = option(
        "the directory of a sweep that was killed or has failed jobs: what is missing is done,"
        " and nothing else",
        None,
    )
    accept_changes: bool = option(
        "resume though configuration, data or code have changed: complete jobs stay as they are",
        False,
    )


@dataclass
class RuntimeConfig:
    """How fast: may change how long a run takes, never a number."""

    workers: int | None = option("processes that fit candidates; null: as many as pay off", None)
    openmp_threads: int | None = option(
        "threads of one fit outside the workers (inside them it is 1); null: OMP_NUM_THREADS"
        " where it is set, else as many as pay off",
        None,
    )
    niceness: int = option("0 to 19: how willingly the run gives way to other programs", 0)
    inhibit_sleep: bool = option("keep the machine from falling asleep (systemd-inhibit)", False)
    progress: bool = option(
        "show how far the search is: live on a terminal, else a line per rung; false: in train.log"
        " alone",
        True,
    )


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
    checks: ChecksConfig = option("what is looked for in the data", decides_numbers=False)
    calibration: CalibrationConfig = option("how probabilities are calibrated")
    threshold: ThresholdConfig = option("how a probability becomes a label")
    evaluation: EvaluationConfig = option("what is measured on the rows held out")
    report: ReportConfig = option("what is written for people", decides_numbers=False)
    runtime: RuntimeConfig = option("how fast", decides_numbers=False)
    sweep: SweepConfig = option("how the jobs of `-m` are run", decides_numbers=False)
    skip_completed: bool = option(
        "do nothing where a complete run of the same id lies in outputs/ already",
        False,
        decides_numbers=False,
    )
    export: bool = option(
        "write `scorer/`, the model as data, which the service needs; false also trains what has"
        " no such form, and measures importances by the pipeline, ten times as slow",
        True,
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
    "checks": {"checks": ChecksConfig},
    "calibration": {"calibration": CalibrationConfig},
    "threshold": {"threshold": ThresholdConfig},
    "evaluation": {"evaluation": EvaluationConfig},
    "report": {"report": ReportConfig},
    "runtime": {"runtime": RuntimeConfig, "dask": DaskRuntimeConfig},
    "sweep": {"sweep": SweepConfig},
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
