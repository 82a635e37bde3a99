"""Where the seconds of a whole run go, beside its bare fits and the classic search.

`python -m benchmarks.run_time` runs breast_cancer with search=fast, and credit-g and adult with
search=full, evaluation and report included. The bare fits are a process that imports scikit-learn
and pandas, loads prepared arrays, and makes the fits of the search (`benchmarks.bare_fits`). All
are processes of their own, in turn; medians are printed. Where other work keeps the machine busy,
compare processor seconds; a busy search may start workers, which a quiet one does not.
"""

import argparse
import json
import os
import pickle
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

# Before numpy is loaded, as in `src.train`.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from benchmarks.measurement import CommandFailedError
from benchmarks.verdict import print_verdict

ROOT = Path(__file__).parents[1]
BARE = ROOT / "benchmarks" / "bare_fits.py"


@dataclass(frozen=True)
class Case:
    """A run, and its targets.

    times_bare: at most so many times the bare fits. times_faster: at least so many times faster
    than the search of the classic pipeline by scikit-learn's halving alone.
    """

    dataset: str
    search: str
    times_bare: float | None = None
    times_faster: float | None = None


CASES = (
    Case("breast_cancer", "fast", times_bare=1.5),
    Case("credit-g", "full", times_faster=6.0),
    Case("adult", "full", times_faster=8.0),
)
# Steps of a run by the row of the table that they are in.
ROWS = {
    "loading data": "load",
    "checking data": "check",
    "searching": "search",
    "deciding": "search",
    "refitting": "evaluate",
    "exporting": "evaluate",
    "evaluating": "evaluate",
    "writing": "write",
    "reporting": "report",
}


@dataclass(frozen=True)
class Took:
    """Seconds of a process on the clock and of processors, its children included."""

    wall: float
    processor: float


