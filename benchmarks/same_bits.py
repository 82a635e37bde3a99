"""Show that a run has the same bits on every x86-64: one hash per model, over many machines.

`python -m benchmarks.same_bits` trains a small run of every model for each machine, in a process
of its own. A machine is what makes libraries choose other kernels: OPENBLAS_CORETYPE, numpy's
features, the functions of the C library, and threads. The hash is over predictions.parquet,
cv_results.csv without times, and scorer/. The control trains with runtime.portable=false: if all
machines agreed there, they would not be different machines.

`--emulated` trains on emulated processors too (qemu-user), which takes about ten minutes; `--all`
combines all settings, which takes hours; `--cases WORDS` trains only cases with these words;
`--cost 3` compares the processor time of portable runs and others.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from timeit import repeat

ROOT = Path(__file__).parents[1]
LINEAR = "logistic_regression"
BASE = ("search=none", "checks=none", "evaluation=minimal", "report=none", "runtime.progress=false")
# Words by name; labels=3 is a table of three labels.
CASES: Mapping[str, tuple[str, ...]] = {
    "hist_gradient_boosting": ("model=hist_gradient_boosting", "search=fast"),
    "hist_gradient_boosting, three labels": ("model=hist_gradient_boosting", "labels=3"),
    "hist_gradient_boosting_small": ("model=hist_gradient_boosting_small",),
    "random_forest": ("model=random_forest",),
    "extra_trees": ("model=extra_trees",),
    LINEAR: (f"model={LINEAR}", "preprocess=onehot", "search=fast"),
    f"{LINEAR}, three labels": (f"model={LINEAR}", "preprocess=onehot", "labels=3"),
    "target": ("preprocess=target", "labels=3"),
    f"{LINEAR}, hashing": (f"model={LINEAR}", "preprocess=hashing"),
    "lightgbm": ("model=lightgbm",),
    "xgboost": ("model=xgboost",),
    "xgboost, three labels": ("model=xgboost", "labels=3"),
    "catboost": ("model=catboost",),
    "vote": ("model=vote",),
    "portfolio": ("search=portfolio", "search.n_splits=3"),
    "onehot": ("preprocess=onehot",),
    "temperature": ("model=random_forest", "calibration=temperature"),
    "isotonic": ("model=vote", "calibration=isotonic"),
    "sigmoid": ("model=xgboost", "calibration=sigmoid"),
}
MACHINE = ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "GLIBC_TUNABLES")
CORES = ("Haswell", "Prescott", "Nehalem", "SkylakeX", "Zen")
FEATURES = ("", "AVX512_ICL AVX512_SPR", "X86_V4 AVX512_ICL AVX512_SPR")
TUNABLES = ("", "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW", "glibc.cpu.hwcaps=-AVX2,-FMA")
EMULATED = ("Haswell", "max", "Nehalem", "max,-avx2,-fma")
# Emulated processors are fifty times slower.
SMALL = (f"{LINEAR}, three labels", "hist_gradient_boosting, three labels")
REPORTED = "HASHES "


def main() -> None:
    """Print the hashes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="every combination of settings")
    parser.add_argument("--emulated", action="store_true", help="on emulated processors too")
    parser.add_argument("--cases", default="", help="only cases whose names have these words")
    parser.add_argument("--cost", type=int, metavar="N", help="only its cost, of N runs in turn")
    parser.add_argument("--data-home", default="../shared/openml_home", help="OpenML downloads")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.train is not None:
        print(REPORTED + json.dumps(train(**json.loads(asked.train))))
        return
    if asked.cost is not None:
        print_costs_of_a_row()
        print_costs(asked.cost, asked.data_home)
        return
    cases = [name for name in CASES if asked.cases in name]
    # By case and level: the machines of each hash.
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    jobs = [(name, [sys.executable], *rest, cases) for name, *rest in machines(every=asked.all)]
    if asked.emulated:
        # The path behind -0 lets Python find its environment.
        python = ["-0", sys.executable, os.path.realpath(sys.executable)]
        some = [case for case in SMALL if case in cases]
        for processor in EMULATED:
            emulator = ["qemu-x86_64", "-cpu", processor, *python]
            # A worker would be a process that is not emulated.
            jobs.append((f"emulated {processor}", emulator, {}, ["runtime=serial"], some))
    with TemporaryDirectory(prefix="same-bits-") as folder:
        for machine, command, environment, words, some in jobs:
            level, hashes = answer(command, folder, environment, some, words)
            print(f"{machine}: {level}", flush=True)
            for case, digest in hashes.items():
                found.setdefault((case, level), {}).setdefault(digest, []).append(machine)
        control = {
            answer(
                [sys.executable],
                folder,
                {"OPENBLAS_CORETYPE": core},
                [LINEAR],
                ["runtime.portable=false"],
            )[1][LINEAR]
            for core in CORES
        }
    print("\n| model | level | machines | SHA-256 |\n| --- | --- | --- | --- |")
    for (case, level), by_hash in sorted(found.items()):
        n_machines = sum(map(len, by_hash.values()))
        print(f"| {case} | {level} | {n_machines} | {', '.join(f'`{h}`' for h in by_hash)} |")
    differing = {key: by_hash for key, by_hash in found.items() if len(by_hash) > 1}
    for key, by_hash in differing.items():
        print("differs:", *key, by_hash)
    print(f"\ncontrol: {LINEAR} with runtime.portable=false has {len(control)} hashes")
    sys.exit(bool(differing) or len(control) < 2)


