"""The schema of conf/: every group and key, its type and what it means.

A misspelt key or a wrong type fails while composing because these classes are the
first entry of each defaults list. docs/configuration.md is generated from them.
"""

import re
import secrets
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from src.config.data_schema import (
    BuiltinDatasetConfig,
    CvConfig,
    DatasetConfig,
    FileDatasetConfig,
    GroupedCvConfig,
    OpenMLDatasetConfig,
    OrderedCvConfig,
    StratifiedCvConfig,
)
from src.config.evaluation_schema import (
    CalibrationConfig,
    ChecksConfig,
    EvaluationConfig,
    ReportConfig,
    ThresholdConfig,
)
from src.config.model_schema import ModelConfig, PreprocessConfig, VoteConfig
from src.config.option import option
from src.config.search_schema import (
    GridSearchConfig,
    HalvingSearchConfig,
    PortfolioSearchConfig,
    RandomSearchConfig,
    SearchConfig,
    TpeSearchConfig,
)
from src.config.sweep_schema import SweepConfig


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
