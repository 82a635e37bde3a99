"""The time of evaluation, plots and pages next to the search: `python -m benchmarks.evaluation`.

Each run is a process of its own; its summary.json has the seconds of every step. Medians are taken
of ratios within a run, so that both of their sides were measured at the same time.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.command import DATA_HOME
from benchmarks.measurement import measure
from benchmarks.verdict import print_verdict

TRAIN = [sys.executable, "-m", "src.train"]
MAX_SHARE, MAX_SECONDS = 0.25, 3.0
# The steps after the search whose results are for people.
STEPS = ("evaluating", "reporting")


def main() -> None:
    """Measure adult, by search=full, and breast_cancer, by search=fast."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-home", default=DATA_HOME, help="where adult lies")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        here = Path(folder)
        adult = ["dataset=adult", f"dataset.data_home={options.data_home}", "search=full"]
        met = [
            print_share("adult", train(adult, options.repetitions, here / "adult")),
            print_seconds(
                "breast_cancer", train(["search=fast"], options.repetitions, here / "bc")
            ),
        ]
        small = train([*adult, "evaluation=minimal"], 1, here / "minimal")
        print(f"  adult, evaluation=minimal {after_search(small[0]):10.2f} s")
    sys.exit(0 if all(met) else 1)


def train(overrides: list[str], n_times: int, folder: Path) -> list[dict[str, float]]:
    """Return the seconds per step of each run."""
    found = []
    for number in range(n_times):
        run = folder / str(number)
        run.mkdir(parents=True)
        output = folder / f"output_{number}"
        output.mkdir()
        measure([*TRAIN, *overrides, f"hydra.run.dir={run / 'run'}"], output)
        found.append(json.loads((run / "run" / "summary.json").read_bytes())["seconds"])
    return found


def after_search(seconds: dict[str, float]) -> float:
    """Add up evaluation, plots and pages."""
    return sum(seconds[step] for step in STEPS)


def print_share(name: str, found: list[dict[str, float]]) -> bool:
    """Print the steps next to the search."""
    print_steps(name, found)
    for whole in ("searching", "total"):
        share = median(after_search(seconds) / seconds[whole] for seconds in found)
        if whole == "searching":
            print(f"  {name + ', next to the search':<26}{share:10.2f}")
    return print_verdict(f"{name}, share of the run", share, at_most=MAX_SHARE)


def print_seconds(name: str, found: list[dict[str, float]]) -> bool:
    """Print the steps, and their sum."""
    print_steps(name, found)
    return print_verdict(f"{name}, seconds", median(map(after_search, found)), at_most=MAX_SECONDS)


def print_steps(name: str, found: list[dict[str, float]]) -> None:
    """Print the median of each step."""
    steps = {step: median(each[step] for each in found) for step in found[0]}
    print(f"{name}: " + ", ".join(f"{step} {value:.2f} s" for step, value in steps.items()))


if __name__ == "__main__":
    main()
