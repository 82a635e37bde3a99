"""Combinations of keys that cannot work; the range of a single key is declared with the key.

Nothing here reads data.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from math import inf
from pathlib import Path
from typing import Any

from tabproof.config import schema
from tabproof.config.option import range_errors
from tabproof.config.schema import TrainConfig
from tabproof.errors import FileMissingError, InvalidValueError, MissingValueError, UserError

MEMBER_NAME = re.compile(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*")
# Parameters of scikit-learn's own ensembles: a member of the same name would hide them.
RESERVED_NAMES = {"cv", "estimators", "final_estimator", "flatten_transform", "n_jobs"}
RESERVED_NAMES |= {"passthrough", "stack_method", "verbose", "voting", "weights"}


class IncompatiblePreprocessError(UserError):
    """The estimator does not accept what the preprocessing leaves."""


def check_config(config: TrainConfig) -> None:
    """Raise the first error found in a typed configuration, if there is one."""
    for error in chain(
        range_errors(config),
        _data_errors(config),
        _search_errors(config),
        _decision_errors(config),
        _preprocess_errors(config),
    ):
        raise error


def _data_errors(config: TrainConfig) -> Iterator[UserError]:
    runtime, dataset, slices = config.runtime, config.dataset, config.evaluation.slices
    if isinstance(runtime, schema.DaskRuntimeConfig):
        if runtime.address is None:
            yield MissingValueError("runtime.address", "tcp://host:8786")
        if runtime.workers is not None:
            valid = "null: the cluster has its own workers"
            yield InvalidValueError("runtime.workers", runtime.workers, valid)
    if len(set(slices)) < len(slices):
        yield InvalidValueError("evaluation.slices", slices, "each column once")
    if not isinstance(dataset, schema.FileDatasetConfig):
        return
    try:
        "".encode(dataset.encoding)
    except LookupError:
        valid = "an encoding that Python knows: utf-8, cp932, …"
        yield InvalidValueError("dataset.encoding", dataset.encoding, valid)
    if dataset.decimal == dataset.separator:
        valid = "another character than dataset.separator"
        yield InvalidValueError("dataset.decimal", dataset.decimal, valid)
    if dataset.target in dataset.drop_columns:
        valid = "columns other than the target"
        yield InvalidValueError("dataset.drop_columns", dataset.drop_columns, valid)
    if not (path := Path(dataset.path).expanduser()).is_file():
        yield FileMissingError(path)
    for name in ("group_column", "time_column"):
        column = getattr(config.cv, name, None)
        if column == dataset.target:
            yield InvalidValueError(f"cv.{name}", column, "a column other than the target")
        if column in dataset.drop_columns:
            valid = "a column that is not in dataset.drop_columns"
            yield InvalidValueError(f"cv.{name}", column, valid)


def _search_errors(config: TrainConfig) -> Iterator[UserError]:
    search, models = config.search, {}
    if isinstance(search, schema.PortfolioSearchConfig):
        models = {f"search.members.{name}.model": m.model for name, m in search.members.items()}
    elif isinstance(search, (schema.GridSearchConfig, schema.HalvingSearchConfig)):
        models = {"model": config.model}
    for where, model in models.items():
        name, grids = str(getattr(search, "param_grid", "")), model.param_grids
        grid, key = grids.get(name), f"{where}.param_grids.{name}"
        if name not in grids:
            known = ", ".join(f"'{each}'" for each in grids)
            valid = f"one of {where}.param_grids: {known or 'there is none; or search=none'}"
            yield InvalidValueError("search.param_grid", name, valid)
        elif not isinstance(grid, dict) or not grid:
            yield InvalidValueError(key, grid, "parameter: [values], at least one parameter")
        else:
            valid = "a list with at least one value"
            for parameter, values in grid.items():
                if not isinstance(values, list) or not values:
                    yield InvalidValueError(f"{key}.{parameter}", values, valid)
    if isinstance(search, schema.RandomSearchConfig) and not config.model.param_space:
        valid = "at least one parameter, as [values] or {low: …, high: …}"
        yield InvalidValueError("model.param_space", "nothing", valid)


def _decision_errors(config: TrainConfig) -> Iterator[UserError]:
    threshold = config.threshold
    if isinstance(config.cv, schema.OrderedCvConfig):
        for key, value, valid in (
            ("calibration.method", config.calibration.method, "none"),
            ("threshold.objective", threshold.objective, "default"),
        ):
            if value != valid:
                # Every training row needs a prediction by a model that was not fitted on it.
                valid += " with cv=time_series, whose folds never predict the first rows"
                yield InvalidValueError(key, value, f"{valid}; or take another cv")
    for key, objective, example in (
        ("costs", "cost", "[[0, 1], [5, 0]]"),
        ("min_recall", "min_recall", "0.9"),
        ("min_precision", "min_recall", ""),
    ):
        value = getattr(threshold, key)
        if value is not None and threshold.objective != objective:
            valid = f"null here: only used with threshold.objective={objective}"
            yield InvalidValueError(f"threshold.{key}", value, valid)
        if value is None and threshold.objective == objective and example:
            yield MissingValueError(f"threshold.{key}", example)
    costs, valid = threshold.costs, ""
    if costs is None:
        return
    if len(costs) < 2 or any(len(row) != len(costs) for row in costs):
        valid = "a row per true label, each with a number per predicted label: [[0, 1], [5, 0]]"
    elif not all(_is_finite(cost) for row in costs for cost in row):
        valid = "finite numbers, 0 or more"
    else:
        for number, row in enumerate(costs):
            if row[number] >= min(row[:number] + row[number + 1 :]):
                valid = valid or f"in row {number + 1} less for the right label than for errors"
    if valid:
        yield InvalidValueError("threshold.costs", costs, valid)


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < inf


def _preprocess_errors(config: TrainConfig) -> Iterator[UserError]:
    model, preprocess = config.model, config.preprocess
    if isinstance(config.search, schema.PortfolioSearchConfig):
        yield from _member_errors("search.members", config.search.members)
        return
    if isinstance(model, schema.VoteConfig):
        yield from _member_errors("model.members", model.members)
        if preprocess.numeric or preprocess.categorical:
            yield IncompatiblePreprocessError(
                "each member of this model has a preprocess of its own, and takes columns as they"
                " are: preprocess=native; preprocess@model.members.<name>.preprocess=… changes one"
            )
        weights, n_members = model.estimator.get("weights"), len(model.members)
        are_numbers = isinstance(weights, list) and all(map(_is_finite, weights))
        if weights is not None and (
            not are_numbers or len(weights) != n_members or not sum(weights)
        ):
            valid = f"{n_members} numbers, one per member, none below 0 and not all 0"
            yield InvalidValueError("model.estimator.weights", weights, valid)
    yield from _estimator_errors("", schema.MemberConfig(model, preprocess))


def _member_errors(key: str, members: Mapping[str, schema.MemberConfig]) -> Iterator[UserError]:
    if not members:
        yield InvalidValueError(key, members, "at least one member: a name, its model, preprocess")
    for name, member in members.items():
        # scikit-learn addresses parameters of members as name__parameter.
        if MEMBER_NAME.fullmatch(name) is None or name in RESERVED_NAMES:
            valid = "names of letters and digits, such as boosting or trees_2"
            yield InvalidValueError(key, name, valid)
        if isinstance(member.model, schema.VoteConfig):
            yield InvalidValueError(f"{key}.{name}.model", "a vote", "models other than votes")
        yield from _estimator_errors(f"{key}.{name}", member)


def _estimator_errors(key: str, member: schema.MemberConfig) -> Iterator[UserError]:
    model, preprocess = member.model, member.preprocess
    estimator = str(model.estimator.get("_target_", "?")).rpartition(".")[2]
    whose, remedy = (f"{key}: ", f"preprocess@{key}.preprocess") if key else ("", "preprocess")
    for left, is_left, is_accepted in (
        ("categories", preprocess.keeps_categories, model.accepts_categories),
        ("missing values", preprocess.keeps_missing, model.accepts_missing),
    ):
        if is_left and not is_accepted:
            yield IncompatiblePreprocessError(
                f"{whose}{estimator} takes no {left}, and this preprocess leaves them;"
                f" {remedy}=onehot leaves neither missing values nor categories"
            )
