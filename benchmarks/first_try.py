"""The first command on odd files and on 13 public tables: `python -m benchmarks.first_try`.

Every file should train at the first command, with every cell as it stands in the file, or be
refused for a reason that docs/data.md lists. Files are made by code (benchmarks/odd_files). Most
commands run in forks of one process; every tenth is run by the real command line as well, which
must come to the same. `--autogluon PYTHON` shows AutoGluon on the same files: PYTHON is an
interpreter that has `autogluon.tabular[lightgbm,catboost,xgboost]` and openpyxl.

    python -m benchmarks.first_try [--datasets DIR] [--autogluon PYTHON] [--only WORD …]
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.first_try_checks import REFUSED, RIGHT, WEAK, WRONG, Seen, Verdict, judge
from benchmarks.odd_files import OddFile, make_files

ROOT = Path(__file__).parents[1]
PUBLIC = "public tables"
# What only costs time here: the first command is judged by what it reads and whether it trains.
CHEAP = ("search=none", "evaluation=minimal", "report=none", "runtime=serial")
REAL_SHARE = 10
AUTOGLUON_SECONDS = 20.0
OUTCOMES = (RIGHT, WEAK, WRONG, REFUSED)
WIDTH = 150


def public_tables(folder: Path | None) -> list[OddFile]:
    """Return the tables that index.csv of the folder lists."""
    if folder is None or not (folder / "index.csv").exists():
        print(f"skipped: {PUBLIC}, since there is no index.csv in --datasets {folder}")
        return []
    with (folder / "index.csv").open() as file:
        entries = list(csv.DictReader(file))
    return [
        OddFile(
            entry["file"],
            str((folder / entry["file"]).resolve()),
            entry["target"],
            PUBLIC,
            least_auc=0.6,
        )
        for entry in entries
    ]


def command_words(file: OddFile, extra: Sequence[str]) -> list[str]:
    """Return the words after `train` that a user types first."""
    path = "-" if file.is_piped else file.path
    return [*extra, f"dataset.path={path}", f"dataset.target={file.target}", *file.words, *CHEAP]


def run_tabproof(
    files: Sequence[OddFile],
    folder: Path,
    project: Path,
    extra: Sequence[str],
    *,
    mode: str = "train",
) -> tuple[list[Seen], list[float]]:
    """Train on every file in forks of one process; return what was seen, and the seconds."""
    folder.mkdir(parents=True)
    entries = [
        {
            "words": command_words(file, extra),
            "piped": file.path if file.is_piped else None,
            "path": file.path,
            "target": file.target,
        }
        for file in files
    ]
    (folder / "files.json").write_text(json.dumps(entries))
    environment = _environment(project)
    command = [sys.executable, "-m", "benchmarks.first_try_runs", str(folder / "files.json")]
    command += [str(project), mode]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    results = json.loads((folder / "results.json").read_text())
    seen = [_seen_by_tabproof(folder / f"{i:03}", each["code"]) for i, each in enumerate(results)]
    return seen, [each["seconds"] for each in results]


def _environment(project: Path) -> dict[str, str]:
    paths = os.pathsep.join(map(str, (project / "src", project, ROOT)))
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _seen_by_tabproof(folder: Path, code: int) -> Seen:
    log = (folder / "stderr.txt").read_text(errors="replace")
    log += (folder / "stdout.txt").read_text(errors="replace")
    if code != 0:
        return Seen(error=_error_of(log, code), log=log)
    read = json.loads((folder / "table.json").read_text())
    summary = folder / "run" / "summary.json"
    auc = json.loads(summary.read_text())["metrics"]["roc_auc"] if summary.exists() else None
    return Seen(None, read["columns"], read["labels"], auc, log)


def _error_of(log: str, code: int) -> str:
    """Return the line that says why; a traceback is marked as such."""
    if code < 0:
        return "killed"
    lines = [line for line in log.strip().splitlines() if line]
    errors = [i for i, line in enumerate(lines) if line.startswith("error")]
    text = "\n".join(lines[errors[-1] :]) if errors else lines[-1] if lines else "no output"
    return f"Traceback … {text}" if "Traceback" in log or not errors else text


def check_real_commands(
    files: Sequence[OddFile],
    seen: Sequence[Seen],
    folder: Path,
    project: Path,
    extra: Sequence[str],
    share: int,
) -> list[str]:
    """Run every n-th file by the real command; return where it comes to something else."""
    differences = []
    for file, forked in list(zip(files, seen, strict=True))[::share]:
        place = folder / "real"
        words = [*command_words(file, extra), f"hydra.run.dir={place}/{abs(hash(file.name))}"]
        with open(file.path if file.is_piped else os.devnull, "rb") as stdin:  # noqa: PTH123
            done = subprocess.run(
                [sys.executable, "-m", "src.train", *words],
                cwd=project,
                env=_environment(project),
                stdin=stdin,
                capture_output=True,
                text=True,
                errors="replace",
            )
        found = re.search(r"AUC=(\S+)", done.stdout)
        auc = None if found is None else found[1]
        expected = None if forked.auc is None else f"{forked.auc:.4f}"
        if (done.returncode == 0) != (forked.error is None) or auc != expected:
            differences.append(f"{file.name}: AUC {auc} by the command, {expected} in a fork")
    return differences


def run_autogluon(
    files: Sequence[OddFile], folder: Path, python: str
) -> tuple[list[Seen], list[float]]:
    """Train AutoGluon on every file with another interpreter."""
    folder.mkdir(parents=True)
    entries = [{"path": file.path, "target": file.target} for file in files]
    (folder / "files.json").write_text(json.dumps(entries))
    command = [python, "-m", "benchmarks.first_try_autogluon", str(folder / "files.json")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, str(AUTOGLUON_SECONDS)], cwd=ROOT, env=environment, check=True)
    results = json.loads((folder / "results.json").read_text())
    seen = []
    for number, result in enumerate(results):
        place = folder / f"{number:03}"
        if result["code"] == 0:
            read = json.loads((place / "table.json").read_text())
            seen.append(Seen(**read))
        else:
            lines = (place / "stderr.txt").read_text(errors="replace").strip().splitlines()
            # A library's users are used to tracebacks: its last line is the error.
            seen.append(Seen(error=lines[-1] if lines else "killed"))
    return seen, [each["seconds"] for each in results]


def verdicts_of(files: Sequence[OddFile], seen: Sequence[Seen]) -> list[Verdict]:
    """Judge each file."""
    return [judge(file, each) for file, each in zip(files, seen, strict=True)]


def print_groups(
    title: str, files: Sequence[OddFile], verdicts: Sequence[Verdict], seconds: Sequence[float]
) -> None:
    """Print the outcomes of each group of files, and of all."""
    print(f"\n{title}")
    print(
        f"  {'':<24}{'files':>6}{'trained':>9}" + "".join(f"{o:>9}" for o in OUTCOMES) + "  seconds"
    )
    groups = list(dict.fromkeys(file.group for file in files))
    for group in [*groups, "all"]:
        chosen = [i for i, file in enumerate(files) if group in ("all", file.group)]
        counts = [sum(verdicts[i].outcome == outcome for i in chosen) for outcome in OUTCOMES]
        trained = sum(verdicts[i].is_trained for i in chosen)
        figures = "".join(f"{count:>9}" for count in counts)
        spent = sum(seconds[i] for i in chosen)
        print(f"  {group:<24}{len(chosen):>6}{trained:>9}{figures}{spent:>9.0f}")
    share = sum(verdict.outcome == RIGHT for verdict in verdicts) / len(verdicts)
    print(f"  right: {share:.1%} of {len(files)} files")


def print_failures(
    files: Sequence[OddFile], verdicts: Sequence[Verdict], outcomes: Sequence[str]
) -> None:
    """Print each file that is not right, with the reason."""
    for outcome in outcomes:
        for file, verdict in zip(files, verdicts, strict=True):
            if verdict.outcome == outcome:
                reason = " | ".join(verdict.reasons).replace("\n", " ")
                print(f"  {outcome:<8} {file.group} / {file.name!r}: {reason[:WIDTH]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print all; the exit code is 1 if a file is not right."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--datasets",
        type=Path,
        help="folder of public tables with index.csv",
        default=os.environ.get("TABPROOF_BENCHMARK_DATASETS"),
    )
    parser.add_argument("--autogluon", metavar="PYTHON", help="interpreter that has AutoGluon")
    parser.add_argument("--only", nargs="+", default=[], help="files or groups with such a word")
    parser.add_argument("--project", type=Path, default=ROOT, help="another checkout to measure")
    parser.add_argument("--words", nargs="*", default=[], help="further words of every command")
    parser.add_argument(
        "--real",
        type=int,
        default=REAL_SHARE,
        metavar="N",
        help="run every N-th file by the real command too; 0: none",
    )
    parser.add_argument("--keep", type=Path, help="folder to keep files and runs in; a new one")
    parser.add_argument("--json", type=Path, help="write all verdicts to this file")
    parser.add_argument(
        "--mode",
        choices=("train", "read", "quick"),
        default="train",
        help="read: load and divide every table, nothing else; quick: train where that succeeds",
    )
    options = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="first_try_") as temporary:
        folder = options.keep or Path(temporary)
        files = [
            *make_files(folder / "files"),
            *public_tables(options.datasets and Path(options.datasets)),
        ]
        if options.only:
            files = [
                f for f in files if any(word in f"{f.group} / {f.name}" for word in options.only)
            ]
        if options.mode == "read":
            files = [replace(file, least_auc=None) for file in files if not file.is_piped]
        project = options.project.resolve()
        seen, seconds = run_tabproof(
            files, folder / "runs", project, options.words, mode=options.mode
        )
        verdicts = verdicts_of(files, seen)
        print_groups("tabproof", files, verdicts, seconds)
        print_failures(files, verdicts, (WRONG, WEAK, REFUSED))
        differences = []
        if options.real and options.mode != "read":
            differences = check_real_commands(
                files, seen, folder, project, options.words, options.real
            )
            n = len(files[:: options.real])
            print(
                f"  by the real command line: {n} files, {len(differences)} came to something else"
            )
            print("".join(f"    {line}\n" for line in differences), end="")
        written: dict[str, Any] = {"tabproof": _as_json(files, verdicts, seconds)}
        if options.autogluon:
            seen, seconds = run_autogluon(files, folder / "autogluon", options.autogluon)
            theirs = verdicts_of(files, seen)
            print_groups("AutoGluon, medium_quality", files, theirs, seconds)
            print_failures(files, theirs, (WRONG, REFUSED))
            written["autogluon"] = _as_json(files, theirs, seconds)
            trained = [sum(v.is_trained for v in each) for each in (verdicts, theirs)]
            print(f"\ntrained: tabproof {trained[0]}, AutoGluon {trained[1]}, of {len(files)}")
        if options.json:
            options.json.write_text(json.dumps(written, indent=1, ensure_ascii=False))
    is_good = all(verdict.outcome == RIGHT for verdict in verdicts) and not differences
    return 0 if is_good else 1


def _as_json(
    files: Sequence[OddFile], verdicts: Sequence[Verdict], seconds: Sequence[float]
) -> list[dict[str, Any]]:
    return [
        {
            "group": file.group,
            "name": file.name,
            "outcome": verdict.outcome,
            "trained": verdict.is_trained,
            "reasons": verdict.reasons,
            "seconds": round(spent, 2),
        }
        for file, verdict, spent in zip(files, verdicts, seconds, strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main())
