"""Combinations of keys that cannot work; the range of a single key is declared with the key.

Nothing here reads data.
"""

import re
from collections.abc import Iterator
from itertools import chain
from math import inf
from pathlib import Path
from typing import Any

from tabproof.config import data_schema, options, schema
from tabproof.config.targets import refuse_parameter
from tabproof.config.typed import members_of
from tabproof.errors import FileMissingError, InvalidValueError, MissingValueError, UserError

# A key, its value, and what would work; or an error of another kind.
Found = Iterator[tuple[str, Any, str] | UserError]

NOT_NEGATIVE, A_NUMBER = options.Allowed(ge=0.0), options.Allowed(ge=-inf)
A_COUNT = options.Allowed(ge=2, le=100)
DRAWN_FROM = "at least one parameter, as [values] or {low: …, high: …}"
# Parameters of scikit-learn's own ensembles: a member of the same name would hide them.
RESERVED_NAMES = {"cv", "estimators", "final_estimator", "flatten_transform", "n_jobs"}
RESERVED_NAMES |= {"passthrough", "stack_method", "verbose", "voting", "weights"}


class IncompatiblePreprocessError(UserError):
    """The estimator does not accept what the preprocessing leaves."""


def check_config(config: schema.TrainConfig) -> None:
    """Raise the first error found in a typed configuration, if there is one."""
    for found in chain(
        options.range_errors(config),
        _data_errors(config),
        _search_errors(config),
        _decision_errors(config),
        _model_errors(config),
    ):
        raise found if isinstance(found, UserError) else InvalidValueError(*found)


def _data_errors(config: schema.TrainConfig) -> Found:
    runtime, dataset, slices = config.runtime, config.dataset, config.evaluation.slices
    if isinstance(runtime, schema.DaskRuntimeConfig):
        if runtime.address is None:
            yield MissingValueError("runtime.address", "tcp://host:8786")
        if runtime.workers is not None:
            yield "runtime.workers", runtime.workers, "null: the cluster has its own workers"
    if len(set(slices)) < len(slices):
        yield "evaluation.slices", slices, "each column once"
    if not isinstance(dataset, data_schema.FileDatasetConfig):
        return
    yield from _file_errors(dataset)
    for name in ("group_column", "time_column"):
        column = getattr(config.cv, name, None)
        if column == dataset.target:
            yield f"cv.{name}", column, "a column other than the target"
        if column in dataset.drop_columns:
            yield f"cv.{name}", column, "a column that is not in dataset.drop_columns"


def _file_errors(dataset: data_schema.FileDatasetConfig) -> Found:
    try:
        "".encode("utf-8" if dataset.encoding == "auto" else dataset.encoding)
    except LookupError:
        yield "dataset.encoding", dataset.encoding, "auto, or an encoding: utf-8, cp932, …"
    # Quoted cells may hold their separator: "1,234" in a file that is cut at commas.
    if dataset.thousands == dataset.decimal and dataset.thousands not in ("auto", "none"):
        yield "dataset.thousands", dataset.thousands, "another character than dataset.decimal"
    for key in ("drop_columns", "keep", "column_types"):
        if dataset.target in (names := getattr(dataset, key)):
            yield f"dataset.{key}", names, "columns other than the target"
    if both := set(dataset.keep) & set(dataset.drop_columns):
        yield "dataset.keep", sorted(both), "columns that are not in dataset.drop_columns"
    bins = dataset.target_bins
    bounds = bins if isinstance(bins, list) else []
    are_bounds = bool(bounds) and all(each in A_NUMBER for each in bounds)
    are_bins = bins in A_COUNT or (are_bounds and sorted(set(bounds)) == bounds)
    if bins is not None and not are_bins:
        valid = "a number of equal parts, from 2 to 100, or bounds in ascending order: [10, 20]"
        yield "dataset.target_bins", bins, valid
    if not dataset.path:
        yield "dataset.path", "''", "a file, a directory of Parquet files, - or https://…"
    elif not is_remote(dataset.path):
        path = Path(dataset.path).expanduser()
        if not path.exists():
            yield FileMissingError(path, "nothing", Path.cwd())


def is_remote(path: str) -> bool:
    """Return whether a path is standard input, or a location that fsspec opens."""
    return path == "-" or re.match(r"[a-z][a-z0-9+.-]+://", path) is not None


