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
from tabproof.evaluation_result import METRICS
from tabproof.text import LANGUAGES

BUILTIN_NAMES = ("breast_cancer", "digits", "iris", "wine")
CALIBRATIONS = ("none", "sigmoid", "isotonic", "temperature")
OBJECTIVES = ("default", "max_f1", "cost", "min_recall")


class ColumnType(Enum):
    """The types that a column of a file can be given."""

    number = "number"
    category = "category"


@dataclass
class DatasetConfig:
    """Keys of every dataset."""

    _target_: str = option("the function of `tabproof.data` that loads it")
    pos_label: str | None = option(
        "the positive label, as the target spells it; null: the last of the sorted labels."
        " Quote words that YAML reads as booleans: `'no'`",
        None,
    )


@dataclass
class BuiltinDatasetConfig(DatasetConfig):
    """A table that is part of scikit-learn."""

    _target_: str = option("the function that loads it", "tabproof.data.load_builtin")
    name: str = option("the name in scikit-learn", choices=BUILTIN_NAMES)


@dataclass
class OpenMLDatasetConfig(DatasetConfig):
    """A table of OpenML, by name and pinned version."""

    _target_: str = option("the function that loads it", "tabproof.data.load_openml")
    name: str = option("the name on OpenML")
    version: int = option("the version on OpenML; no default, because the newest changes", ge=1)
    data_home: str = option(
        "where downloads are cached, in scikit-learn's layout", "data_cache", decides_numbers=False
    )
    n_retries: int = option(
        "how often a failed download is tried again, after 1, 2, 4, … seconds",
        4,
        decides_numbers=False,
        ge=0,
        le=10,
    )


@dataclass
class FileDatasetConfig(DatasetConfig):
    """Your own CSV or Parquet file."""

    _target_: str = option("the function that loads it", "tabproof.data.load_file")
    # Its content is in the data's fingerprint: a copy elsewhere is the same data.
    path: str = option("a `.csv`, `.csv.gz` or `.parquet` file", decides_numbers=False)
    target: str = option("the column to predict")
    separator: str = option("what separates the cells of a CSV file; `\\t` for tabs", ",")
    encoding: str = option("of a CSV file: `utf-8`, `cp932`, `shift_jis`, …", "utf-8")
    decimal: str = option("the decimal point of a CSV file: `.` or `,`", ".")
    drop_columns: list[str] = option("columns that are not features: ids, free text", [])
    column_types: dict[str, ColumnType] = option(
        "types by column: `{zip: category}`. Otherwise numbers are numbers and everything else is"
        " a category",
        {},
    )


@dataclass
class CvConfig:
    """How rows are divided into folds and hold-out."""

    _target_: str = option("the class of `tabproof.data` that divides the rows")
    test_size: float = option(
        "the share of rows (of groups, where grouped) held out", 0.2, gt=0.0, lt=1.0
    )


@dataclass
class StratifiedCvConfig(CvConfig):
    """Independent rows: every part has the classes in the same proportion."""

    _target_: str = option("the class that divides the rows", "tabproof.data.StratifiedRows")


@dataclass
class OrderedCvConfig(CvConfig):
    """Rows in time: train on the past, hold out the last rows."""

    _target_: str = option("the class that divides the rows", "tabproof.data.OrderedRows")
    time_column: str | None = option(
        "rows are sorted by it, and it is not a feature; null: the order of the table", None
    )


@dataclass
class GroupedCvConfig(CvConfig):
    """Repeated subjects: a group is in one part only."""

    _target_: str = option("the class that divides the rows", "tabproof.data.GroupedRows")
    group_column: str = option("the column that names the subject; it is not a feature")


@dataclass
class ChecksConfig:
    """Checks of the data before training."""

    enabled: bool = option("whether the data is checked", True)
    fail: bool = option("end the run before training if anything is found", False)
    leak_auc: float = option(
        "a column whose AUC alone reaches this is reported as a leak", 0.995, ge=0.5, le=1.0
    )
    missing_share: float = option(
        "a column whose share of missing values reaches this is reported", 0.95, ge=0.0, le=1.0
    )
    minority_share: float = option("a class rarer than this is reported", 0.05, ge=0.0, le=1.0)
    drift_auc: float = option(
        "the AUC above which a classifier that separates hold-out and training rows is reported",
        0.6,
        ge=0.5,
        le=1.0,
    )


