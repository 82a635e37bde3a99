"""Time the steps of runs on wide tables: what is for people is at most a third of a run.

Prints seconds by step, from summary.json: `python -m benchmarks.wide`. Of other cells than numbers:
`python -m benchmarks.wide --kinds categories texts`.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tabproof import data
from tabproof.config.schema import ChecksConfig

# Steps whose work is for people, and the share of a run that they may take.
FOR_PEOPLE, MAX_SHARE = ("evaluating", "reporting"), 1 / 3
N_ROWS = 300
# Beside the steps: from the start of the process to its end.
COMMAND = "command"

DESCRIPTION = f"""\
Train without a search on tables of {N_ROWS} rows and many columns, and on datasets by name, and
print the seconds of every step. Exit code 1 if evaluation and report take more than a third of a
run that takes longer than ten seconds, or loading and checking more than five seconds. Run it from
the project's root. With --kinds, nothing is fitted: the columns hold such cells, and loading and
checking are timed alone, in seconds of processor time.
"""
# Steps before anything is fitted, and the seconds that they may take together.
BEFORE, MAX_SECONDS_BEFORE = ("loading data", "checking data"), 5.0
# In shorter runs imports of the plots alone take a third.
MIN_SECONDS = 10
WORDS = np.array(["amber", "azure", "black", "brown", "coral", "green", "ivory", "olive", "red"])
N_WORDS = 6

Cells = NDArray[Any]


def _beside_na(X: Cells) -> Cells:
    # Random digits say which cell is missing.
    return np.where(np.floor(X * 1000) % 10 == 0, "NA", X.astype(str))


def _words(X: Cells) -> Cells:
    return WORDS[np.clip(2 * X + 5, 0, len(WORDS) - 1).astype(int)]


def _decimal_commas(X: Cells) -> Cells:
    return np.char.replace(np.round(X, 4).astype(str), ".", ",")


def _dates(X: Cells) -> Cells:
    return (np.datetime64("2020-01-01") + (100 * X).astype(int)).astype(str)


def _local_dates(X: Cells) -> Cells:
    texts = pd.to_datetime(_dates(X).ravel()).strftime("%d.%m.%Y")
    return np.reshape(texts, X.shape)


def _texts(X: Cells) -> Cells:
    texts = _words(X)
    for power in range(1, N_WORDS):
        texts = np.char.add(np.char.add(texts, " "), _words(X * 10**power % 4 - 2))
    return texts


# Cells of random numbers, by kind.
KINDS: dict[str, Callable[[Cells], Cells]] = {
    "numbers": lambda X: X,
    "beside_na": _beside_na,
    "categories": _words,
    "decimal_commas": _decimal_commas,
    "dates": _dates,
    "local_dates": _local_dates,
    "texts": _texts,
}


def make_table(n_columns: int, path: Path, kind: str = "numbers") -> list[str]:
    """Write a table whose target depends on five of its columns; return the choices of it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, n_columns))
    y = X[:, :5].sum(axis=1) + rng.normal(size=N_ROWS) > 0
    frame = pd.DataFrame(KINDS[kind](X), columns=[f"x{n}" for n in range(n_columns)])
    separator = ";" if kind == "decimal_commas" else ","
    frame.assign(target=np.where(y, "yes", "no")).to_csv(path, index=False, sep=separator)
    return ["dataset=file", f"dataset.path={path}", "dataset.target=target"]


def train(choices: Sequence[str], directory: Path) -> dict[str, float]:
    """Train, and return the seconds of each step, and those of the whole command."""
    begin = perf_counter()
    command = [sys.executable, "-m", "src.train", *choices, f"hydra.run.dir={directory}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
    seconds: dict[str, float] = summary["seconds"]
    return {**seconds, COMMAND: perf_counter() - begin}


def load_and_check(path: Path) -> dict[str, float]:
    """Return the seconds of processor time of the steps before anything is fitted."""
    begin = process_time()
    table = data.load_file(str(path), "target")
    division = data.divide(table, data.StratifiedRows(0.2, 0), 1)
    data.describe_division(division)
    loaded = process_time()
    # Threads that wait for each other would count.
    with threadpool_limits(1):
        data.check(division, ChecksConfig(), seed=0)
    return dict(zip(BEFORE, (loaded - begin, process_time() - loaded), strict=True))


def print_kinds(kinds: Sequence[str], sizes: Sequence[int], home: Path) -> bool:
    """Time what is before fitting for each kind of cells; return whether one takes too long."""
    is_slow = False
    for n_columns in sizes:
        for kind in kinds:
            path = home / f"{kind}_{n_columns}.csv"
            make_table(n_columns, path, kind)
            make_table(20, narrow := home / "narrow.csv", kind)
            # A process of its own, so that no kind is helped by another.
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                # Of a narrow table first, for what is imported.
                pool.submit(load_and_check, narrow).result()
                seconds = pool.submit(load_and_check, path).result()
            path.unlink()
            before = sum(seconds.values())
            is_slow |= before > MAX_SECONDS_BEFORE
            steps = ", ".join(f"{step} {time:.1f}" for step, time in seconds.items())
            print(
                f"{N_ROWS} x {n_columns:,} {kind}: {steps}; before fitting {before:.1f} s",
                flush=True,
            )
    return is_slow


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=DESCRIPTION)
    parser.add_argument("--columns", type=int, nargs="*", default=[1_000, 5_000])
    parser.add_argument("--datasets", nargs="*", default=["breast_cancer"])
    parser.add_argument(
        "--kinds", nargs="*", choices=[*KINDS], help="kinds of cells, to load alone"
    )
    parser.add_argument("choices", nargs="*", default=["search=none"], help="of every run")
    asked = parser.parse_args()
    is_slow = False
    with TemporaryDirectory() as scratch:
        home = Path(scratch)
        if asked.kinds is not None:
            return int(print_kinds(asked.kinds or [*KINDS], asked.columns, home))
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
            of_command = share * seconds["total"] / seconds[COMMAND]
            print(
                f"{name}: {steps}; for people {share:.0%} of the steps, {of_command:.0%} of the"
                f" command; before fitting {before:.1f} s",
                flush=True,
            )
    return int(is_slow)


if __name__ == "__main__":
    raise SystemExit(main())
