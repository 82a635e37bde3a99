"""The schema of conf/: every group and key, its type and what it means.

A misspelt key or a wrong type fails while composing because these classes are the
first entry of each defaults list. docs/configuration.md is generated from them.
"""

import re
import secrets
from dataclasses import dataclass
from functools import partial
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from tabproof.conf_files import own_conf
from tabproof.config.data_schema import CvConfig, DatasetConfig
from tabproof.config.options import DURATION, choice, neutral, of_data, option
from tabproof.evaluation_result import METRICS
from tabproof.kernels import LEVELS
from tabproof.runtime import SCHEDULER_ADDRESS
from tabproof.text import LANGUAGES

# --- The groups and their keys.

CALIBRATIONS = ("none", "sigmoid", "isotonic", "temperature")
OBJECTIVES = ("default", "max_f1", "cost", "min_recall")


# A dictionary whose entries in another order make something else.
ordered = partial(option, default={}, is_ordered=True)
first_rows = partial(option, default="auto", ge=1, unit="rows")
duration = partial(neutral, default=None, pattern=DURATION, words="a time such as 90s, 10m, 1h30m")


def engine(name: str) -> Any:
    """Declare the engine of a search: another name would be a false record of what ran."""
    words = f"{name} with these keys; search=… chooses another engine"
    return option("how candidates are searched", name, choices=(name,), words=words)


@choice("model", "estimator")
class ModelConfig:
    """An estimator and its grids."""

    estimator: dict[str, Any] = option("the estimator: `_target_` and its parameters")
    # The run id depends on the grid, or the space, that is searched.
    param_grids: dict[str, Any] = neutral(
        "grids by name, each: parameter of the pipeline (`clf__max_depth`) → list of values", {}
    )
    param_space: dict[str, Any] = neutral(
        "what `search=random`, `search=tpe` and `search.n_drawn` draw from: parameter → list of"
        " values, or `{low: …, high: …, log: true}` (whole numbers if both are)",
        {},
    )
    accepts_categories: bool = option("whether the estimator takes pandas categories", False)
    accepts_missing: bool = option("whether the estimator takes missing values", False)
    max_categories: int | None = option("the most categories of a column that it takes", None)


@choice("preprocess", "columns")
class PreprocessConfig:
    """What happens to columns before the estimator; learned inside training folds only."""

    numeric: dict[str, Any] = ordered("steps for number columns, by name, each by `_target_`")
    categorical: dict[str, Any] = ordered("steps for category columns, likewise")
    combinations: int = option(
        "results of arithmetic of two numbers beside the columns, at most; chosen on training rows",
        0,
        ge=0,
    )
    interactions: int = option(
        "pairs of category columns whose shares of classes are beside them, at most", 0, ge=0
    )
    shares: bool = option("whether shares of classes are beside each column of few values", False)
    products: bool = option(
        "whether products of up to 20 number columns are beside them, for linear models",
        False,
    )
    keeps_categories: bool = option("whether categories reach the estimator as categories", False)
    keeps_missing: bool = option("whether missing values reach the estimator", False)


@dataclass
class MemberConfig:
    """One of several models, with a preprocessing of its own."""

    model: ModelConfig = option("its estimator")
    preprocess: PreprocessConfig = option("what happens to columns before it")


@choice("model", "vote")
class VoteConfig(ModelConfig):
    """Several models as one: `estimator` takes `members` as scikit-learn's `estimators`."""

    members: dict[str, MemberConfig] = ordered(
        "by name, each with `model` and `preprocess` as in those groups; grids address them as"
        " `clf__<name>__clf__<parameter>`"
    )


@choice("search", "none")
class SearchConfig:
    """How the best parameters are found."""

    name: str = neutral("shown as `mode` in the result line")
    engine: str = engine("none")
    scoring: str = option(
        "a scorer of scikit-learn; `roc_auc` of several classes: one-vs-rest, macro", "roc_auc"
    )
    n_splits: int = option("folds", 5, ge=2)


