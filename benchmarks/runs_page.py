"""The time of outputs/index.html with 10,000 runs: `python -m benchmarks.runs_page`.

A few small runs are trained, and copied under other names with other ids, seeds, predictions and
metrics; the files that do not change are hard links. Then the page is written by the command, which
reads every run, and as at the end of one more run; and the page is opened and filtered in Chromium.
The metrics of a copy are not those of its predictions.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pandas as pd

from benchmarks.runs_page_browser import time_page
from benchmarks.verdict import print_verdict
from tabproof.artifacts.manifest import NAME, FileEntry, Manifest, read_manifest
from tabproof.artifacts.run_directory import ALL_RUNS, PREDICTIONS
from tabproof.runs.page import page, write_page
from tabproof.runs.page_cache import CACHE
from tabproof.runs.refresh import MODELS

N_RUNS = 10_000
N_DAYS = 60
MOST_SECONDS = 1.0
N_TIMES = 5
ROOT = Path(__file__).parents[1]
TRAINED = [
    (dataset, model)
    for dataset in ("breast_cancer", "wine")
    for model in ("logistic_regression", "random_forest", "hist_gradient_boosting")
]


def main() -> None:
    """Make runs, write the page of all, and write it again after every further run."""
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else N_RUNS
    with TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as directory:
        here = Path(directory)
        outputs, models = here / "outputs", here / MODELS
        start = perf_counter()
        copies = copied(trained(here), outputs)
        for _ in range(n_runs):
            next(copies)
        print(f"{n_runs:,} run directories made in {perf_counter() - start:.0f} s", flush=True)
        start = perf_counter()
        page(outputs=outputs, models=models, language=None)
        print(f"  {'first page':<26}{perf_counter() - start:10.2f} s")
        times = []
        for _ in range(N_TIMES):
            next(copies)
            start = perf_counter()
            write_page(outputs, models)
            times.append(perf_counter() - start)
        for name in (ALL_RUNS, CACHE):
            print(f"  {name:<26}{(outputs / name).stat().st_size / 1e6:10.1f} MB")
        is_met = print_verdict("one new run", sorted(times)[N_TIMES // 2], at_most=MOST_SECONDS)
        time_page(outputs / ALL_RUNS)
    sys.exit(0 if is_met else 1)


def trained(here: Path) -> list[Path]:
    """Train the runs that are copied."""
    runs = []
    for dataset, model in TRAINED:
        run = here / "trained" / f"{dataset}_{model}"
        words = [f"dataset={dataset}", f"model={model}", "search=fast", "report.index=false"]
        command = [sys.executable, "-m", "tabproof", "train", *words, f"hydra.run.dir={run}"]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        subprocess.run(command, cwd=here, env=environment, check=True, capture_output=True)
        runs.append(run)
    return runs


def copied(runs: list[Path], outputs: Path) -> Iterator[Path]:
    """Yield copies of runs without end, the later ones of a later time."""
    contents = [(run, *_contents(run)) for run in runs]
    for number in count():
        run, manifest, changing = contents[number % len(runs)]
        day, time = divmod(number, -(-N_RUNS // N_DAYS))
        clock = f"{time // 3600 % 24:02}-{time // 60 % 60:02}-{time % 60:02}"
        date = f"2026-{1 + day // 28 % 12:02}-{1 + day % 28:02}"
        path = outputs / date / f"{clock}_{run.name}_{number:08x}"
        run_id, entries = f"{number:016x}", dict(manifest.files)
        changed = _changed(changing, number, run_id)
        for name in manifest.files:
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if name in changed:
                target.write_bytes(changed[name])
                digest = sha256(changed[name]).hexdigest()
                entries[name] = FileEntry(digest, len(changed[name]))
            else:
                target.hardlink_to(run / name)
        sealed = Manifest(run_id, entries)
        files = {name: vars(entry) for name, entry in entries.items()}
        content = {"format": 1, "run_id": run_id, "files": files, "sha256": sealed.digest()}
        (path / NAME).write_text(json.dumps(content))
        yield path


def _contents(run: Path) -> tuple[Manifest, dict[str, bytes]]:
    manifest = read_manifest(run) or Manifest("", {})
    changing = ("summary.json", "config.yaml", ".hydra/overrides.yaml", PREDICTIONS)
    return manifest, {name: (run / name).read_bytes() for name in changing}


def _changed(files: dict[str, bytes], number: int, run_id: str) -> dict[str, bytes]:
    """Return the files of a run with another seed, id, predictions and metrics."""
    summary = json.loads(files["summary.json"])
    share = 1 - number * 7919 % 4999 / 50_000
    summary["run_id"] = run_id
    summary["metrics"] = {name: value * share for name, value in summary["metrics"].items()}
    config = files["config.yaml"].replace(b"seed: 42\n", f"seed: {number}\n".encode())
    overrides = files[".hydra/overrides.yaml"] + f"- seed={number}\n".encode()
    frame = pd.read_parquet(BytesIO(files[PREDICTIONS]))
    columns = [name for name in frame if name.startswith("proba_")]
    noise = np.random.default_rng(number).uniform(0.5, 1.5, (len(frame), len(columns)))
    proba = frame[columns].to_numpy() * noise + 1e-6
    frame[columns] = proba / proba.sum(axis=1, keepdims=True)
    predictions = BytesIO()
    frame.to_parquet(predictions, index=False)
    return {
        PREDICTIONS: predictions.getvalue(),
        "summary.json": json.dumps(summary).encode(),
        "config.yaml": config,
        ".hydra/overrides.yaml": overrides,
    }


if __name__ == "__main__":
    main()
