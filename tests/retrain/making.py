"""Small tables whose labels follow one column, a promoted model of one, and logs of served rows."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tabproof.artifacts import Registry
from tabproof.experiment import run_experiment
from tests.conftest import Done, composed, typed_in

NAME = "loans"
# What a run writes for people takes most of its time.
QUICKLY = ("report.plots=false", "report.page=false", "report.model_card=false")


def rows(n: int, column: str, seed: int, noise: float = 1.0) -> pd.DataFrame:
    """Return rows whose label follows `a` or `b`, with missing cells in all features."""
    rng = np.random.default_rng(seed)
    features = {
        "a": rng.normal(size=n),
        "b": rng.normal(size=n),
        "job": rng.choice(["clerk", "farmer", "smith"], n),
    }
    label = np.where(features[column] + rng.normal(0, noise, n) > 0, "yes", "no")
    frame = pd.DataFrame({**features, "label": label})
    for place, name in enumerate(("a", "b", "job")):
        frame.loc[frame.index % 17 == place, name] = None
    return frame


def csv(frame: pd.DataFrame, path: Path) -> Path:
    """Write a table, with every digit."""
    frame.to_csv(path, index=False)
    return path


def promoted(folder: Path, table: Path, *words: str) -> Path:
    """Train on a table and promote the run; return the registry."""
    of_file = ["dataset=file", f"dataset.path={table}", "dataset.target=label"]
    run = folder / "outputs" / "2026-11-01" / "10-00-00_old"
    config = composed(*of_file, "model=logistic_regression", "search=none", *words)
    run_experiment(config, run, is_latest=False)
    models = folder / "models"
    Registry(models).promote(run, NAME, "me", "the first")
    return models


def copied(models: Path, folder: Path) -> Path:
    """Copy a registry, so that a test may change it."""
    return Path(shutil.copytree(models, folder / "models"))


def retrained(folder: Path, *words: object) -> Done:
    """Type `runs retrain loans …` in a directory."""
    done = typed_in("runs", "retrain", NAME, *words, *QUICKLY, cwd=folder)
    # Errors are one line, and nothing else is.
    assert len(done.stderr.splitlines()) == (done.returncode != 0), done.stderr
    return done


def current(folder: Path) -> str:
    """Return the current version."""
    found = Registry(folder / "models").current(NAME)
    assert found is not None
    return found.version


# --- Logs, as the service writes them.


def write_log(
    log: Path,
    served: pd.DataFrame,
    begun: datetime,
    *,
    hours: float = 1.0,
    role: str = "champion",
    prefix: str = "r",
    segments: int = 2,
    **others: Any,
) -> list[str]:
    """Write rows of a log, one each hour; return the ids of their requests."""
    n = len(served)
    times = [begun + timedelta(hours=hours * i) for i in range(n)]
    ids = [f"{prefix}{i}" for i in range(n)]
    features = {f"x_{name}": served[name] for name in served.columns if name != "label"}
    table = pa.table(
        {
            "time": pa.array(times, pa.timestamp("us", "UTC")),
            "request_id": ids,
            "row": pa.array([0] * n, pa.int32()),
            "run_id": ["0"] * n,
            "role": [role] * n,
            "label": ["no"] * n,
            **{name: pa.array(cells, from_pandas=True) for name, cells in features.items()},
            **others,
        }
    )
    folder = log / "predictions" / f"date={begun:%Y-%m-%d}" / f"model={NAME}"
    folder.mkdir(parents=True, exist_ok=True)
    for place, part in enumerate(np.array_split(np.arange(n), segments)):
        pq.write_table(table.take(pa.array(part)), folder / f"{prefix}_{role}_{place}.parquet")
    return ids


def write_labels(
    log: Path,
    ids: Sequence[str],
    labels: Sequence[str],
    received: datetime | None = None,
    name: str = "labels",
) -> None:
    """Write labels of rows."""
    received = received or datetime.now(UTC)
    table = pa.table(
        {
            "request_id": list(ids),
            "row": pa.array([0] * len(ids), pa.int32()),
            "label": list(labels),
            "at": pa.nulls(len(ids), pa.timestamp("us", "UTC")),
            "received": pa.array([received] * len(ids), pa.timestamp("us", "UTC")),
        }
    )
    folder = log / "labels" / f"date={received:%Y-%m-%d}"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / f"{name}.parquet")