@dataclass
class BudgetSearchConfig(SearchConfig):
    """Keys of every search that can be stopped and resumed."""

    time_budget: str | None = duration(
        "how long search and last fit may take; null: no limit. It marks the search as partial"
    )
    resume: Any = neutral(
        "whether the newest unfinished run of this configuration is continued, if there is one",
        False,
        also=(True, False),
        pattern="(?s:.*)",
        words="true, false, or the directory of an unfinished run",
    )


@dataclass
class RungSearchConfig(BudgetSearchConfig):
    """Keys of every search by rungs."""

    schedule: list[Any] = option(
        "for each rung: how many `candidates` enter (`all`, a number, or a share such as `20%`),"
        " the shares of their `iterations` and of the training `rows`, and the number of `folds`"
    )
    min_resources: Any = first_rows(
        "rows of a rung at least; `auto`: 5,000, with 10 of the rarest class", also=("auto",)
    )


@choice("search", "grid")
class GridSearchConfig(RungSearchConfig):
    """All combinations of a grid."""

    engine: str = engine("grid")
    # The run id depends on the values of the grid.
    param_grid: str = neutral("which of `model.param_grids` is searched")


@choice("search", "random")
class RandomSearchConfig(RungSearchConfig):
    """Settings drawn from `model.param_space`."""

    engine: str = engine("random")
    n_candidates: int = option("how many settings are tried", 60, ge=1)


@choice("search", "tpe")
class TpeSearchConfig(RandomSearchConfig):
    """Settings of `model.param_space` that Optuna proposes from the scores of the first rung."""

    engine: str = engine("tpe")
    batch_size: int = option("settings proposed at once; the next ones learn from them", 10, ge=1)


@dataclass
class MembersSearchConfig(BudgetSearchConfig):
    """Keys of every search over several models."""

    members: dict[str, MemberConfig] = ordered(
        "the models by name; `model=` and `preprocess=` of the run are not used"
    )
    ensemble: bool = option(
        "use a weighted mean of the best models if it scores better than the best one", True
    )


@choice("search", "portfolio")
class PortfolioSearchConfig(MembersSearchConfig, RungSearchConfig):
    """Several models under one budget, and an ensemble of them."""

    engine: str = engine("portfolio")
    param_grid: str = neutral("which grid of each member's `param_grids` is searched", "fast")


@choice("search", "auto")
class AutoSearchConfig(MembersSearchConfig):
    """The best ensemble of tuned models in a given time."""

    engine: str = engine("auto")
    n_drawn: dict[str, int] = ordered(
        "settings drawn from `model.param_space` of a member, by its name: tried after all members,"
        " without the number of iterations, which early stopping finds"
    )
    n_repeats: int = option(
        "divisions into folds, at most: tables of fewer than 4,000 rows have several", 3, ge=1
    )
    patience: int = option(
        "boosting ends after this number of iterations without a lower log loss of the fold's test"
        " rows",
        50,
        ge=1,
        unit="iterations",
    )
    max_serving_ms: float | None = option(
        "what the ensemble may take to score a row, estimated; null: any time", 0.5, gt=0.0
    )


@choice("search", "halving")
class HalvingSearchConfig(SearchConfig):
    """scikit-learn's own successive halving over rows."""

    engine: str = engine("halving")
    param_grid: str = neutral("which of `model.param_grids` is searched")
    factor: float = option(
        "each rung keeps one candidate in `factor`, on `factor` times the rows", 3, ge=1.1
    )
    # Any: OmegaConf 2.3 cannot merge a union into a nested schema.
    min_resources: Any = first_rows(
        "rows of the first rung; `exhaust`: so that the last rung has all rows; `auto`: the same,"
        " and every fold holds at least 10 rows of the rarest class",
        also=("auto", "exhaust"),
    )


