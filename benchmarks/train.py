"""Compare training with a plain scikit-learn script that does the same work, and time `--help`.

Prints the cost of the framework next to the targets: `python -m benchmarks.train`.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks import command
from benchmarks.measurement import (
    MEASURE,
    CommandFailedError,
    Measurement,
    measure,
    require_child_lists,
)

MAX_TIME_RATIO, MAX_MEMORY_RATIO, MAX_HELP_RATIO = 1.15, 1.5, 1.0
N_HELP_REPETITIONS = 10

PLAIN_SEARCH = Path(__file__).with_name("plain_search.py")
TRAIN = [sys.executable, "-m", "src.train"]
IMPORT_HYDRA = [sys.executable, "-c", "import hydra"]

DESCRIPTION = """\
Measure wall time and peak memory of `python -m src.train search=classic` and of
benchmarks/plain_search.py, a plain scikit-learn script that does the same work, in turn;
then the time of `python -m src.train --help` and of `python -c "import hydra"`.

Both must find the same parameters and the same AUC, or the comparison is void (exit 1).
Run it from the project's root, on a machine that has nothing else to do.
"""


class VoidComparisonError(Exception):
    """Our training and the plain script did different work."""

    def __init__(self, differences: Sequence[str]) -> None:
        lines = "\n".join(f"  {difference}" for difference in differences)
        super().__init__(f"THE COMPARISON IS VOID: ours and plain did different work\n{lines}")


@dataclass(frozen=True)
class Outcome:
    """The result of a search, and its settings."""

    roc_auc: float
    accuracy: float
    best_params: dict[str, Any]
    n_candidates: int
    rungs: list[int]

    def differences(self, plain: "Outcome") -> list[str]:
        """Return what the plain script did or found differently."""
        pairs = {
            "AUC": (f"{self.roc_auc:.4f}", f"{plain.roc_auc:.4f}"),
            "best parameters": (self.best_params, plain.best_params),
            "candidates": (self.n_candidates, plain.n_candidates),
            "rows of the rungs": (self.rungs, plain.rungs),
        }
        return [
            f"{name}: ours {ours}, plain {other}"
            for name, (ours, other) in pairs.items()
            if ours != other
        ]


@dataclass(frozen=True)
class Repetition:
    """The figures of this project and of the plain script, measured one after the other."""

    ours: Measurement
    plain: Measurement
    outcome: Outcome
    workers: int


def run_repetition(dataset: str, data_home: str, directory: Path) -> Repetition:
    """Run this project, then the plain script with the same rungs and workers."""
    directory.mkdir()
    run = directory / "run"
    # The built-in table has no data_home, and conf/ refuses keys that a dataset does not have.
    home = [] if dataset == "breast_cancer" else [f"dataset.data_home={data_home}"]
    # The plain script has neither; benchmarks.evaluation measures them.
    bare = ["checks=none", "evaluation=minimal", "report=none"]
    choices = [f"dataset={dataset}", "search=classic", *bare, *home, f"hydra.run.dir={run}"]
    ours = measure([*TRAIN, *choices], directory)
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    outcome = Outcome(
        summary["metrics"]["roc_auc"],
        summary["metrics"]["accuracy"],
        *(summary[key] for key in ("best_params", "n_candidates", "rungs")),
    )
    arguments = {
        "dataset": dataset,
        "data-home": data_home,
        "min-resources": summary["rungs"][0],
        "workers": summary["workers"],
        "output": directory / "estimator.joblib",
    }
    options = [f"--{name}={value}" for name, value in arguments.items()]
    plain = measure([sys.executable, str(PLAIN_SEARCH), *options], directory)
    figures = json.loads((directory / "stdout.txt").read_text(encoding="utf-8"))
    differences = outcome.differences(Outcome(**figures))
    if differences:
        raise VoidComparisonError(differences)
    return Repetition(ours, plain, outcome, summary["workers"])


def compare_training(dataset: str, data_home: str, n_repetitions: int) -> None:
    """Print each repetition, the medians and their ratios."""
    print(f"{dataset}, search=classic; memory is the peak {MEASURE} of the process tree")
    command.warn_if_busy(command.load_average())
    print()
    print("                   seconds                     MiB")
    print("                 ours   plain   ratio     ours   plain   ratio")
    repetitions = []
    with TemporaryDirectory(prefix="benchmark_") as directory:
        for number in range(1, n_repetitions + 1):
            repetition = run_repetition(dataset, data_home, Path(directory) / str(number))
            repetitions.append(repetition)
            _print_row(f"repetition {number}", repetition.ours, repetition.plain)
    ours = _median([repetition.ours for repetition in repetitions])
    plain = _median([repetition.plain for repetition in repetitions])
    _print_row("median", ours, plain)
    last = repetitions[-1]
    print(f"\nboth: AUC={last.outcome.roc_auc:.4f} ACC={last.outcome.accuracy:.4f}", end=" ")
    print(f"best={last.outcome.best_params}")
    print(f"      {last.outcome.n_candidates} candidates,", end=" ")
    print(f"rungs of {', '.join(map(str, last.outcome.rungs))} rows, {last.workers} worker(s)\n")
    _print_verdict("time", ours.seconds / plain.seconds, MAX_TIME_RATIO)
    _print_verdict("memory", ours.peak_mib / plain.peak_mib, MAX_MEMORY_RATIO)


def _median(measurements: Sequence[Measurement]) -> Measurement:
    return Measurement(
        median(measurement.seconds for measurement in measurements),
        median(measurement.peak_mib for measurement in measurements),
    )


def _print_row(name: str, ours: Measurement, plain: Measurement) -> None:
    seconds = f"{ours.seconds:7.1f} {plain.seconds:7.1f} {ours.seconds / plain.seconds:7.2f}"
    mib = f"{ours.peak_mib:7.0f} {plain.peak_mib:7.0f} {ours.peak_mib / plain.peak_mib:7.2f}"
    print(f"{name:<14}{seconds}  {mib}", flush=True)


def _print_verdict(name: str, ratio: float, target: float) -> None:
    verdict = "met" if ratio <= target else "MISSED"
    print(f"{name:<8}ratio {ratio:.2f}, target at most {target:.2f}: {verdict}")


def compare_help() -> None:
    """Print the time of the help page, and of importing Hydra alone."""
    page, hydra = [], []
    for _ in range(N_HELP_REPETITIONS):
        page.append(seconds_of([*TRAIN, "--help"]))
        hydra.append(seconds_of(IMPORT_HYDRA))
    print(f"\nmedians of {N_HELP_REPETITIONS} repetitions: `python -m src.train --help`", end=" ")
    print(f'{median(page):.3f} s, `python -c "import hydra"` {median(hydra):.3f} s')
    _print_verdict("help", median(page) / median(hydra), MAX_HELP_RATIO)


def seconds_of(command: Sequence[str]) -> float:
    """Time a command that is too short to be sampled."""
    start = perf_counter()
    ended = subprocess.run(command, capture_output=True, check=False)
    seconds = perf_counter() - start
    if ended.returncode != 0:
        raise CommandFailedError(command, ended.returncode, ended.stderr.decode(errors="replace"))
    return seconds


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command.make_parser("train", DESCRIPTION)
    parser.add_argument(
        "--dataset",
        choices=["adult", "credit-g", "breast_cancer"],
        default="adult",
        help="the table, as in conf/dataset (default: adult, about a minute per repetition)",
    )
    parser.add_argument(
        "--repeats",
        metavar="N",
        type=int,
        default=3,
        help="how often both are run (default: 3)",
    )
    return command.parse(parser, "repeats")


def main() -> None:
    """Compare, and exit with a code of `exit_codes`."""
    arguments = parse_arguments()
    with command.exit_codes(CommandFailedError, VoidComparisonError):
        require_child_lists()
        if arguments.dataset != "breast_cancer":
            command.require_data_home(arguments.data_home)
        compare_training(arguments.dataset, arguments.data_home, arguments.repeats)
        compare_help()


if __name__ == "__main__":
    main()