@dataclass
class CalibrationConfig:
    """How probabilities are mapped to observed shares, on folds of the training rows."""

    method: str = option("how probabilities are mapped", "none", choices=CALIBRATIONS)
    n_splits: int = option("folds whose predictions it is fitted on", 5, ge=2)


@dataclass
class ThresholdConfig:
    """The probability from which on the second of two labels is predicted."""

    objective: str = option(
        "how the threshold is chosen; default is 0.5", "default", choices=OBJECTIVES
    )
    n_splits: int = option("folds of the training rows it is chosen on", 5, ge=2)
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
        gt=0.0,
        le=1.0,
    )
    min_precision: float | None = option(
        "of objective=min_recall: the smallest precision", None, gt=0.0, le=1.0
    )


@dataclass
class EvaluationConfig:
    """What is measured on the hold-out."""

    name: str = option("shown in the report")
    metrics: list[str] = option("explained in docs/evaluation.md", [], choices=tuple(METRICS))
    n_bootstrap: int = option(
        # With fewer, the ends of an interval are a matter of chance.
        "resamples of the hold-out, for intervals without a formula; 0: no such intervals",
        1000,
        ge=100,
        also=(0,),
    )
    slices: list[str] = option("columns whose groups are evaluated separately", [])
    n_permutations: int = option(
        "how often each column is shuffled for its importance; 0: not measured", 5, ge=0
    )
    n_dependences: int = option(
        "number of the most important columns whose partial dependence is plotted", 6, ge=0
    )
    n_repeats: int = option(
        "how often cross-validation is repeated on the training rows; 0: not done", 0, ge=0
    )
    n_splits: int = option("its folds", 5, ge=2)
    learning_curve: bool = option("fit the model on parts of the training rows, too", False)


@dataclass
class ReportConfig:
    """What is written for people."""

    language: str = option("of all that is written", "en", decides_numbers=False, choices=LANGUAGES)
    plots: bool = option("draw the pictures of plots/", True, decides_numbers=False)
    page: bool = option("write report.html, in which all is together", True, decides_numbers=False)
    model_card: bool = option("write model_card.md", True, decides_numbers=False)


@dataclass
class SweepConfig:
    """How the jobs of `-m` are run: each is a process of its own."""

    fail_fast: bool = option("begin no further job once one has failed", False)
    time_limit: str | None = option(
        "how long a job may take. Then it is interrupted, so that it keeps the best so far, and"
        " killed 30 s later; null: no limit",
        None,
        is_duration=True,
    )
    retries: int = option("how often a failed job is started again", 0, ge=0)
    resume: str | None = option(
        "the directory of a sweep that was killed or has failed jobs: only jobs that are missing"
        " are run",
        None,
    )
    accept_changes: bool = option(
        "resume though configuration, data or code have changed: complete jobs stay as they are",
        False,
    )


@dataclass
class RuntimeConfig:
    """How the run uses the machine: changes how long it takes, never a number."""

    workers: int | None = option(
        "processes that fit candidates; null: as many as save time", None, ge=1
    )
    openmp_threads: int | None = option(
        "threads of one fit outside the workers (inside them it is 1); null: OMP_NUM_THREADS"
        " where it is set, else as many as save time",
        None,
        ge=1,
    )
    niceness: int = option("priority: 19 gives way to all other programs", 0, ge=0, le=19)
    inhibit_sleep: bool = option("keep the machine from falling asleep (systemd-inhibit)", False)
    progress: bool = option(
        "show the progress of the search: live on a terminal, else a line per rung; false: only in"
        " train.log",
        True,
    )


@dataclass
class DaskRuntimeConfig(RuntimeConfig):
    """Fits on the workers of a cluster, one thread each; docs/cluster.md starts one."""

    address: str | None = option("its scheduler: `tcp://host:8786`, or `tls://…`", None)
    timeout: float = option("how long to wait for the cluster", 10, gt=0.0, unit="seconds")


@dataclass
class TrainConfig:
    """A whole run."""

    seed: int = option("every random choice depends on it", 42, ge=0, le=2**32 - 1)
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
    runtime: RuntimeConfig = option("how it uses the machine", decides_numbers=False)
    sweep: SweepConfig = option("how the jobs of `-m` are run", decides_numbers=False)
    skip_completed: bool = option(
        "do nothing if outputs/ holds a complete run of the same id",
        False,
        decides_numbers=False,
    )
    export: bool = option(
        "write `scorer/`, the model as data, which the service needs; false also trains models"
        " without such a form, and computes importances with the pipeline, ten times slower",
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
