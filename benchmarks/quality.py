"""AutoML systems side by side: ours, AutoGluon and FLAML on 17 public tables.

    python -m benchmarks.quality --suite ../shared/datasets [--quick]

Every system gets the same files, seconds and cores, optimises the same metric (AUC for two classes,
log loss for more), reads the files in its own way, and has a process per fit and an environment of
its own, which is made at the first use. A fit that fails or is killed is a result. Each fit is a
line of the results file, and is not repeated: the same command goes on where it stopped. All takes
13 hours, `--quick` 15 minutes. Linux only. `python -m benchmarks.repeated_quality` has credit-g and
adult alone.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.suite.report import print_report
from benchmarks.suite.results import Key, append_result, read_results
from benchmarks.suite.systems import (
    LEAST_LIMIT,
    LIMIT_TIMES,
    ROOT,
    SYSTEMS,
    environment_of,
    order_of,
    run_fit,
)
from benchmarks.suite.tables import (
    N_FOLDS,
    Split,
    SuiteTable,
    load_table,
    splits_of,
    table_names,
    write_split,
)

BUDGET, QUICK_BUDGET = 60.0, 15.0
QUICK_SYSTEMS = ("auto", "none", "medium_quality")
N_SEEDS = 3
CACHE = ROOT / "data_cache"


def run_split(
    table: SuiteTable, split: Split, names: Sequence[str], turn: int, options: Any
) -> None:
    """Run what the results file does not have of a split."""
    done = read_results(options.results)
    keys = {name: Key(name, table.name, split.seed, split.fold, options.budget) for name in names}
    if all(key in done for key in keys.values()):
        return
    with TemporaryDirectory(prefix="quality_") as folder:
        files = write_split(table, split, Path(folder))
        for name in order_of(names, turn):
            if keys[name] in done:
                continue
            system, seconds = SYSTEMS[name], options.budget
            if system.like is not None:
                other = done.get(keys[name]._replace(system=system.like), {})
                if "seconds" not in other:
                    print(f"{table.name}: {name} waits for a result of {system.like}", flush=True)
                    continue
                seconds = min(seconds, other["seconds"])
            python = environment_of(system.package, options.environments)
            limit = max(LIMIT_TIMES * options.budget, LEAST_LIMIT)
            found = run_fit(system, python, files, seconds, limit)
            found |= {
                "allowed": seconds,
                "test_share": split.test_share,
                "metric": table.metric,
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "n_cores": os.cpu_count(),
            }
            append_result(options.results, keys[name], found)
            done[keys[name]] = found
            shown = found.get("error") or "  ".join(
                f"{what} {found[what]:.4f}" for what in ("auc", "log_loss", "seconds")
            )
            print(f"{table.name} {split.seed}.{split.fold} {name}: {shown}", flush=True)


def parse_options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--suite", type=Path, default=Path("../shared/datasets"), help="the tables and index.csv")
    add("--data-home", type=Path, default=Path("../shared/openml_home"), help="OpenML downloads")
    add("--results", type=Path, help="default data_cache/quality.jsonl; quick: quality_quick.jsonl")
    add("--environments", type=Path, default=CACHE / "environments", help="where they are made")
    add("--systems", nargs="+", choices=list(SYSTEMS), help="default all")
    add("--tables", nargs="+", help="default all")
    add("--seeds", type=int, help=f"default {N_SEEDS}")
    add("--folds", type=int, help=f"outer folds of a seed, at most; default {N_FOLDS}")
    add("--budget", type=float, help=f"seconds of a fit; default {BUDGET:g}")
    add("--quick", action="store_true", help=f"one split, {QUICK_BUDGET:g} s, {QUICK_SYSTEMS}")
    add("--report", action="store_true", help="only print what the results file has")
    options = parser.parse_args(words)
    quick = options.quick
    options.systems = options.systems or list(QUICK_SYSTEMS if quick else SYSTEMS)
    options.seeds = options.seeds or (1 if quick else N_SEEDS)
    options.folds = options.folds or (1 if quick else N_FOLDS)
    options.budget = options.budget or (QUICK_BUDGET if quick else BUDGET)
    name = "quality_quick.jsonl" if quick else "quality.jsonl"
    options.results = (options.results or CACHE / name).absolute()
    options.environments = options.environments.absolute()
    known = table_names(options.suite)
    options.tables = options.tables or known
    unknown = [table for table in options.tables if table not in known]
    if unknown:
        parser.error(f"unknown tables {unknown}; known: {known}")
    return options


def main() -> int:
    """Measure and print; the exit code is 1 where a target is missed."""
    options = parse_options()
    # So that a running fit is killed as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    turn = 0
    for name in options.tables if not options.report else ():
        table = load_table(name, options.suite, options.data_home)
        for split in splits_of(table, options.seeds, options.folds):
            run_split(table, split, options.systems, turn, options)
            turn += 1
    results = [
        result
        for key, result in read_results(options.results).items()
        if key.budget == options.budget
        and key.system in options.systems
        and key.table in options.tables
        and key.seed < options.seeds
        and key.fold < options.folds
    ]
    if not results:
        print(f"no results in {options.results}")
        return 1
    return 0 if print_report(results, options.systems) else 1


if __name__ == "__main__":
    sys.exit(main())
