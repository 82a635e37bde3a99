"""What a search of the configuration cannot be; its schedule and space are read later."""

from collections.abc import Iterator
from math import inf
from typing import Any

from src.config.durations import seconds_of
from src.config.model_schema import ModelConfig
from src.config.schema import GROUPS, TrainConfig
from src.config.search_schema import (
    GridSearchConfig,
    HalvingSearchConfig,
    PortfolioSearchConfig,
    RandomSearchConfig,
    RungSearchConfig,
    SearchConfig,
    TpeSearchConfig,
)
from src.errors import InvalidValueError, UnknownGridError, UserError


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
