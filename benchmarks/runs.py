"""The time of `list` and `leaderboard` on 10,000 runs: `python -m benchmarks.runs`.

Run directories as after a month of work, nine in ten of them complete. Manifest, summary and
Hydra's files are real; the other files are left out. The first, cold list makes the index.
"""

import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.measurement import measure
from benchmarks.verdict import print_verdict
from tabproof.artifacts.manifest import seal
from tabproof.artifacts.record import DataFingerprint, Summary

N_RUNS = 10_000
N_DAYS = 30
DATASETS = ("builtin_breast_cancer", "openml_adult", "openml_credit-g")
MOST_SECONDS = 2.0
N_TIMES = 3
ROOT = Path(__file__).parents[1]


def main() -> None:
    """Make runs, and list them cold and warm."""
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else N_RUNS
    with TemporaryDirectory() as directory:
        here = Path(directory)
        start = perf_counter()
        for number in range(n_runs):
            make_run(here / "outputs", number)
        print(f"{n_runs:,} run directories made in {perf_counter() - start:.0f} s", flush=True)
        met = [measure_command(here, verb) for verb in ("list", "leaderboard")]
    sys.exit(0 if all(met) else 1)


def measure_command(here: Path, verb: str) -> bool:
    """Measure a command from start to end, without an index and with it."""
    (here / "outputs" / ".index.json").unlink(missing_ok=True)
    cold, *warm = (seconds(here, verb) for _ in range(1 + N_TIMES))
    print(f"  {verb + ', cold':<26}{cold:10.2f}")
    return print_verdict(f"{verb}, warm", sorted(warm)[N_TIMES // 2], at_most=MOST_SECONDS)


def seconds(here: Path, verb: str) -> float:
    """Return the seconds of one command in a process of its own."""
    os.environ["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "src.runs", verb, "--outputs", str(here / "outputs")]
    return measure(command, here).seconds


def make_run(outputs: Path, number: int) -> None:
    """Make the directory of a small run, or of one that failed."""
    dataset, search = DATASETS[number % 3], ("fast", "full")[number % 2]
    day, hour, second = number % N_DAYS + 1, number // 3600 % 24, number % 3600
    time = f"{hour:02}-{second // 60:02}-{second % 60:02}"
    run = outputs / f"2026-11-{day:02}" / f"{time}_{dataset}_{search}_{number:08x}"
    (run / ".hydra").mkdir(parents=True)
    overrides = f"- dataset={dataset.partition('_')[2]}\n- search={search}\n- seed={number}\n"
    (run / ".hydra" / "overrides.yaml").write_text(overrides)
    if number % 10 == 9:
        status = {"state": "failed", "reason": "DataMissingError: no such table"}
        (run / "status.json").write_text(json.dumps(status))
        return
    (run / "summary.json").write_text(summary(number, dataset, search))
    seal(run, f"{number:016x}")


def summary(number: int, dataset: str, search: str) -> str:
    """Return the summary of a run, with other numbers for each run."""
    area = 0.5 + number * 7919 % 4999 / 10_000
    names = ("balanced_accuracy", "average_precision", "f1", "log_loss", "brier")
    return Summary(
        run_id=f"{number:016x}",
        dataset=dataset,
        mode=search,
        model="HistGradientBoosting",
        labels=["no", "yes"],
        n_train=800,
        n_test=200,
        n_rows_without_target=0,
        metrics={"roc_auc": area, "accuracy": area, **dict.fromkeys(names, area)},
        intervals={"roc_auc": (area - 0.01, area + 0.01), "accuracy": None},
        scoring="roc_auc",
        best_score=area,
        best_params={"clf__learning_rate": 0.1, "clf__max_leaf_nodes": 31},
        n_candidates=8,
        rungs=[800],
        not_scored=[],
        data=DataFingerprint("f" * 64, {f"column {i}": "0" * 16 for i in range(30)}),
        code="0" * 64,
        versions={"numpy": "2.4.6", "scikit-learn": "1.9.1"},
        platform={},
        git={"commit": None, "clean": None},
        workers=2,
        seconds={"searching": 9.5, "total": 12.25},
    ).to_json()


if __name__ == "__main__":
    main()
