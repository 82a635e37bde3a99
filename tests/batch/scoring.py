"""Scoring as people do it, on the command line."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from tests.conftest import ROOT, process, typed_in

N_ROWS = 3_000


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "src.score", *map(str, words)]


def score(*words: object, code: int = 0, **options: Any) -> str:
    """Score as a user does; give what was said on both streams. Options are of a process."""
    done = process("score", *words, **options) if options else typed_in("score", *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def write_csv(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False)
    return path


def until_parts(folder: Path, at_least: int, scorer: subprocess.Popen[bytes]) -> None:
    for _ in range(6000):
        if len(list(folder.glob("*.part"))) >= at_least or scorer.poll() is not None:
            return
        time.sleep(0.002)


def stopped(words: list[str], parts: Path, signal_number: int) -> tuple[int, str]:
    # Those of a command before it say nothing of how far this one is.
    n_before = len(list(parts.glob("*.part")))
    scorer = subprocess.Popen(
        command(*words), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    until_parts(parts, n_before + 3, scorer)
    scorer.send_signal(signal_number)
    _, stderr = scorer.communicate(timeout=60)
    return scorer.returncode, stderr.decode()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
