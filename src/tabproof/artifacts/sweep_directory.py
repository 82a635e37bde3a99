"""The directory of a sweep: what it is made of, who runs it, and the course of its jobs.

<sweep>/sweep.json    the command line, and what determines the numbers of its jobs
<sweep>/sweep.lock    held by the process that runs it, which it names
<sweep>/sweep.log     markers of the jobs, for grep
<sweep>/<job>/        a run, as any other
"""

import json
import os
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from tabproof.artifacts.checkpoint import differences, read_plan
from tabproof.artifacts.errors import (
    JobRunningError,
    NoSweepError,
    SweepDiffersError,
    SweepRunningError,
)
from tabproof.artifacts.files import locked, point_to, write_atomically
from tabproof.artifacts.find import folders_of
from tabproof.artifacts.provenance import as_plain
from tabproof.artifacts.run_directory import HYDRAS, STATUS, SUMMARY, read_status
from tabproof.errors import DirectoryTakenError

PLAN, LOCK, LOG, STOPPED = "sweep.json", "sweep.lock", "sweep.log", "sweep.stopped"
FORMAT = 1
# A job looks twice a second whether its sweep is still there, if it is let.
END_SECONDS = 5.0


class SweepDirectory:
    """One sweep on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = ExitStack()

    def open(
        self,
        arguments: Sequence[str],
        determinants: Mapping[str, Any],
        *,
        n_jobs: int,
        accept_changes: bool,
    ) -> None:
        """Take it for this process; raises where another has it, or it was of something else."""
        self._take()
        now = as_plain(determinants)
        if (self.path / PLAN).exists():
            differing = differences(self.plan["determinants"], now)
            if differing and not accept_changes:
                self.close()
                raise SweepDiffersError(self.path, differing)
        else:
            plan = {
                "format": FORMAT,
                "arguments": list(arguments),
                "n_jobs": n_jobs,
                "determinants": now,
            }
            content = json.dumps(plan, indent=2, ensure_ascii=False).encode()
            write_atomically(self.path / PLAN, content)
        (self.path / STOPPED).unlink(missing_ok=True)

    def _take(self) -> None:
        try:
            lock = self._lock.enter_context(locked(self.path / LOCK))
        except BlockingIOError as error:
            holder = (self.path / LOCK).read_text(encoding="utf-8").strip()
            raise SweepRunningError(path=self.path, holder=holder or "another process") from error
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {os.uname().nodename}")
        lock.flush()

    def close(self) -> None:
        """Let another process go on."""
        self._lock.close()

    @property
    def is_begun(self) -> bool:
        """Whether it is a sweep whose jobs are processes of their own."""
        return (self.path / PLAN).exists()

    @property
    def plan(self) -> dict[str, Any]:
        """What it is made of; raises NoSweepError where it is no sweep."""
        try:
            plan = json.loads((self.path / PLAN).read_bytes())
            if isinstance(plan, dict) and isinstance(plan["arguments"], list):
                return plan
        except (OSError, ValueError, KeyError) as error:
            raise NoSweepError(path=self.path) from error
        raise NoSweepError(path=self.path)

    @property
    def jobs(self) -> list[Path]:
        """The directories of the jobs that have begun, in the order of their numbers."""

        def number(job: Path) -> tuple[int, str]:
            digits = job.name.partition("_")[0]
            return int(digits) if digits.isdecimal() else 0, job.name

        return sorted(map(Path, folders_of(self.path)), key=number)

    def mark(self, line: str) -> None:
        """Add a line to the log, whole whoever else is adding one."""
        with (self.path / LOG).open("ab", buffering=0) as file:
            file.write(f"{line}\n".encode())

    def lead_here(self, latest: Path) -> None:
        """Let a link lead to the log, where the file system has links."""
        with suppress(OSError):
            latest.parent.mkdir(exist_ok=True)
            point_to(latest, self.path / LOG)

    def stop(self) -> None:
        """Let no further job begin."""
        (self.path / STOPPED).touch()

    @property
    def is_stopped(self) -> bool:
        """Whether no further job shall begin."""
        return (self.path / STOPPED).exists()


def cleared(job: Path, *, keeps_fits: bool) -> bool:
    """Make a job's directory fit for another try; True where a search in it goes on.

    Raises JobRunningError where its process lives, DirectoryTakenError where it holds what no
    run has left.
    """
    _await_end(job, elsewhere_counts=keeps_fits)
    if keeps_fits and read_plan(job) is not None:
        return True
    found = list(job.iterdir()) if job.is_dir() else []
    names = {path.name for path in found}
    # Sealing begins when the status is gone.
    if names - HYDRAS and not names & {STATUS, SUMMARY}:
        raise DirectoryTakenError(job, sorted(names))
    # What tells whose files they are goes last: this too may be killed.
    for path in sorted(found, key=lambda path: path.name in {STATUS, SUMMARY}):
        if path.name in HYDRAS:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return False


def _await_end(job: Path, *, elsewhere_counts: bool) -> None:
    """Wait for the process of a job that ends as its sweep was killed.

    elsewhere_counts: of another machine's process nobody knows, so it is taken to be there.
    """
    deadline = time.monotonic() + END_SECONDS
    while True:
        try:
            status = read_status(job)
        except (OSError, ValueError):
            return
        if status is None or status.state != "running" or not status.is_alive:
            return
        if not elsewhere_counts and status.host != socket.gethostname():
            return
        if time.monotonic() > deadline:
            raise JobRunningError(job=job, pid=status.pid, host=status.host)
        time.sleep(0.1)


def now_in_words() -> str:
    """Give the time, to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")
