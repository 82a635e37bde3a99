"""Served runs: `wine` has three labels and only numbers, `table` two labels and categories."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tabproof.artifacts import Registry
from tabproof.service.endpoints import Endpoints
from tabproof.service.model_store import ModelStore, Served
from tabproof.service.served_model import ServedModel, load_model
from tabproof.service.server import Lifecycle
from tabproof.service.settings import Settings
from tabproof.service.telemetry import Telemetry
from tabproof.service.workers import Workers
from tests.artifacts.remote.conftest import between, bucket, endpoint, keys, s3_port
from tests.conftest import made_once, train
from tests.service.serving import Server

__all__ = ["between", "bucket", "endpoint", "keys", "s3_port"]  # fixtures

ROWS = [
    {"age": 41, "income": 12.5, "job": "clerk"},
    {"age": 23.25, "income": None, "job": "smith"},
    {"age": None, "income": 3, "job": None},
    {"age": 61, "income": 20.0, "job": "farmer"},
    {"age": 39.999, "income": 1e6, "job": "never seen"},
]


@pytest.fixture(scope="session")
def table_run(tmp_path_factory: pytest.TempPathFactory, make_csv: Callable[..., Path]) -> Path:
    """Train boosted trees on numbers and categories; tests do not change the run."""

    def make(path: Path) -> None:
        table = ["dataset=file", f"dataset.path={make_csv()}", "dataset.target=label"]
        done = train(*table, "search=none", f"hydra.run.dir={path}")
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "table_run", make)


@pytest.fixture(scope="session")
def other_run(tmp_path_factory: pytest.TempPathFactory, make_csv: Callable[..., Path]) -> Path:
    """Train another model on the same table; tests do not change the run."""

    def make(path: Path) -> None:
        table = ["dataset=file", f"dataset.path={make_csv()}", "dataset.target=label"]
        chosen = ["search=none", "model=logistic_regression", f"hydra.run.dir={path}"]
        done = train(*table, *chosen)
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "other_run", make)


@pytest.fixture(scope="session")
def table(table_run: Path) -> ServedModel:
    return load_model(table_run, name="table", source="outputs/table")


def endpoints_of(table: ServedModel) -> Endpoints:
    """Return the endpoints of an application that serves one model."""
    settings, telemetry = Settings(), Telemetry(os.devnull)
    store = ModelStore(settings)
    store.served = Served({"table": table}, "table")
    return Endpoints(store, settings, telemetry, Lifecycle(), Workers(None))


@pytest.fixture(scope="session")
def promoted(tmp_path_factory: pytest.TempPathFactory, run: Path, table_run: Path) -> Path:
    """Return a directory with both runs promoted; tests do not change it."""
    directory = tmp_path_factory.mktemp("service")
    registry = Registry(directory / "models")
    registry.promote(run, "wine", "me", "")
    registry.promote(table_run, "table", "me", "")
    return directory


@pytest.fixture(scope="module")
def server(promoted: Path) -> Iterator[Server]:
    """Serve both runs, `table` as the default; one process per test file."""
    with Server(promoted, default_model="table") as started:
        yield started
        assert started.process.poll() is None, "the server died"


@pytest.fixture(scope="session")
def expected(table_run: Path) -> Callable[[list[dict[str, object]]], NDArray[np.float64]]:
    """Predict with pandas and scikit-learn, as in a notebook."""
    estimator = joblib.load(table_run / "estimator.joblib")

    def predict_proba(rows: list[dict[str, object]]) -> NDArray[np.float64]:
        frame = pd.DataFrame(rows, columns=["age", "income", "job"])
        numbers = {name: pd.to_numeric(frame[name]).astype(float) for name in ("age", "income")}
        found: NDArray[np.float64] = estimator.predict_proba(frame.assign(**numbers))
        return found

    return predict_proba
