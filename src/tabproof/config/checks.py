"""Ranges and combinations that types alone cannot hold; nothing here reads data."""

import re
from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path
from typing import Any

from tabproof.config.errors import (
    IncompatiblePreprocessError,
    MembersPreprocessError,
    NoPartitionError,
    UnknownGridError,
)
from tabproof.config.option import seconds_of
from tabproof.config.schema import (
    GROUPS,
    BuiltinDatasetConfig,
    DaskRuntimeConfig,
    FileDatasetConfig,
    GroupedCvConfig,
    OpenMLDatasetConfig,
    OrderedCvConfig,
    RuntimeConfig,
    ThresholdConfig,
    TrainConfig,
)
from tabproof.config.search_schema import (
    GridSearchConfig,
    HalvingSearchConfig,
    MemberConfig,
    ModelConfig,
    PortfolioSearchConfig,
    PreprocessConfig,
    RandomSearchConfig,
    RungSearchConfig,
    SearchConfig,
    TpeSearchConfig,
    VoteConfig,
)
from tabproof.errors import (
    FileMissingError,
    InvalidValueError,
    LanguageNotOfferedError,
    MissingValueError,
    UserError,
)
from tabproof.evaluation_result import METRICS
from tabproof.text import LANGUAGES

# --- What cannot be asked of probabilities and of the labels made of them.

METHODS = ("none", "sigmoid", "isotonic", "temperature")
OBJECTIVES = ("default", "max_f1", "cost", "min_recall")
# Whose options they are.
OPTIONS = {"costs": "cost", "min_recall": "min_recall", "min_precision": "min_recall"}


def decision_errors(config: TrainConfig) -> Iterator[UserError]:
    """Give what is wrong with `calibration` and `threshold`."""
    calibration, threshold = config.calibration, config.threshold
    choices = (
        ("calibration.method", calibration.method, METHODS),
        ("threshold.objective", threshold.objective, OBJECTIVES),
    )
    for key, found, offered in choices:
        if found not in offered:
            yield InvalidValueError(key, found, "one of " + ", ".join(offered))
        if found != offered[0] and isinstance(config.cv, OrderedCvConfig):
            yield NoPartitionError(key, found, offered[0])
    for key, n_splits in (
        ("calibration.n_splits", calibration.n_splits),
        ("threshold.n_splits", threshold.n_splits),
    ):
        if n_splits < 2:
            yield InvalidValueError(key, n_splits, "2 or more")
    for option, objective in OPTIONS.items():
        value = getattr(threshold, option)
        if value is not None and threshold.objective != objective:
            valid = f"null here: threshold.objective={objective} alone heeds it"
            yield InvalidValueError(f"threshold.{option}", value, valid)
    if threshold.objective == "cost":
        yield from _cost_errors(threshold)
    if threshold.objective == "min_recall":
        yield from _recall_errors(threshold)


def _cost_errors(threshold: ThresholdConfig) -> Iterator[UserError]:
    costs = threshold.costs
    if costs is None:
        yield MissingValueError("threshold.costs", "[[0, 1], [5, 0]]")
        return
    if len(costs) < 2 or any(len(row) != len(costs) for row in costs):
        valid = "a row per true label, each with a number per predicted label: [[0, 1], [5, 0]]"
        yield InvalidValueError("threshold.costs", costs, valid)
        return
    if not all(_is_cost(cost) for row in costs for cost in row):
        yield InvalidValueError("threshold.costs", costs, "finite numbers from 0 on")
        return
    for code, row in enumerate(costs):
        errors = row[:code] + row[code + 1 :]
        if row[code] >= min(errors):
            valid = (
                f"in row {code + 1} less for the right label, number {code + 1}, than for errors"
            )
            yield InvalidValueError("threshold.costs", costs, valid)


def _recall_errors(threshold: ThresholdConfig) -> Iterator[UserError]:
    if threshold.min_recall is None:
        yield MissingValueError("threshold.min_recall", "0.9")
    for key, share in (
        ("threshold.min_recall", threshold.min_recall),
        ("threshold.min_precision", threshold.min_precision),
    ):
        if share is not None and not 0 < share <= 1:
            yield InvalidValueError(key, share, "more than 0, at most 1")


