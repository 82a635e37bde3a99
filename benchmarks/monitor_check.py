"""Check a log of ten million rows, and take a million labels into it.

Prints times, peak memory and targets: `python -m benchmarks.monitor_check`. Linux only.
"""

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import joblib
import numpy as np
import pandas as pd

from benchmarks.adult import POSITIVE, load_features, train
from benchmarks.command import DATA_HOME
from benchmarks.verdict import print_verdict
from tabproof import artifacts
from tabproof.prediction_log import layout

ROWS, LABELS = 10_000_000, 1_000_000
MAX_SECONDS, MAX_SECONDS_OF_LABELS, MAX_PEAK_MB = 60, 30, 500
DAYS, FILES_A_DAY = 28, 10
NEGATIVE = "<=50K"
MB_PER_KIB = 1024 / 1e6

# The highest memory of a process counts that of the one that started it: a small one does.
SMALL_PARENT = """
import os, sys, time
start = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
seconds = time.perf_counter() - start
print(os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss, file=sys.stderr)
"""

DESCRIPTION = """\
Train a model on adult (14 columns), make a log of answers of four weeks that it might have given,
and measure whole processes of `python -m src.monitor labels` and `python -m src.monitor check`,
with and without labels. Run it from the project's root, on a machine that has nothing else to do.
"""


@dataclass(frozen=True)
class Measured:
    """A process: its time, its highest resident memory, its exit code and its output."""

    seconds: float
    peak_mb: float
    code: int
    output: str


def measure(directory: Path, *words: str) -> Measured:
    """Run `python -m src.monitor …` to its end."""
    command = [sys.executable, "-m", "src.monitor", *words]
    output = directory / "output.txt"
    with output.open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-S", "-c", SMALL_PARENT, *command],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    *errors, figures = done.stderr.splitlines()
    code, seconds, kib = figures.split()
    return Measured(
        float(seconds), int(kib) * MB_PER_KIB, int(code), "\n".join([output.read_text(), *errors])
    )


def make_log(log: Path, run: Path, data_home: str, n_rows: int) -> None:
    """Write a log of answers that a run might have given in the last four weeks."""
    features = load_features(data_home)
    proba = joblib.load(run / "estimator.joblib").predict_proba(features)[:, 1]
    given = artifacts.read_complete_run(run)
    frame = pd.DataFrame({f"{layout.FEATURE}{name}": features[name] for name in features})
    for name, column in frame.items():
        is_number = pd.api.types.is_numeric_dtype(column.dtype)
        frame[name] = column.astype("float64") if is_number else column.astype(object)
    frame["p"], frame["place"] = proba, np.arange(len(frame))
    end = datetime.now(UTC) - timedelta(minutes=1)
    begin = end - timedelta(days=DAYS)
    n_files = DAYS * FILES_A_DAY
    # In microseconds.
    origin, step = (
        int(begin.timestamp() * 1e6),
        timedelta(days=DAYS) / timedelta(microseconds=n_rows),
    )
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '2GB'")
        connection.register("adult", frame)
        connection.execute("CREATE TABLE known AS SELECT * FROM adult")
        columns = ", ".join(f'k."{name}"' for name in frame if name.startswith(layout.FEATURE))
        for number in range(n_files):
            first, last = (n * n_rows // n_files for n in (number, number + 1))
            when = begin + (end - begin) * number / n_files
            folder = log / layout.predictions_folder(when.date(), "adult")
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / layout.segment_name(when, "0123abcd", number)
            connection.execute(f"""
                COPY (SELECT
                    make_timestamp({origin} + (r.i * {step})::BIGINT)::TIMESTAMPTZ AS time,
                    substr(md5(r.i::VARCHAR), 1, 16) AS request_id, 0::INTEGER AS row,
                    '{given.run_id}' AS run_id, 'champion' AS role,
                    {given.summary.threshold or "NULL::DOUBLE"} AS threshold,
                    CASE WHEN k.p > {given.summary.threshold or 0.5}
                        THEN '{POSITIVE}' ELSE '{NEGATIVE}' END AS label,
                    1 - k.p AS "proba_{NEGATIVE}", k.p AS "proba_{POSITIVE}",
                    CASE WHEN r.i % 50 = 0 THEN '["out_of_range:age"]' END AS warnings, {columns}
                    FROM (SELECT range AS i FROM range({first}, {last})) AS r
                    JOIN known AS k ON k.place = hash(r.i) % {len(frame)} ORDER BY r.i)
                TO '{path}' (FORMAT parquet, COMPRESSION zstd)""")


def make_labels(path: Path, log: Path, n_rows: int) -> None:
    """Write true labels of the newest rows as CSV, as likely as their probabilities say."""
    with duckdb.connect() as connection:
        connection.execute(f"""
            COPY (SELECT request_id, row, CASE WHEN (hash(request_id, 1) % 1000000) / 1e6
                < "proba_{POSITIVE}" THEN '{POSITIVE}' ELSE '{NEGATIVE}' END AS label,
                time + INTERVAL 1 day AS at
                FROM read_parquet('{log}/predictions/**/*.parquet') ORDER BY time DESC
                LIMIT {n_rows}) TO '{path}' (HEADER)""")


def main() -> int:
    """Measure, print, and return the exit code: 0 if all targets are met."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-home", default=DATA_HOME, help="scikit-learn's, with adult")
    parser.add_argument("--rows", type=int, default=ROWS, help="of the log (%(default)s)")
    parser.add_argument("--labels", type=int, default=LABELS, help="lines (%(default)s)")
    parser.add_argument("--keep", type=Path, help="make all of it there, or use what is there")
    parser.add_argument("--show", action="store_true", help="show what the commands print")
    options = parser.parse_args()
    with TemporaryDirectory() as temporary:
        place = options.keep or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        outputs, log = place / "outputs", place / "log"
        run = outputs / "2026-11-01" / "12-00-00_adult_none_0123"
        if not artifacts.is_complete(run):
            train(run, options.data_home, "report=none", "evaluation=minimal")
        if not log.exists():
            make_log(log, run, options.data_home, options.rows)
        # Of an earlier measurement.
        shutil.rmtree(log / layout.LABELS, ignore_errors=True)
        labels = place / "labels.csv"
        if not labels.exists():
            make_labels(labels, log, options.labels)
        where = ["--log", str(log)]
        asked = [*where, "--outputs", str(outputs), "--since", f"{DAYS}d"]
        figures = [
            ("check", measure(place, "check", *asked), MAX_SECONDS),
            ("labels", measure(place, "labels", str(labels), *where), MAX_SECONDS_OF_LABELS),
            ("check with labels", measure(place, "check", *asked), MAX_SECONDS),
        ]
    are_met = True
    for name, found, limit in figures:
        print(f"{name}: exit code {found.code}")
        if options.show:
            print(found.output)
        are_met &= print_verdict("seconds", found.seconds, at_most=limit)
        are_met &= print_verdict("peak memory (MB)", found.peak_mb, at_most=MAX_PEAK_MB)
    return 0 if are_met else 1


if __name__ == "__main__":
    sys.exit(main())
