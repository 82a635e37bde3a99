"""Runs whose answers are logged: the service's table, with slices and costs."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import made_once, train
from tests.monitoring.logs import Log

COSTS = "threshold.costs=[[0,1],[5,0]]"


@pytest.fixture(scope="session")
def csv(make_csv: Callable[..., Path]) -> Path:
    """Return a table of two labels, with missing cells."""
    return make_csv(600)


@pytest.fixture(scope="session")
def outputs(tmp_path_factory: pytest.TempPathFactory, csv: Path) -> Path:
    """Return a directory of two runs of one table: `champion` and `challenger`."""

    def make(path: Path) -> None:
        table = ["dataset=file", f"dataset.path={csv}", "dataset.target=label", "search=none"]
        for name, model in (
            ("champion", "logistic_regression"),
            ("challenger", "hist_gradient_boosting_small"),
        ):
            words = ["evaluation.slices=[job]", f"model={model}", "threshold=cost", COSTS]
            place = path / "2026-11-01" / f"12-00-00_{name}"
            done = train(*table, *words, f"hydra.run.dir={place}")
            assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "outputs", make)


@pytest.fixture(scope="session")
def champion(outputs: Path) -> Path:
    return outputs / "2026-11-01" / "12-00-00_champion"


@pytest.fixture(scope="session")
def challenger(outputs: Path) -> Path:
    return outputs / "2026-11-01" / "12-00-00_challenger"


@pytest.fixture(scope="session")
def table(csv: Path) -> pd.DataFrame:
    return pd.read_csv(csv)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    (tmp_path / "log").mkdir()
    return Log(tmp_path / "log")
