"""Combinations of keys that cannot work; the range of a single key is declared beside it.

Nothing here reads data.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from math import inf
from pathlib import Path
from typing import Any

from tabproof.config.errors import (
    IncompatiblePreprocessError,
    MembersPreprocessError,
    NoPartitionError,
    UnknownGridError,
)
from tabproof.config.option import range_errors
from tabproof.config.schema import (
    GROUPS,
    DaskRuntimeConfig,
    FileDatasetConfig,
    GroupedCvConfig,
    OrderedCvConfig,
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
    VoteConfig,
)
from tabproof.errors import FileMissingError, InvalidValueError, MissingValueError, UserError
from tabproof.runtime import SCHEDULER_ADDRESS

FILE_ENDINGS = (".csv", ".csv.gz", ".parquet")
MEMBER_NAME = re.compile(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*")
# Parameters of scikit-learn's own ensembles: a member of the same name would hide them.
RESERVED_NAMES = {"cv", "estimators", "final_estimator", "flatten_transform", "n_jobs"}
RESERVED_NAMES |= {"passthrough", "stack_method", "verbose", "voting", "weights"}


def check_config(config: TrainConfig) -> None:
    """Raise the first error found in a typed configuration, if there is one."""
    for error in chain(
        range_errors(config),
        _runtime_errors(config),
        _dataset_errors(config),
        _search_errors(config),
        _decision_errors(config),
        _preprocess_errors(config),
    ):
        raise error


def _runtime_errors(config: TrainConfig) -> Iterator[UserError]:
    runtime, slices = config.runtime, config.evaluation.slices
    if isinstance(runtime, DaskRuntimeConfig):
        if runtime.address is None:
            yield MissingValueError("runtime.address", "tcp://host:8786")
        elif SCHEDULER_ADDRESS.fullmatch(runtime.address) is None:
            valid = "what dask scheduler prints, such as tcp://host:8786"
            yield InvalidValueError("runtime.address", runtime.address, valid)
        if runtime.workers is not None:
            valid = "null: the cluster has its own workers"
            yield InvalidValueError("runtime.workers", runtime.workers, valid)
    if len(set(slices)) < len(slices):
        yield InvalidValueError("evaluation.slices", slices, "each column once")


def _dataset_errors(config: TrainConfig) -> Iterator[UserError]:
    dataset, cv = config.dataset, config.cv
    if not isinstance(dataset, FileDatasetConfig):
        return
    path, separator = Path(dataset.path).expanduser(), dataset.separator
    is_one_character = len(separator) == 1 and separator not in '\r\n"'
    try:
        "".encode(dataset.encoding)
        is_encoding = True
    except LookupError:
        is_encoding = False
    for key, is_valid, valid in (
        (
            "path",
            path.name.endswith(FILE_ENDINGS),
            "a file that ends in " + ", ".join(FILE_ENDINGS),
        ),
        ("separator", is_one_character or separator == "\\t", "one character, or \\t for tabs"),
        (
            "decimal",
            dataset.decimal in (".", ",") and dataset.decimal != separator,
            ". or , and another character than dataset.separator",
        ),
        ("encoding", is_encoding, "an encoding that Python knows: utf-8, cp932, …"),
        (
            "drop_columns",
            dataset.target not in dataset.drop_columns,
            "columns other than the target",
        ),
    ):
        if not is_valid:
            yield InvalidValueError(f"dataset.{key}", getattr(dataset, key), valid)
    if not path.is_file():
        yield FileMissingError(path)
    column, key = None, ""
    if isinstance(cv, GroupedCvConfig):
        column, key = cv.group_column, "cv.group_column"
    elif isinstance(cv, OrderedCvConfig):
        column, key = cv.time_column, "cv.time_column"
    if column == dataset.target:
        yield InvalidValueError(key, column, "a column other than the target")
    if column in dataset.drop_columns:
        yield InvalidValueError(key, column, "a column that is not in dataset.drop_columns")


def _search_errors(config: TrainConfig) -> Iterator[UserError]:
    search = config.search
    # The class of the node decides what runs: another word here would be a false record.
    (engine,) = [name for name, node in GROUPS["search"].items() if node is type(search)]
    if search.engine.value != engine:
        valid = f"{engine} with these keys; search=… chooses another engine"
        yield InvalidValueError("search.engine", search.engine.value, valid)
    if isinstance(search, RungSearchConfig) and not isinstance(search.resume, (bool, str)):
        valid = "true, false, or the directory of an unfinished run"
        yield InvalidValueError("search.resume", search.resume, valid)
    if isinstance(search, (GridSearchConfig, HalvingSearchConfig)):
        yield from _grid_errors("model", search.param_grid, config.model)
    if isinstance(search, PortfolioSearchConfig):
        for name, member in search.members.items():
            yield from _grid_errors(f"search.members.{name}.model", search.param_grid, member.model)
    if isinstance(search, RandomSearchConfig) and not config.model.param_space:
        valid = "at least one parameter, as [values] or {low: …, high: …}"
        yield InvalidValueError("model.param_space", "nothing", valid)


def _grid_errors(where: str, name: str, model: ModelConfig) -> Iterator[UserError]:
    if name not in model.param_grids:
        yield UnknownGridError(name, list(model.param_grids))
        return
    grid, key = model.param_grids[name], f"{where}.param_grids.{name}"
    if not isinstance(grid, dict) or not grid:
        yield InvalidValueError(key, grid, "parameter: [values], at least one parameter")
        return
    for parameter, values in grid.items():
        if not isinstance(values, list) or not values:
            yield InvalidValueError(f"{key}.{parameter}", values, "a list with at least one value")


def _decision_errors(config: TrainConfig) -> Iterator[UserError]:
    calibration, threshold = config.calibration, config.threshold
    if isinstance(config.cv, OrderedCvConfig):
        if calibration.method != "none":
            yield NoPartitionError("calibration.method", calibration.method, "none")
        if threshold.objective != "default":
            yield NoPartitionError("threshold.objective", threshold.objective, "default")
    for key, objective in (
        ("costs", "cost"),
        ("min_recall", "min_recall"),
        ("min_precision", "min_recall"),
    ):
        value = getattr(threshold, key)
        if value is not None and threshold.objective != objective:
            valid = f"null here: only used with threshold.objective={objective}"
            yield InvalidValueError(f"threshold.{key}", value, valid)
    if threshold.objective == "cost":
        yield from _cost_errors(threshold)
    if threshold.objective == "min_recall" and threshold.min_recall is None:
        yield MissingValueError("threshold.min_recall", "0.9")


def _cost_errors(threshold: ThresholdConfig) -> Iterator[UserError]:
    costs, key = threshold.costs, "threshold.costs"
    if costs is None:
        yield MissingValueError(key, "[[0, 1], [5, 0]]")
    elif len(costs) < 2 or any(len(row) != len(costs) for row in costs):
        valid = "a row per true label, each with a number per predicted label: [[0, 1], [5, 0]]"
        yield InvalidValueError(key, costs, valid)
    elif not all(_is_finite(cost) for row in costs for cost in row):
        yield InvalidValueError(key, costs, "finite numbers, 0 or more")
    else:
        for number, row in enumerate(costs):
            if row[number] >= min(row[:number] + row[number + 1 :]):
                valid = f"in row {number + 1} less for the right label than for errors"
                yield InvalidValueError(key, costs, valid)


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < inf


def _preprocess_errors(config: TrainConfig) -> Iterator[UserError]:
    if isinstance(config.search, PortfolioSearchConfig):
        yield from member_errors("search.members", config.search.members)
        return
    if isinstance(config.model, VoteConfig):
        yield from member_errors("model.members", config.model.members)
        yield from _vote_errors(config.model, config.preprocess)
    yield from _estimator_errors("", MemberConfig(config.model, config.preprocess))


def member_errors(key: str, members: Mapping[str, MemberConfig]) -> Iterator[UserError]:
    """Find what is wrong with the members under a key."""
    if not members:
        yield InvalidValueError(key, members, "at least one member: a name, its model, preprocess")
    for name, member in members.items():
        # scikit-learn addresses parameters of members as name__parameter.
        if MEMBER_NAME.fullmatch(name) is None or name in RESERVED_NAMES:
            valid = "names of letters and digits, such as boosting or trees_2"
            yield InvalidValueError(key, name, valid)
        if isinstance(member.model, VoteConfig):
            yield InvalidValueError(f"{key}.{name}.model", "a vote", "models other than votes")
        yield from _estimator_errors(f"{key}.{name}", member)


def _vote_errors(model: VoteConfig, preprocess: PreprocessConfig) -> Iterator[UserError]:
    if preprocess.numeric or preprocess.categorical:
        yield MembersPreprocessError()
    weights, n_members = model.estimator.get("weights"), len(model.members)
    if weights is None:
        return
    are_numbers = isinstance(weights, list) and all(map(_is_finite, weights))
    if not are_numbers or len(weights) != n_members or not sum(weights):
        valid = f"{n_members} numbers, one per member, none below 0 and not all 0"
        yield InvalidValueError("model.estimator.weights", weights, valid)


def _estimator_errors(key: str, member: MemberConfig) -> Iterator[UserError]:
    model, preprocess = member.model, member.preprocess
    estimator = str(model.estimator.get("_target_", "?")).rpartition(".")[2]
    if preprocess.keeps_categories and not model.accepts_categories:
        yield IncompatiblePreprocessError(estimator, "categories", key)
    if preprocess.keeps_missing and not model.accepts_missing:
        yield IncompatiblePreprocessError(estimator, "missing values", key)
