"""A server in a process of its own: start it, send requests, stop it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from benchmarks.adult import ROOT

HOST = "127.0.0.1"
JSON = {"Content-Type": "application/json"}
# The same for every server that is compared.
UVICORN = (
    *("uvicorn", "--loop", "uvloop", "--http", "httptools", "--no-access-log"),
    *("--log-level", "warning"),
)
GRANIAN = (
    *("granian", "--interface", "asgi", "--loop", "uvloop", "--no-access-log"),
    *("--log-level", "warning", "--workers", "1", "--runtime-threads", "1"),
)
START_SECONDS, STOP_SECONDS, ANSWER_SECONDS = 60, 60, 60
POLLING_SECONDS = 0.002
N_LINES_SHOWN = 10


class ServerFailedError(Exception):
    """A server ended, or did not answer in time."""

    def __init__(self, application: str, what: str, log: Path) -> None:
        last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-N_LINES_SHOWN:])
        super().__init__(f"{application} {what}; the end of its log:\n{last_lines}")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; content is None where the body is not JSON."""

    status: int
    content: Any


@dataclass(frozen=True)
class Application:
    """The application, its environment variables, and the command of the server that runs it."""

    target: str
    environment: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = UVICORN


class Service:
    """A server; core: the only core that it may use."""

    def __init__(self, application: Application, log: Path, core: int | None = None) -> None:
        self.application = application
        self.log = log
        self.port = free_port()
        command = [sys.executable, "-m", *application.command, application.target]
        pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [*pinned, *command, "--host", HOST, "--port", str(self.port)],
                cwd=ROOT,
                env={**os.environ, **application.environment},
                stdout=file,
                stderr=file,
            )

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://{HOST}:{self.port}"

    def ask(
        self, method: str, path: str, content: Any = None, headers: Mapping[str, str] = JSON
    ) -> Answer:
        """Send a request on a connection of its own. Raises OSError or HTTPException."""
        connection = HTTPConnection(HOST, self.port, timeout=ANSWER_SECONDS)
        try:
            body = None if content is None else json.dumps(content).encode()
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        with suppress(ValueError):
            return Answer(response.status, json.loads(text))
        return Answer(response.status, None)

    def wait_for(self, path: str, content: Any = None) -> Answer:
        """Repeat a request until the answer is 200."""
        deadline = monotonic() + START_SECONDS
        while monotonic() < deadline:
            if (code := self.process.poll()) is not None:
                raise ServerFailedError(self.application.target, f"ended with {code}", self.log)
            with suppress(OSError, HTTPException):
                answer = self.ask("GET" if content is None else "POST", path, content)
                if answer.status == 200:
                    return answer
            sleep(POLLING_SECONDS)
        what = f"answered no 200 to {path} within {START_SECONDS} s"
        raise ServerFailedError(self.application.target, what, self.log)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    @property
    def is_alive(self) -> bool:
        """Return whether the process still runs."""
        return self.process.poll() is None

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds so far, with those of its workers, to about a hundredth of a second."""
        return sum(map(_cpu_seconds, _with_children(self.process.pid)))

    @property
    def resident_mb(self) -> float:
        """VmRSS in megabytes of 10^6 bytes, with that of its workers."""
        return sum(map(_resident_mb, _with_children(self.process.pid)))


def _with_children(process: int) -> list[int]:
    tasks = Path("/proc", str(process), "task").iterdir()
    children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    return [process, *(pid for child in children for pid in _with_children(child))]


def _cpu_seconds(process: int) -> float:
    stat = Path("/proc", str(process), "stat").read_text(encoding="utf-8")
    # Its name, in parentheses, may hold anything.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(process: int) -> float:
    status = Path("/proc", str(process), "status").read_text(encoding="ascii")
    # A process that has ended has none.
    kib = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return sum(map(int, kib)) * 1024 / 1e6


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
    return port


def our_application(directory: Path, token: str = "") -> Application:
    """Return the real service of directory/outputs and directory/models."""
    roots = {"API_OUTPUTS": directory / "outputs", "API_MODELS": directory / "models"}
    for root in roots.values():
        root.mkdir(exist_ok=True)
    environment = {name: str(root.absolute()) for name, root in roots.items()}
    return Application("api.app:app", {**environment, "API_ADMIN_TOKEN": token})
