"""Runs beside a busy neighbour, and with less than the whole machine, as ratios of quiet runs.

`python -m benchmarks.busy` trains each table quiet, beside a process on every core that never
rests, on one core (`taskset -c 0`), and in a control group with half a core. The kinds of a
repetition run in turn; the ratios are of medians. All runs of a table must have the same bytes.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter
from typing import NamedTuple

from benchmarks.many_classes import SHAPES, write_table
from benchmarks.measurement import CommandFailedError, neighbours
from benchmarks.verdict import print_verdict

# A run beside a process on every core gets half of each core at best.
MOST_TIMES_QUIET = 2.5
KINDS = ("quiet", "busy", "one core", "half a core")
QUOTA, PERIOD = 50_000, 100_000
GROUPS = Path("/sys/fs/cgroup")
# Rounds of active waiting; 300,000 is what GNU's library does by itself.
SPIN_COUNTS = (300_000, 10_000, 3_000, 1_000, 300, 0)
FIT = """
import sys, time
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
n_rows, n_columns = 40_000, 60
rng = np.random.default_rng(0)
X = rng.normal(size=(n_rows, n_columns))
y = X[:, 0] * X[:, 1] + X[:, 2] + rng.normal(size=n_rows) > 0
HistGradientBoostingClassifier(max_iter=2, early_stopping=False).fit(X, y)
start, used = time.perf_counter(), time.process_time()
HistGradientBoostingClassifier(max_iter=40, early_stopping=False).fit(X, y)
print(time.perf_counter() - start, time.process_time() - used)
"""
# Before figures are trusted, the machine should do nothing else.
MAX_IDLE_LOAD = 0.5


class Run(NamedTuple):
    """Seconds by the clock and of the processor, and a hash of the numbers."""

    seconds: float
    processor: float
    numbers: str


class DifferentNumbersError(Exception):
    """Runs of one table have different numbers."""

    def __init__(self, table: str, kinds: Sequence[str]) -> None:
        super().__init__(f"THE LAW IS BROKEN: {table}: other numbers in runs {', '.join(kinds)}")


@contextmanager
def half_a_core() -> Iterator[Path | None]:
    """Make a control group with half a core; None where it cannot be made."""
    for top in (GROUPS / "cpu", GROUPS):
        group = top / f"benchmark_{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / "cpu.cfs_quota_us").exists():
                (group / "cpu.cfs_period_us").write_text(str(PERIOD))
                (group / "cpu.cfs_quota_us").write_text(str(QUOTA))
            else:
                (group / "cpu.max").write_text(f"{QUOTA} {PERIOD}")
        except OSError:
            group.rmdir()
            continue
        try:
            yield group
        finally:
            _remove(group)
        return
    yield None


def _remove(group: Path) -> None:
    # The kernel lets go of the last process a moment after its end.
    end = monotonic() + 10
    while True:
        try:
            group.rmdir()
        except OSError:
            if monotonic() > end:
                raise
        else:
            return


def train(kind: str, words: Sequence[str], group: Path | None) -> Run:
    """Train once."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "src.train", *words, f"hydra.run.dir={folder}/run"]
        if kind == "one core":
            command = ["taskset", "-c", "0", *command]
        if kind == "half a core":
            # The shell enters the group, and becomes the command.
            enter = f'echo $$ > {group}/cgroup.procs && exec "$0" "$@"'
            command = ["sh", "-c", enter, *command]
        before, start = os.times(), perf_counter()
        # Results are in a file: a pipe ends only with the last worker that holds it.
        with Path(folder, "output").open("w+b") as output:
            ended = subprocess.run(command, stdout=output, stderr=output, check=False)
            seconds, after = perf_counter() - start, os.times()
            output.seek(0)
            text = output.read().decode(errors="replace")
        if ended.returncode != 0:
            raise CommandFailedError(command, ended.returncode, text)
        user, system = ("children_user", "children_system")
        processor = sum(getattr(after, each) - getattr(before, each) for each in (user, system))
        proba = Path(folder, "run", "predictions.parquet").read_bytes()
    return Run(seconds, processor, hashlib.sha256(proba).hexdigest())


