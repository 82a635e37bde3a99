"""Ranges and combinations that types alone cannot hold; nothing here reads data."""

import re
from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path
from typing import Any

from src.config.data_schema import (
    BuiltinDatasetConfig,
    FileDatasetConfig,
    GroupedCvConfig,
    OpenMLDatasetConfig,
    OrderedCvConfig,
)
from src.config.decision_checks import decision_errors
from src.config.durations import seconds_of
from src.config.evaluation_checks import evaluation_errors
from src.config.model_schema import MemberConfig, PreprocessConfig, VoteConfig
from src.config.schema import DaskRuntimeConfig, RuntimeConfig, TrainConfig
from src.config.search_checks import is_count, search_errors
from src.config.search_schema import PortfolioSearchConfig
from src.errors import (
    FileMissingError,
    IncompatiblePreprocessError,
    InvalidValueError,
    MembersPreprocessError,
    MissingValueError,
    UserError,
)

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
