"""The systems that are compared, their environments, and one fit in a process of its own."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks.measurement import process_tree
from benchmarks.suite.one_fit import N_CORES
from benchmarks.suite.tables import TEST, TRAIN, TRUTH, SplitFiles

ROOT = Path(__file__).parents[2]
# What users of each install; where a version decides numbers or runs at all, it is fixed.
PACKAGES = {
    "autogluon": [
        "autogluon.tabular[all]==1.6.3", "numpy==2.4.6", "pandas==2.3.3", "scikit-learn==1.9.1",
        "lightgbm==4.7.0", "catboost==1.2.10", "xgboost-cpu==3.2.0", "torch==2.13.0",
        "fastai==2.8.7",
    ],
    "flaml": [
        "flaml[automl,catboost]==2.7.0", "numpy==2.4.6", "pandas==2.3.3", "scikit-learn==1.9.1",
        "lightgbm==4.7.0", "catboost==1.2.10", "xgboost==2.1.4",
    ],
}  # fmt: skip
# A fit that takes this many times its budget is killed: imports and predictions included.
LIMIT_TIMES, LEAST_LIMIT = 3, 180.0
# Probabilities of 32-bit floats reach 0 and 1: all are compared between these bounds.
LEAST_PROBA = 1e-7
LAST_CHARACTERS = 600


@dataclass(frozen=True)
class System:
    """A package with a choice; like: its budget is what that system took on the same split."""

    package: str
    choice: str
    like: str | None = None


SYSTEMS = {
    "auto": System("tabproof", "auto"),
    "portfolio": System("tabproof", "portfolio"),
    "none": System("tabproof", "none"),
    "medium_quality": System("autogluon", "medium_quality"),
    "best": System("autogluon", "best_v150"),
    "flaml": System("flaml", "AutoML"),
    "auto_like_medium": System("tabproof", "auto", like="medium_quality"),
}


def environment_of(package: str, folder: Path) -> Path:
    """Return the interpreter of a package's environment, which is made if it is not there.

    Ours is the environment of the benchmark itself.
    """
    if package == "tabproof":
        return Path(sys.executable)
    home = folder / package
    python, ready = home / "bin" / "python", home / "installed.txt"
    wanted = "\n".join(PACKAGES[package])
    if not ready.exists() or ready.read_text(encoding="utf-8") != wanted:
        print(f"making {home}", flush=True)
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES[package]], check=True)
        ready.write_text(wanted, encoding="utf-8")
    return python


def order_of(names: Sequence[str], turn: int) -> list[str]:
    """Return systems in the order of a turn: everybody is first once; who needs another follows."""
    first = turn % len(names)
    turned = [*names[first:], *names[:first]]
    return sorted(turned, key=lambda name: SYSTEMS[name].like is not None)


def run_fit(
    system: System, python: Path, files: SplitFiles, seconds: float, limit: float
) -> dict[str, Any]:
    """Fit a system on the files of a split, and return its figures; a failure is a result.

    It is killed after `limit` seconds, imports and predictions included.
    """
    table, folder = files.table, files.folder / "fit"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    request = {
        "package": system.package,
        "preset": system.choice,
        "search": system.choice,
        "train": str(files.folder / TRAIN),
        "test": str(files.folder / TEST),
        "target": table.target,
        "metric": table.metric,
        "seconds": seconds,
        "seed": files.split.seed,
        "n_labels": len(table.labels),
        "n_rows": len(files.split.train),
    }
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    found: dict[str, Any] = {"load": round(os.getloadavg()[0], 2)}
    start, used = perf_counter(), _processor_seconds()
    code = _run(python, folder, limit)
    found["process_seconds"] = round(perf_counter() - start, 2)
    # On a busy machine a budget in seconds is worth less: this tells how much less.
    found["processor_seconds"] = round(_processor_seconds() - used, 2)
    try:
        if code != 0:
            last = (folder / "stderr.txt").read_text(errors="replace")[-LAST_CHARACTERS:]
            why = f"killed after {limit:g} s" if code is None else f"code {code}"
            return {**found, "error": f"{why}: {last.strip()}"}
        found |= json.loads((folder / "figures.json").read_text(encoding="utf-8"))
        truth = json.loads((files.folder / TRUTH).read_text(encoding="utf-8"))
        return found | scores(truth, pd.read_csv(folder / "proba.csv"), table.labels)
    except (OSError, ValueError, KeyError) as error:
        return {**found, "error": f"{type(error).__name__}: {error}"}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _processor_seconds() -> float:
    """Return the processor time of all processes that were waited for; ray's workers are not."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _run(python: Path, folder: Path, limit: float) -> int | None:
    """Run one fit; return its exit code, or None if it was killed."""
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")
    }
    # No weights can be fetched here: a model that wants some fails at once, as without a network.
    environment |= {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "HF_HUB_OFFLINE": "1"}
    # AutoGluon's workers leave their logs there. Paths of sockets must stay short.
    environment["RAY_TMPDIR"] = str(folder)
    command = [str(python), "-m", "benchmarks.suite.one_fit"]
    cores = sorted(os.sched_getaffinity(0))[:N_CORES]
    with (folder / "stdout.txt").open("wb") as out, (folder / "stderr.txt").open("wb") as err:
        process = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, cores)), *command],
            cwd=folder, env=environment, stdout=out, stderr=err, start_new_session=True,
        )  # fmt: skip
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            _kill(process)
            return None
        except BaseException:
            # Ctrl-C: a fit must not go on when nobody waits for it.
            _kill(process)
            raise


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its workers, which may have left its group."""
    for each in reversed(process_tree(process.pid)):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    process.wait()


def scores(truth: Sequence[str], proba: pd.DataFrame, labels: Sequence[str]) -> dict[str, float]:
    """Return AUC (macro, one against the rest) and log loss; raise ValueError without them."""
    if len(proba) != len(truth):
        raise ValueError(f"{len(proba)} of {len(truth)} test rows have a probability")
    # A label that the system left out has none.
    values = proba.reindex(columns=list(labels), fill_value=0.0).to_numpy(dtype=float)
    if not np.isfinite(values).all():
        raise ValueError(f"{int((~np.isfinite(values)).any(axis=1).sum())} rows are not finite")
    y = np.searchsorted(np.array(labels), np.array(truth))
    aucs = [roc_auc_score(y == code, values[:, code]) for code in range(len(labels))]
    values = values.clip(LEAST_PROBA, 1 - LEAST_PROBA)
    values /= values.sum(axis=1, keepdims=True)
    return {
        "auc": float(np.mean(aucs)),
        "log_loss": float(log_loss(y, values, labels=range(len(labels)))),
    }