def _is_cost(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < inf


# --- What a search of the configuration cannot be; its schedule and space are read later.


def search_errors(config: TrainConfig) -> Iterator[UserError]:
    """Give what is wrong with `search`, and with what it searches."""
    search = config.search
    yield from _engine_errors(search)
    if search.n_splits < 2:
        yield InvalidValueError("search.n_splits", search.n_splits, "2 or more")
    if isinstance(search, HalvingSearchConfig):
        yield from _halving_errors(search)
    if isinstance(search, RungSearchConfig):
        yield from _rung_errors(search)
    if isinstance(search, (GridSearchConfig, HalvingSearchConfig)):
        yield from _grid_errors("model", search.param_grid, config.model)
    if isinstance(search, PortfolioSearchConfig):
        for name, member in search.members.items():
            yield from _grid_errors(f"search.members.{name}.model", search.param_grid, member.model)
    if isinstance(search, RandomSearchConfig):
        yield from _sampling_errors(search, config.model)


def _engine_errors(search: SearchConfig) -> Iterator[UserError]:
    # The schema decides what runs: another word beside it would be a lie in the record.
    (engine,) = [name for name, node in GROUPS["search"].items() if node is type(search)]
    if search.engine.value != engine:
        valid = f"{engine} with these keys; search=… chooses another engine"
        yield InvalidValueError("search.engine", search.engine.value, valid)


def _halving_errors(search: HalvingSearchConfig) -> Iterator[UserError]:
    if not 1.1 <= search.factor < inf:
        valid = "what is greater than 1: 1.1 or more, such as 3"
        yield InvalidValueError("search.factor", search.factor, valid)
    found = search.min_resources
    if found not in ("auto", "exhaust") and not is_count(found):
        yield InvalidValueError("search.min_resources", found, "auto, exhaust, or a number of rows")


def _rung_errors(search: RungSearchConfig) -> Iterator[UserError]:
    found = search.min_resources
    if found != "auto" and not is_count(found):
        yield InvalidValueError("search.min_resources", found, "auto, or a number of rows")
    budget = search.time_budget
    if budget is not None and seconds_of(budget) is None:
        valid = "a time such as 90s, 10m, 1h30m"
        yield InvalidValueError("search.time_budget", budget, valid)
    if not isinstance(search.resume, (bool, str)):
        valid = "true, false, or the directory of an unfinished run"
        yield InvalidValueError("search.resume", search.resume, valid)


def _grid_errors(where: str, name: str, model: ModelConfig) -> Iterator[UserError]:
    grids = model.param_grids
    if name not in grids:
        yield UnknownGridError(name, list(grids))
        return
    grid = grids[name]
    key = f"{where}.param_grids.{name}"
    if not isinstance(grid, dict) or not grid:
        yield InvalidValueError(key, grid, "parameter: [values], at least one parameter")
        return
    for parameter, values in grid.items():
        if not isinstance(values, list) or not values:
            yield InvalidValueError(f"{key}.{parameter}", values, "a list with at least one value")


def _sampling_errors(search: RandomSearchConfig, model: ModelConfig) -> Iterator[UserError]:
    if not model.param_space:
        valid = "at least one parameter, as [values] or {low: …, high: …}"
        yield InvalidValueError("model.param_space", "nothing", valid)
    counts = {"search.n_candidates": search.n_candidates}
    if isinstance(search, TpeSearchConfig):
        counts["search.batch_size"] = search.batch_size
    for key, found in counts.items():
        if not is_count(found):
            yield InvalidValueError(key, found, "1 or more")


def searches(config: SearchConfig) -> bool:
    """Tell whether anything is searched."""
    return isinstance(config, (RungSearchConfig, HalvingSearchConfig))


def is_count(value: Any) -> bool:
    """Tell whole numbers from 1 on from all else."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


# --- What evaluation, data checks and reports cannot be asked for; nothing here reads data.

# With fewer resamples the ends of an interval are a matter of chance.
FEWEST_RESAMPLES = 100


def evaluation_errors(config: TrainConfig) -> Iterator[UserError]:
    """Give what is wrong with `evaluation`, `checks` and `report`."""
    asked, checks = config.evaluation, config.checks
    unknown = [name for name in asked.metrics if name not in METRICS]
    if unknown:
        valid = "names among " + ", ".join(METRICS)
        yield InvalidValueError("evaluation.metrics", unknown, valid)
    if asked.n_bootstrap != 0 and asked.n_bootstrap < FEWEST_RESAMPLES:
        valid = f"0, or {FEWEST_RESAMPLES} and more"
        yield InvalidValueError("evaluation.n_bootstrap", asked.n_bootstrap, valid)
    if len(set(asked.slices)) < len(asked.slices):
        yield InvalidValueError("evaluation.slices", asked.slices, "each column once")
    for key in ("n_permutations", "n_dependences", "n_repeats"):
        value = getattr(asked, key)
        if value != 0 and not is_count(value):
            yield InvalidValueError(f"evaluation.{key}", value, "0 or more")
    if asked.n_splits < 2:
        yield InvalidValueError("evaluation.n_splits", asked.n_splits, "2 or more")
    shares: list[tuple[str, Any, float]] = [
        ("checks.leak_auc", checks.leak_auc, 0.5),
        ("checks.drift_auc", checks.drift_auc, 0.5),
        ("checks.missing_share", checks.missing_share, 0),
        ("checks.minority_share", checks.minority_share, 0),
    ]
    for key, value, least in shares:
        if not least <= value <= 1:
            yield InvalidValueError(key, value, f"from {least} to 1")
    if config.report.language not in LANGUAGES:
        yield LanguageNotOfferedError(config.report.language, LANGUAGES)


BUILTIN_NAMES = ("breast_cancer", "digits", "iris", "wine")
# What scikit-learn's ensembles of members call parameters of their own.
NO_NAMES = {"cv", "estimators", "final_estimator", "flatten_transform", "n_jobs", "passthrough"}
NO_NAMES |= {"stack_method", "verbose", "voting", "weights"}
FILE_ENDINGS = (".csv", ".csv.gz", ".parquet")
ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:.]+\]|[\w.-]+):[0-9]{1,5}")


def check_config(config: TrainConfig) -> None:
    """Raise the first error found in a typed configuration, if there is one."""
    for error in _errors(config):
        raise error


def _errors(config: TrainConfig) -> Iterator[UserError]:
    yield from _range_errors(config)
    yield from _cluster_errors(config.runtime)
    yield from _dataset_errors(config)
    yield from search_errors(config)
    yield from decision_errors(config)
    yield from evaluation_errors(config)
    yield from _preprocess_errors(config)


def _range_errors(config: TrainConfig) -> Iterator[UserError]:
    runtime = config.runtime
    checks: list[tuple[str, Any, bool, str]] = [
        ("seed", config.seed, 0 <= config.seed < 2**32, "a whole number from 0 to 4294967295"),
        ("cv.test_size", config.cv.test_size, 0 < config.cv.test_size < 1, "between 0 and 1"),
        ("runtime.workers", runtime.workers, _is_none_or_count(runtime.workers), "1 or more"),
        (
            "runtime.openmp_threads",
            runtime.openmp_threads,
            _is_none_or_count(runtime.openmp_threads),
            "1 or more",
        ),
        ("runtime.niceness", runtime.niceness, 0 <= runtime.niceness <= 19, "from 0 to 19"),
        ("sweep.retries", config.sweep.retries, config.sweep.retries >= 0, "0 or more"),
        (
            "sweep.time_limit",
            config.sweep.time_limit,
            config.sweep.time_limit is None or seconds_of(config.sweep.time_limit) is not None,
            "a time such as 90s, 10m, 12h",
        ),
    ]
    for key, value, holds, valid in checks:
        if not holds:
            yield InvalidValueError(key, value, valid)


def _cluster_errors(runtime: RuntimeConfig) -> Iterator[UserError]:
    if not isinstance(runtime, DaskRuntimeConfig):
        return
    if runtime.address is None:
        yield MissingValueError("runtime.address", "tcp://host:8786")
    elif ADDRESS.fullmatch(runtime.address) is None:
        valid = "what dask scheduler prints, such as tcp://host:8786"
        yield InvalidValueError("runtime.address", runtime.address, valid)
    if not 0 < runtime.timeout < inf:
        yield InvalidValueError("runtime.timeout", runtime.timeout, "seconds, more than 0")
    if runtime.workers is not None:
        yield InvalidValueError("runtime.workers", runtime.workers, "null: the cluster has its own")


def _is_none_or_count(value: Any) -> bool:
    return value is None or is_count(value)


def _dataset_errors(config: TrainConfig) -> Iterator[UserError]:
    dataset = config.dataset
    if isinstance(dataset, BuiltinDatasetConfig) and dataset.name not in BUILTIN_NAMES:
        yield InvalidValueError("dataset.name", dataset.name, "one of " + ", ".join(BUILTIN_NAMES))
    if isinstance(dataset, OpenMLDatasetConfig):
        if dataset.version < 1:
            yield InvalidValueError("dataset.version", dataset.version, "1 or more")
        if not 0 <= dataset.n_retries <= 10:
            yield InvalidValueError("dataset.n_retries", dataset.n_retries, "from 0 to 10")
    if isinstance(dataset, FileDatasetConfig):
        yield from _file_errors(dataset, config)


def _file_errors(dataset: FileDatasetConfig, config: TrainConfig) -> Iterator[UserError]:
    path = Path(dataset.path).expanduser()
    if not path.name.endswith(FILE_ENDINGS):
        yield InvalidValueError(
            "dataset.path", dataset.path, "a file that ends in " + ", ".join(FILE_ENDINGS)
        )
    if not path.is_file():
        yield FileMissingError(path)
    is_one_character = len(dataset.separator) == 1 and dataset.separator not in '\r\n"'
    if not is_one_character and dataset.separator != "\\t":
        yield InvalidValueError(
            "dataset.separator", dataset.separator, "one character, or \\t for tabs"
        )
    if dataset.decimal not in (".", ",") or dataset.decimal == dataset.separator:
        yield InvalidValueError(
            "dataset.decimal", dataset.decimal, ". or , and not what separates cells"
        )
    try:
        "".encode(dataset.encoding)
    except LookupError:
        yield InvalidValueError(
            "dataset.encoding", dataset.encoding, "an encoding that Python knows: utf-8, cp932, …"
        )
    if dataset.target in dataset.drop_columns:
        yield InvalidValueError(
            "dataset.drop_columns", dataset.drop_columns, "columns other than the target"
        )
    for key, column in _aside_columns(config):
        if column == dataset.target:
            yield InvalidValueError(key, column, "a column other than the target")
        if column in dataset.drop_columns:
            yield InvalidValueError(key, column, "a column that is not in dataset.drop_columns")


def _aside_columns(config: TrainConfig) -> Iterator[tuple[str, str]]:
    if isinstance(config.cv, GroupedCvConfig):
        yield "cv.group_column", config.cv.group_column
    if isinstance(config.cv, OrderedCvConfig) and config.cv.time_column is not None:
        yield "cv.time_column", config.cv.time_column


def _preprocess_errors(config: TrainConfig) -> Iterator[UserError]:
    if isinstance(config.search, PortfolioSearchConfig):
        yield from member_errors("search.members", config.search.members)
        return
    if isinstance(config.model, VoteConfig):
        yield from member_errors("model.members", config.model.members)
        yield from _vote_errors(config.model, config.preprocess)
    yield from _left_errors("", MemberConfig(config.model, config.preprocess))


def member_errors(key: str, members: Mapping[str, MemberConfig]) -> Iterator[UserError]:
    """Give what is wrong with members that stand under a key."""
    if not members:
        yield InvalidValueError(key, members, "at least one member: a name, its model, preprocess")
    for name, member in members.items():
        # scikit-learn writes parameters of members as name__parameter.
        if re.fullmatch(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*", name) is None or name in NO_NAMES:
            valid = "names of letters and digits, such as boosting or trees_2"
            yield InvalidValueError(key, name, valid)
        if isinstance(member.model, VoteConfig):
            yield InvalidValueError(f"{key}.{name}.model", "a vote", "models other than votes")
        yield from _left_errors(f"{key}.{name}", member)


def _vote_errors(model: VoteConfig, preprocess: PreprocessConfig) -> Iterator[UserError]:
    if preprocess.numeric or preprocess.categorical:
        yield MembersPreprocessError()
    weights = model.estimator.get("weights")
    if weights is None:
        return
    are_numbers = isinstance(weights, list) and all(
        isinstance(weight, (int, float)) and 0 <= weight < inf for weight in weights
    )
    if not are_numbers or len(weights) != len(model.members) or not sum(weights):
        valid = f"{len(model.members)} numbers, one per member, none below 0 and not all 0"
        yield InvalidValueError("model.estimator.weights", weights, valid)


def _left_errors(key: str, member: MemberConfig) -> Iterator[UserError]:
    model, preprocess = member.model, member.preprocess
    estimator = str(model.estimator.get("_target_", "?")).rpartition(".")[2]
    if preprocess.keeps_categories and not model.accepts_categories:
        yield IncompatiblePreprocessError(estimator, "categories", key)
    if preprocess.keeps_missing and not model.accepts_missing:
        yield IncompatiblePreprocessError(estimator, "missing values", key)
