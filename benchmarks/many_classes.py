"""Whole runs on tables of many classes, and where their seconds go.

`python -m benchmarks.many_classes` makes tables of the size of UCI's letter and pendigits, trains
on each, and prints the seconds of the steps. `--before PATH` trains in turn with another checkout
of this project, and prints the ratio; `--busy` trains beside a process on every core.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.measurement import CommandFailedError, neighbours
from benchmarks.verdict import print_verdict

ROOT = Path(__file__).parents[1]
N_COLUMNS, N_STYLES = 16, 3
SEED = 0
# Of the time before.
MOST_TIMES_BEFORE = 0.5


class Shape(NamedTuple):
    """Rows and classes of a table, and the largest of its whole numbers."""

    n_rows: int
    n_classes: int
    top: int


SHAPES = {
    "letter": Shape(20_000, 26, 15),
    "pendigits": Shape(11_000, 10, 100),
    "contraceptive": Shape(1_473, 3, 15),
}


def write_table(name: str, folder: Path) -> Path:
    """Write a table of columns of whole numbers; each class has a few styles."""
    shape = SHAPES[name]
    rng = np.random.default_rng(SEED)
    y = rng.integers(shape.n_classes, size=shape.n_rows)
    centres = rng.uniform(0.15, 0.85, (shape.n_classes, N_STYLES, N_COLUMNS))
    styles = rng.integers(N_STYLES, size=shape.n_rows)
    cells = centres[y, styles] + rng.normal(0, 0.12, (shape.n_rows, N_COLUMNS))
    numbers = np.clip(np.rint(shape.top * cells), 0, shape.top).astype(np.int64)
    table = pd.DataFrame({f"c{place}": numbers[:, place] for place in range(N_COLUMNS)})
    table["label"] = [chr(ord("A") + code) for code in y]
    path = folder / f"{name}.csv"
    table.to_csv(path, index=False)
    return path


def train(path: Path, root: Path, search: str) -> dict[str, Any]:
    """Train with the code of a checkout; return seconds by step, and of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        words = [f"dataset.path={path}", "dataset.target=label", f"search={search}"]
        command = [sys.executable, "-m", "src.train", *words, f"hydra.run.dir={folder}/run"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
        before, start = os.times(), perf_counter()
        with Path(folder, "output").open("w+b") as output:
            ended = subprocess.run(
                command, cwd=root, env=environment, stdout=output, stderr=output, check=False
            )
            seconds, after = perf_counter() - start, os.times()
            output.seek(0)
            text = output.read().decode(errors="replace")
        if ended.returncode != 0:
            raise CommandFailedError(command, ended.returncode, text)
        summary = json.loads(Path(folder, "run", "summary.json").read_text(encoding="utf-8"))
    user, system = ("children_user", "children_system")
    processor = sum(getattr(after, each) - getattr(before, each) for each in (user, system))
    steps = {step: one for step, one in summary["seconds"].items() if step != "total"}
    return {"whole": seconds, "processor": processor, **steps}


def main() -> int:
    """Print all; the exit code is 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=list(SHAPES), default=list(SHAPES)[:2])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--search", default="fast")
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--busy", action="store_true", help="beside a process on every core")
    options = parser.parse_args()
    roots = {"now": ROOT} | ({} if options.before is None else {"before": options.before.resolve()})
    met = []
    beside = neighbours() if options.busy else nullcontext()
    with tempfile.TemporaryDirectory() as folder, beside:
        for table in options.tables:
            path, runs = write_table(table, Path(folder)), {name: [] for name in roots}
            for _ in range(options.repetitions):
                for name, root in roots.items():
                    runs[name].append(train(path, root, options.search))
            print(f"\n{table}, search={options.search}, medians of {options.repetitions}: seconds")
            middle = {
                name: {step: median(run[step] for run in of_name) for step in of_name[0]}
                for name, of_name in runs.items()
            }
            print(f"  {'':<14}" + "".join(f"{name:>9}" for name in roots))
            for step in middle["now"]:
                cells = "".join(f"{middle[name][step]:>9.2f}" for name in roots)
                print(f"  {step:<14}{cells}", flush=True)
            if "before" in middle:
                ratio = middle["now"]["whole"] / middle["before"]["whole"]
                met.append(print_verdict("times before", ratio, at_most=MOST_TIMES_BEFORE))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