def run(command: Sequence[str], directory: Path) -> Took:
    """Run a command to its end; its standard output is in stdout.txt of the directory."""
    out = os.open(directory / "stdout.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    begin = perf_counter()
    # Not by `subprocess`: wait4 tells what this process has used, without those before it.
    actions = [(os.POSIX_SPAWN_DUP2, out, 1)]
    pid = os.posix_spawn(command[0], list(command), os.environ, file_actions=actions)
    _, status, used = os.wait4(pid, 0)
    seconds = perf_counter() - begin
    os.close(out)
    if (code := os.waitstatus_to_exitcode(status)) != 0:
        raise CommandFailedError(command, code, "its messages are above")
    return Took(seconds, used.ru_utime + used.ru_stime)


# --- The fits of a search, recorded.


def record_fits(words: Sequence[str], path: Path) -> int:
    """Search as a run does, in this process; write its fits and return their number."""
    from sklearn.base import clone

    from benchmarks.one_search import composed
    from tabproof import experiment, modeling
    from tabproof.search import RungSearchCV, fitting, rungs
    from tabproof.steps.search import make_plan

    config: Any = composed(*words)
    plan = make_plan(config)
    division = experiment.load_rows(config, plan)
    recorded: list[tuple[Any, Any, Any, int | None]] = []
    # By the pickled model after the first iterations: the fit that made it.
    places: dict[bytes, int] = {}

    def run_task(task: fitting.Task, n_threads: int | None) -> fitting.Fit:
        X, y = task.fold.X_train, task.fold.y_train
        if task.rows is not None:
            X, y = fitting.rows_of(X, y, task.rows)
        if (columns := fitting.splittable_columns(task.estimator, X)) is not None:
            X = X[:, columns]
        earlier = None if task.state is None else places[task.state]
        recorded.append((clone(task.estimator), X, y, earlier))
        fit = fitting.run_task(task, n_threads)
        if fit.state is not None:
            places[fit.state] = len(recorded) - 1
        return fit

    search = RungSearchCV(
        plan.pipelines[""],
        dict(plan.grids[""]),
        schedule=plan.schedule,
        min_resources=config.search.min_resources,
        scoring=modeling.scorer_for(config.search.scoring, len(division.table.labels)),
        cv=division.rows.folds(config.search.n_splits),
        n_jobs=1,
        random_state=config.seed,
    )
    rungs.run_task = run_task  # type: ignore[assignment]
    search.fit(division.X_train, division.y_train, groups=division.groups)
    rungs.run_task = fitting.run_task
    best = search.best_estimator_
    X = best[:-1].transform(division.X_train)
    recorded.append((clone(best[-1]), X, division.y_train, None))
    path.write_bytes(pickle.dumps(recorded, protocol=pickle.HIGHEST_PROTOCOL))
    return len(recorded)


# --- One run, with marks.


def print_marked(words: Sequence[str], directory: Path) -> None:
    """Train in this process, which was made for it, and print where its processor seconds go."""
    begin = process_time()
    from tabproof import cli, config
    from tabproof.runtime import progress

    checked, composing = config.check_command_line, 0.0
    began: list[float] = []

    def check(arguments: Sequence[str]) -> Any:
        nonlocal composing
        start = process_time()
        try:
            return checked(arguments)
        finally:
            composing = process_time() - start

    class Timings(progress.Timings):
        def __init__(self) -> None:
            began.append(process_time())
            super().__init__()

    config.check_command_line = check
    progress.Timings = Timings  # type: ignore[misc]
    # Steps are timed by it.
    progress.perf_counter = process_time  # type: ignore[attr-defined]
    sys.argv = ["src/train.py", *words, f"hydra.run.dir={directory}"]
    try:
        cli.main("train")
    except SystemExit as end:
        if end.code:
            raise
    seconds = json.loads((directory / "summary.json").read_text(encoding="utf-8"))["seconds"]
    rows = {"import": began[0] - begin - composing, "compose": composing}
    rows |= in_rows(seconds, process_time() - began[0])
    print(json.dumps(rows))


def in_rows(seconds: dict[str, float], total: float) -> dict[str, float]:
    """Return the seconds of steps by row of the table; what is not of a step is of `write`."""
    rows = dict.fromkeys(ROWS.values(), 0.0)
    steps = {name: seconds[name] for name in ROWS if name in seconds}
    for name, took in steps.items():
        rows[ROWS[name]] += took
    rows["write"] += total - sum(steps.values())
    return rows


# --- All runs of a case, in turn.


def compare(case: Case, data_home: str, repetitions: int, home: Path) -> bool:
    """Print the table of a case; return whether its target is met."""
    words = [f"dataset={case.dataset}", f"search={case.search}"]
    if case.dataset != "breast_cancer":
        words.append(f"dataset.data_home={data_home}")
    fits = home / f"{case.dataset}.fits"
    n_fits = record_fits(words, fits)
    train = [sys.executable, "-m", "src.train", *words]
    imports = [sys.executable, "-c", "import sklearn, pandas"]
    bare = [sys.executable, str(BARE), str(fits)]
    classic = [sys.executable, "-m", "benchmarks.one_search", "--engine", "halving"]
    classic += ["--dataset", case.dataset, "--data-home", data_home]
    took: dict[str, list[Took]] = {"run": [], "bare": [], "imports": []}
    steps, rows, halving = list[dict[str, float]](), list[dict[str, float]](), list[float]()
    for number in range(repetitions):
        directory = home / f"{case.dataset}_{number}"
        took["run"].append(run([*train, f"hydra.run.dir={directory}"], home))
        summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
        steps.append(summary["seconds"])
        took["bare"].append(run(bare, home))
        took["imports"].append(run(imports, home))
        marked = [sys.executable, "-m", "benchmarks.run_time", "--marked", f"{directory}_marked"]
        run([*marked, *words], home)
        rows.append(last_line(home))
        if case.times_faster is not None:
            run(classic, home)
            halving.append(last_line(home)["seconds"])

    wall, processor = (
        {name: median(getattr(one, what) for one in each) for name, each in took.items()}
        for what in ("wall", "processor")
    )
    print(f"\n{case.dataset}, search={case.search}, medians of {repetitions}: seconds")
    print(f"  {'':<34}{'clock':>8}{'processor':>11}")
    shown = [in_rows(each, each["total"]) for each in steps]
    for name in rows[0]:
        clock = median(each[name] for each in shown) if name in shown[0] else None
        used = median(each[name] for each in rows)
        print(f"  {name:<34}{'' if clock is None else f'{clock:.2f}':>8}{used:>11.2f}")
    others = processor["run"] - sum(median(each[name] for each in rows) for name in rows[0])
    print(f"  {'other processes, the interpreter':<34}{'':>8}{others:>11.2f}")
    for label, name in (
        ("the whole command", "run"),
        (f"bare: imports and {n_fits} fits", "bare"),
        ("import sklearn, pandas", "imports"),
    ):
        print(f"  {label:<34}{wall[name]:>8.2f}{processor[name]:>11.2f}")
    ratios = {
        what: median(
            getattr(ours, what) / getattr(bare, what)
            for ours, bare in zip(took["run"], took["bare"], strict=True)
        )
        for what in ("wall", "processor")
    }
    print(f"  {'command / bare':<34}{ratios['wall']:>8.2f}{ratios['processor']:>11.2f}")
    if case.times_bare is not None:
        return print_verdict("times the bare fits", ratios["processor"], at_most=case.times_bare)
    total = median(each["total"] for each in steps)
    print(f"  {'classic search, halving alone':<34}{median(halving):>8.2f}")
    faster = median(seconds / each["total"] for seconds, each in zip(halving, steps, strict=True))
    print(f"  {'the steps of the run':<34}{total:>8.2f}")
    return print_verdict("times faster", faster, at_least=case.times_faster)


def last_line(home: Path) -> dict[str, Any]:
    """Return the JSON that a command has printed last."""
    text = (home / "stdout.txt").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def main() -> int:
    """Print all tables; the exit code is 1 where a target is missed."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.run_time",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = [case.dataset for case in CASES]
    parser.add_argument("--datasets", nargs="+", default=known, choices=known)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--data-home", default="../shared/openml_home", help="OpenML downloads")
    parser.add_argument("--marked", type=Path, metavar="DIR", help=argparse.SUPPRESS)
    options, words = parser.parse_known_args()
    if options.marked is not None:
        print_marked(words, options.marked)
        return 0
    if words:
        parser.error(f"unknown: {' '.join(words)}")
    cases = [case for case in CASES if case.dataset in options.datasets]
    with tempfile.TemporaryDirectory(prefix="run_time_") as scratch:
        met = [
            compare(case, options.data_home, options.repetitions, Path(scratch)) for case in cases
        ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
