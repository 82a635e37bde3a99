"""Our search compared with scikit-learn's HalvingGridSearchCV, on the classic pipeline and grid.

`python -m benchmarks.search` takes five minutes; `--scaling` adds the growth with rows and
candidates. Both sides run in processes of their own, in turn; only the search is timed.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.measurement import MEASURE, measure
from benchmarks.one_search import ENGINES
from benchmarks.verdict import print_verdict
from tabproof.runtime.process import environment
from tabproof.runtime.threads import BLAS_VARIABLES, waiting_variables

# Times faster than scikit-learn's halving with its defaults: one process, OpenMP threads.
TARGETS = {"adult": 6.0, "credit-g": 8.0, "breast_cancer": 6.0}
LEAST_AUC = 0.9275
TIMES = (1, 3, 10)


def run(engine: str, dataset: str, *options: str) -> dict[str, Any]:
    """Run one search; return its figures and the peak memory of its processes in MiB."""
    words = ["--engine", engine, "--dataset", dataset, *options]
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "benchmarks.one_search", *words]
        # Set by `train` before the libraries are loaded; one_search has loaded them by then.
        is_ours = engine == "rungs"
        limits = {**dict.fromkeys(BLAS_VARIABLES, "1"), **waiting_variables()} if is_ours else {}
        with environment(limits):
            measured = measure(command, Path(directory))
        text = Path(directory, "stdout.txt").read_text(encoding="utf-8")
    figures: dict[str, Any] = json.loads(text.splitlines()[-1])
    return {**figures, "mib": measured.peak_mib}


def compare(dataset: str, repetitions: int, home: Sequence[str]) -> bool:
    """Print both engines on a dataset, and whether the targets are met."""
    found: dict[str, list[dict[str, Any]]] = {engine: [] for engine in ENGINES}
    for _ in range(repetitions):
        for engine in ENGINES:
            found[engine].append(run(engine, dataset, *home))
    print(f"\n{dataset}, medians of {repetitions}")
    print(f"  {'engine':<22}{'seconds':>9}{'fits alone':>11}{'test AUC':>10}{MEASURE + ' MiB':>9}")
    for engine, runs in found.items():
        seconds, fits, mib = (median(one[k] for one in runs) for k in ("seconds", "fits", "mib"))
        print(f"  {engine:<22}{seconds:>9.2f}{fits:>11.2f}{runs[0]['auc']:>10.4f}{mib:>9.0f}")
        print(f"      best {runs[0]['best']}")
    ours, plain = found["rungs"], found["halving"]

    def ratio(other: list[dict[str, Any]]) -> float:
        return median(one["seconds"] for one in other) / median(one["seconds"] for one in ours)

    two = found["halving, 2 processes"]
    print(f"  compared with halving with 2 processes: {ratio(two):.1f} times faster")
    verdicts = [print_verdict("times faster", ratio(plain), at_least=TARGETS[dataset])]
    floor = median(one["fits"] for one in ours) / 2
    print(f"  lower bound, the fits alone on two cores: {floor:.2f} s")
    # Compared with as many processes: of one process, Python itself takes most of the memory.
    peak, others = (max(one["mib"] for one in runs) for runs in (ours, two))
    allowed = others + ours[0]["folds_mib"]
    print(f"  allowed: halving's {others:.0f} MiB and {ours[0]['folds_mib']:.0f} of folds")
    verdicts.append(print_verdict("peak memory, MiB", peak, at_most=allowed))
    if dataset == "adult":
        verdicts.append(print_verdict("test AUC", ours[0]["auc"], at_least=LEAST_AUC))
    return all(verdicts)


def print_scaling(dataset: str, home: Sequence[str]) -> None:
    """Print how our search grows, and the slope on a log-log scale."""
    for what in ("rows", "candidates"):
        print(f"\n{dataset}, times as many {what}")
        seconds = []
        for times in TIMES:
            figures = run("rungs", dataset, f"--{what}", str(times), *home)
            seconds.append(figures["seconds"])
            print(
                f"  x{times:<4}{figures['seconds']:>9.1f} s{figures['mib']:>9.0f} MiB", flush=True
            )
        slope = np.polyfit(np.log(TIMES), np.log(seconds), 1)[0]
        print(f"  slope {slope:.2f} (1: in proportion)")


def main() -> int:
    """Print all; the exit code is 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--data-home", default="../shared/openml_home", help="OpenML downloads")
    parser.add_argument("--scaling", action="store_true", help="also rows and candidates times 10")
    options = parser.parse_args()
    home = ["--data-home", options.data_home]
    met = [compare(dataset, options.repetitions, home) for dataset in options.datasets]
    if options.scaling:
        print_scaling("adult", home)
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
