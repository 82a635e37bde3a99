"""A configuration for a small table, its rows, and a pipeline that a search might find."""

from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from sklearn.pipeline import Pipeline

from tabproof.config import TrainConfig, check_config
from tabproof.config.data_schema import FileDatasetConfig
from tabproof.errors import UserError
from tabproof.evaluation_result import Finding
from tabproof.experiment import load_rows
from tabproof.steps import check
from tabproof.steps import decide as deciding
from tabproof.steps.search import make_plan
from tests.conftest import composed

BASE = ("search=none", "model=logistic_regression", "preprocess=onehot", "runtime=serial")
# What some choices need beside them.
NEEDED = {
    "cv=grouped": ["cv.group_column=who"],
    "threshold=cost": ["threshold.costs=[[0,1],[5,0]]"],
    "preprocess=native": ["model=hist_gradient_boosting"],
    "preprocess=target": ["model=hist_gradient_boosting"],
}


def changed(config: TrainConfig, *overrides: str) -> TrainConfig:
    """Change keys of a configuration, which takes a hundredth of the time of composing another."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        *path, name = override.key_or_group.split(".")
        owner: Any = reduce(lambda node, key: vars_of(node)[key], path, config)
        vars_of(owner)[name] = override.value()
    check_config(config)
    return config


def vars_of(node: Any) -> dict[str, Any]:
    return node if isinstance(node, dict) else vars(node)


def configured(path: Path, *overrides: str) -> TrainConfig:
    """Compose BASE and each choice of a group once for all tests, then change keys."""
    config = composed(*BASE)
    dropped = [] if "cv=grouped" in overrides else ["who"]
    config.dataset = FileDatasetConfig(path=str(path), target="label", drop_columns=dropped)
    for choice in [o for o in overrides if "." not in o.partition("=")[0]]:
        group = choice.partition("=")[0]
        setattr(config, group, getattr(composed(*BASE, choice, *NEEDED.get(choice, ())), group))
    return changed(config, *(o for o in overrides if "." in o.partition("=")[0]))


def frame(n_rows: int = 200, n_classes: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    age, job = rng.normal(40, 10, n_rows), rng.choice(["clerk", "農家"], n_rows)
    score = age + 10 * (job == "農家") + rng.normal(0, 6, n_rows)
    # The last label is the rarest.
    shares = np.cumsum([0.7, 0.3]) if n_classes == 2 else np.cumsum([0.5, 0.3, 0.2])
    label = np.searchsorted(np.quantile(score, shares[:-1]), score)
    made = pd.DataFrame({"age": age, "job": job, "who": np.arange(n_rows) // 8})
    made["label"] = [f"c{code}" for code in label]
    return made


class Case:
    """A configuration for a table, its rows, and the pipeline that a search might have found."""

    def __init__(self, directory: Path, table: pd.DataFrame, *overrides: str) -> None:
        path = directory / "table.csv"
        table.to_csv(path, index=False)
        self.config = configured(path, *overrides)
        self.plan = make_plan(self.config)
        self.rows = self.plan.rows
        self.division = load_rows(self.config, self.plan)

    def check(self) -> list[Finding]:
        return check.check(self.config, self.division)

    def fitted(self) -> Pipeline:
        return self.plan.pipelines[""].fit(self.division.X_train, self.division.y_train)

    def decide(self) -> deciding.Decided:
        return deciding.decide(self.config, self.division, self.fitted())

    def refusal(self) -> UserError:
        with pytest.raises(UserError) as raised:
            self.check()
        assert "\n" not in str(raised.value)
        return raised.value


def grouped(tmp_path: Path, table: pd.DataFrame, *overrides: str) -> Case:
    return Case(tmp_path, table, "cv=grouped", "cv.group_column=who", *overrides)
