"""Small run directories, complete or not, for tests of what reads them."""

import hashlib
import io
import json
import os
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabproof.artifacts.manifest import FileEntry, Manifest, seal

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="this system does not list open files in /proc"
)

RUN_ID = "0123456789abcdef"
DAY = "2026-11-23"


def make_run(
    path: Path,
    run_id: str = RUN_ID,
    files: Mapping[str, bytes] | None = None,
    *,
    dataset: str = "builtin_wine",
    servable: bool = True,
) -> Path:
    """Make a complete run; `files` are added to those that every run has."""
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
    """Return a predictions.parquet."""
    columns = {f"proba_{label}": proba[:, code] for code, label in enumerate(labels)}
    ids = np.arange(len(proba)) if row_ids is None else np.asarray(row_ids)
    buffer = io.BytesIO()
    pd.DataFrame({"row_id": ids, "y_true": list(truth), **columns}).to_parquet(buffer, index=False)
    return buffer.getvalue()


def mount(volume: Path, content: Path) -> None:
    """Show a copy of a directory in a volume as Kubernetes does, or switch it to another one.

    Each name in the volume is a link through `..data`, which one rename replaces.
    """
    volume.mkdir(parents=True, exist_ok=True)
    data = volume / "..data"
    before = volume / data.readlink() if data.exists() else None
    number = 1 if before is None else int(before.name.rpartition("_")[2]) + 1
    folder = volume / f"..2026_{number}"
    # Hard links: the files are the same.
    shutil.copytree(content, folder, copy_function=os.link)
    (volume / "..data_tmp").symlink_to(folder.name)
    (volume / "..data_tmp").rename(data)
    for path in folder.iterdir():
        if not (volume / path.name).is_symlink():
            (volume / path.name).symlink_to(f"..data/{path.name}")
    if before is not None:
        shutil.rmtree(before)


# What a pointer or a model may be replaced by; each takes the path and a directory outside.
REPLACEMENTS: dict[str, Callable[[Path, Path], object]] = {
    "dangling": lambda path, _: path.symlink_to("nothing"),
    "loop": lambda path, _: path.symlink_to(path.name),
    "outside": lambda path, outside: path.symlink_to(outside),
    "pipe": lambda path, _: os.mkfifo(path),
    "socket": lambda path, _: bind(path),
}


def bind(path: Path) -> None:
    """Make a socket; the address of one cannot be long."""
    with socket.socket(socket.AF_UNIX) as made:
        short = Path(f"/tmp/{os.getpid()}.socket")  # noqa: S108 - renamed at once
        made.bind(str(short))
        shutil.move(short, path)


def changed_files(directory: Path, manifest: Manifest) -> list[str]:
    """Return the names of files that are missing, changed or new since the run was completed."""
    found = {}
    for path in directory.rglob("*"):
        name = path.relative_to(directory).as_posix()
        if path.is_file() and name != "manifest.json" and not name.startswith("search/"):
            content = path.read_bytes()
            found[name] = FileEntry(hashlib.sha256(content).hexdigest(), len(content))
    names = {*found, *manifest.files}
    return sorted(name for name in names if found.get(name) != manifest.files.get(name))


def names_in(folder: Path) -> list[str]:
    """Return the names in a directory, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def make_recorded_run(
    path: Path,
    run_id: str,
    auc: float = 0.9,
    *,
    dataset: str = "openml_adult",
    overrides: Sequence[str] = ("search=full",),
    files: dict[str, bytes] | None = None,
    **changes: Any,
) -> Path:
    """Make a complete run with metrics, a configuration and overrides."""
    fields = {
        "run_id": run_id,
        "metrics": {"roc_auc": auc, "accuracy": 0.8, "log_loss": 1 - auc},
        "intervals": {"roc_auc": [auc - 0.01, auc + 0.01], "accuracy": [0.75, 0.84]},
        "best_params": {"clf__max_depth": 4},
        **changes,
    }
    written = {
        "summary.json": summary(dataset, **fields),
        "config.yaml": b"seed: 42\nsearch:\n  name: full\n",
        ".hydra/overrides.yaml": json.dumps(list(overrides)).encode(),
        **(files or {}),
    }
    return make_run(path, run_id, written)


def make_unfinished(path: Path, status: dict[str, Any] | None, dataset: str = "adult") -> Path:
    """Make the directory of an incomplete run; without a status it has not begun."""
    (path / ".hydra").mkdir(parents=True)
    (path / ".hydra/overrides.yaml").write_text(f"- dataset={dataset}\n")
    if status is not None:
        (path / "status.json").write_text(json.dumps(status))
    return path


def make_failed(path: Path, reason: str = "no such table", dataset: str = "adult") -> Path:
    """Make a run that failed."""
    return make_unfinished(path, {"state": "failed", "reason": reason}, dataset)


def make_running(path: Path, dataset: str = "adult") -> Path:
    """Make a run that this process is writing."""
    return make_unfinished(path, {"state": "running", "pid": os.getpid()}, dataset)
