"""Merge the files of a service that was asked all day, and check the log before and after.

Prints times, peak memory and targets: `python -m benchmarks.monitor_compact`. Linux only.
"""

import argparse
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
from arro3.core import RecordBatch

from benchmarks.adult import POSITIVE, load_features, train
from benchmarks.command import DATA_HOME
from benchmarks.monitor_check import NEGATIVE, measure
from benchmarks.verdict import print_verdict
from tabproof import artifacts
from tabproof.prediction_log import layout, segments

FILES, ROWS = 17_000, 60
MAX_SECONDS, MAX_PEAK_MB, MAX_CHECK_SECONDS = 60, 400, 10

DESCRIPTION = """\
Train a model on adult (14 columns), write the files that a service makes of a day, one every five
seconds, with the code of the service, and measure whole processes of `python -m src.monitor check`,
`python -m src.monitor compact`, and `check` again. Run it from the project's root, on a machine
that has nothing else to do.
"""


def make_log(log: Path, run: Path, data_home: str, n_files: int, n_rows: int) -> None:
    """Write the files of one day, three days ago; n_rows: of each file."""
    features = load_features(data_home)
    proba = joblib.load(run / "estimator.joblib").predict_proba(features)[:, 1]
    given = artifacts.read_complete_run(run)
    places = np.random.default_rng(0).integers(0, len(features), n_files * n_rows)
    threshold = given.summary.threshold or 0.5
    begin = datetime.combine(datetime.now(UTC).date() - timedelta(days=3), time(), UTC)
    step = timedelta(days=1) / len(places)
    n = len(places)
    columns = {
        layout.TIME: pa.array(
            np.datetime64(begin.replace(tzinfo=None), "us") + np.arange(n) * np.timedelta64(step)
        ).cast(pa.timestamp("us", "UTC")),
        layout.REQUEST_ID: pa.array([f"{number * 2654435761 % 2**64:016x}" for number in range(n)]),
        layout.ROW: pa.array(np.zeros(n), pa.int32()),
        layout.RUN_ID: pa.array([given.run_id] * n),
        layout.ROLE: pa.array(["champion"] * n),
        layout.THRESHOLD: pa.array(np.full(n, threshold)),
        layout.LABEL: pa.array(np.where(proba[places] > threshold, POSITIVE, NEGATIVE).tolist()),
        f"{layout.PROBABILITY}{NEGATIVE}": pa.array(1 - proba[places]),
        f"{layout.PROBABILITY}{POSITIVE}": pa.array(proba[places]),
        layout.WARNINGS: pa.array([None] * n, pa.string()),
    }
    for name in features:
        column = features[name].iloc[places]
        is_number = pd.api.types.is_numeric_dtype(column.dtype)
        kind = pa.float64() if is_number else pa.string()
        columns[f"{layout.FEATURE}{name}"] = pa.array(
            column.astype("float64" if is_number else object), kind, from_pandas=True
        )
    (batch,) = pa.table(columns).combine_chunks().to_batches()
    folder = log / layout.predictions_folder(begin.date(), "adult")
    folder.mkdir(parents=True)
    for number in range(n_files):
        part = batch.slice(number * n_rows, n_rows)
        name = layout.segment_name(begin + number * n_rows * step, "0123456789ab", number)
        (folder / name).write_bytes(segments.encode([RecordBatch.from_arrow(part)]))


def main() -> int:
    """Measure, print, and return the exit code: 0 if all targets are met."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-home", default=DATA_HOME, help="scikit-learn's, with adult")
    parser.add_argument("--files", type=int, default=FILES, help="of the day (%(default)s)")
    parser.add_argument("--rows", type=int, default=ROWS, help="of each file (%(default)s)")
    options = parser.parse_args()
    with TemporaryDirectory() as temporary:
        place = Path(temporary)
        outputs, log = place / "outputs", place / "log"
        run = outputs / "2026-11-01" / "12-00-00_adult_none_0123"
        train(run, options.data_home, "report=none", "evaluation=minimal")
        make_log(log, run, options.data_home, options.files, options.rows)
        where = ["--log", str(log)]
        asked = ["check", *where, "--outputs", str(outputs)]
        figures = [
            ("check before", measure(place, *asked), None),
            ("compact", measure(place, "compact", *where), MAX_SECONDS),
            ("check after", measure(place, *asked), MAX_CHECK_SECONDS),
            ("compact again", measure(place, "compact", *where), None),
        ]
    are_met = figures[0][1].code == figures[2][1].code
    for name, found, limit in figures:
        print(f"{name}: exit code {found.code}, {found.seconds:.1f} s, {found.peak_mb:.0f} MB")
        if name.startswith("compact"):
            print(f"  {found.output.strip()}")
            are_met &= print_verdict("peak memory (MB)", found.peak_mb, at_most=MAX_PEAK_MB)
        if limit is not None:
            are_met &= print_verdict("seconds", found.seconds, at_most=limit)
    return 0 if are_met else 1


if __name__ == "__main__":
    sys.exit(main())
