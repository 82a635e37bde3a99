"""A real cluster: a scheduler and workers on this machine, each a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tabproof.kernels import VARIABLES, processor_level
from tests.conftest import ROOT

# Workers load numpy before their first call.
KERNELS = VARIABLES.get(processor_level() or "", {})
SECONDS = 60
# By default a connection to a worker that was just killed is tried for half a minute.
PATIENCE = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s"}


class RealCluster:
    """Processes that end with the test, and by themselves should the test be killed."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._folder, self._n_started = folder, 0
        self.workers: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        self.scheduler = self._start(
            "scheduler",
            *("--port", "0", "--dashboard-address", "127.0.0.1:0"),
            *("--scheduler-file", str(file), "--idle-timeout", "300"),
            cwd=folder,
            environment=environment,
        )
        until(lambda: bool(_read(file)), self.scheduler)
        self.address: str = json.loads(_read(file))["address"]

    def add_worker(
        self, n_threads: int = 1, *, cwd: Path = ROOT, **environment: str
    ) -> subprocess.Popen[bytes]:
        worker = self._start(
            "worker",
            *(self.address, "--no-nanny", "--nthreads", str(n_threads), "--no-dashboard"),
            *("--local-directory", str(self._folder), "--death-timeout", "30"),
            cwd=cwd,
            environment=environment,
        )
        self.workers.append(worker)
        return worker

    def kill(self, place: int = 0) -> None:
        """Kill the worker that was added first, or another."""
        worker = self.workers.pop(place)
        worker.kill()
        worker.wait(timeout=SECONDS)

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=SECONDS)

    def _start(
        self, kind: str, *words: str, cwd: Path, environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        self._n_started += 1
        with (self._folder / f"{kind}{self._n_started}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", kind, "--host", "127.0.0.1", *words],
                cwd=cwd,
                env={**os.environ, **KERNELS, **PATIENCE, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


@contextmanager
def real_cluster(folder: Path, **environment: str) -> Iterator[RealCluster]:
    cluster = RealCluster(folder, **environment)
    try:
        yield cluster
    finally:
        cluster.end()


def until(holds: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert process is None or process.poll() is None, process
        assert time.monotonic() < end
        time.sleep(0.01)


def _read(path: Path) -> str:
    text = path.read_text() if path.exists() else ""
    return text if text.rstrip().endswith("}") else ""
