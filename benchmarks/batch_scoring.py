"""Score a million rows, and compare with a plain script that uses pandas and scikit-learn.

Prints times, peak memory and targets: `python -m benchmarks.batch_scoring`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq

from benchmarks import command
from benchmarks.adult import POSITIVE, load_features, train
from benchmarks.answers import TOLERANCE
from benchmarks.measurement import (
    MEASURE,
    CommandFailedError,
    Measurement,
    measure,
    require_child_lists,
)
from benchmarks.verdict import print_verdict

MIN_SPEED_UP = {"native": 3, "onehot": 5}
MAX_PEAK_MB = 300
MB_PER_MIB = 2**20 / 1e6
PROBA = f"proba_{POSITIVE}"

DESCRIPTION = """\
Measure wall time and peak memory of `python -m src.score` and of benchmarks/plain_scoring.py,
which reads, scores and writes in chunks of 50,000 rows with pandas and scikit-learn, in turn:
whole processes, on adult's rows repeated to a million in one Parquet file.

Both must write the same probabilities, or the comparison is void (exit 1). Run it from the
project's root, on a machine that has nothing else to do.
"""


class DifferentAnswersError(Exception):
    """Our scores and those of the plain script are different."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"THE COMPARISON IS VOID: {reason}")


def write_rows(path: Path, data_home: str, n_rows: int) -> Path:
    """Repeat adult to n_rows, with categories as text, as most tools write them."""
    features = load_features(data_home)
    categories = features.select_dtypes("category").columns
    repeated = features.astype(dict.fromkeys(categories, "str")).iloc[
        np.arange(n_rows) % len(features)
    ]
    repeated.to_parquet(path, index=False)
    return path


def compare_scoring(preprocess: str, arguments: argparse.Namespace, rows: Path) -> None:
    """Print each repetition, the medians and the targets."""
    directory = rows.parent / preprocess
    run = train(directory / "run", arguments.data_home, f"preprocess={preprocess}")
    print(f"\n{preprocess:<16}   seconds                     MB")
    print("                 ours   plain   ratio     ours   plain")
    ours, plain = [], []
    for number in range(1, arguments.repeats + 1):
        ours.append(measure(_our_command(run, rows, directory / "ours.parquet"), directory))
        plain.append(measure(_plain_command(run, rows, directory / "plain.parquet"), directory))
        _refuse_differences(directory / "ours.parquet", directory / "plain.parquet")
        _print_row(f"repetition {number}", ours[-1], plain[-1])
    our_median, plain_median = _median(ours), _median(plain)
    _print_row("median", our_median, plain_median)
    speed_up = plain_median.seconds / our_median.seconds
    print_verdict("times faster", speed_up, at_least=MIN_SPEED_UP[preprocess])
    highest = max(measurement.peak_mib for measurement in ours) * MB_PER_MIB
    print_verdict("peak MB", highest, at_most=MAX_PEAK_MB)


def _our_command(run: Path, rows: Path, output: Path) -> list[str]:
    # A second run must not find the output of the first.
    output.unlink(missing_ok=True)
    choices = [f"run={run}", f"input={rows}", f"output={output}"]
    return [sys.executable, "-m", "src.score", *choices]


def _plain_command(run: Path, rows: Path, output: Path) -> list[str]:
    options = [f"--run={run}", f"--input={rows}", f"--output={output}"]
    return [sys.executable, "-m", "benchmarks.plain_scoring", *options]


def _refuse_differences(ours: Path, plain: Path) -> None:
    names = pq.read_schema(ours).names
    if PROBA not in names:
        raise DifferentAnswersError(f"ours has no column {PROBA!r}, but {names}")
    our_proba, plain_proba = (
        pq.read_table(path, columns=[PROBA])[PROBA].to_numpy() for path in (ours, plain)
    )
    if our_proba.shape != plain_proba.shape:
        raise DifferentAnswersError(f"{len(our_proba):,} rows, plain {len(plain_proba):,}")
    # Not `>`: NaN must fail.
    if not (difference := np.abs(our_proba - plain_proba).max()) <= TOLERANCE:
        raise DifferentAnswersError(f"probabilities differ by up to {difference:.2g}")


def _median(measurements: Sequence[Measurement]) -> Measurement:
    return Measurement(
        median(measurement.seconds for measurement in measurements),
        median(measurement.peak_mib for measurement in measurements),
    )


def _print_row(name: str, ours: Measurement, plain: Measurement) -> None:
    seconds = f"{ours.seconds:7.1f} {plain.seconds:7.1f} {plain.seconds / ours.seconds:7.2f}"
    megabytes = f"{ours.peak_mib * MB_PER_MIB:7.0f} {plain.peak_mib * MB_PER_MIB:7.0f}"
    print(f"{name:<14}{seconds}  {megabytes}", flush=True)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command.make_parser("batch_scoring", DESCRIPTION)
    option = parser.add_argument
    option("--only", nargs="+", choices=MIN_SPEED_UP, help="score with these models alone")
    option("--rows", type=int, default=1_000_000, help="to be scored (default: %(default)s)")
    option("--repeats", type=int, default=3, help="how often both run (default: %(default)s)")
    return command.parse(parser, "rows", "repeats")


def main() -> None:
    """Compare, and exit with a code of `exit_codes`."""
    arguments = parse_arguments()
    with command.exit_codes(CommandFailedError, DifferentAnswersError):
        require_child_lists()
        command.require_data_home(arguments.data_home)
        print(f"adult, {arguments.rows:,} rows; memory is the peak {MEASURE} of the process tree")
        command.warn_if_busy(command.load_average())
        with TemporaryDirectory(prefix="benchmark_") as directory:
            rows = write_rows(Path(directory, "in.parquet"), arguments.data_home, arguments.rows)
            for preprocess in arguments.only or MIN_SPEED_UP:
                compare_scoring(preprocess, arguments, rows)


if __name__ == "__main__":
    main()
