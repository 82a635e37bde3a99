"""Runs on a small table, and replays of them in this process."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tabproof import cli
from tabproof import config as conf
from tabproof.artifacts import run_id_of
from tabproof.artifacts.manifest import seal
from tabproof.experiment import run_experiment
from tests.conftest import composed


def trained(table: Path, to: Path, *overrides: str) -> Path:
    """Train on a file."""
    file = ["dataset=file", f"dataset.path={table}", "dataset.target=label"]
    run_experiment(composed(*file, "runtime.workers=1", *overrides), to)
    return to


def replayed(run: Path | str, *words: str) -> int:
    """Replay as the command line does, and give the exit code."""
    code = cli.run(cli.replay, [str(run), *words], "replay")
    assert isinstance(code, int)
    return code


def answer(capsys: pytest.CaptureFixture[str], run: Path | str, *words: str) -> tuple[int, str]:
    """Replay, and give the exit code and what was printed."""
    capsys.readouterr()
    code = replayed(run, *words)
    return code, capsys.readouterr().out


def line_of(said: str, what: str) -> str:
    """Return the result of one comparison."""
    return next(line for line in said.splitlines() if line.startswith(what.ljust(15)))


@cache
def _recomposed(text: str) -> conf.TrainConfig:
    return conf.recompose(text, [], to_its_end=True)[0]


def forged(run: Path, to: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Return a complete copy of a run with another summary and its run id."""
    shutil.copytree(run, to)
    summary = json.loads((to / "summary.json").read_text())
    change(summary)
    (to / "summary.json").write_text(json.dumps(summary))
    config = _recomposed((run / "config.yaml").read_text())
    facts = {key: summary.get(key) for key in ("code", "versions", "platform")}
    data = summary["data"]["sha256"]
    seal(to, run_id_of(config=conf.identity_of(config), data=data, **facts))
    return to


def sealed_again(run: Path) -> Path:
    """Seal what was changed in place, under the id that it had."""
    run_id = json.loads((run / "manifest.json").read_text())["run_id"]
    (run / "manifest.json").unlink()
    seal(run, run_id)
    return run
