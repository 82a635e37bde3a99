"""Time the steps of runs on wide tables: what is for people is at most a third of a run.

Prints seconds by step, from summary.json: `python -m benchmarks.wide`.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

# Steps whose work is for people, and the share of a run that they may take.
FOR_PEOPLE, MAX_SHARE = ("evaluating", "reporting"), 1 / 3
N_ROWS = 300

DESCRIPTION = f"""\
Train without a search on tables of {N_ROWS} rows and many columns, and on datasets by name, and
print the seconds of every step. Exit code 1 if evaluation and report take more than a third of a
run that takes longer than ten seconds, or loading and checking more than five seconds. Run it from
the project's root.
"""
# Steps before anything is fitted, and the seconds that they may take together.
BEFORE, MAX_SECONDS_BEFORE = ("loading data", "checking data"), 5.0
# In shorter runs imports of the plots alone take a third.
MIN_SECONDS = 10


def make_table(n_columns: int, path: Path) -> list[str]:
    """Write a table whose target depends on five of its columns; return the choices of it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, n_columns))
    y = X[:, :5].sum(axis=1) + rng.normal(size=N_ROWS) > 0
    frame = pd.DataFrame(X, columns=[f"x{n}" for n in range(n_columns)])
    frame.assign(target=np.where(y, "yes", "no")).to_csv(path, index=False)
    return ["dataset=file", f"dataset.path={path}", "dataset.target=target"]


def train(choices: Sequence[str], directory: Path) -> dict[str, float]:
    """Train, and return the seconds of each step."""
    command = [sys.executable, "-m", "src.train", *choices, f"hydra.run.dir={directory}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
    seconds: dict[str, float] = summary["seconds"]
    return seconds


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=DESCRIPTION)
    parser.add_argument("--columns", type=int, nargs="*", default=[1_000, 5_000])
    parser.add_argument("--datasets", nargs="*", default=["breast_cancer"])
    parser.add_argument("choices", nargs="*", default=["search=none"], help="of every run")
    asked = parser.parse_args()
    is_slow = False
    with TemporaryDirectory() as scratch:
        home = Path(scratch)
        runs = {
            f"{N_ROWS} x {n:,}": make_table(n, home / f"wide_{n}.csv") for n in asked.columns
        } | {name: [f"dataset={name}"] for name in asked.datasets}
        for number, (name, choices) in enumerate(runs.items()):
            seconds = train([*choices, *asked.choices], home / f"run_{number}")
            share = sum(seconds[step] for step in FOR_PEOPLE) / seconds["total"]
            is_slow |= share > MAX_SHARE and seconds["total"] > MIN_SECONDS
            before = sum(seconds[step] for step in BEFORE)
            is_slow |= before > MAX_SECONDS_BEFORE
            steps = ", ".join(f"{step} {time:.1f}" for step, time in seconds.items() if time >= 0.1)
            print(
                f"{name}: {steps}; for people {share:.0%}; before fitting {before:.1f} s",
                flush=True,
            )
    return int(is_slow)


if __name__ == "__main__":
    raise SystemExit(main())