@choice("checks", "checks")
class ChecksConfig:
    """Checks of the data before training; each limit sets what is reported."""

    enabled: bool = option("whether the data is checked", True)
    fail: bool = option("end the run before training if anything is found", False)
    leak_auc: float = option("a column with this AUC alone is a leak", 0.995, ge=0.5, le=1.0)
    missing_share: float = option("columns that lack this share", 0.95, ge=0.0, le=1.0)
    minority_share: float = option("classes with a smaller share", 0.05, ge=0.0, le=1.0)
    drift_auc: float = option(
        "a classifier that separates hold-out and training rows better", 0.6, ge=0.5, le=1.0
    )


@choice("calibration", "calibration")
class CalibrationConfig:
    """How probabilities are mapped to observed shares, on folds of the training rows."""

    method: str = option("how probabilities are mapped", "none", choices=CALIBRATIONS)
    n_splits: int = option("folds whose predictions it is fitted on", 5, ge=2)


@choice("threshold", "threshold")
class ThresholdConfig:
    """The probability from which on the second of two labels is predicted."""

    objective: str = option("how it is chosen; default: 0.5", "default", choices=OBJECTIVES)
    n_splits: int = option("folds of the training rows it is chosen on", 5, ge=2)
    # Any: as floats, OmegaConf would refuse whole numbers.
    costs: list[list[Any]] | None = option(
        "of objective=cost: a row per true and a column per predicted label, positive second", None
    )
    min_recall: float | None = option(
        "of objective=min_recall: the share of positive rows that is found", None, gt=0.0, le=1.0
    )
    min_precision: float | None = option("for min_recall: least precision", None, gt=0.0, le=1.0)


@choice("evaluation", "evaluation")
class EvaluationConfig:
    """What is measured on the hold-out."""

    name: str = option("shown in the report")
    metrics: list[str] = option("explained in docs/evaluation.md", [], choices=tuple(METRICS))
    # With fewer than 100, the ends of an interval are a matter of chance.
    n_bootstrap: int = option(
        "resamples for intervals without a formula; 0: no such intervals", 1000, ge=100, also=(0,)
    )
    slices: list[str] = of_data("columns whose groups are evaluated separately", [])
    n_permutations: int = option("shuffles of a column for its importance; 0: none", 5, ge=0)
    n_dependences: int = option("top columns whose partial dependence is plotted", 6, ge=0)
    baselines: bool = option("compare with simple models, fitted on the training rows", True)
    finalists: int = option(
        "other finalists of the search, fitted on all training rows and measured; 0: none", 0, ge=0
    )
    n_repeats: int = option("repeats of cross-validation on training rows; 0: none", 0, ge=0)
    n_splits: int = option("its folds", 5, ge=2)
    learning_curve: bool = option("fit the model on parts of the training rows, too", False)


@choice("report", "report")
class ReportConfig:
    """What is written for people."""

    language: str = neutral("of all that is written", "en", choices=LANGUAGES)
    plots: bool = neutral("draw the pictures of plots/", True)
    page: bool = neutral("write report.html, in which all is together", True)
    model_card: bool = neutral("write model_card.md", True)
    index: bool = neutral("write outputs/index.html, the page of all runs, at the end", True)
    what_if: bool = neutral(
        "a form in report.html to try other values in; the page then holds 20 held-out rows", True
    )


@choice("runtime", "runtime")
class RuntimeConfig:
    """How the run uses the machine: changes how long it takes, never a number."""

    workers: int | None = option("processes of fits; null: as many as save time", None, ge=1)
    openmp_threads: int | None = option(
        "threads of a fit (1 in workers); null: OMP_NUM_THREADS, else what saves time", None, ge=1
    )
    portable: bool = option(
        "the same bits on every x86-64 processor of one level; false: the kernels that numeric"
        " libraries choose for this processor, which may be faster",
        True,
    )
    level: str | None = option(
        "what a portable run uses of the processor; null: the highest that it has",
        None,
        choices=LEVELS,
    )
    niceness: int = option("priority: 19 gives way to all other programs", 0, ge=0, le=19)
    inhibit_sleep: bool = option("keep the machine from falling asleep (systemd-inhibit)", False)
    progress: bool = option("show the search's progress; false: only in train.log", True)


