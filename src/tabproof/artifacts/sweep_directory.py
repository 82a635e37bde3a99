"""The directory of a sweep: its plan, the process that runs it, and its jobs.

<sweep>/sweep.json    the command line, and what determines the numbers of the jobs
<sweep>/sweep.lock    held by the process that runs the sweep; names that process
<sweep>/sweep.log     a line for each start and end of a job, for grep
<sweep>/<job>/        a run directory
"""

import json
import os
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from tabproof.artifacts import files
from tabproof.artifacts.errors import ResumeDiffersError, RunningError
from tabproof.artifacts.provenance import as_plain
from tabproof.artifacts.run_directory import (
    HYDRAS,
    STATUS,
    SUMMARY,
    Plan,
    differences,
    read_plan,
    read_status,
)
from tabproof.errors import DirectoryTakenError, UserError

SWEEP_PLAN, SWEEP_LOCK = "sweep.json", "sweep.lock"
SWEEP_LOG, STOPPED = "sweep.log", "sweep.stopped"
SWEEP_FORMAT = 1
# A job checks twice a second whether its sweep still runs, and ends if not.
END_SECONDS = 5.0


class NoSweepError(UserError):
    """A directory holds no sweep that can be resumed."""

    template = (
        "{path} holds no sweep; sweep.resume takes the directory that a sweep named at its"
        " start, outputs/<date>/<time>_sweep_…"
    )


class SweepDirectory:
    """One sweep on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = ExitStack()

    def open(
        self, arguments: Sequence[str], determinants: Plan, *, n_jobs: int, accept_changes: bool
    ) -> None:
        """Lock the directory for this process, and write the plan or compare it.

        Raises RunningError where another process holds it, ResumeDiffersError where the plan has
        changed.
        """
        try:
            lock = self._lock.enter_context(files.locked(self.path / SWEEP_LOCK))
        except BlockingIOError as error:
            holder = (self.path / SWEEP_LOCK).read_text(encoding="utf-8").strip()
            raise RunningError(self.path, holder or "another process") from error
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {os.uname().nodename}")
        lock.flush()
        now = as_plain(determinants)
        if self.is_begun:
            differing = differences(self.plan["determinants"], now)
            if differing and not accept_changes:
                self.close()
                raise ResumeDiffersError(self.path, differing)
        else:
            plan = {"format": SWEEP_FORMAT, "arguments": list(arguments), "n_jobs": n_jobs}
            content = json.dumps({**plan, "determinants": now}, indent=2, ensure_ascii=False)
            files.write_atomically(self.path / SWEEP_PLAN, content.encode())
        (self.path / STOPPED).unlink(missing_ok=True)

    def close(self) -> None:
        """Release the directory, so that another process can resume the sweep."""
        self._lock.close()

    @property
    def is_begun(self) -> bool:
        """Whether the directory has a plan."""
        return (self.path / SWEEP_PLAN).exists()

    @property
    def plan(self) -> dict[str, Any]:
        """The plan; raises NoSweepError where the directory holds no sweep."""
        with suppress(OSError, ValueError, KeyError):
            plan = json.loads((self.path / SWEEP_PLAN).read_bytes())
            if isinstance(plan, dict) and isinstance(plan["arguments"], list):
                return plan
        raise NoSweepError(path=self.path)

    @property
    def jobs(self) -> list[Path]:
        """The directories of the jobs that have begun, in the order of their numbers."""

        def number(job: Path) -> tuple[int, str]:
            digits = job.name.partition("_")[0]
            return int(digits) if digits.isdecimal() else 0, job.name

        return sorted(map(Path, files.folders_of(self.path)), key=number)

    def mark(self, line: str) -> None:
        """Append a line to the log in one write, so that lines of several processes do not mix."""
        with (self.path / SWEEP_LOG).open("ab", buffering=0) as file:
            file.write(f"{line}\n".encode())

    def link_log(self, latest: Path) -> None:
        """Point a link at the log, where the file system has links."""
        with suppress(OSError):
            latest.parent.mkdir(exist_ok=True)
            files.point_to(latest, self.path / SWEEP_LOG)

    def stop(self) -> None:
        """Prevent further jobs from starting."""
        (self.path / STOPPED).touch()

    @property
    def is_stopped(self) -> bool:
        """Whether no more jobs may begin."""
        return (self.path / STOPPED).exists()


def clear_job(job: Path, *, keeps_fits: bool) -> bool:
    """Empty a job's directory for another try; return True where its search is resumed instead.

    Raises RunningError where its process still runs, DirectoryTakenError where it holds files
    that no run has written.
    """
    # After its sweep was killed, the process of a job ends by itself.
    deadline = time.monotonic() + END_SECONDS
    while True:
        status = None
        with suppress(OSError, ValueError):
            status = read_status(job)
        if status is None or status.state != "running" or not status.is_alive:
            break
        # A process on another machine cannot be seen: accepting changes means that it has ended.
        if not keeps_fits and status.host != socket.gethostname():
            break
        if time.monotonic() > deadline:
            holder = f"process {status.pid} on {status.host} (if that machine is gone:"
            raise RunningError(job, f"{holder} sweep.accept_changes=true)")
        time.sleep(0.1)
    if keeps_fits and read_plan(job) is not None:
        return True
    found = list(job.iterdir()) if job.is_dir() else []
    names = {path.name for path in found}
    # A run that is being completed has no status any more, but a summary.
    if names - HYDRAS and not names & {STATUS, SUMMARY}:
        raise DirectoryTakenError(job, sorted(names))
    # The files that identify a run go last: this process too may be killed.
    for path in sorted(found, key=lambda path: path.name in {STATUS, SUMMARY}):
        if path.name not in HYDRAS:
            files.remove(path)
    return False
