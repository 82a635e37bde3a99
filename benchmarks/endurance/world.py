"""The environment of the checks: two runs of adult, outputs, models and a server."""

import argparse
import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from benchmarks.adult import ROOT, HoldOut, read_hold_out, train
from benchmarks.answers import one_row
from benchmarks.measurement import CommandFailedError
from benchmarks.service import Answer, Service, our_application

NAME = "adult"
N_ROWS = 200
# Without a promotion the service takes the first: the newest complete run of the newest day.
DAY, LATER = "2000-01-02", "2000-01-01"


class CheckFailedError(Exception):
    """The service, or a library of it, broke a rule."""


class World:
    """One temporary directory for all checks; its models are trained when they are first needed."""

    def __init__(self, directory: Path, sizes: argparse.Namespace) -> None:
        self.directory = directory
        self.sizes = sizes
        self.token = secrets.token_hex()
        self.outputs, self.models = directory / "outputs", directory / "models"

    @cached_property
    def first(self) -> Path:
        """A run; nothing may change it."""
        return train(self.outputs / DAY / "first", self.sizes.data_home)

    @cached_property
    def second(self) -> Path:
        """A run of another model, with another probability for every row."""
        slower = "+model.estimator.learning_rate=0.05"
        return train(self.outputs / LATER / "second", self.sizes.data_home, slower)

    def hold_out(self, run: Path) -> HoldOut:
        """Rows that both runs held out, and this run's probabilities."""
        return read_hold_out(run, self.sizes.data_home, N_ROWS)

    def copy_of(self, run: Path, name: str) -> Path:
        """Copy a run to a path that the service may read, and replace what is there."""
        copy = self.outputs / LATER / name
        shutil.rmtree(copy, ignore_errors=True)
        return Path(shutil.copytree(run, copy, symlinks=True))

    def serve(self) -> Service:
        """Start the real service; nothing is promoted unless a check has done it."""
        ours = our_application(self.directory, self.token)
        workers = ("--workers", str(self.sizes.workers)) if self.sizes.workers > 1 else ()
        application = replace(ours, command=(*ours.command, *workers))
        return Service(application, self.directory / "api.log")

    def forget_promotions(self) -> None:
        """Remove all promotions, so that the newest run is served."""
        shutil.rmtree(self.models, ignore_errors=True)

    def run_door(self, *arguments: str) -> None:
        """Run `python -m src.runs …`."""
        command = [sys.executable, "-m", "src.runs", *arguments, f"--models={self.models}"]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise CommandFailedError(command, ended.returncode, ended.stderr)

    def reload(self, service: Service, path: str | Path | None = None) -> Answer:
        """Post /reload as an operator does."""
        asked = "" if path is None else f"?path={quote(str(path), safe='')}"
        return service.ask("POST", f"/reload{asked}", headers=self.authorization)

    @property
    def authorization(self) -> dict[str, str]:
        """The header that allows a reload."""
        return {"Authorization": f"Bearer {self.token}"}


def run_id_of(run: Path) -> str:
    """Read a run's id."""
    run_id: str = json.loads((run / "summary.json").read_text(encoding="utf-8"))["run_id"]
    return run_id


def run_named_in(answer: Answer) -> str | None:
    """Return the id of the run that answered."""
    return answer.content.get("run_id") if isinstance(answer.content, dict) else None


def wait_until_serving(service: Service, hold_out: HoldOut) -> Answer:
    """Wait for the first answer to a row."""
    return service.wait_for("/predict", one_row(hold_out.rows[0]))


def require(condition: bool, reason: str) -> None:
    """Raise CheckFailedError unless the condition holds."""
    if not condition:
        raise CheckFailedError(reason)


def in_words(faults: Sequence[str], n_shown: int = 5) -> str:
    """Show the first of many faults."""
    return f"{len(faults)} fault(s), such as: " + "; ".join(faults[:n_shown])