def machines(*, every: bool) -> Iterator[tuple[str, dict[str, str], list[str]]]:
    """Yield a name, the variables and the words of each machine."""
    settings = list(product(CORES, FEATURES, TUNABLES, (1, 2)))
    if not every:
        # Each core at both levels; the other settings take turns.
        settings = [
            (core, FEATURES[i % 3], tunables, 1 + (i + j) % 2)
            for i, core in enumerate(CORES)
            for j, tunables in enumerate((TUNABLES[i % 2], TUNABLES[2]))
        ]
    for core, features, tunables, n in settings:
        variables = {
            "OPENBLAS_CORETYPE": core,
            "NPY_DISABLE_CPU_FEATURES": features,
            "GLIBC_TUNABLES": tunables,
            "OMP_NUM_THREADS": str(n),
        }
        name = f"{core} [{features}] [{tunables}] {n} threads"
        set_variables = {name: value for name, value in variables.items() if value}
        yield name, set_variables, [f"runtime.workers={n}", f"runtime.openmp_threads={n}"]


def answer(
    python: list[str],
    folder: str,
    environment: Mapping[str, str],
    cases: list[str],
    words: list[str],
) -> tuple[str, dict[str, str]]:
    """Train in a new process; return the level, and the hash of each case."""
    kept = {name: value for name, value in os.environ.items() if name not in MACHINE}
    task = json.dumps({"cases": cases, "words": words})
    with TemporaryDirectory(dir=folder) as place:
        done = subprocess.run(
            [*python, "-m", "benchmarks.same_bits", "--train", task],
            cwd=place,
            env={**kept, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", **environment},
            capture_output=True,
            text=True,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith(REPORTED)]
    if not lines:
        sys.exit(done.stderr)
    level, hashes = json.loads(lines[-1].removeprefix(REPORTED))
    return level, hashes


def print_costs_of_a_row() -> None:
    """Print what the scorer's own exp and log cost for one row, in microseconds."""
    import numpy as np

    from tabproof.scorer import numbers

    def least(work: Callable[[], object]) -> float:
        return min(repeat(work, number=2000, timer=process_time)) / 2000 * 1e6

    three, one = np.array([[-0.3, -1.2, 0.0]]), np.array([-0.7], dtype=np.float32)
    two, two_32 = np.array([[0.3, 0.7]]), np.array([[0.3, 0.7]], dtype=np.float32)
    print("| one row | NumPy's | the scorer's |\n| --- | --- | --- |")
    for name, numpys, own in (
        ("exp of three labels", lambda: np.exp(three), lambda: numbers.exp_all(three)),
        ("XGBoost: exp of 32 bits", lambda: np.exp(one), lambda: numbers.exp32(one)),
        ("temperature: log of two", lambda: np.log(two), lambda: numbers.log_all(two)),
        ("the same, 32 bits", lambda: np.log(two_32), lambda: numbers.log32(two_32)),
    ):
        print(f"| {name} | {least(numpys):.1f} µs | {least(own):.1f} µs |")


def print_costs(n_runs: int, data_home: str) -> None:
    """Print the processor time of portable runs as a share of that of others, in turn."""
    print("| dataset | own kernels | portable | ratio |\n| --- | --- | --- | --- |")
    kept = {name: value for name, value in os.environ.items() if name not in MACHINE}
    train = [sys.executable, "-m", "src.train", "search=fast", f"data_home={data_home}"]
    for dataset in ("breast_cancer", "credit-g", "adult"):
        seconds: dict[str, list[float]] = {"false": [], "true": []}
        for portable in list(seconds) * n_runs:
            with TemporaryDirectory(prefix="same-bits-") as folder:
                words = [f"dataset={dataset}", f"runtime.portable={portable}"]
                child = subprocess.Popen(
                    [*train, *words, f"hydra.run.dir={folder}/run"],
                    env=kept,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                _, status, used = os.wait4(child.pid, 0)
            if status != 0:
                sys.exit(f"training on {dataset} failed")
            seconds[portable].append(used.ru_utime + used.ru_stime)
        own, fixed = (median(seconds[portable]) for portable in seconds)
        print(f"| {dataset} | {own:.1f} s | {fixed:.1f} s | {fixed / own:.2f} |", flush=True)


# --- In a process of its own: libraries choose their kernels once.


def train(cases: list[str], words: list[str]) -> tuple[str, dict[str, str]]:
    """Train in the current directory."""
    import tabproof

    portable = "runtime.portable=false" not in words
    if not portable:
        # The Python API fixes kernels unless numpy is there.
        import numpy  # noqa: F401
    fit = tabproof.train
    hashes, levels = {}, set()
    for n_labels in (2, 3):
        write_table(Path(f"table{n_labels}.csv"), n_labels)
    for case in cases:
        mine = list(CASES[case])
        n_labels = 3 if "labels=3" in mine else 2
        mine = [word for word in mine if word != "labels=3"]
        run = fit(f"table{n_labels}.csv", *BASE, *mine, *words, target="label")
        levels.add(run.summary.platform.get("level", "none"))
        hashes[case] = digest(run.path)
    (level,) = levels
    if portable == (level == "none"):
        sys.exit(f"a portable run has no level, or another one has: {level}")
    return level, hashes


def write_table(path: Path, n_labels: int) -> None:
    """Write numbers, categories, missing cells, dates and texts, and a target they explain."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(n_labels)
    n_rows = 400
    words = np.array(["late", "fine", "broken", "cheap", "quick", "slow", "never", "box"])
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, n_rows).astype(float),
            "income": rng.integers(1, 10**6, n_rows) / 100,
            "ratio": rng.integers(0, 10**6, n_rows) / 10**6,
            "city": rng.choice(list("abcdefghijklmnop"), n_rows),
            "job": rng.choice(["clerk", "smith", "nurse"], n_rows),
            "joined": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 2000, n_rows), "D"),
            "note": [" ".join(rng.choice(words, 6)) for _ in range(n_rows)],
        }
    )
    score = frame["age"] / 30 + 3 * frame["ratio"] + (frame["city"] < "f")
    score += frame["note"].str.contains("broken") + rng.integers(0, 1000, n_rows) / 500
    for name in ("age", "income", "city", "joined"):
        frame[name] = frame[name].mask(rng.integers(0, 10, n_rows) == 0)
    frame["label"] = pd.qcut(score, n_labels, labels=list("nyz"[:n_labels])).astype(str)
    frame.to_csv(path, index=False)


def digest(run: Path) -> str:
    """Return the hash of what a run has computed."""
    import pandas as pd

    results = pd.read_csv(run / "cv_results.csv", dtype=str)
    kept = results.drop(columns=[name for name in results if "time" in name or "second" in name])
    parts = [(run / "predictions.parquet").read_bytes(), kept.to_csv(index=False).encode()]
    parts += [path.read_bytes() for path in sorted((run / "scorer").iterdir())]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


if __name__ == "__main__":
    main()
