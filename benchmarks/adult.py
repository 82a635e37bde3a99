"""Train models on adult, and read hold-out rows with the probabilities that the run recorded."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.datasets import fetch_openml

from benchmarks.measurement import CommandFailedError

ROOT = Path(__file__).parents[1]
POSITIVE = ">50K"

Row = dict[str, Any]


@dataclass(frozen=True)
class HoldOut:
    """Rows as JSON has them, None for missing, and the pipeline's probability of each."""

    rows: list[Row]
    proba: list[float]


def train(run: Path, data_home: str, *overrides: str) -> Path:
    """Train adult into a directory, without a search."""
    choices = ["dataset=adult", "search=none", f"dataset.data_home={data_home}", *overrides]
    command = [sys.executable, "-m", "src.train", *choices, f"hydra.run.dir={run}"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise CommandFailedError(command, ended.returncode, ended.stderr)
    return run


def load_features(data_home: str) -> pd.DataFrame:
    """Load the columns of adult without its target."""
    features: pd.DataFrame = fetch_openml(
        "adult", version=2, data_home=data_home, parser="pandas"
    ).data
    return features


def read_hold_out(run: Path, data_home: str, n_rows: int) -> HoldOut:
    """Read the first rows that a run held out."""
    predictions = pd.read_parquet(run / "predictions.parquet").head(n_rows)
    rows = load_features(data_home).iloc[predictions["row_id"]]
    return HoldOut(
        # pandas' own JSON writes a missing cell as null.
        json.loads(rows.to_json(orient="records")),
        predictions[f"proba_{POSITIVE}"].tolist(),
    )
