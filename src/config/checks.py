"""Ranges and combinations that types alone cannot hold; nothing here reads data."""

from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

from src.config.schema import (
    BuiltinDatasetConfig,
    Engine,
    FileDatasetConfig,
    GroupedCvConfig,
    OpenMLDatasetConfig,
    OrderedCvConfig,
    TrainConfig,
)
from src.errors import (
    FileMissingError,
    IncompatiblePreprocessError,
    InvalidValueError,
    UnknownGridError,
    UserError,
)

BUILTIN_NAMES = ("breast_cancer", "digits", "iris", "wine")
FILE_ENDINGS = (".csv", ".csv.gz", ".parquet")


def check_config(config: TrainConfig) -> None:
    """Raise the first error found in a typed configuration, if there is one."""
    for error in _errors(config):
        raise error


def _errors(config: TrainConfig) -> Iterator[UserError]:
    yield from _range_errors(config)
    yield from _dataset_errors(config)
    yield from _search_errors(config)
    yield from _preprocess_errors(config)


def _range_errors(config: TrainConfig) -> Iterator[UserError]:
    search, runtime = config.search, config.runtime
    checks: list[tuple[str, Any, bool, str]] = [
        ("seed", config.seed, 0 <= config.seed < 2**32, "a whole number from 0 to 4294967295"),
        ("cv.test_size", config.cv.test_size, 0 < config.cv.test_size < 1, "between 0 and 1"),
        ("search.n_splits", search.n_splits, search.n_splits >= 2, "2 or more"),
        (
            "search.factor",
            search.factor,
            1.1 <= search.factor < inf,
            "what is greater than 1: 1.1 or more, such as 3",
        ),
        (
            "search.min_resources",
            search.min_resources,
            search.min_resources in ("auto", "exhaust") or _is_count(search.min_resources),
            "auto, exhaust, or a number of rows",
        ),
        ("runtime.workers", runtime.workers, _is_none_or_count(runtime.workers), "1 or more"),
        (
            "runtime.openmp_threads",
            runtime.openmp_threads,
            _is_none_or_count(runtime.openmp_threads),
            "1 or more",
        ),
        ("runtime.niceness", runtime.niceness, 0 <= runtime.niceness <= 19, "from 0 to 19"),
    ]
    for key, value, holds, valid in checks:
        if not holds:
            yield InvalidValueError(key, value, valid)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_none_or_count(value: Any) -> bool:
    return value is None or _is_count(value)


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


def _search_errors(config: TrainConfig) -> Iterator[UserError]:
    if config.search.engine is Engine.none:
        return
    name, grids = config.search.param_grid, config.model.param_grids
    if name is None or name not in grids:
        yield UnknownGridError(name, list(grids))
        return
    grid = grids[name]
    key = f"model.param_grids.{name}"
    if not isinstance(grid, dict) or not grid:
        yield InvalidValueError(key, grid, "parameter: [values], at least one parameter")
        return
    for parameter, values in grid.items():
        if not isinstance(values, list) or not values:
            yield InvalidValueError(f"{key}.{parameter}", values, "a list with at least one value")


def _preprocess_errors(config: TrainConfig) -> Iterator[UserError]:
    model, preprocess = config.model, config.preprocess
    estimator = str(model.estimator.get("_target_", "?")).rpartition(".")[2]
    if preprocess.keeps_categories and not model.accepts_categories:
        yield IncompatiblePreprocessError(estimator, "categories")
    if preprocess.keeps_missing and not model.accepts_missing:
        yield IncompatiblePreprocessError(estimator, "missing values")
