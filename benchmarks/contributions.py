"""The time of contributions compared with predictions: `python -m benchmarks.contributions`.

Prints for each model: the time to prepare it once, the time of a single row and the rows per second
of a batch, each with and without contributions, and the largest difference between the sum of the
contributions and the probability. Times are CPU seconds of one thread.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np

from benchmarks.adult import load_features, train
from benchmarks.command import DATA_HOME
from tabproof.artifacts import read_verified
from tabproof.scorer import read_scorer
from tabproof.scorer.export.parity import columns_of

MODELS = {
    "boosting, native": [],
    "boosting, one-hot": ["preprocess=onehot"],
    "boosting, 300 rounds": [
        "+model.estimator.max_iter=300",
        "+model.estimator.early_stopping=false",
    ],
    "logistic regression": ["model=logistic_regression"],
    "100 trees, 64 leaves": [
        "model=random_forest",
        "model.estimator.n_estimators=100",
        "+model.estimator.max_leaf_nodes=64",
    ],
    "100 deep trees": ["model=random_forest", "model.estimator.n_estimators=100"],
}
N_ROWS_ALONE, N_ROWS, N_REPETITIONS = 100, 8_192, 3
# For slow models.
MOST_SECONDS = 20.0


def measure(name: str, overrides: list[str], run: Path, data_home: str) -> None:
    """Train a model, and print one line of figures."""
    train(run, data_home, *overrides)
    files = read_verified(run, lambda file: file.startswith("scorer/")).files
    scorer = read_scorer(files)
    preparing = _seconds(lambda: scorer.explainer)
    columns = columns_of(scorer, load_features(data_home).iloc[:N_ROWS])
    proba = scorer.predict_proba(columns)
    rows = list(zip(*(column[:N_ROWS_ALONE].tolist() for column in columns), strict=True))

    def explain_row(row: tuple[float, ...]) -> None:
        predicted = np.array([scorer.predict_row(row)])
        scorer.contributions([np.array([value]) for value in row], predicted)

    explained_alone = median(_seconds(lambda row=row: explain_row(row)) for row in rows)
    alone = median(_seconds(lambda row=row: scorer.predict_row(row)) for row in rows)
    n_rows = max(1, min(N_ROWS, int(MOST_SECONDS / N_REPETITIONS / explained_alone)))
    some, predicted = [column[:n_rows] for column in columns], proba[:n_rows]
    explained = median(
        _seconds(lambda: scorer.contributions(some, predicted)) for _ in range(N_REPETITIONS)
    )
    plain = median(_seconds(lambda: scorer.predict_proba(columns)) for _ in range(N_REPETITIONS))
    found = scorer.contributions(some, predicted)
    positive = found.scores
    if found.scale == "log_odds":
        positive = 1 / (1 + np.exp(-found.scores))
    apart = np.abs(positive - predicted[:, 1]).max()
    print(
        f"{name:<22}{1e3 * preparing:9.0f}{1e3 * explained_alone:10.2f}{1e3 * alone:9.3f}"
        f"{n_rows / explained:12,.0f}{N_ROWS / plain:12,.0f}{apart:11.1e}",
        flush=True,
    )


def _seconds(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser("python -m benchmarks.contributions", description=__doc__)
    parser.add_argument("--data-home", default=DATA_HOME, metavar="DIRECTORY")
    arguments = parser.parse_args()
    if not Path(arguments.data_home).is_dir():
        print(f"error: --data-home={arguments.data_home} is no directory", file=sys.stderr)
        return 2
    # As the service and src.score do: glibc then keeps freed memory.
    np.empty(24 * 2**20, np.uint8)
    print("adult                 prepare,  row, ms        -     rows/s,          -      apart")
    print("                           ms  explained   plain   explained      plain")
    with TemporaryDirectory(prefix="benchmark_") as directory:
        for number, (name, overrides) in enumerate(MODELS.items()):
            measure(name, overrides, Path(directory) / str(number), arguments.data_home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
