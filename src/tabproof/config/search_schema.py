"""The schema of conf/model, conf/preprocess and conf/search."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from tabproof.config.option import option


@dataclass
class PreprocessConfig:
    """What happens to columns before the estimator; learned inside training folds only."""

    numeric: dict[str, Any] = option(
        "steps for number columns, by name, each by `_target_`", {}, is_ordered=True
    )
    categorical: dict[str, Any] = option(
        "steps for category columns, likewise", {}, is_ordered=True
    )
    keeps_categories: bool = option("whether categories reach the estimator as categories", False)
    keeps_missing: bool = option("whether missing values reach the estimator", False)


@dataclass
class ModelConfig:
    """An estimator and its grids."""

    estimator: dict[str, Any] = option("the estimator: `_target_` and its parameters")
    param_grids: dict[str, Any] = option(
        "grids by name; `search.param_grid` picks one. Each: parameter of the pipeline"
        " (`clf__max_depth`) → list of values",
        {},
        # The run id depends on the one that is searched.
        decides_numbers=False,
    )
    param_space: dict[str, Any] = option(
        "what `search=random` and `search=tpe` draw from: parameter → list of values, or"
        " `{low: …, high: …, log: true}` (whole numbers if both are)",
        {},
        # The run id depends on it where it is searched.
        decides_numbers=False,
    )
    accepts_categories: bool = option("whether the estimator takes pandas categories", False)
    accepts_missing: bool = option("whether the estimator takes missing values", False)
    max_categories: int | None = option("the most categories of a column that it takes", None)


@dataclass
class MemberConfig:
    """One of several models, with a preprocessing of its own."""

    model: ModelConfig = option("its estimator")
    preprocess: PreprocessConfig = option("what happens to columns before it")


@dataclass
class VoteConfig(ModelConfig):
    """Several models as one: `estimator` takes `members` as scikit-learn's `estimators`."""

    members: dict[str, MemberConfig] = option(
        "by name, each with `model` and `preprocess` as in those groups; grids address them as"
        " `clf__<name>__clf__<parameter>`",
        {},
        is_ordered=True,
    )


class Engine(Enum):
    """How candidates are searched."""

    none = "none"
    grid = "grid"
    random = "random"
    tpe = "tpe"
    portfolio = "portfolio"
    halving = "halving"


@dataclass
class SearchConfig:
    """How the best parameters are found."""

    name: str = option("shown as `mode` in the result line", decides_numbers=False)
    engine: Engine = option(
        "`none` fits the estimator as it is; `grid`, `random` and `tpe` search by rungs and differ"
        " in how candidates are proposed; `portfolio` searches several models; `halving` is"
        " scikit-learn's successive halving"
    )
    scoring: str = option(
        "a scorer of scikit-learn; `roc_auc` means one-vs-rest, macro, for several classes",
        "roc_auc",
    )
    n_splits: int = option("folds", 5, ge=2)


@dataclass
class HalvingSearchConfig(SearchConfig):
    """scikit-learn's own successive halving over rows."""

    engine: Engine = option("the engine", Engine.halving)
    param_grid: str = option(
        "which of `model.param_grids` is searched",
        # The run id depends on the values of the grid.
        decides_numbers=False,
    )
    factor: float = option(
        "each rung keeps one candidate in `factor`, on `factor` times the rows", 3, ge=1.1
    )
    # Any: OmegaConf 2.3 cannot merge a union into a nested schema.
    min_resources: Any = option(
        "rows of the first rung; `exhaust`: so that the last rung has all rows; `auto`: the same,"
        " and every fold holds at least 10 rows of the rarest class",
        "auto",
        ge=1,
        also=("auto", "exhaust"),
        unit="rows",
    )


@dataclass
class RungSearchConfig(SearchConfig):
    """Keys of every search by rungs."""

    schedule: list[Any] = option(
        "for each rung: how many `candidates` enter (`all`, a number, or a share such as `20%`),"
        " the shares of their `iterations` and of the training `rows`, and the number of `folds`"
    )
    min_resources: Any = option(
        "the fewest training rows of a rung; `auto`: 5,000 (fewer save no time), and enough for 10"
        " rows of the rarest class",
        "auto",
        ge=1,
        also=("auto",),
        unit="rows",
    )
    time_budget: str | None = option(
        "how long the search with its last fit may take; null: no limit. A search that it ends is"
        " marked as partial",
        None,
        decides_numbers=False,
        is_duration=True,
    )
    resume: Any = option(
        "true: continue the newest unfinished run of this configuration, if there is one; or the"
        " directory of an unfinished run",
        False,
        decides_numbers=False,
    )


@dataclass
class GridSearchConfig(RungSearchConfig):
    """All combinations of a grid."""

    engine: Engine = option("the engine", Engine.grid)
    param_grid: str = option(
        "which of `model.param_grids` is searched",
        # The run id depends on the values of the grid.
        decides_numbers=False,
    )


@dataclass
class RandomSearchConfig(RungSearchConfig):
    """Settings drawn from `model.param_space`."""

    engine: Engine = option("the engine", Engine.random)
    n_candidates: int = option("how many settings are tried", 60, ge=1)


@dataclass
class TpeSearchConfig(RandomSearchConfig):
    """Settings of `model.param_space` that Optuna proposes from the scores of the first rung."""

    engine: Engine = option("the engine", Engine.tpe)
    batch_size: int = option(
        "how many settings are proposed at once; they are fitted side by side, and the next batch"
        " learns from them",
        10,
        ge=1,
    )


@dataclass
class PortfolioSearchConfig(RungSearchConfig):
    """Several models under one budget, and an ensemble of them."""

    engine: Engine = option("the engine", Engine.portfolio)
    members: dict[str, MemberConfig] = option(
        "the models by name; `model=` and `preprocess=` of the run are not used",
        {},
        is_ordered=True,
    )
    param_grid: str = option(
        "which grid of each member's `param_grids` is searched", "fast", decides_numbers=False
    )
    ensemble: bool = option(
        "whether a weighted mean of the last rung's models is used if it scores better than the"
        " best of them",
        True,
    )