def compare(table: str, words: Sequence[str], repetitions: int, group: Path | None) -> bool:
    """Print the kinds of runs of a table; return whether the target is met."""
    kinds = [kind for kind in KINDS if kind != "half a core" or group is not None]
    runs: dict[str, list[Run]] = {kind: [] for kind in kinds}
    for _ in range(repetitions):
        for kind in kinds:
            if kind == "busy":
                with neighbours():
                    runs[kind].append(train(kind, words, group))
            else:
                runs[kind].append(train(kind, words, group))
    print(f"\n{table}, medians of {repetitions}")
    print(f"  {'':<14}{'seconds':>9}{'processor':>11}{'times quiet':>13}")
    quiet = median(run.seconds for run in runs["quiet"])
    for kind in kinds:
        seconds, processor, _ = (median(column) for column in zip(*runs[kind], strict=True))
        print(f"  {kind:<14}{seconds:>9.1f}{processor:>11.1f}{seconds / quiet:>13.2f}", flush=True)
    numbers = {kind: {run.numbers for run in runs[kind]} for kind in kinds}
    if any(found != numbers["quiet"] or len(found) > 1 for found in numbers.values()):
        raise DifferentNumbersError(table, [k for k in kinds if numbers[k] != numbers["quiet"]])
    busy = median(run.seconds for run in runs["busy"])
    return print_verdict("times quiet when busy", busy / quiet, at_most=MOST_TIMES_QUIET)


def print_waiting(repetitions: int) -> None:
    """Print the seconds of a fit by spin count and threads, quiet and beside busy neighbours."""
    choices = [("1 thread", "1", 0), *((f"spin {n:,}", "2", n) for n in SPIN_COUNTS)]
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for _ in range(repetitions):
        for name, n_threads, n_rounds in choices:
            changed = {"OMP_NUM_THREADS": n_threads, "GOMP_SPINCOUNT": str(n_rounds)}
            for kind in ("quiet", "busy"):
                with neighbours() if kind == "busy" else nullcontext():
                    text = subprocess.check_output(
                        [sys.executable, "-c", FIT], env={**os.environ, **changed}
                    )
                found.setdefault((name, kind), []).append(tuple(map(float, text.split())))
    print(f"one fit of 40,000 rows and 60 columns, medians of {repetitions}: seconds, processor")
    print(f"  {'2 threads':<14}{'quiet':>18}{'busy':>18}")
    for name, *_ in choices:
        cells = [
            f"{median(run[0] for run in runs):>9.2f}{median(run[1] for run in runs):>9.2f}"
            for runs in (found[name, kind] for kind in ("quiet", "busy"))
        ]
        print(f"  {name:<14}{''.join(cells)}")


def main() -> int:
    """Print all; the exit code is 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    tables = ["adult", "credit-g", "breast_cancer", *SHAPES]
    parser.add_argument("--tables", nargs="+", choices=tables, default=tables)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--search", default="fast")
    parser.add_argument("--data-home", default="../shared/openml_home", help="OpenML downloads")
    parser.add_argument("--waiting", action="store_true", help="spin counts of a fit instead")
    options = parser.parse_args()
    if (load := os.getloadavg()[0]) > MAX_IDLE_LOAD:
        print(f"! this machine is busy (load average {load:.1f}): quiet runs are not quiet")
    if options.waiting:
        print_waiting(options.repetitions)
        return 0
    if shutil.which("taskset") is None:
        parser.error("taskset is missing (Debian: apt-get install util-linux)")
    met = []
    with tempfile.TemporaryDirectory() as folder, half_a_core() as group:
        if group is None:
            print("no control group can be made here (it takes root and a writable /sys/fs/cgroup)")
        for table in options.tables:
            words = [f"dataset={table}", f"search={options.search}"]
            if table in SHAPES:
                path = write_table(table, Path(folder))
                words[0] = f"dataset.path={path} dataset.target=label"
                words = [*words[0].split(" "), words[1]]
            elif table != "breast_cancer":
                words.append(f"dataset.data_home={options.data_home}")
            met.append(compare(table, words, options.repetitions, group))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