def _search_errors(config: schema.TrainConfig) -> Found:
    search, models = config.search, {"model": config.model}
    if isinstance(search, schema.RandomSearchConfig) and not config.model.param_space:
        yield "model.param_space", "nothing", DRAWN_FROM
    if isinstance(search, schema.AutoSearchConfig):
        for name, n in search.n_drawn.items():
            if name not in search.members:
                yield "search.n_drawn", name, f"one of {', '.join(search.members)}"
            elif n < 0:
                yield f"search.n_drawn.{name}", n, "a number of settings, 0 or more"
            elif n and not search.members[name].model.param_space:
                yield f"search.members.{name}.model.param_space", "nothing", DRAWN_FROM
    if not hasattr(search, "param_grid"):
        return
    if isinstance(search, schema.PortfolioSearchConfig):
        models = {f"search.members.{name}.model": m.model for name, m in search.members.items()}
    for where, model in models.items():
        name, grids = str(search.param_grid), model.param_grids
        grid, key = grids.get(name), f"{where}.param_grids.{name}"
        if name not in grids:
            known = ", ".join(f"'{each}'" for each in grids) or "there is none; or search=none"
            yield "search.param_grid", name, f"one of {where}.param_grids: {known}"
        elif not isinstance(grid, dict) or not grid:
            yield key, grid, "parameter: [values], at least one parameter"
        else:
            for parameter, values in grid.items():
                if not isinstance(values, list) or not values:
                    yield f"{key}.{parameter}", values, "a list with at least one value"


def _decision_errors(config: schema.TrainConfig) -> Found:
    method, threshold, costs = config.calibration.method, config.threshold, config.threshold.costs
    if isinstance(config.cv, data_schema.OrderedCvConfig):
        # Every training row needs a prediction by a model that was not fitted on it.
        why = "with cv=time_series, whose folds never predict the first rows; or take another cv"
        if method != "none":
            yield "calibration.method", method, f"none {why}"
        if threshold.objective != "default":
            yield "threshold.objective", threshold.objective, f"default {why}"
    for key, objective, example in (
        ("costs", "cost", "[[0, 1], [5, 0]]"),
        ("min_recall", "min_recall", "0.9"),
        ("min_precision", "min_recall", ""),
    ):
        value = getattr(threshold, key)
        if value is not None and threshold.objective != objective:
            valid = f"null here: only used with threshold.objective={objective}"
            yield f"threshold.{key}", value, valid
        if value is None and threshold.objective == objective and example:
            yield MissingValueError(f"threshold.{key}", example)
    if costs is None:
        return
    if len(costs) < 2 or any(len(row) != len(costs) for row in costs):
        valid = "a row per true label, each with a number per predicted label: [[0, 1], [5, 0]]"
        yield "threshold.costs", costs, valid
    elif not all(cost in NOT_NEGATIVE for row in costs for cost in row):
        yield "threshold.costs", costs, "finite numbers, 0 or more"
    else:
        for number, row in enumerate(costs):
            if row[number] >= min(row[:number] + row[number + 1 :]):
                valid = f"in row {number + 1} less for the right label than for errors"
                yield "threshold.costs", costs, valid


def _model_errors(config: schema.TrainConfig) -> Found:
    model, preprocess = config.model, config.preprocess
    has_members = isinstance(config.search, schema.MembersSearchConfig)
    place, of_members = ("search", config.search) if has_members else ("model", model)
    if getattr(of_members, "members", None) == {}:
        yield f"{place}.members", {}, "at least one member: a name, its model, preprocess"
    if isinstance(of_members, schema.VoteConfig):
        if preprocess.numeric or preprocess.categorical:
            yield IncompatiblePreprocessError(
                "each member of this model has a preprocess of its own, and takes columns as they"
                " are: preprocess=native; preprocess@model.members.<name>.preprocess=… changes one"
            )
        weights: Any = model.estimator.get("weights")
        n_members = len(of_members.members)
        are_numbers = isinstance(weights, list) and all(each in NOT_NEGATIVE for each in weights)
        is_valid = are_numbers and len(weights) == n_members and sum(weights) > 0
        if weights is not None and not is_valid:
            valid = f"{n_members} numbers, one per member, none below 0 and not all 0"
            yield "model.estimator.weights", weights, valid
    for key, member in members_of(config).items():
        for searched in (*member.model.param_grids.values(), member.model.param_space):
            for parameter in searched if isinstance(searched, dict) else ():
                refuse_parameter("model.param_grids", str(parameter))
        whose, remedy = (f"{key}: ", f"preprocess@{key}.preprocess") if key else ("", "preprocess")
        name = key.removeprefix(f"{place}.members.")
        # scikit-learn addresses parameters of members as name__parameter.
        is_name = re.fullmatch(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*", name) is not None
        if key and (not is_name or name in RESERVED_NAMES):
            yield f"{place}.members", name, "names of letters and digits, such as trees_2"
        if key and isinstance(member.model, schema.VoteConfig):
            yield f"{key}.model", "a vote", "models other than votes"
        estimator = str(member.model.estimator.get("_target_", "?")).rpartition(".")[2]
        for left, is_left, is_accepted in (
            ("categories", member.preprocess.keeps_categories, member.model.accepts_categories),
            ("missing values", member.preprocess.keeps_missing, member.model.accepts_missing),
        ):
            if is_left and not is_accepted:
                yield IncompatiblePreprocessError(
                    f"{whose}{estimator} takes no {left}, and this preprocess leaves them;"
                    f" {remedy}=onehot leaves neither missing values nor categories"
                )
