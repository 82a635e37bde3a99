"""The directory of a sweep: its plan, the process that runs it, and its jobs.

<sweep>/sweep.json    the command line, and what determines the numbers of the jobs
<sweep>/sweep.lock    held by the process that runs the sweep; names that process
<sweep>/sweep.log     a line for each start and end of a job, for grep
<sweep>/<job>/        a run directory
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
# A job checks twice a second whether its sweep still runs, and ends if not.
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
        """Lock the directory for this process, and write the plan or compare it.

        Raises SweepRunningError where another process holds it, SweepDiffersError where the plan
        has changed.
        """
        try:
            lock = self._lock.enter_context(locked(self.path / LOCK))
        except BlockingIOError as error:
            holder = (self.path / LOCK).read_text(encoding="utf-8").strip()
            raise SweepRunningError(path=self.path, holder=holder or "another process") from error
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {os.uname().nodename}")
        lock.flush()
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

    def close(self) -> None:
        """Release the directory, so that another process can resume the sweep."""
        self._lock.close()

    @property
    def is_begun(self) -> bool:
        """Whether the directory has a plan."""
        return (self.path / PLAN).exists()

    @property
    def plan(self) -> dict[str, Any]:
        """The plan; raises NoSweepError where the directory holds no sweep."""
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
        """Append a line to the log in one write, so that lines of several processes do not mix."""
        with (self.path / LOG).open("ab", buffering=0) as file:
            file.write(f"{line}\n".encode())

    def link_log(self, latest: Path) -> None:
        """Point a link at the log, where the file system has links."""
        with suppress(OSError):
            latest.parent.mkdir(exist_ok=True)
            point_to(latest, self.path / LOG)

    def stop(self) -> None:
        """Prevent further jobs from starting."""
        (self.path / STOPPED).touch()

    @property
    def is_stopped(self) -> bool:
        """Whether no more jobs may begin."""
        return (self.path / STOPPED).exists()


def clear_job(job: Path, *, keeps_fits: bool) -> bool:
    """Empty a job's directory for another try; return True where its search is resumed instead.

    Raises JobRunningError where its process still runs, DirectoryTakenError where it holds files
    that no run has written.
    """
    _await_end(job, elsewhere_counts=keeps_fits)
    if keeps_fits and read_plan(job) is not None:
        return True
    found = list(job.iterdir()) if job.is_dir() else []
    names = {path.name for path in found}
    # A run that is being completed has no status any more, but a summary.
    if names - HYDRAS and not names & {STATUS, SUMMARY}:
        raise DirectoryTakenError(job, sorted(names))
    # The files that identify a run go last: this process too may be killed.
    for path in sorted(found, key=lambda path: path.name in {STATUS, SUMMARY}):
        if path.name in HYDRAS:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return False


def _await_end(job: Path, *, elsewhere_counts: bool) -> None:
    """Wait for the process of a job, which ends by itself after its sweep was killed.

    elsewhere_counts: whether a process on another machine, which cannot be seen, is assumed to run.
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


def timestamp() -> str:
    """Return the local time to the second, in ISO 8601."""
    return datetime.now().astimezone().isoformat(timespec="seconds")
