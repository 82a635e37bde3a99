"""FastAPI, a pandas frame, and the pipeline of estimator.joblib: the usual way to serve.

RUN names the run directory.
"""

import json
import os
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

from tabproof.schema import Schema

Features = dict[str, float | str | None]


class Row(BaseModel):
    """The body of /predict."""

    features: Features


class Rows(BaseModel):
    """The body of /predict_batch."""

    rows: list[Features]


RUN = Path(os.environ["RUN"])
SCHEMA = Schema.from_json((RUN / "schema.json").read_text(encoding="utf-8"))
NAMES = [column.name for column in SCHEMA.columns]
RUN_ID = json.loads((RUN / "summary.json").read_text(encoding="utf-8"))["run_id"]
pipeline = joblib.load(RUN / "estimator.joblib").pipeline
app = FastAPI()


# `async`, although it blocks the event loop: on one core a thread pool is slower.
@app.post("/predict")
async def predict(row: Row) -> dict[str, Any]:
    """Score one row."""
    (proba,) = _score([row.features])
    return {"pred_proba": proba, "label": _label_of(proba), "run_id": RUN_ID}


@app.post("/predict_batch")
async def predict_batch(batch: Rows) -> dict[str, Any]:
    """Score many rows in one call of the pipeline."""
    proba = _score(batch.rows)
    return {"pred_proba": proba, "label": [_label_of(p) for p in proba], "run_id": RUN_ID}


def _score(rows: list[Features]) -> list[float]:
    proba: list[float] = pipeline.predict_proba(pd.DataFrame(rows, columns=NAMES))[:, 1].tolist()
    return proba


def _label_of(proba: float) -> str:
    return SCHEMA.labels[proba > 0.5]
