"""A model that was trained, and rows for it."""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from tabproof.data.column import Reading
from tabproof.data.columns import type_columns
from tabproof.experiment import run_experiment
from tests.batch.making import make_table
from tests.batch.scoring import N_ROWS, write_csv
from tests.conftest import composed

CATEGORIES = ["city", "member", "code"]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train on every kind of column; give the run directory."""
    folder = tmp_path_factory.mktemp("model")
    make_table(800).to_parquet(folder / "train.parquet")
    config = composed(
        "dataset=file",
        f"dataset.path={folder / 'train.parquet'}",
        "dataset.target=bought",
        "+dataset.column_types.code=category",
        "search=none",
        "+model.estimator.max_iter=20",
    )
    run_experiment(config, folder / "run")
    return folder / "run"


@pytest.fixture(scope="session")
def rows() -> pd.DataFrame:
    """Make rows with unseen categories and numbers beyond the range."""
    frame = make_table(N_ROWS, seed=1).drop(columns="bought")
    frame.insert(0, "id", [f"customer {i}" for i in range(N_ROWS)])
    frame.loc[::50, "city"] = "Atlantis"
    frame.loc[::70, "amount"] = 1e12
    return frame


@pytest.fixture(scope="session")
def expected(model: Path, rows: pd.DataFrame) -> np.ndarray:
    """Return the pipeline's own probabilities."""
    pipeline = joblib.load(model / "estimator.joblib")
    kinds = dict.fromkeys(CATEGORIES, "category")
    typed = type_columns(
        rows.drop(columns="id"), rows.index, Reading(kinds, keep=[*rows]), is_text=False
    )
    proba: np.ndarray = pipeline.predict_proba(typed.X)
    return proba


@pytest.fixture(scope="session")
def long_input(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write enough rows to be killed in the middle; give the directory of both kinds."""
    folder = tmp_path_factory.mktemp("long")
    frame = pd.concat([rows] * 60, ignore_index=True)
    frame.to_parquet(folder / "in.parquet", row_group_size=37_000)
    frame["amount"] = frame["amount"].astype(object)
    frame.loc[5::997, "amount"] = "broken"
    write_csv(frame, folder / "in.csv")
    return folder