@choice("runtime", "dask")
class DaskRuntimeConfig(RuntimeConfig):
    """Fits on the workers of a cluster, one thread each; docs/cluster.md starts one."""

    address: str | None = option(
        "its scheduler: `tcp://host:8786`, or `tls://…`",
        None,
        pattern=SCHEDULER_ADDRESS.pattern,
        words="what dask scheduler prints, such as tcp://host:8786",
    )
    timeout: float = option("how long to wait for the cluster", 10, gt=0.0, unit="seconds")


@choice("sweep", "sweep")
class SweepConfig:
    """How the jobs of `-m` are run: each is a process of its own."""

    fail_fast: bool = option("begin no further job once one has failed", False)
    time_limit: str | None = duration(
        "after it a job is interrupted, keeping its best, and killed 30 s later; null: no limit"
    )
    retries: int = option("how often a failed job is started again", 0, ge=0)
    resume: str | None = option("the directory of an unfinished sweep: missing jobs run", None)
    accept_changes: bool = option(
        "resume though configuration, data or code have changed; complete jobs stay", False
    )


@dataclass
class TrainConfig:
    """A whole run."""

    seed: int = option("every random choice depends on it", 42, ge=0, le=2**32 - 1)
    dataset: DatasetConfig = option("the table")
    cv: CvConfig = option("how its rows are divided")
    model: ModelConfig = option("the estimator")
    preprocess: PreprocessConfig = option("what happens to columns before it")
    search: SearchConfig = option("how its parameters are found")
    checks: ChecksConfig = neutral("what is looked for in the data")
    calibration: CalibrationConfig = option("how probabilities are calibrated")
    threshold: ThresholdConfig = option("how a probability becomes a label")
    evaluation: EvaluationConfig = option("what is measured on the rows held out")
    report: ReportConfig = neutral("what is written for people")
    runtime: RuntimeConfig = neutral("how it uses the machine")
    sweep: SweepConfig = neutral("how the jobs of `-m` are run")
    data_home: str | None = neutral(
        "where all datasets look for downloads; null: the environment variable"
        " `TABPROOF_DATA_HOME`, else `data_cache`",
        None,
        literal="path",
    )
    allow: list[str] = neutral(
        "packages of your own whose classes `_target_` may name; a replay takes it from its"
        " command line or your `conf/`, never from the run",
        [],
        pattern=r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*",
        words="names of packages, such as [my_package]",
    )
    skip_completed: bool = neutral("do nothing if outputs/ has a complete run of this id", False)
    save_data: bool = neutral(
        "copy the file of the data into the run, as `data.…`, so that the run replays anywhere;"
        " whoever has the run then has the data",
        False,
    )
    export: bool = option(
        "write `scorer/`, the model as data, which the service needs; false also trains models"
        " without such a form, and computes importances with the pipeline, ten times slower",
        True,
    )


ConfigStore.instance().store(name="train_schema", node=TrainConfig)

# --- The resolvers that conf/ uses.

# Cached: one run has one directory, however often its name is asked for.
OmegaConf.register_new_resolver(
    "unique", lambda: secrets.token_hex(4), use_cache=True, replace=True
)
OmegaConf.register_new_resolver(
    "words",
    # Quotes are of no value. A file name may have 255 bytes, and a letter of Japanese has three.
    lambda text: (
        re.sub(r"[^\w=,.+-]+", "_", re.sub(r"['\"]", "", text))
        .encode()[:150]
        .decode(errors="ignore")
    ),
    replace=True,
)

# --- A project's own conf/ comes before the packaged one.


class OwnConf(SearchPathPlugin):
    """Puts the current directory's conf/ before CONF on Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add it where there is one."""
        if (own := own_conf()) is not None:
            search_path.prepend("current-directory", f"file://{own}", anchor="main")


Plugins.instance().register(OwnConf)
