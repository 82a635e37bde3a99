"""The schema of conf/search: how candidates arise, and how the best of them is found."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from src.config.model_schema import MemberConfig
from src.config.option import option


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

    name: str = option("what the result line shows as `mode`", decides_numbers=False)
    engine: Engine = option(
        "`none` fits the estimator as it is; `grid`, `random` and `tpe` search by rungs, and differ"
        " in where candidates come from; `portfolio` searches several models; `halving` is"
        " scikit-learn's successive halving"
    )
    scoring: str = option(
        "a scorer of scikit-learn; `roc_auc` means one-vs-rest, macro, for several classes",
        "roc_auc",
    )
    n_splits: int = option("folds", 5)


@dataclass
class HalvingSearchConfig(SearchConfig):
    """scikit-learn's own successive halving over rows."""

    engine: Engine = option("the engine", Engine.halving)
    param_grid: str = option(
        "which of `model.param_grids` is searched",
        # Its values stand in the run id by themselves.
        decides_numbers=False,
    )
    factor: float = option("each rung keeps one candidate in `factor`, on `factor` times rows", 3)
    # Any: OmegaConf 2.3 cannot merge a union into a nested schema; checks.py says what is valid.
    min_resources: Any = option(
        "rows of the first rung: a number; `exhaust`, so that the last rung has all rows; `auto`,"
        " the same and every fold holds at least 10 rows of the rarest class",
        "auto",
    )


@dataclass
class RungSearchConfig(SearchConfig):
    """What searches by rungs share."""

    schedule: list[Any] = option(
        "rung by rung: how many `candidates` go in (`all`, a number, or a share such as `20%`), on"
        " how many of their `iterations` and of the training `rows` (shares), and on how many"
        " `folds`"
    )
    min_resources: Any = option(
        "the least training rows in a rung: a number; `auto`, 5,000 (fewer save no time), and"
        " enough for 10 rows of the rarest class",
        "auto",
    )
    time_budget: str | None = option(
        "how long the search with its last fit may take: `90s`, `10m`, `2h`; null: as long as it"
        " takes. A search that it ends is marked as partial",
        None,
        decides_numbers=False,
    )
    resume: Any = option(
        "true: go on with the newest unfinished run of this configuration, if there is one; or the"
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
        # Its values stand in the run id by themselves.
        decides_numbers=False,
    )


@dataclass
class RandomSearchConfig(RungSearchConfig):
    """Settings drawn from `model.param_space`."""

    engine: Engine = option("the engine", Engine.random)
    n_candidates: int = option("how many settings are tried", 60)


@dataclass
class TpeSearchConfig(RandomSearchConfig):
    """Settings of `model.param_space` that Optuna proposes, from what the first rung has shown."""

    engine: Engine = option("the engine", Engine.tpe)
    batch_size: int = option(
        "how many settings are proposed at once; they are fitted side by side, and the next batch"
        " learns from them",
        10,
    )


@dataclass
class PortfolioSearchConfig(RungSearchConfig):
    """Several models under one budget, and what they are worth together."""

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
        "whether a weighted mean of finalists may win, where it scores better than the best one",
        True,
    )
