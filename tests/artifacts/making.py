"""Small runs, sealed like real ones, for tests of what reads runs."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabproof.artifacts.manifest import seal

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="this system does not list open files in /proc"
)

RUN_ID = "0123456789abcdef"


def make_run(
    path: Path,
    run_id: str = RUN_ID,
    files: Mapping[str, bytes] | None = None,
    *,
    dataset: str = "builtin_wine",
    servable: bool = True,
) -> Path:
    """Make a complete run; files come on top of those that every run has."""
    content = {
        "summary.json": summary(dataset),
        "predictions.parquet": predictions(np.eye(2)[[0, 1, 0, 1]]),
        "plots/roc.svg": b"a picture",
        **({"scorer/scorer.json": b"{}", "scorer/arrays": bytes(1000)} if servable else {}),
        **(files or {}),
    }
    for name, value in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(value)
    seal(path, run_id)
    return path


def summary(
    dataset: str = "builtin_wine",
    labels: Sequence[str] = ("no", "yes"),
    sha256: str = "f" * 64,
    **changes: Any,
) -> bytes:
    """Return a summary.json; changes replace its fields."""
    content = {
        "format": 1,
        "run_id": RUN_ID,
        "dataset": dataset,
        "mode": "full",
        "labels": list(labels),
        "n_train": 8,
        "n_test": 4,
        "n_rows_without_target": 0,
        "metrics": {},
        "scoring": "roc_auc",
        "best_score": 0.9,
        "best_params": {},
        "n_candidates": 1,
        "rungs": [8],
        "not_scored": [],
        "data": {"sha256": sha256, "columns": {"age": "1"}},
        "code": "c0de",
        "versions": {"numpy": "2.4.6"},
        "platform": {},
        "git": {},
        "workers": 1,
        "seconds": {"total": 12.6},
        **changes,
    }
    return json.dumps(content).encode()


def predictions(
    proba: np.ndarray,
    truth: Sequence[str] = ("no", "yes", "no", "yes"),
    labels: Sequence[str] = ("no", "yes"),
    row_ids: Sequence[int] | None = None,
) -> bytes:
    """Give a predictions.parquet."""
    columns = {f"proba_{label}": proba[:, code] for code, label in enumerate(labels)}
    ids = np.arange(len(proba)) if row_ids is None else np.asarray(row_ids)
    buffer = io.BytesIO()
    pd.DataFrame({"row_id": ids, "y_true": list(truth), **columns}).to_parquet(buffer, index=False)
    return buffer.getvalue()


def names_in(folder: Path) -> list[str]:
    """List what lies in a directory, hidden things too."""
    return sorted(path.name for path in folder.iterdir())
