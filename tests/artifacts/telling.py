"""Small runs that say as much of themselves as real ones do, complete or not."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.artifacts.making import make_run, summary

DAY = "2026-11-23"


def make_told_run(
    path: Path,
    run_id: str,
    auc: float = 0.9,
    *,
    dataset: str = "openml_adult",
    overrides: Sequence[str] = ("search=full",),
    files: dict[str, bytes] | None = None,
    **said: Any,
) -> Path:
    """Make a complete run with numbers of its own."""
    changes = {
        "run_id": run_id,
        "metrics": {"roc_auc": auc, "accuracy": 0.8, "log_loss": 1 - auc},
        "intervals": {"roc_auc": [auc - 0.01, auc + 0.01], "accuracy": [0.75, 0.84]},
        "best_params": {"clf__max_depth": 4},
        **said,
    }
    written = {
        "summary.json": summary(dataset, **changes),
        "config.yaml": b"seed: 42\nsearch:\n  name: full\n",
        ".hydra/overrides.yaml": json.dumps(list(overrides)).encode(),
        **(files or {}),
    }
    return make_run(path, run_id, written)


def make_unfinished(path: Path, status: dict[str, Any] | None, dataset: str = "adult") -> Path:
    """Make what a run that did not come to its end leaves; without a status, nearly nothing."""
    (path / ".hydra").mkdir(parents=True)
    (path / ".hydra/overrides.yaml").write_text(f"- dataset={dataset}\n")
    if status is not None:
        (path / "status.json").write_text(json.dumps(status))
    return path


def failed(path: Path, reason: str = "no such table", dataset: str = "adult") -> Path:
    """Make a run that failed."""
    return make_unfinished(path, {"state": "failed", "reason": reason}, dataset)


def running(path: Path, dataset: str = "adult") -> Path:
    """Make a run that this process is just writing."""
    return make_unfinished(path, {"state": "running", "pid": os.getpid()}, dataset)
