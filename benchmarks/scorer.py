"""The exported scorer compared with its pipeline: `python -m benchmarks.scorer`.

Prints for each model the time of a single row, rows per second in a batch, and the largest
difference of probabilities.
"""

import argparse
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import joblib
import numpy as np

from benchmarks.adult import load_features, train
from benchmarks.command import DATA_HOME
from tabproof.artifacts import read_verified
from tabproof.scorer import read_scorer
from tabproof.scorer.export.parity import columns_of

MODELS = {
    "boosting, native": [],
    "boosting, one-hot": ["preprocess=onehot"],
    "logistic regression": ["model=logistic_regression"],
    "100 deep trees": ["model=random_forest", "model.estimator.n_estimators=100"],
}
N_ROWS_ALONE, N_ROWS, N_REPETITIONS = 300, 50_000, 5


def compare(name: str, overrides: list[str], run: Path, data_home: str) -> None:
    """Train a model, and print one line of figures."""
    train(run, data_home, *overrides)
    pipeline = joblib.load(run / "estimator.joblib").pipeline
    files = read_verified(run, lambda file: file.startswith("scorer/")).files
    start = perf_counter()
    scorer = read_scorer(files)
    loading = perf_counter() - start
    features = load_features(data_home)
    frame = features.iloc[np.resize(np.arange(len(features)), N_ROWS)].reset_index(drop=True)
    texts = frame.select_dtypes(["category", "object", "string"]).columns
    frame = frame.astype(dict.fromkeys(texts, "object")).astype(dict.fromkeys(texts, "category"))
    columns = columns_of(scorer, frame)
    rows = list(zip(*(column[:N_ROWS_ALONE].tolist() for column in columns), strict=True))
    alone = median(_seconds(lambda row=row: scorer.predict_row(row)) for row in rows)
    ours = median(_seconds(lambda: scorer.predict_proba(columns)) for _ in range(N_REPETITIONS))
    theirs = median(_seconds(lambda: pipeline.predict_proba(frame)) for _ in range(N_REPETITIONS))
    apart = np.abs(scorer.predict_proba(columns) - pipeline.predict_proba(frame)).max()
    print(
        f"{name:<20}{1000 * loading:9.1f}{1e6 * alone:10.1f}{N_ROWS / ours:14,.0f}"
        f"{N_ROWS / theirs:14,.0f}{apart:12.1e}",
        flush=True,
    )


def _seconds(work: object) -> float:
    start = perf_counter()
    work()  # type: ignore[operator]
    return perf_counter() - start


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser("python -m benchmarks.scorer", description=__doc__)
    parser.add_argument("--data-home", default=DATA_HOME, metavar="DIRECTORY")
    arguments = parser.parse_args()
    if not Path(arguments.data_home).is_dir():
        print(f"error: --data-home={arguments.data_home} is no directory", file=sys.stderr)
        return 2
    # As the service and src.score do: glibc then keeps freed memory.
    np.empty(24 * 2**20, np.uint8)
    print("adult               load, ms   row, us   rows/s, ours      pipeline       apart")
    with TemporaryDirectory(prefix="benchmark_") as directory:
        for number, (name, overrides) in enumerate(MODELS.items()):
            compare(name, overrides, Path(directory) / str(number), arguments.data_home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
