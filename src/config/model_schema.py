"""The schema of conf/model, conf/estimator and conf/preprocess."""

from dataclasses import dataclass
from typing import Any

from src.config.option import option


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
        # The one that is searched stands in the run id by itself.
        decides_numbers=False,
    )
    param_space: dict[str, Any] = option(
        "what `search=random` and `search=tpe` draw from: parameter → list of values, or"
        " `{low: …, high: …, log: true}` (whole numbers if both are)",
        {},
        # Stands in the run id where it is searched.
        decides_numbers=False,
    )
    accepts_categories: bool = option("whether the estimator takes pandas categories", False)
    accepts_missing: bool = option("whether the estimator takes missing values", False)
    max_categories: int | None = option("the most categories it takes in a column", None)


@dataclass
class MemberConfig:
    """One of several models, with a preprocessing of its own."""

    model: ModelConfig = option("its estimator")
    preprocess: PreprocessConfig = option("what happens to columns before it")


@dataclass
class VoteConfig(ModelConfig):
    """Several models as one: `estimator` takes `members` as scikit-learn's `estimators`."""

    members: dict[str, MemberConfig] = option(
        "by name, `model` and `preprocess` as in those groups; grids reach into them by"
        " `clf__<name>__clf__<parameter>`",
        {},
        is_ordered=True,
    )
